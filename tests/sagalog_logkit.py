"""What tests of the log are made of: streams, records, and a log as the conformance suite wants it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar
from uuid import UUID, uuid4

from sagalog.config import Settings
from sagalog.store import hold, log
from sagalog.store.ids import record_ids, run_id
from sagalog.store.io import Operation
from sagalog.store.session import Session
from sagalog.store.shape import Append, Head, NewRecord, Refusal, StoredRow

T = TypeVar("T")
VALUE = b'{"step": 1, "ok": true, "note": "xxxxxxxxxxxxxxxxxxxx"}'


def now() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


def stream(owner: UUID | None = None, epoch: int = 1) -> Head:
    """The head of a stream that is not there yet."""
    return Head(run_id(now()), epoch=epoch, owner=owner)


def record(type: str = "test.happened", value: bytes | None = VALUE, facts: bytes = b"{}") -> NewRecord:
    """A record with an id of its own."""
    return NewRecord(record_ids(1)[0], type, 1, facts, value, None if value is None else "json@1")


def timer(head: Head, due: int, place: int = 1) -> NewRecord:
    """A record that sets a timer; it is the `place`-th behind the head. `due`: microseconds since 1970."""
    return record("timer.set", None, b'{"timer":%d,"due":%d}' % (head.version + place, due))


def ended(timer: int, how: str = "fired") -> NewRecord:
    """A record that ends the timer which the record of that version has set: 'fired' or 'cancelled'."""
    return record(f"timer.{how}", None, b'{"timer":%d}' % timer)


def appending(head: Head, n: int = 1, **more: object) -> Append:
    """`n` new records for a stream, and its owner as it was."""
    given = {"actor": "tester", "occurred_at": now(), "owner": head.owner, **more}
    records = given.pop("records", None) or [record() for _ in range(n)]
    return Append(head, records, **given)  # type: ignore[arg-type]  # the tests say what they mean


def again(append: Append, head: Head) -> Append:
    """The same records once more, behind the head that they followed the first time."""
    return Append(
        head, append.records, append.actor, append.occurred_at, append.correlation, append.owner, append.namespace,
        append.definitions, append.claims, append.accepted,
    )  # fmt: skip


def copy(head: Head) -> Head:
    """A head that will not move with the other."""
    return Head(head.stream_id, head.version, head.hash, head.epoch, head.owner)


def settings(**more: float) -> Settings:
    """Settings for sessions of tests."""
    return Settings(home=Path("/nonexistent"), **more)  # type: ignore[arg-type]  # only numbers are given


class Log(Protocol):
    """One program's access to a log, real or simulated; each call is one commit."""

    def append(self, batch: Sequence[Append]) -> list[Refusal]: ...
    def read(self, stream_id: UUID, from_version: int = 1, limit: int | None = None) -> list[StoredRow]: ...
    def head(self, stream_id: UUID) -> Head | None: ...
    def tail(self, after: int, limit: int = 1000) -> tuple[list[StoredRow], int]: ...
    def find(self, prefix: str) -> list[UUID]: ...
    def definition(self, hash: str) -> bytes | None: ...
    def claimed(self, scope: str, key: str) -> UUID | None: ...
    def enroll(self, worker: hold.Worker, lease: float) -> object: ...
    def leave(self, worker_id: UUID) -> bool: ...
    def take(self, stream_id: UUID, worker_id: UUID, steal: bool = False) -> Head | hold.Held | None: ...
    def release(self, stream_id: UUID, epoch: int) -> bool: ...
    def post(self, stream_id: UUID, message_id: UUID, kind: str, body: bytes, sender: str) -> str: ...
    def inbox(self, stream_ids: Sequence[UUID]) -> list[hold.Message]: ...
    def inbox_of(self, worker_id: UUID) -> list[hold.Message]: ...
    def due(self, now: int, limit: int, after: tuple[int, UUID] | None = None) -> list[tuple[UUID, int]]: ...
    def next_due(self, after: int | None = None) -> int | None: ...
    def discard(self, stream_id: UUID, epoch: int, message_ids: Sequence[UUID]) -> bool: ...


class StoredLog:
    """The log in a database, through a session."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def __getattr__(self, name: str) -> Callable[..., object]:
        operation = getattr(log, name, None) or getattr(hold, name)

        def call(*args: object, **kwargs: object) -> object:
            def make() -> Operation[object]:
                made: Operation[object] = operation(*args, **kwargs)
                return made

            return self.session.perform(make)

        return call


def worker() -> hold.Worker:
    """A worker that is no process here."""
    return hold.Worker(uuid4(), "elsewhere boot space", 1, "1")
