"""`Mortal`: an engine that can drop dead within this process, and leave things as a process that is gone leaves them."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus

from ...config import Settings
from ...engine.runtime.app import Sagalog
from ...engine.runtime.clock import Clock
from ...engine.runtime.engine import Engine
from ...engine.runtime.lease import Lease
from ...errors import UsageError
from ...store import hold
from ...store.session import Session

Cursor = psycopg.RawCursor[psycopg.rows.TupleRow]


class Leased(Session):
    """A session on a connection that outlives it, if nothing is under way on it when it ends."""

    def lend(self, cursor: Cursor) -> None:
        """Use a connection that another session had."""
        self._cursor = cursor

    def die(self) -> Cursor | None:
        """Be of no use from now on; the connection, if another session may use it as it is."""
        cursor, self._cursor, self._ended = self._cursor, None, True
        if cursor is None or cursor.connection.closed:
            return None
        if cursor.connection.info.transaction_status is not TransactionStatus.IDLE:
            cursor.connection.close()  # what was open in it goes with it
            return None
        return cursor


class Sign(Lease):
    """A worker's sign of life that is given once, and not taken back by whoever dies."""

    def __init__(self, worker: UUID, session: Callable[[], Session], seconds: float) -> None:
        super().__init__(session, seconds)
        self.worker = worker
        self._given = False

    def ensure(self) -> None:
        """Enroll, once."""
        if self._ended.is_set():
            raise UsageError("this engine is dead")
        if not self._given:
            self._open().perform(lambda: hold.enroll(hold.this_process(self.worker), self._seconds))
            self._given = True

    def close(self) -> None:
        """Give no more signs; the last one holds for as long as it said."""
        self._ended.set()


class Mortal(Engine):
    """A real engine; `die` ends all of its connections, so that nothing that it still does reaches the log."""

    def __init__(self, url: str, first: Leased, settings: Settings, app: Sagalog, clock: Clock) -> None:
        self._sessions: list[Leased] = [first]
        super().__init__(url, first, settings, app, "crash-kit", clock)
        self._lease = Sign(self._desk.worker, lambda: first, settings.lease)

    def _session(self) -> Session:
        self._sessions.append(Leased(self.url, self.settings))
        return self._sessions[-1]

    @property
    def worker(self) -> UUID:
        """Whose lease its runs stand under."""
        return self._desk.worker

    def die(self) -> Cursor | None:
        """Be dead: leases and ownership stay as they are. The first connection, if it can still be used."""
        self._lease.close()
        first, *others = [session.die() for session in self._sessions]
        for cursor in others:
            if cursor is not None:
                cursor.connection.close()
        return first
