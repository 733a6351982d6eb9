"""What is derived can be dropped: it comes back from the log, equal; epochs leap ahead and leases are void."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sagalog_logkit import appending, copy, record, settings, stream, worker

from sagalog.errors import CorruptLog
from sagalog.store import hold, log, rebuild
from sagalog.store.ids import standing_id
from sagalog.store.io import Operation, Query
from sagalog.store.session import Session
from sagalog.store.shape import Head

HEADS = "select stream_id, version, head, namespace from sagalog.stream order by stream_id"
CLAIMS = "select scope, key, stream_id from sagalog.claim order by scope, key"


def fill(url: str, streams: int = 12) -> list[Head]:
    """Streams of several lengths, some with keys, one in another namespace, one standing; owned by a worker."""
    me = worker()
    heads = [stream(owner=me.id) for _ in range(streams)]
    with Session(url, settings()) as session:
        session.perform(lambda: hold.enroll(me, 600.0))
        for place, head in enumerate(heads):
            facts = b'{"key":"k%d"}' % place if place % 2 else b"{}"
            claims = (("run", f"k{place}"),) if place % 2 else ()
            first = appending(head, records=[record("run.created", facts=facts)], claims=claims)
            session.perform(partial(log.append, [first]))
            for _ in range(place % 4):
                session.perform(partial(log.append, [appending(head, 2)]))
        other = appending(stream(), records=[record("run.created", facts=b'{"namespace":"tests"}')], namespace="tests")
        standing = appending(Head(standing_id("default", "rules")))
        session.perform(lambda: log.append([other, standing]))
    return heads


@pytest.mark.parametrize("loss", ["nothing", "truncate", "drop", "garble"])
def test_what_is_derived_comes_back_equal(migrated_on: str, loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "PAGE", 5)
    fill(migrated_on)
    with psycopg.connect(migrated_on, autocommit=True) as conn:
        heads, claims = conn.execute(HEADS).fetchall(), conn.execute(CLAIMS).fetchall()
        assert len(heads) == 14 and len(claims) == 6
        for table in ("stream", "claim", "worker"):
            if loss in ("truncate", "drop"):
                conn.execute(f"{loss} {'table' if loss == 'drop' else ''} sagalog.{table}")
        if loss == "garble":
            conn.execute("update sagalog.stream set version = version + 7, head = '\\x00'")
        assert rebuild.rebuild(migrated_on) == 14
        assert conn.execute(HEADS).fetchall() == heads
        assert conn.execute(CLAIMS).fetchall() == claims
        assert conn.execute("select count(*) from sagalog.worker").fetchone() == (0,)


def test_owners_from_before_are_fenced_and_anybody_may_take_over(migrated_on: str) -> None:
    head = fill(migrated_on, 2)[0]
    stale = copy(head)
    rebuild.rebuild(migrated_on)
    with Session(migrated_on, settings()) as session:
        assert [r.status for r in session.perform(lambda: log.append([appending(stale)]))] == ["fenced"]
        taken = session.perform(lambda: hold.take(head.stream_id, uuid4()))
        assert isinstance(taken, Head) and taken.epoch == head.epoch + rebuild.EPOCH_LEAP + 1
        assert (taken.version, taken.hash) == (head.version, head.hash)
        assert session.perform(lambda: log.append([appending(taken)])) == []
        epochs = [row.epoch for row in session.perform(lambda: log.read(head.stream_id))]
        assert epochs == sorted(epochs)


def test_the_tables_that_come_back_are_as_they_were(migrated_on: str) -> None:
    query = (
        "select table_name::text, column_name::text, data_type, is_nullable from information_schema.columns "
        "where table_schema = 'sagalog' and table_name in ('stream', 'claim', 'worker') order by 1, ordinal_position"
    )
    options = "select relname::text, reloptions, relowner, relacl::text from pg_class where relname = 'stream'"
    with psycopg.connect(migrated_on, autocommit=True) as conn:
        before = conn.execute(query).fetchall(), conn.execute(options).fetchall()
        conn.execute("drop table sagalog.stream, sagalog.claim, sagalog.worker")
        rebuild.rebuild(migrated_on)
        assert (conn.execute(query).fetchall(), conn.execute(options).fetchall()) == before


def test_progress_is_told_and_others_add_their_stages(migrated_on: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "PAGE", 3)
    fill(migrated_on, 6)
    told: list[tuple[str, int, int]] = []

    def more(tell: Any) -> Operation[None]:
        rows = yield Query("rebuild_count")
        tell(rows[0][0], 8)

    rebuild.rebuild(migrated_on, lambda *words: told.append(words), more=[rebuild.Stage("mine", more)])
    assert told == [("streams", 3, 8), ("streams", 6, 8), ("streams", 8, 8), ("mine", 8, 8)]


def test_all_or_nothing(migrated_on: str) -> None:
    fill(migrated_on, 3)

    def failing(tell: Any) -> Operation[None]:
        yield Query("rebuild_empty")
        raise LookupError("on the way")

    with psycopg.connect(migrated_on, autocommit=True) as conn:
        before = conn.execute(HEADS).fetchall()
        with pytest.raises(LookupError):
            rebuild.rebuild(migrated_on, more=[rebuild.Stage("mine", failing)])
        assert conn.execute(HEADS).fetchall() == before


def test_a_first_record_without_readable_facts_is_named(migrated: str) -> None:
    head = stream()
    with Session(migrated, settings()) as session:
        session.perform(lambda: log.append([appending(head, records=[record(facts=b"[1")])]))
    with pytest.raises(CorruptLog, match=str(head.stream_id)):
        rebuild.rebuild(migrated)


def test_an_empty_log(migrated_on: str) -> None:
    assert rebuild.rebuild(migrated_on) == 0
