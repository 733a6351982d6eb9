"""`Looking`: the half of the engine that only reads: runs, their history, the chain. No code of a flow is needed for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from ...errors import UsageError
from ...store import log
from ...store.io import Operation
from ...store.report import Verification
from ...store.session import Session
from ...store.verify import verify
from .taking import as_id, look
from .views import Record, Run

T = TypeVar("T")


class Looking:
    """What can be asked of the log; a subclass has the connection."""

    @property
    def session(self) -> Session:
        """The connection of the thread that asks."""
        raise NotImplementedError

    def state(self, run_id: UUID | str, at: int | datetime | None = None) -> Run:
        """The run as its log says, or said at a version or (by the database's clock) at a time; no code is needed."""
        run = as_id(run_id)
        if isinstance(at, datetime) and at.tzinfo is None:
            raise UsageError(f"at: expected a version or an aware datetime, found {at} without a time zone")
        return Run(self.perform(lambda: look(run, at)))

    def history(self, run_id: UUID | str, *, from_version: int = 1) -> list[Record]:
        """Every record of the run from a version on, oldest first."""
        run = as_id(run_id)
        definition = self.perform(lambda: look(run, 1)).compiled.definition
        return [Record.of(row, definition) for row in self.perform(lambda: log.read(run, from_version))]

    def verify(self, run_id: UUID | str | None = None, *, progress: Callable[[int], object] | None = None) -> Verification:
        """Check the hash chain of one run, or of the whole log; names each record that is not as it was written."""
        run = None if run_id is None else as_id(run_id)
        return self.perform(lambda: verify(run, progress))

    def find(self, prefix: str) -> list[UUID]:
        """The runs whose ids begin with `prefix`."""
        return self.perform(lambda: log.find(prefix))

    def perform(self, make: Callable[[], Operation[T]]) -> T:
        """Perform an operation of the store, on this thread's connection."""
        return self.session.perform(make)

