"""`SimulatedLog`: the log in memory, by a clock of one's own, behind the very operations of the store.

The operations (store/log.py, store/hold.py) yield named queries with their parameters as they would go over the wire; here
each name is a function over dicts and lists. So all that stands above the wire runs as it is: hashes and salts, the
halving of a batch that fails for its data, the settling of duplicates. What no query of this table does is not simulated:
projections, `verify`. Transactions are those of a `SimulatedSession`.

One query is one commit. Errors of the data are psycopg's, as from the server, and leave everything as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import TypeVar

import psycopg

from ..engine.runtime.clock import Clock
from ..errors import UsageError
from ..store.io import Operation, Query, Rows
from . import appending, holding, reading
from .clock import FakeClock
from .tables import Row, Tables

T = TypeVar("T")
Answer = Callable[..., Rows]

ANSWERS: MappingProxyType[str, Answer] = MappingProxyType(
    {"append": appending.append, "append_one": appending.append_one, **reading.QUERIES, **holding.QUERIES}
)
"""By the name of the query: what answers it, given the tables, the time and the parameters."""


class SimulatedLog:
    """A log for one process's tests; `perform` and `once` are those of a `Session`.

    Whoever simulates faults overrides `answer`, through which every query goes, and `commit`, the end of a transaction: an
    error raised before the `super()` is a statement that never arrived, one raised behind it a commit whose reply was lost.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or FakeClock()
        self.tables = Tables()

    def answer(self, query: Query) -> Rows:
        """The rows of one query. Raises UsageError for one that is not simulated."""
        before = len(self.tables.records)
        rows = self.look(query)
        if len(self.tables.records) > before:
            self.appended(self.tables.records[before:])
        return rows

    def look(self, query: Query) -> Rows:
        """The same, of which nobody is told."""
        found = ANSWERS.get(query.name)
        if found is None:
            raise UsageError(f"the simulated log does not know the query {query.name!r}; it knows {', '.join(ANSWERS)}")
        return found(self.tables, self.clock.now(), *query.params)

    def commit(self, query: Query, keep: Callable[[], None], undo: Callable[[], Rows]) -> None:
        """A transaction is to be committed, which `keep` does; `undo` rolls it back."""
        keep()

    def appended(self, rows: Sequence[Row]) -> None:
        """These records have just become durable; for whoever looks on."""

    def written(self, statements: Sequence[tuple[str, tuple[object, ...]]]) -> None:
        """What the code of a transactional task wrote has just become durable: statements and their parameters."""

    def once(self, operation: Operation[T]) -> T:
        """Run an operation; errors of the driver are thrown into it, and those that it does not handle come through."""
        try:
            query = next(operation)
            while True:
                try:
                    rows = self.answer(query)
                except psycopg.Error as error:
                    query = operation.throw(error)
                else:
                    query = operation.send(rows)
        except StopIteration as done:
            result: T = done.value
            return result

    def perform(self, make: Callable[[], Operation[T]]) -> T:
        """Run the operation that `make` makes."""
        return self.once(make())
