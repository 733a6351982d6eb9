"""The simulated log's two ways to append. What they do, and in which order, is told in sql/migrations/0004_append.sql."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from ..store.io import Rows
from . import unpack
from .tables import Row, Stream, Tables, moment
from .timers import Change, changes, keep

_COLUMNS = 12
"""Parameters that are arrays by record, the same for both."""


class Line(NamedTuple):
    """What is to be appended to one stream; `columns` are its records, each as the twelve fields that were sent."""

    stream: bytes
    expected: int
    epoch: int
    previous: bytes
    owner: UUID | None
    namespace: str
    actor: str
    occurred: bytes
    correlation: UUID | None
    records: Sequence[tuple[Any, ...]]


class Refused(NamedTuple):
    """A row of the answer: why nothing was appended to a stream, or that it was appended before."""

    stream_id: UUID
    status: str
    version: int
    epoch: int
    holder: UUID | None
    detail: str | None
    hash: bytes | None


def append_one(tables: Tables, now: int, *params: Any) -> Rows:
    """To a stream that is there: true, or false and nothing is changed."""
    id, expected, epoch, previous, owner, actor, occurred, correlation = params[:8]
    stream = tables.streams.get(id)
    line = Line(
        id, unpack.number(expected), unpack.number(epoch), previous, unpack.uuid(owner), "", unpack.text(actor),
        bytes(occurred), unpack.uuid(correlation), _records(params[8:]),
    )  # fmt: skip
    if stream is None or (stream.version, stream.epoch, stream.hash) != (line.expected, line.epoch, line.previous):
        return [(False,)]
    _write(tables, now, [line], changes(tables, [line]))
    return [(True,)]


def append(tables: Tables, now: int, *params: Any) -> Rows:
    """To many streams: a row for each to which nothing was appended."""
    lines = _lines(params)
    of_stream, of_record = len(lines), 12 + _COLUMNS
    definitions = dict(zip(*(unpack.texts(params[of_record], 0), unpack.whole(params[of_record + 1])), strict=True))
    asked = list(
        zip(
            (place - 1 for place in unpack.numbers(params[of_record + 2])),
            zip(unpack.texts(params[of_record + 3], 0), unpack.texts(params[of_record + 4], 0), strict=True),
            strict=True,
        )
    )
    accepted = [
        (place - 1, message)
        for place, message in zip(unpack.numbers(params[of_record + 5]), unpack.whole(params[of_record + 6]), strict=True)
    ]
    refused: dict[int, Refused] = {}
    for place, line in enumerate(lines):
        if (found := _compared(tables, line)) is not None:
            refused[place] = found
    _claimed(lines, asked, tables.claims, refused, [n for n, line in enumerate(lines) if line.stream not in tables.streams])
    for place, message in accepted:
        if place not in refused and (lines[place].stream, message) not in tables.inbox:
            what = f"message {UUID(bytes=message)} is not in the inbox: it has been accepted already"
            refused[place] = _refused(lines[place], "conflict", what)
    claims = _made(lines, asked, tables, refused)
    if len(refused) < of_stream:
        kept = [line for place, line in enumerate(lines) if place not in refused]
        timers = changes(tables, kept)  # the last thing that may raise: from here on all is done, or nothing was
        tables.claims.update(claims)
        for hash, body in definitions.items():
            tables.definitions.setdefault(str(hash), body)
        _write(tables, now, kept, timers)
        for place, message in accepted:
            if place not in refused:
                tables.inbox.pop((lines[place].stream, message), None)
    return [tuple(refusal) for refusal in refused.values()]


def _lines(params: Sequence[Any]) -> list[Line]:
    streams, heads = unpack.whole(params[0]), unpack.whole(params[3])
    expected, epochs = unpack.numbers(params[1]), unpack.numbers(params[2])
    size = len(streams)
    owners, correlations = unpack.blobs(params[4], size), unpack.blobs(params[8], size)
    namespaces, actors = unpack.texts(params[5], size), unpack.texts(params[6], size)
    occurred, before, counts = unpack.whole(params[7]), unpack.numbers(params[9]), unpack.numbers(params[10])
    records = _records(params[12 : 12 + _COLUMNS])
    return [
        Line(
            streams[n], expected[n], epochs[n], heads[n], unpack.uuid(owners[n]), str(namespaces[n]), str(actors[n]),
            occurred[n], unpack.uuid(correlations[n]), records[before[n] : before[n] + counts[n]],
        )
        for n in range(size)
    ]  # fmt: skip


def _records(columns: Sequence[Any]) -> list[tuple[Any, ...]]:
    ids, types, schemas, facts, values, encodings, keys, metas, causations, salts, digests, hashes = columns
    found = unpack.whole(ids)
    size = len(found)
    return list(
        zip(
            found,
            unpack.texts(types, size),
            unpack.numbers(schemas),
            unpack.blobs(facts, size),
            unpack.blobs(values, size),
            unpack.texts(encodings, size),
            unpack.texts(keys, size),
            unpack.blobs(metas, size),
            unpack.blobs(causations, size),
            unpack.blobs(salts, size),
            unpack.blobs(digests, size),
            unpack.blobs(hashes, size),
            strict=True,
        )
    )


def _refused(line: Line, status: str, detail: str, holder: UUID | None = None) -> Refused:
    return Refused(unpack.identity(line.stream), status, line.expected, line.epoch, holder, detail, None)


def _compared(tables: Tables, line: Line) -> Refused | None:
    """Why a stream is not where its line expects it; None: it is, or it is to be created."""
    stream = tables.streams.get(line.stream)
    if stream is None:
        if line.expected == 0:
            return None
        missing = _refused(line, "conflict", f"expected version {line.expected}, found no such stream")
        return missing._replace(version=0, epoch=0)
    found = Refused(stream.id, "conflict", stream.version, stream.epoch, None, None, None)
    if stream.version != line.expected:
        there = stream.rows[line.expected : line.expected + len(line.records)]
        if [row[3] for row in there] == [record[0] for record in line.records]:
            after = line.expected + len(there)
            return found._replace(status="duplicate", version=after, hash=there[-1][-1])
        if line.expected == 0 or stream.epoch == line.epoch:
            return found._replace(detail=f"expected version {line.expected}, found {stream.version}")
    if stream.epoch != line.epoch:
        return found._replace(status="fenced", detail=f"expected epoch {line.epoch}, found {stream.epoch}")
    if stream.hash != line.previous:
        return found._replace(detail="the head hash is not the one that the new records follow")
    return None


Asked = Sequence[tuple[int, tuple[str | None, str | None]]]


def _claimed(
    lines: Sequence[Line],
    asked: Asked,
    holders: dict[tuple[str, str], bytes],
    refused: dict[int, Refused],
    among: Iterable[int],
) -> None:
    """Refuse those of the lines `among` which claim what another stream holds."""
    wanted = set(among)
    for place, (scope, key) in asked:
        holder = holders.get((str(scope), str(key)))
        if holder is None or holder == lines[place].stream or place in refused or place not in wanted:
            continue
        who = unpack.identity(holder)
        refused[place] = _refused(lines[place], "claimed", f"{scope} {key} belongs to {who}", who)


def _made(lines: Sequence[Line], asked: Asked, tables: Tables, refused: dict[int, Refused]) -> dict[tuple[str, str], bytes]:
    """The claims that are made; a line that asks for one which another line, or stream, has got is refused."""
    made: dict[tuple[str, str], bytes] = {}
    for place, (scope, key) in sorted(asked, key=lambda each: lines[each[0]].stream):
        if place not in refused and (str(scope), str(key)) not in tables.claims:
            made.setdefault((str(scope), str(key)), lines[place].stream)
    _claimed(lines, asked, {**tables.claims, **made} if made else tables.claims, refused, range(len(lines)))
    lost = {lines[place].stream for place in refused}
    return {claim: holder for claim, holder in made.items() if holder not in lost}


def _write(tables: Tables, now: int, lines: Sequence[Line], timers: Sequence[Change]) -> None:
    """Insert the records, move the heads, keep the timers."""
    recorded = moment(now)
    for line in lines:
        stream = tables.streams.get(line.stream)
        if stream is None:
            id = unpack.identity(line.stream)
            stream = tables.streams[line.stream] = Stream(id, line.epoch, line.namespace)
        for record in line.records:
            row = _row(len(tables.records) + 1, stream, line, recorded, record)
            stream.rows.append(row)
            tables.records.append(row)
        stream.hash, stream.owner = line.records[-1][-1], line.owner
    keep(tables, timers)


def _row(position: int, stream: Stream, line: Line, recorded: object, record: Sequence[Any]) -> Row:
    """As the query `read` gives it."""
    id, type, schema, facts, value, encoding, key, meta, causation, salt, digest, hash = record
    return (
        position, stream.id, stream.version + 1, id, type, schema, line.epoch, line.actor, line.occurred, recorded,
        line.correlation, causation, facts, value, encoding, key, salt, digest, meta, hash,
    )  # fmt: skip
