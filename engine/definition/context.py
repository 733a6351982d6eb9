"""`Context`: what a task may know of the call it is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:  # this room is pure: it names these types and never uses them
    from logging import Logger, LoggerAdapter
    from uuid import UUID


@attrs.frozen
class Context:
    """Handed to a task that takes a parameter named `context`, or one annotated with this class.

    `execution` counts how often the atom was started anew, `attempt` the tries of that execution, both from 1.
    `idempotency_key` is the same for all attempts of one execution and differs between execute and revert.
    """

    run_id: UUID
    atom: str
    execution: int
    attempt: int
    idempotency_key: str
    logger: Logger | LoggerAdapter[Any]
