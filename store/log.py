"""The log's operations: append, read, follow. Generators, to be run by a session or by `perform`."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

import psycopg

from . import wire
from .batch import Links, link_stream, many, one, salts_for
from .ids import STANDING
from .io import Operation, Query, Rows
from .shape import Append, Head, Refusal, StoredRow

LIMIT = 2**62
"""As good as no limit."""
_FIND_LIMIT = 20
_BAD_DATA = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.ProgramLimitExceeded,
    ValueError,  # ours and Unicode's, while the arrays are packed
    struct.error,
)
_HEX = re.compile(r"[0-9a-f]{1,32}")


class Columns(NamedTuple):
    """The records of a stream by version, as tuples of equal length; `sent` is when each occurred, as it was sent."""

    versions: tuple[int, ...] = ()
    types: tuple[str, ...] = ()
    schemas: tuple[int, ...] = ()
    sent: tuple[bytes, ...] = ()
    facts: tuple[bytes, ...] = ()
    values: tuple[bytes | None, ...] = ()

    def at(self, place: int) -> int:
        """When the record at a place (not version) occurred, in microseconds since 1970."""
        return wire.micros(self.sent[place])

    def upto(self, count: int) -> Columns:
        """The first `count` records."""
        return Columns._make(column[:count] for column in self)


class Light(NamedTuple):
    """What a fold reads of a record; `occurred_at` is microseconds since 1970."""

    version: int
    record_id: bytes
    type: str
    schema: int
    occurred_at: int
    facts: bytes
    hash: bytes


class _Move(NamedTuple):
    """Where a head stands once all is done."""

    head: Head
    version: int
    hash: bytes
    owner: UUID | None


def append(batch: Sequence[Append]) -> Operation[list[Refusal]]:
    """Append to many streams, each once, in one call and one commit; return those to which nothing was appended.

    Heads of streams that got their records move (version, hash, owner), those of the others do not. Doing it again with
    the same record ids changes nothing and is a success: so is an in-doubt commit settled. In a batch that fails for
    its data, the stream that makes it fail is found by halving and refused with status 'rejected'. That
    needs autocommit: within a transaction such an error has ended the transaction, and is raised. Raises ValueError for
    a stream that is there twice, or has no records.
    """
    if not batch:
        return []
    batch = sorted(batch, key=attrgetter("head.stream_id.int"))
    _check(batch)
    refused: list[Refusal] = []
    moves: list[_Move] = []
    linked: list[tuple[Append, Links]] = []
    salts = salts_for(batch)
    for item in batch:
        try:
            linked.append((item, link_stream(item, salts)))
        except ValueError as error:
            refused.append(_rejected(item, error))
    if linked:
        yield from _append(linked, refused, moves)
    # Only now: whoever has to do all of this again must find the heads as they were.
    for head, version, hash, owner in moves:
        head.version, head.hash, head.owner = version, hash, owner
    return refused


def read(stream_id: UUID, from_version: int = 1, limit: int | None = None) -> Operation[list[StoredRow]]:
    """The records of a stream by version, from `from_version` on, at most `limit`."""
    params = (wire.uuid(stream_id), wire.bigint(from_version), wire.bigint(LIMIT if limit is None else limit))
    rows = yield Query("read", params)
    return _stored(rows)


def read_columns(stream_id: UUID) -> Operation[Columns]:
    """What a fold reads of a stream, all of it, by column: a long run is read in half the time of `read`."""
    rows = yield Query("read_columns", (wire.uuid(stream_id),))
    return Columns(*zip(*rows, strict=True)) if rows else Columns()


def count_until(stream_id: UUID, at: datetime) -> Operation[int]:
    """How many records of a stream had been recorded at a moment of the server's clock (aware)."""
    rows = yield Query("count_until", (wire.uuid(stream_id), at))
    count: int = rows[0][0]
    return count


def read_light(stream_id: UUID, from_version: int = 1, limit: int | None = None) -> Operation[list[Light]]:
    """The records of a stream as a fold needs them; the values are not fetched."""
    params = (wire.uuid(stream_id), wire.bigint(from_version), wire.bigint(LIMIT if limit is None else limit))
    rows = yield Query("read_light", params)
    return [Light._make((*row[:4], wire.micros(row[4]), *row[5:])) for row in rows]


def read_values(stream_id: UUID, versions: Sequence[int]) -> Operation[dict[int, bytes | None]]:
    """The stored values of some records of a stream, by version; None: it has none, or it was erased."""
    rows = yield Query("read_values", (wire.uuid(stream_id), wire.bigints(versions)))
    return {version: value for version, value, _, _ in rows}


def head(stream_id: UUID) -> Operation[Head | None]:
    """The head of a stream, None where there is none."""
    rows = yield Query("head", (wire.uuid(stream_id),))
    return Head(*rows[0]) if rows else None


def find(prefix: str) -> Operation[list[UUID]]:
    """The runs whose id begins with `prefix` (hexadecimal, dashes or not), by id, at most 20."""
    digits = prefix.strip().lower().replace("-", "")
    if not _HEX.fullmatch(digits):
        return []
    low, high = UUID(hex=digits.ljust(32, "0")), UUID(hex=digits.ljust(32, "f"))
    rows = yield Query("find", (wire.uuid(low), wire.uuid(high), _FIND_LIMIT))
    return [stream_id for (stream_id,) in rows if stream_id < STANDING]


def claimed(scope: str, key: str) -> Operation[UUID | None]:
    """The stream that holds a claim."""
    rows = yield Query("claimed", (scope, key))
    return rows[0][0] if rows else None


def horizon() -> Operation[int]:
    """The position up to which all has been decided: no record will yet appear at or below it."""
    rows = yield Query("horizon")
    position: int = rows[0][0]
    return position


def tail(after: int, limit: int = 1000) -> Operation[tuple[list[StoredRow], int]]:
    """The next records of the whole log behind position `after`, without their values, and where to go on.

    None is ever skipped, and each stream comes in order of version, whatever commits late (see 0004_append.sql). Two
    statements, so outside a transaction or in a READ COMMITTED one, on the primary.
    """
    # Where to go on is the last record seen, not the horizon: after a crash of the server the positions behind
    # the last commit are handed out once more.
    upto = yield from horizon()
    if upto <= after:
        return [], after
    rows = yield Query("tail", (wire.bigint(after), wire.bigint(upto), wire.bigint(limit)))
    return _stored(rows), rows[-1][0] if rows else after


def definition(hash: str) -> Operation[bytes | None]:
    """The stored body of a definition."""
    rows = yield Query("definition", (hash,))
    return rows[0][0] if rows else None


def ensure_partitions() -> Operation[int]:
    """See that this month and the next two have their partitions, as a session does when it is opened; how many were made.

    For processes that live for months. Where one could not be made, the default partition takes its records.
    """
    rows = yield Query("ensure_partitions")
    made: int = rows[0][0]
    return made


def now() -> Operation[int]:
    """Database time, microseconds since 1970."""
    rows = yield Query("now")
    return wire.micros(rows[0][0])


def _stored(rows: Rows) -> list[StoredRow]:
    make, micros = StoredRow._make, wire.micros
    return [make((*row[:8], micros(row[8]), *row[9:])) for row in rows]


def _check(batch: Sequence[Append]) -> None:
    last = None
    for item in batch:
        if item.head.stream_id == last:
            raise ValueError(f"append: stream {last} is in the batch twice; put its records into one Append")
        last = item.head.stream_id
        if not item.records:
            raise ValueError(f"append: stream {last} comes without records")


def _append(linked: Sequence[tuple[Append, Links]], refused: list[Refusal], moves: list[_Move]) -> Operation[None]:
    try:
        if len(linked) == 1 and _simple(linked[0][0]):
            rows = yield one(*linked[0])
            if rows[0][0]:
                moves.append(_moved(*linked[0]))
                return
        rows = yield many(linked)
    except _BAD_DATA as error:
        if len(linked) == 1:
            refused.append(_rejected(linked[0][0], error))
        else:
            half = len(linked) // 2
            yield from _append(linked[:half], refused, moves)
            yield from _append(linked[half:], refused, moves)
        return
    outcome = {row[0]: row for row in rows}
    for item, made in linked:
        row = outcome.get(item.head.stream_id) if outcome else None
        if row is None:
            moves.append(_moved(item, made))
        elif row[1] == "duplicate":
            # The first try may have drawn other salts: what comes next must follow the hash that stands there.
            moves.append(_Move(item.head, row[2], row[6], item.owner))
        else:
            refused.append(Refusal(*row[:6]))


def _rejected(item: Append, error: Exception) -> Refusal:
    head = item.head
    return Refusal(head.stream_id, "rejected", head.version, head.epoch, None, str(error).strip())


def _simple(item: Append) -> bool:
    return bool(item.head.version) and not (item.claims or item.accepted or item.definitions)


def _moved(item: Append, made: Links) -> _Move:
    return _Move(item.head, item.head.version + len(item.records), made.hashes[-1], item.owner)
