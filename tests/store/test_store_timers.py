"""The table of timers: part of the append's transaction, computed anew from the log, and cheap to ask."""

from __future__ import annotations

import json
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sagalog_logkit import appending, ended, record, settings, stream, timer

from sagalog.errors import CorruptLog
from sagalog.store import hold, log, rebuild
from sagalog.store.io import perform
from sagalog.store.queries import QUERIES
from sagalog.store.session import Session
from sagalog.store.shape import Head

TIMERS = "select stream_id, timer, due from sagalog.timer order by 1, 2"
AT = 2_000_000_000_000_000


def fill(url: str) -> list[Head]:
    """Streams with timers that wait, that have fired, that were cancelled, and with none."""
    heads = [stream(owner=uuid4()) for _ in range(8)]
    with Session(url, settings()) as session:
        for place, head in enumerate(heads):
            session.perform(partial(log.append, [appending(head, records=[record(), timer(head, AT + place, 2)])]))
        session.perform(lambda: log.append([appending(head, records=[ended(2)]) for head in heads[::3]]))
        session.perform(lambda: log.append([appending(heads[1], records=[ended(2, "cancelled"), record()])]))
        session.perform(lambda: log.append([appending(heads[0], records=[timer(heads[0], AT), record("timer.later")])]))
        session.perform(lambda: log.append([appending(stream(), 3)]))
    return heads


@pytest.mark.parametrize(
    "loss",
    [
        "select 1",
        "truncate sagalog.timer",
        "drop table sagalog.timer",
        "update sagalog.timer set due = due + 1, timer = timer + 7",
        "insert into sagalog.timer select gen_random_uuid(), n, n from generate_series(1, 9) n",
    ],
)
def test_timers_come_back_from_the_log_equal(migrated_on: str, loss: str) -> None:
    heads = fill(migrated_on)
    told: list[tuple[str, int, int]] = []
    with psycopg.connect(migrated_on, autocommit=True) as conn:
        before = conn.execute(TIMERS).fetchall()
        waiting = [(heads[0].stream_id, 4, AT), *((heads[n].stream_id, 2, AT + n) for n in (2, 4, 5, 7))]
        assert before == sorted(waiting)
        conn.execute(loss.encode())
        assert rebuild.rebuild(migrated_on, lambda *words: told.append(words)) == 9
        assert conn.execute(TIMERS).fetchall() == before
        assert ("timers", 5, 5) in told


def test_after_a_rebuild_whoever_asks_finds_what_was_another_ones(migrated_on: str) -> None:
    """Leases are void then, and the timers of a worker that was alive are everybody's."""
    me = hold.this_process(uuid4())
    head = stream(owner=me.id)
    with Session(migrated_on, settings()) as session:
        session.perform(lambda: hold.enroll(me, 600.0))
        session.perform(lambda: log.append([appending(head, records=[timer(head, AT)])]))
        assert session.perform(lambda: hold.due(AT, 10)) == []
        rebuild.rebuild(migrated_on)
        assert session.perform(lambda: hold.due(AT, 10)) == [(head.stream_id, AT)]
        assert session.perform(lambda: hold.due(AT - 1, 10)) == []
        assert session.perform(hold.next_due) == AT
        assert session.perform(lambda: hold.next_due(AT)) is None


@pytest.mark.parametrize("facts", [b"[1", b'{"timer":1}', b'{"due":1}', b'{"timer":"x","due":1}'])
def test_damaged_facts_of_a_timer_stop_the_rebuild_and_are_named(migrated: str, facts: bytes) -> None:
    fill(migrated)
    with psycopg.connect(migrated, autocommit=True) as conn:
        before = conn.execute(TIMERS).fetchall()
        conn.execute("alter table sagalog.record disable trigger all")
        conn.execute("update sagalog.record set facts = %s where type = 'timer.set'", (facts,))
        with pytest.raises(CorruptLog, match=r"timer\.\*.*sagalog verify"):
            rebuild.rebuild(migrated)
        assert conn.execute(TIMERS).fetchall() == before


def test_a_transaction_that_is_rolled_back_sets_and_ends_nothing(migrated_on: str) -> None:
    head = stream()
    with psycopg.connect(migrated_on) as conn:
        for kept in (True, False):
            ending = [] if kept else [ended(1)]
            item = appending(head, records=[timer(head, AT + head.version), *ending])
            assert perform(conn, log.append([item])) == []
            conn.commit() if kept else conn.rollback()
        assert conn.execute(TIMERS).fetchall() == [(head.stream_id, 1, AT)]


def test_no_timer_is_set(migrated_on: str) -> None:
    with Session(migrated_on, settings()) as session:
        session.perform(lambda: log.append([appending(stream())]))
        assert session.perform(hold.next_due) is None
        assert session.perform(lambda: hold.due(2**62, 10)) == []


@pytest.mark.parametrize("analyzed", [False, True])
def test_looking_costs_the_same_however_many_runs_wait(migrated: str, analyzed: bool) -> None:
    """In pages that the server touches: 3,000 waiting streams have hundreds, their indexes too."""
    me = hold.this_process(uuid4())
    heads = [stream(owner=me.id) for _ in range(3_000)]
    with Session(migrated, settings()) as session, psycopg.connect(migrated, autocommit=True) as conn:
        session.perform(lambda: hold.enroll(me, 600.0))
        for at in range(0, len(heads), 1_000):
            batch = [appending(head, records=[timer(head, AT)]) for head in heads[at : at + 1_000]]
            session.perform(partial(log.append, batch))
        for _ in range(3):
            session.perform(lambda: hold.post(heads[7].stream_id, uuid4(), "event", b"", "somebody"))
        if analyzed:
            conn.execute("vacuum analyze sagalog.timer, sagalog.stream, sagalog.inbox, sagalog.worker")
        assert _pages(conn, "select from sagalog.stream where version > 0", ()) > 50
        assert _pages(conn, QUERIES["inbox_of"].decode(), (me.id,)) <= 20
        assert _pages(conn, QUERIES["due"].decode(), (AT - 1, 10, 0, me.id)) <= 20
        assert _pages(conn, QUERIES["next_due"].decode(), (0,)) <= 20


def _pages(conn: psycopg.Connection[Any], query: str, params: tuple[object, ...]) -> int:
    cursor = psycopg.RawCursor(conn)
    cursor.execute(f"explain (analyze, buffers, format json) {query}".encode(), params)
    row = cursor.fetchone()
    assert row is not None
    plan = row[0] if isinstance(row[0], list) else json.loads(row[0])
    used: int = plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"]
    return used
