"""The tables of a simulated log, and the row of a stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

_1970 = datetime(1970, 1, 1, tzinfo=UTC)
Row = tuple[Any, ...]
"""A record as the query `read` gives it."""


def moment(micros: int) -> datetime:
    """Microseconds since 1970 as a timestamptz comes in."""
    return _1970 + timedelta(microseconds=micros)


class Stream:
    """The head of a stream and its records; `id` and `owner` as they go out."""

    __slots__ = ("epoch", "hash", "id", "namespace", "owner", "rows")

    def __init__(self, id: UUID, epoch: int, namespace: str) -> None:
        self.id = id
        self.epoch = epoch
        self.namespace = namespace
        self.hash = b""
        self.owner: UUID | None = None
        self.rows: list[Row] = []

    @property
    def version(self) -> int:
        return len(self.rows)


class Enrolled(NamedTuple):
    """A worker; `lease_until` is microseconds since 1970."""

    host: str
    pid: int
    started: str
    lease_until: int


class Tables:
    """What the log holds. Streams and messages go by the 16 bytes of their ids, workers by their UUID.

    Attributes:
        records: all of them, by position (the first has position 1).
        inbox: (stream, message) -> the row of the query `inbox`, in the order they arrived.
        timers: stream -> timer -> due, microseconds since 1970; only streams that have one.
    """

    __slots__ = ("claims", "definitions", "inbox", "records", "streams", "timers", "workers")

    def __init__(self) -> None:
        self.streams: dict[bytes, Stream] = {}
        self.records: list[Row] = []
        self.claims: dict[tuple[str, str], bytes] = {}
        self.definitions: dict[str, bytes] = {}
        self.inbox: dict[tuple[bytes, bytes], Row] = {}
        self.workers: dict[UUID, Enrolled] = {}
        self.timers: dict[bytes, dict[int, int]] = {}

    def rows(self, stream: bytes) -> Sequence[Row]:
        """The records of a stream by version; none where there is no such stream."""
        found = self.streams.get(stream)
        return () if found is None else found.rows

    def keep(self, stream: bytes) -> Callable[[], None]:
        """What puts everything back as it is now, if nothing but this stream changes, which is there, and at most once."""
        head, timers, inbox = self.streams[stream], self.timers.get(stream), dict(self.inbox)
        kept = head.hash, head.owner, head.epoch
        count, version = len(self.records), len(head.rows)
        timers = None if timers is None else dict(timers)

        def back() -> None:
            del self.records[count:], head.rows[version:]
            head.hash, head.owner, head.epoch = kept
            self.inbox = inbox
            self.timers.pop(stream, None)
            if timers is not None:
                self.timers[stream] = timers

        return back

    def alive(self, worker: UUID | None, now: int) -> bool:
        """Whether a worker's lease holds."""
        found = None if worker is None else self.workers.get(worker)
        return found is not None and found.lease_until > now
