"""What a command that is interrupted has to know: which run it has begun."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from .. import telemetry


@contextmanager
def noting(ids: list[UUID]) -> Iterator[None]:
    """Note the id of the run as soon as it is in the log."""

    def hear(event: str, facts: dict[str, Any]) -> None:
        if event == "append.after" and not ids:
            ids.extend(facts["runs"])

    stop = telemetry.listen(hear)
    try:
        yield
    finally:
        stop()
