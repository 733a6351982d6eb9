"""Connections that survive: cut, restarted, deadlocked, an operation is performed again until it is done.

One generator, `steady`, has all of the logic; the two sessions are shells around it. Performing again is safe for
every operation of the store: appends are known by their record ids, so one that got through without our hearing
of it is found to be a duplicate, which is a success.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeAlias, TypeVar, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

from .. import telemetry
from ..config import Settings
from ..errors import UsageError
from .fault import Kind, explain, kind
from .io import Operation, Query, Rows, aask, aperform, ask, perform
from .migrate import compare

T = TypeVar("T")
TRIES = 5
"""How often a deadlock or a serialization failure is answered with another try."""
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 1.0
"""Seconds between tries; doubled each time, and shaken so that two do not keep meeting."""
CLOSED = "this engine is closed: it does nothing any more; open another with Engine.open()"
_OPEN = (TransactionStatus.INTRANS, TransactionStatus.INERROR)
_WITHIN = "perform: a transaction is open on this session; what it did would be lost with the connection: use `once`"
_DEFAULTS: dict[str, str | int] = {
    "connect_timeout": 10,
    "tcp_user_timeout": 30_000,  # milliseconds: a silent network is a lost connection, not a wait without end
    "keepalives_idle": 10,
    "application_name": "sagalog",
    "client_encoding": "UTF8",
}


class Reconnect(NamedTuple):
    """Drop the connection, if there is one, and make a new one."""


class Sleep(NamedTuple):
    """Wait for so many seconds."""

    seconds: float


Effect: TypeAlias = Query | Reconnect | Sleep
Make: TypeAlias = Callable[[], Operation[T]]


def steady(
    make: Make[T], patience: float, clock: Callable[[], float] = time.monotonic, connected: bool = True
) -> Generator[Effect, Rows, T]:
    """Perform what `make` makes, anew after each failure that may pass; return what it returns.

    A lost connection is sought for `patience` seconds. Raises the error of errors.py that the driver's error means,
    with that as its cause; and what the operation raises by itself.
    """
    deadline: float | None = None
    tries = 0
    pause = FIRST_PAUSE
    if not connected:
        yield from _reconnected(clock() + patience, clock)
    while True:
        try:
            return (yield from make())
        except psycopg.Error as error:
            verdict = kind(error)
            tries += verdict is Kind.AGAIN
            if verdict is Kind.LOST and deadline is None:
                deadline = clock() + patience
            late = verdict is Kind.LOST and deadline is not None and clock() >= deadline
            if verdict is Kind.FINAL or tries > TRIES or late:
                raise explain(error, "the log") from error
        yield Sleep(pause * random.uniform(0.5, 1.0))
        pause = min(2 * pause, LONGEST_PAUSE)
        if verdict is Kind.LOST and deadline is not None:
            yield from _reconnected(deadline, clock)


def _reconnected(deadline: float, clock: Callable[[], float]) -> Generator[Effect, Rows, None]:
    pause = FIRST_PAUSE
    while True:
        try:
            yield Reconnect()
            return
        except psycopg.Error as error:
            if kind(error, connecting=True) is Kind.FINAL or clock() >= deadline:
                raise explain(error, "connecting to the database") from error
        yield Sleep(min(pause * random.uniform(0.5, 1.0), max(deadline - clock(), 0.0)))
        pause = min(2 * pause, LONGEST_PAUSE)


def prelude() -> Operation[None]:
    """What a new connection is told. Raises SchemaMismatch when the database is not what this code expects."""
    rows = yield Query("schema")
    applied = (yield Query("migrations")) if rows[0][0] else []
    compare({number: digest for number, _, digest in applied})
    yield Query("become_writer")
    yield Query("settle")
    yield Query("ensure_partitions")


class _Common:
    """What both sessions know: where to connect, and for how long to try."""

    def __init__(self, url: str, settings: Settings | None = None) -> None:
        self._settings = settings or Settings.load()
        try:
            given = conninfo_to_dict(url)
        except psycopg.Error as error:
            # Not the URL itself: it may hold a password.
            raise UsageError(f"database URL: expected postgresql://…, which libpq can read: {str(error).strip()}") from None
        self._conninfo = make_conninfo(url, **{name: value for name, value in _DEFAULTS.items() if name not in given})
        self._ended = False

    def _usable(self) -> None:
        if self._ended:
            raise UsageError(CLOSED)


class Session(_Common):
    """A connection for one thread at a time that comes back when it is lost; opened by `open` or at first use."""

    _cursor: psycopg.RawCursor[Any] | None = None

    @property
    def connection(self) -> psycopg.Connection[Any]:
        """The connection as it is now, in autocommit, as sagalog_writer; once it is lost `perform` makes another."""
        if self._cursor is None:
            self.open()
        return cast(psycopg.RawCursor[Any], self._cursor).connection

    def open(self) -> Self:
        """Connect, trying once. Raises StoreUnavailable, SchemaMismatch."""
        try:
            self._connect()
        except psycopg.Error as error:
            raise explain(error, "connecting to the database") from error
        return self

    def perform(self, make: Make[T]) -> T:
        """Perform the operation that `make` makes until it is done: see `steady`.

        Not within a transaction, which would be lost with the connection: RuntimeError; there, `once` is right.
        """
        if self._cursor is not None and self._cursor.connection.info.transaction_status in _OPEN:
            raise RuntimeError(_WITHIN)
        steps = steady(make, self._settings.reconnect, connected=self._cursor is not None)
        try:
            effect = next(steps)
            while True:
                try:
                    rows = self._act(effect)
                except psycopg.Error as error:
                    effect = steps.throw(error)
                else:
                    effect = steps.send(rows)
        except StopIteration as done:
            result: T = done.value
            return result

    def once(self, operation: Operation[T]) -> T:
        """Run an operation, once, in whatever transaction is open; errors are explained and nothing is repeated."""
        try:
            return perform(self.connection, operation)
        except psycopg.Error as error:
            raise explain(error, "the log") from error

    def inside(self, operation: Operation[T]) -> T:
        """Run an operation, once, in whatever transaction is open; errors come as they are, the driver's."""
        return perform(self.connection, operation)

    def close(self) -> None:
        """Close the connection; another one is opened when the session is used again."""
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            cursor.connection.close()

    def end(self) -> None:
        """Close the connection for good, from any thread: whoever still uses the session is told so by a UsageError."""
        self._ended = True
        self.close()

    def _act(self, effect: Effect) -> Rows:
        if isinstance(effect, Query):
            if self._cursor is None:
                raise psycopg.OperationalError("the session was closed while it was in use")
            return ask(self._cursor, effect)
        if isinstance(effect, Sleep):
            time.sleep(effect.seconds)
        else:
            telemetry.emit("store.reconnect")
            self._connect()
        return []

    def _connect(self) -> None:
        self._usable()
        self.close()
        connection = psycopg.connect(self._conninfo, autocommit=True)
        try:
            perform(connection, prelude())
            self._cursor = psycopg.RawCursor(connection)
            self._usable()  # `end` may have been called meanwhile, on another thread, and have found nothing to close
        except BaseException:
            self._cursor = None
            connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class AsyncSession(_Common):
    """`Session` for asyncio: one task at a time."""

    _cursor: psycopg.AsyncRawCursor[Any] | None = None

    async def connected(self) -> psycopg.AsyncConnection[Any]:
        """The connection as it is now, opened if need be; see `Session.connection`."""
        if self._cursor is None:
            await self.open()
        return cast(psycopg.AsyncRawCursor[Any], self._cursor).connection

    async def open(self) -> Self:
        """Connect, trying once. Raises StoreUnavailable, SchemaMismatch."""
        try:
            await self._connect()
        except psycopg.Error as error:
            raise explain(error, "connecting to the database") from error
        return self

    async def perform(self, make: Make[T]) -> T:
        """Perform the operation that `make` makes until it is done: see `steady`. Not within a transaction."""
        if self._cursor is not None and self._cursor.connection.info.transaction_status in _OPEN:
            raise RuntimeError(_WITHIN)
        steps = steady(make, self._settings.reconnect, connected=self._cursor is not None)
        try:
            effect = next(steps)
            while True:
                try:
                    rows = await self._act(effect)
                except psycopg.Error as error:
                    effect = steps.throw(error)
                else:
                    effect = steps.send(rows)
        except StopIteration as done:
            result: T = done.value
            return result

    async def once(self, operation: Operation[T]) -> T:
        """Run an operation, once, in whatever transaction is open; errors are explained and nothing is repeated."""
        try:
            return await aperform(await self.connected(), operation)
        except psycopg.Error as error:
            raise explain(error, "the log") from error

    async def close(self) -> None:
        """Close the connection; another one is opened when the session is used again."""
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            await cursor.connection.close()

    async def end(self) -> None:
        """Close the connection for good, from any thread: whoever still uses the session is told so by a UsageError."""
        self._ended = True
        await self.close()

    async def _act(self, effect: Effect) -> Rows:
        if isinstance(effect, Query):
            if self._cursor is None:
                raise psycopg.OperationalError("the session was closed while it was in use")
            return await aask(self._cursor, effect)
        if isinstance(effect, Sleep):
            await asyncio.sleep(effect.seconds)
        else:
            telemetry.emit("store.reconnect")
            await self._connect()
        return []

    async def _connect(self) -> None:
        self._usable()
        await self.close()
        try:
            connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
        except asyncio.CancelledError as error:
            # Its traceback holds what is half open, and whoever holds the task that was cancelled holds its traceback.
            raise error.with_traceback(None) from None
        try:
            await aperform(connection, prelude())
            self._cursor = psycopg.AsyncRawCursor(connection)
            self._usable()  # see `Session`
        except BaseException:
            self._cursor = None
            await connection.close()
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()
