"""Appending batches of 100 records from several processes, beside a bare INSERT of the same encoded bytes.

The bare table has the log's columns, a sequence, and one index, its primary key; nothing is checked, chained or fenced.
What is sent to it is packed in the same way, from hashes and digests that were computed before the clock started.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import psycopg

from sagalog.engine.core import records as r
from sagalog.store import log, wire
from sagalog.store.chain import SALT_SIZE, link
from sagalog.store.ids import record_ids
from sagalog.store.io import ask
from sagalog.store.shape import Append, NewRecord

from . import final_row
from .figures import Figure
from .ground import Ground, count
from .sizes import Sizes

BATCH = 100
TABLE = """
create sequence bare_position;
create table bare_record (
  position bigint not null default nextval('bare_position'),
  stream_id uuid, version bigint, record_id uuid, epoch bigint, occurred_at timestamptz, recorded_at timestamptz,
  schema_version int, type text, actor text, db_user text, correlation_id uuid, causation_id uuid,
  encoding text, key_id text, salt bytea, value_digest bytea, hash bytea, facts bytea, meta bytea, value bytea,
  primary key (stream_id, version))
"""
INSERT = """
insert into bare_record (stream_id, epoch, actor, occurred_at, recorded_at, db_user, version, record_id, type,
                         schema_version, facts, value, encoding, salt, value_digest, hash)
select $1::uuid, $2::bigint, $3::text, $4::timestamptz, clock_timestamp(), session_user, r.*
  from unnest($5::bigint[], $6::uuid[], $7::text[], $8::int[], $9::bytea[], $10::bytea[], $11::text[], $12::bytea[],
              $13::bytea[], $14::bytea[]) r
"""


def figures(ground: Ground, sizes: Sizes) -> Iterator[Figure]:
    """One figure, in records/s of all processes together."""
    seen: dict[str, list[float]] = {"ours": [], "bare": []}
    rows = sizes.writers * (sizes.batches + WARM) * BATCH
    for turn in range(sizes.rounds):
        for name in ("ours", "bare") if turn % 2 else ("bare", "ours"):
            with ground.database() as url:
                seen[name].append(_together(url, name, sizes.writers, sizes.batches))
                count(url, {"sagalog.record" if name == "ours" else "bare_record": rows})
    yield Figure(
        f"append 100s x {sizes.writers} processes",
        "bare insert",
        "records/s",
        seen["ours"],
        seen["bare"],
        at_least=0.55,
    )


WARM = 3
"""Batches before the clock starts, on the connection that is measured."""


def _together(url: str, name: str, writers: int, batches: int) -> float:
    """Records/s of so many processes that start at one sign; from the first one's start to the last one's end."""
    if name == "bare":
        with psycopg.connect(url) as conn:
            conn.execute(TABLE)
    spawn = multiprocessing.get_context("spawn")
    pipes = [spawn.Pipe() for _ in range(writers)]
    children = [spawn.Process(target=_child, args=(end, url, name, batches), daemon=True) for _, end in pipes]
    for child in children:
        child.start()
    for mine, _ in pipes:
        assert mine.recv() == "ready"
    for mine, _ in pipes:
        mine.send("go")
    times: list[tuple[float, float]] = [mine.recv() for mine, _ in pipes]
    for child in children:
        child.join()
    return writers * batches * BATCH / (max(end for _, end in times) - min(began for began, _ in times))


def _child(pipe: Connection, url: str, name: str, batches: int) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        cursor = psycopg.RawCursor(conn)
        prepared = (_ours if name == "ours" else _bare)(cursor, batches + WARM)
        for write in prepared[:WARM]:
            write()
        pipe.send("ready")
        pipe.recv()
        began = time.perf_counter()
        for write in prepared[WARM:]:
            write()
        pipe.send((began, time.perf_counter()))


def _records() -> list[NewRecord]:
    """100 records as a flow writes them: half with a value."""
    ids = iter(record_ids(BATCH))
    made = []
    for one, two in zip(ids, ids, strict=True):
        made.append(NewRecord(one, r.TASK_SUCCESS, 1, final_row.FACTS, final_row.VALUE, "json@1"))
        made.append(NewRecord(two, r.TASK_RUNNING, 1, final_row.FACTS))
    return made


def _ours(cursor: psycopg.RawCursor[Any], batches: int) -> list[Callable[[], None]]:
    head = final_row.stream()
    made = [_records() for _ in range(batches)]

    def write(records: list[NewRecord]) -> None:
        append = Append(head, records, final_row.ACTOR, time.time_ns() // 1000, owner=head.owner)
        operation = log.append([append])
        query = next(operation)
        try:
            while True:
                query = operation.send(ask(cursor, query))
        except StopIteration as done:
            assert not done.value, done.value

    return [lambda records=records: write(records) for records in made]  # type: ignore[misc]  # bound as it is made


def _bare(cursor: psycopg.RawCursor[Any], batches: int) -> list[Callable[[], None]]:
    head = final_row.stream()
    salt, previous, first = bytes(SALT_SIZE), head.hash, 1
    made = []
    for _ in range(batches):
        records, salts, digests, hashes = _records(), [], [], []
        for version, record in enumerate(records, first):
            previous, digest = link(
                previous,
                head.stream_id.bytes,
                version,
                record,
                1,
                final_row.ACTOR,
                0,
                None,
                salt if record.value else None,
            )
            salts.append(salt if record.value else None)
            digests.append(digest)
            hashes.append(previous)
        made.append((first, records, salts, digests, hashes))
        first += len(records)

    def write(first: int, records: list[NewRecord], *chain: list[bytes | None]) -> None:
        ids, types, schemas, facts, values, encodings, *_ = zip(*records, strict=True)
        params = (
            wire.uuid(head.stream_id),
            wire.bigint(1),
            final_row.ACTOR,
            wire.time(time.time_ns() // 1000),
            wire.bigints(range(first, first + len(records))),
            wire.uuids(ids),
            wire.texts(types),
            wire.ints(schemas),
            wire.blobs(facts),
            wire.blobs(values),
            wire.texts(encodings),
            *map(wire.blobs, chain),
        )
        cursor.execute(INSERT, params, prepare=True, binary=True)

    return [lambda batch=batch: write(*batch) for batch in made]  # type: ignore[misc]  # bound as it is made
