"""The check of a whole log: rows and heads in, faults out. Pure: the same over a database and over a file."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from struct import Struct
from typing import NamedTuple, TypeVar
from uuid import UUID

from .chain import ZERO_HASH
from .report import FAULTS_KEPT, Fault, Notice, Verification
from .shape import Head, StoredRow
from .streamcheck import StreamCheck

DRIFT = 300.0
"""Seconds that the server's clock and the writer's estimate of it may be apart without a notice."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_head = Struct(">16sq32s").pack
_T = TypeVar("_T", Fault, Notice)


class StreamEnd(NamedTuple):
    """Comes behind the rows of a stream; `head` is its head row, None where it has none."""

    stream_id: UUID
    head: Head | None


Item = StoredRow | StreamEnd
"""What a log consists of: for each stream, by ascending id, its rows by version and then its end."""


class Tally:
    """Counts streams and records, and takes the digest of all heads, of items in the order of a log."""

    def __init__(self) -> None:
        self.runs = 0
        self.records = 0
        self._heads = sha256()
        self._only = ZERO_HASH

    def add(self, item: Item) -> None:
        """The next item."""
        if isinstance(item, StoredRow):
            self.records += 1
            return
        self.runs += 1
        if item.head is not None:
            self._only = item.head.hash
            self._heads.update(_head(item.stream_id.bytes, item.head.version, item.head.hash))

    @property
    def head(self) -> bytes:
        """The head of it all, 32 bytes: of one stream its hash, else the digest of all heads (docs/log-format.md)."""
        return self._only if self.runs == 1 else self._heads.digest()


class Audit:
    """Checks a log that is fed to it item by item, in the order that `Item` says; in bounded memory.

    `stream` is the one whose end is still to come, `last` the one fed last, `version` where the last one ended.
    """

    def __init__(self) -> None:
        self.tally = Tally()
        self.stream: StreamCheck | None = None
        self.last: UUID | None = None
        self.version = 0
        self._faults: list[Fault] = []
        self._notices: list[Notice] = []
        self._more = 0

    def add(self, item: Item) -> None:
        """The next item; a row of another stream ends the one before it, which then has no head."""
        if isinstance(item, StoredRow):
            self._stream(item.stream_id, item.version, item.position).row(item)
            self.tally.add(item)
            self._compare_clocks(item)
        else:
            self._end(self._stream(item.stream_id, item.head.version if item.head else 0, None), item)

    def unreadable(self, run_id: UUID, version: int, why: str) -> None:
        """A record of a file that stands there but cannot be read."""
        self._stream(run_id, version, None).unreadable(version, why)
        self.tally.records += 1

    def fault(self, fault: Fault) -> None:
        """Something that whoever reads the log has found itself."""
        self._note(self._faults, fault)

    def close(self) -> None:
        """End the last stream, if it still has to be."""
        if self.stream is not None:
            self._end(self.stream, StreamEnd(self.stream.id, None))

    def result(self) -> Verification:
        """What was found."""
        self.close()
        tally = self.tally
        return Verification(
            tally.runs, tally.records, tuple(self._faults), tuple(self._notices), self._more, tally.head
        )

    def _stream(self, stream_id: UUID, version: int, position: int | None) -> StreamCheck:
        if self.stream is not None and self.stream.id == stream_id:
            return self.stream
        self.close()
        if self.last is not None and stream_id <= self.last:
            said = "its run does not stand in the order of ids here, or stands here twice"
            self.fault(Fault(stream_id, version, position, "order", said))
        self.last = stream_id
        self.stream = StreamCheck(stream_id)
        return self.stream

    def _end(self, stream: StreamCheck, end: StreamEnd) -> None:
        for fault in stream.finish(end.head):
            self.fault(fault)
        self._more += stream.more
        self.version = stream.version
        self.tally.add(end)
        self.stream = None

    def _compare_clocks(self, row: StoredRow) -> None:
        apart = (row.recorded_at - _EPOCH).total_seconds() - row.occurred_at / 1e6
        if abs(apart) > DRIFT:
            said = (
                f"recorded {abs(apart):,.0f} s {'after' if apart > 0 else 'before'} it occurred by its writer's clock"
            )
            self._note(self._notices, Notice(row.stream_id, row.version, row.position, said))

    def _note(self, kept: list[_T], found: _T) -> None:
        if len(kept) < FAULTS_KEPT:
            kept.append(found)
        else:
            self._more += 1
