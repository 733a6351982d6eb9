"""`SimulatedSession`: a connection to a simulated log, with the one transaction that a transactional task is given.

What is appended within a transaction stands in the tables at once, as nothing else happens until it is committed, and is
taken back if it is rolled back. `perform` is the store's own: what a lost connection means, and when to try again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

import psycopg

from ..store.io import Operation, Query, Rows
from ..store.session import Effect, steady
from .log import SimulatedLog
from .tables import Row
from .unpack import whole

T = TypeVar("T")
PATIENCE = 3600.0
"""Seconds, by the log's clock, that a lost connection is sought."""


class SimulatedConnection:
    """What the code of a transactional task is given: its statements are noted, and take effect with the commit."""

    def __init__(self) -> None:
        self.written: list[tuple[str, tuple[Any, ...]]] = []
        self.closed = False
        self.broken = False

    def execute(self, query: str, params: Sequence[Any] = ()) -> None:
        """Note a statement and its parameters."""
        self.written.append((query, tuple(params)))

    def close(self) -> None:
        self.closed = True


class SimulatedSession:
    """What a shell needs of a `Session`."""

    def __init__(self, log: SimulatedLog) -> None:
        self.log = log
        self.connection = SimulatedConnection()
        self._mark: str | None = None
        self._before: Callable[[], None] | None = None
        self._appended: list[Row] = []
        self._inside: dict[str, Callable[[Query], Rows]] = {
            "tx_begin": lambda query: [],
            "tx_mark": self._begun,
            "tx_immediate": lambda query: [],
            "tx_close": lambda query: [(self._mark,)],
            "tx_commit": self._commit,
            "tx_rollback": lambda query: self._undo(),
        }

    def perform(self, make: Callable[[], Operation[T]]) -> T:
        """Perform what `make` makes until it is done, as the store does."""
        if self.connection.closed:
            self.connection = SimulatedConnection()
        return self._run(steady(make, PATIENCE, lambda: self.log.clock.now() / 1e6))

    def inside(self, operation: Operation[T]) -> T:
        """Run an operation, once, in whatever transaction is open."""
        return self._run(operation)

    def close(self) -> None:
        """Close the connection: what is not committed is rolled back. Another is opened when it is used again."""
        self._undo()
        self.connection = SimulatedConnection()

    def end(self) -> None:
        """Close the connection for good."""
        self.close()

    def _run(self, steps: Generator[Effect, Rows, T]) -> T:
        try:
            effect = next(steps)
            while True:
                try:
                    rows = self._ask(effect) if isinstance(effect, Query) else []
                except psycopg.Error as error:
                    if error.sqlstate is None and isinstance(error, psycopg.OperationalError):
                        self._lost()
                    effect = steps.throw(error)
                else:
                    effect = steps.send(rows)
        except StopIteration as done:
            result: T = done.value
            return result

    def _ask(self, query: Query) -> Rows:
        own = self._inside.get(query.name)
        if own is not None:
            return own(query)
        if self._mark is None:
            return self.log.answer(query)
        before = len(self.log.tables.records)
        # To one stream that is there: alone by its id, or with messages as the only one of an array.
        stream = query.params[0] if query.name == "append_one" else whole(query.params[0])[0]
        self._before = self.log.tables.keep(stream)
        rows = self.log.look(query)
        self._appended = self.log.tables.records[before:]
        return rows

    def _lost(self) -> None:
        """The connection is gone, and what it had not committed with it."""
        self._undo()
        self.connection.broken = self.connection.closed = True

    def _begun(self, query: Query) -> Rows:
        self._mark = query.params[0]
        return []

    def _commit(self, query: Query) -> Rows:
        """Raises what the log says, before or behind the commit."""
        appended, written = self._appended, self.connection.written
        self.log.commit(query, lambda: self._keep(appended, written), self._undo)
        return []

    def _keep(self, appended: list[Row], written: list[Any]) -> None:
        self._mark, self._before, self._appended = None, None, []
        self.connection.written = []
        self.log.written(written)
        self.log.appended(appended)

    def _undo(self) -> Rows:
        if self._before is not None:
            self._before()
        self._mark, self._before, self._appended = None, None, []
        self.connection.written = []
        return []
