"""`Context`: what a task may know of the call it is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from .progress import update

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

    def update_progress(self, fraction: float, details: Any = None) -> None:
        """Say how far the call has come: 0 to 1, and anything storable; UsageError for another number, or after it."""
        update(fraction, details)
