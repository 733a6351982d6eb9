"""Verification of the log in the database: the whole of it or one run, in bounded memory.

`Verification`, `Fault` and `Notice` are what comes of it; what counts as a fault stands in docs/log-format.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias
from uuid import UUID

from ..errors import UnknownRun
from . import log, wire
from .audit import Audit, Item, StreamEnd
from .io import Operation, Query, Rows
from .report import Fault, Notice, Verification
from .shape import Head, StoredRow

__all__ = ["Fault", "Notice", "Scan", "Verification", "expected", "scan", "verify"]

PAGE_RECORDS = 1_000
"""Records that are fetched at a time, at most."""
PAGE_BYTES = 4_194_304
"""Bytes of bodies that are fetched at a time, beyond the last record's."""

_FIRST = UUID(int=0)
_LAST = UUID(int=2**128 - 1)
_HEAD_AT = len(StoredRow._fields)
_FACTS, _VALUE, _META = map(StoredRow._fields.index, ("facts", "value", "meta"))

Perform: TypeAlias = Callable[[Callable[[], Operation[list[Item]]]], list[Item]]
"""A session's `perform`: runs the operation that it is given the maker of, again if need be."""


def verify(run_id: UUID | None = None, progress: Callable[[int], object] | None = None) -> Operation[Verification]:
    """Check one run, None for the whole log; `progress` is told after each page how many records have been checked.

    The log may be written to meanwhile: each stream is checked as it stands when its page is read. Raises UnknownRun.
    """
    pages, audit = Scan(run_id), Audit()
    while not pages.done:
        for item in (yield from pages.page()):
            audit.add(item)
        if progress is not None:
            progress(audit.tally.records)
    return audit.result()


def expected(run_id: UUID | None = None) -> Operation[int]:
    """How many records the heads speak of: what `progress` of `verify` runs up to."""
    rows = yield Query("verify_expected", (wire.uuid(run_id or _FIRST), wire.uuid(run_id or _LAST)))
    count: int = rows[0][0]
    return count


def scan(perform: Perform, run_id: UUID | None = None) -> Iterator[Item]:
    """The items of one run, None for the whole log, for `export_lines`.

    Page by page; one that is interrupted is fetched again. Raises UnknownRun.
    """
    pages = Scan(run_id)
    while not pages.done:
        yield from perform(pages.page)


class Scan:
    """A walk over the log; `page` is an operation that may be tried again, `done` says that the last one has come."""

    def __init__(self, run_id: UUID | None = None) -> None:
        self.done = False
        self._run = run_id
        self._at: tuple[UUID, int] = (run_id or _FIRST, 0)
        self._open: StreamEnd | None = None
        self._bare: deque[StreamEnd] = deque()
        self._bare_after: UUID | None = None if run_id else _FIRST

    def page(self) -> Operation[list[Item]]:
        """The next items: rows by stream and version, and behind each stream's rows its end."""
        # Nothing is noted before the last row is here, so that an interrupted page can be fetched again.
        bare, bare_after = self._bare, self._bare_after
        if not bare and bare_after is not None:
            heads = yield Query("verify_bare_heads", (wire.uuid(bare_after), wire.bigint(PAGE_RECORDS)))
            bare = deque(StreamEnd(row[0], Head(*row)) for row in heads)
            bare_after = bare[-1].stream_id if len(bare) == PAGE_RECORDS else None
        stream, version = self._at
        upto, bigint = wire.uuid(self._run or _LAST), wire.bigint
        params = (wire.uuid(stream), bigint(version), upto, bigint(PAGE_RECORDS), bigint(PAGE_BYTES))
        rows = yield Query("verify_page", params)
        if self._run is not None and not rows and self._open is None:
            bare = deque([StreamEnd(self._run, (yield from self._only_head(self._run)))])
        self._bare, self._bare_after = bare, bare_after
        return self._items(rows)

    def _only_head(self, run_id: UUID) -> Operation[Head]:
        head = yield from log.head(run_id)
        if head is None:
            raise UnknownRun(f"run {run_id}: there is neither a record nor a head of it; see `sagalog list`")
        return head

    def _items(self, rows: Rows) -> list[Item]:
        items: list[Item] = []
        # While more bare heads are to come, rows behind the last one known have to wait for them.
        within = [row for row in rows if row[1] < self._bare_after] if self._bare_after else rows
        for row in within:
            stream_id = row[1]
            if self._open is None or self._open.stream_id != stream_id:
                self._close(items, stream_id)
            items.append(_stored(row))
            self._open = StreamEnd(stream_id, None if row[_HEAD_AT] is None else Head(stream_id, *row[_HEAD_AT:]))
            self._at = (stream_id, row[2])
        # A short page is the log's end at that moment: one that grows as fast as it is read comes to an end, too.
        ended = len(rows) < PAGE_RECORDS and sum(map(_size, rows)) < PAGE_BYTES
        if len(within) < len(rows) or ended:
            self._close(items, _LAST)
            self.done = ended and len(within) == len(rows) and self._bare_after is None
        return items

    def _close(self, items: list[Item], next_stream: UUID) -> None:
        """End the open stream, and put in the bare heads that stand before the next one."""
        if self._open is not None:
            items.append(self._open)
            self._open = None
        while self._bare and self._bare[0].stream_id <= next_stream:
            items.append(self._bare.popleft())


def _size(row: tuple[Any, ...]) -> int:
    return sum(len(body) for body in (row[_FACTS], row[_VALUE], row[_META]) if body is not None)


def _stored(row: tuple[Any, ...]) -> StoredRow:
    return StoredRow._make((*row[:8], wire.micros(row[8]), *row[9:_HEAD_AT]))
