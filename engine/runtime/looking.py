"""`Looking`: the half of the engine that only reads: runs, their history, the chain. No code of a flow is needed for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from ...store import log
from ...store.io import Operation
from ...store.report import Verification
from ...store.session import Session
from ...store.verify import verify
from .taking import look
from .views import Record, Run

T = TypeVar("T")


class Looking:
    """What can be asked of the log; a subclass has the connection."""

    @property
    def session(self) -> Session:
        """The connection of the thread that asks."""
        raise NotImplementedError

    def state(self, run_id: UUID, at: int | datetime | None = None) -> Run:
        """The run as its log says, or said at a version or (by the database's clock) at a time; no code is needed."""
        return Run(self.perform(lambda: look(run_id, at)))

    def history(self, run_id: UUID, *, from_version: int = 1) -> list[Record]:
        """Every record of the run from a version on, oldest first."""
        definition = self.perform(lambda: look(run_id, 1)).compiled.definition
        return [Record.of(row, definition) for row in self.perform(lambda: log.read(run_id, from_version))]

    def verify(self, run_id: UUID | None = None, *, progress: Callable[[int], object] | None = None) -> Verification:
        """Check the hash chain of one run, or of the whole log; names each record that is not as it was written."""
        return self.perform(lambda: verify(run_id, progress))

    def find(self, prefix: str) -> list[UUID]:
        """The runs whose ids begin with `prefix`."""
        return self.perform(lambda: log.find(prefix))

    def perform(self, make: Callable[[], Operation[T]]) -> T:
        """Perform an operation of the store, on this thread's connection."""
        return self.session.perform(make)

