"""Following the whole log while writers sleep in their transactions and roll back: nothing skipped, no stream inverted.

Each writer has streams of its own and shares some with all others; it sleeps with positions taken, writes to other
tables first (which gives the transaction its id early), and rolls back. The reader follows all the while, and once more
when they have ended; what it has seen is then compared with what is there.
"""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from collections.abc import Hashable, Iterator, Sequence
from multiprocessing.process import BaseProcess
from typing import Any
from uuid import UUID, uuid4

import psycopg

from sagalog.config import Settings
from sagalog.store import log
from sagalog.store.io import perform
from sagalog.store.session import Session
from sagalog.store.shape import Append, Head, NewRecord

from . import final_row
from .figures import Figure
from .ground import Ground, Miscount
from .sizes import Sizes

WRITERS = 8
SHARED = 4
"""Streams that every writer appends to."""


class Watch:
    """What a reader of the whole log has seen, and whether it came in each stream's order."""

    def __init__(self) -> None:
        self.last: dict[Hashable, int] = {}
        self.seen: set[tuple[Hashable, int]] = set()
        self.inversions = 0

    def see(self, stream: Hashable, version: int) -> None:
        """The next record: it must be the one after the last of its stream."""
        self.inversions += version != self.last.get(stream, 0) + 1
        self.last[stream] = version
        self.seen.add((stream, version))

    def skipped(self, durable: set[tuple[Hashable, int]]) -> int:
        """How many of the records that are there were never seen."""
        return len(durable - self.seen)


def figures(ground: Ground, sizes: Sizes) -> Iterator[Figure]:
    """Two counts, which have to be 0."""
    each = sizes.tail // WRITERS
    with ground.database() as url:
        shared = _prepare(url)
        spawn = multiprocessing.get_context("spawn")
        writers = [spawn.Process(target=write, args=(url, shared, each, seed), daemon=True) for seed in range(WRITERS)]
        for writer in writers:
            writer.start()
        began = time.perf_counter()
        watch = follow(url, ground.settings, writers)
        took = time.perf_counter() - began
        if [writer.exitcode for writer in writers] != [0] * WRITERS:
            raise Miscount(f"tail: a writer failed; exit codes {[writer.exitcode for writer in writers]}")
        with psycopg.connect(url) as conn:
            durable = set(conn.execute("select stream_id, version from sagalog.record").fetchall())
    appends = each * WRITERS + SHARED
    more = {"appends": appends, "records": len(durable), "appends_per_s": appends / took}
    skips, inversions = float(watch.skipped(durable)), float(watch.inversions)
    yield Figure("tail: records skipped", "8 writers", "records", [skips], [0.0], at_most=0, more=more)
    yield Figure("tail: records inverted", "8 writers", "records", [inversions], [0.0], at_most=0, more=more)


def _prepare(url: str) -> list[UUID]:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("create table business (n int)")
        heads = [final_row.stream() for _ in range(SHARED)]
        for head in heads:
            perform(conn, log.append([final_row.begin(head)]))
    return [head.stream_id for head in heads]


def follow(url: str, settings: Settings, writers: Sequence[BaseProcess]) -> Watch:
    """Read on until the writers have ended and nothing is left."""
    after, watch = 0, Watch()
    with Session(url, settings) as session:
        while True:
            ended = not any(writer.is_alive() for writer in writers)
            rows, after = session.perform(lambda place=after: log.tail(place, 1000))  # type: ignore[misc]  # bound here
            for row in rows:
                watch.see(row.stream_id, row.version)
            if ended and not rows:
                return watch
            if not rows:
                time.sleep(0.001)


def write(url: str, shared: list[UUID], appends: int, seed: int) -> None:
    """Append so many times, durably; what is rolled back or refused does not count."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt at the keyboard is the parent's to handle
    chance = random.Random(seed)
    own = [final_row.stream() for _ in range(4)]
    with psycopg.connect(url) as conn:
        done = 0
        while done < appends:
            done += _transaction(conn, chance, own, shared)


def _transaction(conn: psycopg.Connection[Any], chance: random.Random, own: list[Head], shared: list[UUID]) -> bool:
    if chance.random() < 0.2:
        conn.execute("insert into business values (1)")
        if chance.random() < 0.3:
            time.sleep(chance.random() * 0.003)
    known = chance.choice(own)
    if chance.random() < 0.2:
        known = perform(conn, log.head(chance.choice(shared))) or known
    head = Head(known.stream_id, known.version, known.hash, known.epoch, known.owner)
    refused = perform(conn, log.append([_append(head, chance.randint(1, 3))]))
    if chance.random() < 0.1:
        time.sleep(chance.random() * 0.005)
    if refused or chance.random() < 0.1:
        conn.rollback()
        return False
    conn.commit()
    known.version, known.hash = head.version, head.hash
    return True


def _append(head: Head, records: int) -> Append:
    rows = [NewRecord(uuid4().bytes, "test.happened", 1, b"{}", final_row.VALUE, "json@1") for _ in range(records)]
    return Append(head, rows, final_row.ACTOR, time.time_ns() // 1000, owner=head.owner)
