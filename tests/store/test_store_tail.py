"""A reader of the whole log skips nothing and never sees a stream out of order, whatever commits late.

The environment variable `TAIL_APPENDS` (default 50,000) is how many appends are committed while it reads.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from array import array
from functools import partial
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from sagalog_logkit import StoredLog, appending, copy, settings, stream

from sagalog.errors import StoreUnavailable
from sagalog.store import log
from sagalog.store.io import perform
from sagalog.store.session import Session

LOADER = Path(__file__).parent.parent / "sagalog_loader.py"
# Not SAGALOG_…: settings of that name are those of whoever runs the tests, and are removed.
APPENDS = int(os.environ.get("TAIL_APPENDS") or 50_000)
WRITERS = 8


class Bare(threading.Thread):
    """What a reader without the protocol sees: everything behind the last position it has seen."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.done = threading.Event()
        self.seen = 0

    def run(self) -> None:
        after = 0
        with psycopg.connect(self.url, autocommit=True) as conn:
            while True:
                last = self.done.is_set()
                query = "select position from sagalog.record where position > %s order by position"
                rows = conn.execute(query, (after,)).fetchall()
                self.seen += len(rows)
                after = rows[-1][0] if rows else after
                if last and not rows:
                    return
                time.sleep(0.01)


def follow(url: str, writers: list[subprocess.Popen[str]]) -> tuple[array[int], dict[UUID, int]]:
    """Read the log until the writers have ended and nothing is left; fail at the first record out of order."""
    positions, versions = array("q", [0]), dict[UUID, int]()
    after = 0
    with Session(url, settings()) as session:
        while True:
            running = any(writer.poll() is None for writer in writers)
            rows, after = session.perform(partial(log.tail, after, 2_000))
            for row in rows:
                assert row.position > positions[-1], "the order of the whole log"
                assert row.version == versions.get(row.stream_id, 0) + 1, f"the order of stream {row.stream_id}"
                positions.append(row.position)
                versions[row.stream_id] = row.version
            if not rows and not running:
                return positions[1:], versions
            time.sleep(0 if rows else 0.01)


def test_a_reader_skips_nothing_and_inverts_nothing(migrated: str) -> None:
    command = [sys.executable, str(LOADER), migrated, str(APPENDS // WRITERS)]
    bare = Bare(migrated)
    bare.start()
    writers = [subprocess.Popen([*command, str(seed)], stdout=subprocess.PIPE, text=True) for seed in range(WRITERS)]
    try:
        positions, versions = follow(migrated, writers)
    finally:
        for writer in writers:
            if sys.exc_info()[0] is not None:
                writer.kill()
            writer.wait()
        bare.done.set()
        bare.join()
    outcomes = [writer.communicate() and writer.returncode for writer in writers]
    assert outcomes == [0] * WRITERS
    with psycopg.connect(migrated) as conn:
        stored = array("q", (row[0] for row in conn.execute("select position from sagalog.record order by position")))
        heads = dict(conn.execute("select stream_id, version from sagalog.stream").fetchall())
    assert positions == stored, "nothing skipped"
    assert versions == heads
    assert len(positions) < positions[-1], "the writers have rolled back positions"
    assert bare.seen < len(positions), "the load is one under which a reader without the protocol does skip"


def test_a_reader_waits_for_who_has_taken_positions(migrated_on: str) -> None:
    with Session(migrated_on, settings()) as early, Session(migrated_on, settings()) as late:
        reader = StoredLog(late)
        start = reader.horizon()  # type: ignore[operator]
        first, second = stream(), stream()
        with early.connection.transaction():
            early.once(log.append([appending(first)]))
            late.perform(lambda: log.append([appending(second)]))
            assert reader.head(second.stream_id) is not None
            assert reader.tail(start) == ([], start)
            assert reader.horizon() == start  # type: ignore[operator]
        rows, _ = reader.tail(start)
        assert [row.stream_id for row in rows] == [first.stream_id, second.stream_id]


def test_a_reader_does_not_wait_for_who_has_taken_none(migrated_on: str) -> None:
    idle, busy = Session(migrated_on, settings()), Session(migrated_on, settings())
    with idle, busy, idle.connection.transaction():
        idle.connection.execute("select pg_current_xact_id()")
        head = stream()
        busy.perform(lambda: log.append([appending(head)]))
        rows, _ = busy.perform(lambda: log.tail(0))
        assert [row.stream_id for row in rows] == [head.stream_id]


def test_what_is_rolled_back_leaves_a_gap_and_holds_nobody_up(migrated_on: str) -> None:
    with Session(migrated_on, settings()) as session:
        head = stream()
        with session.connection.transaction(force_rollback=True):
            session.once(log.append([appending(copy(head), 3)]))
        session.perform(lambda: log.append([appending(head)]))
        rows, after = session.perform(lambda: log.tail(0))
        assert [row.position for row in rows] == [4] and after == 4


def test_other_advisory_locks_and_other_databases_hold_nobody_up(migrated: str, server: object) -> None:
    key = (21345 << 48) | 0
    with Session(migrated, settings()) as session, psycopg.connect(server.url, autocommit=True) as other:  # type: ignore[attr-defined]
        other.execute("select pg_advisory_lock_shared(%s)", (key,))
        session.connection.execute("select pg_advisory_lock_shared(1), pg_advisory_lock_shared(21345, 0)")
        session.perform(lambda: log.append([appending(stream())]))
        assert len(session.perform(lambda: log.tail(0))[0]) == 1


def test_a_snapshot_that_is_kept_is_refused(migrated: str) -> None:
    with Session(migrated, settings()) as session:
        session.connection.execute("begin isolation level repeatable read")
        with pytest.raises(StoreUnavailable, match="READ COMMITTED"):
            session.once(log.tail(0))
        session.connection.execute("rollback")


def test_the_position_after_the_last_record_is_where_to_go_on(migrated: str) -> None:
    """Not the horizon: after a crash, positions behind the last commit are handed out again."""
    with Session(migrated, settings()) as session:
        session.perform(lambda: log.append([appending(stream())]))
        with session.connection.transaction(force_rollback=True):
            session.once(log.append([appending(stream(), 5)]))
        assert session.perform(log.horizon) == 6
        assert session.perform(lambda: log.tail(0))[1] == 1
        assert perform(session.connection, log.tail(1)) == ([], 1)
