"""`FaultyLog`: the log of a scene, in which statements get lost, replies do, and processes die that wait for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import psycopg

from ...store.io import Query, Rows
from ..clock import FakeClock
from ..laws import Durable
from ..log import SimulatedLog
from ..tables import Row
from .faults import Died

if TYPE_CHECKING:
    from .scene import Scene

APPENDS = ("append", "append_one")


class FaultyLog(SimulatedLog):
    """What goes wrong befalls the process that acts, and nothing does while everything is calm."""

    def __init__(self, clock: FakeClock, scene: Scene) -> None:
        super().__init__(clock)
        self.scene = scene

    def answer(self, query: Query) -> Rows:
        self._before(query)
        waiting = list(self.tables.inbox) if query.name in APPENDS else []
        rows = super().answer(query)
        watch = self.scene.onlooker.watch
        if query.name == "take" and rows and rows[0][0]:
            watch.claimed(rows[0][3])
        watch.accepted(message.hex() for of, message in waiting if (of, message) not in self.tables.inbox)
        self._behind(query)
        return rows

    def commit(self, query: Query, keep: Callable[[], None], undo: Callable[[], Rows]) -> None:
        if not self.scene.calm and self.scene.chance.often(self.scene.faults.broken):
            undo()
            raise psycopg.errors.SerializationFailure("could not serialize access")
        self._before(query)
        keep()
        self._behind(query)

    def appended(self, rows: Sequence[Row]) -> None:
        durable = [Durable(row[2], row[4], row[5], row[12], row[6]) for row in rows]
        self.scene.tell("appends", durable)
        self.scene.onlooker.committed(durable, self.clock.now())

    def written(self, statements: Sequence[tuple[str, tuple[object, ...]]]) -> None:
        self.scene.onlooker.wrote(statements)

    def _before(self, query: Query) -> None:
        """A statement is sent."""
        scene = self.scene
        if query.name in APPENDS and scene.dies():
            scene.tell("dies before the append")
            raise Died
        self._lost("before", query)

    def _behind(self, query: Query) -> None:
        """It is done, and its reply on its way."""
        if self.scene.dies():
            self.scene.tell("dies behind", query.name)
            raise Died
        self._lost("behind", query)

    def _lost(self, where: str, query: Query) -> None:
        scene = self.scene
        if scene.actor is not None and not scene.calm and scene.chance.often(scene.faults.lost):
            scene.tell(f"loses the connection {where}", query.name)
            raise psycopg.OperationalError("server closed the connection unexpectedly")
