"""Append-only, by privilege and by trigger; partitions; and updates that touch no index."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sagalog_logkit import appending, settings, stream

from sagalog.store import hold, log
from sagalog.store.ids import run_id, standing_id
from sagalog.store.session import Session
from sagalog.store.shape import Head
from sagalog_testkit import Server

REFUSED = psycopg.errors.InsufficientPrivilege
TRUTH = ("record", "definition", "inbox")
DERIVED = ("stream", "claim", "worker", "timer", "migration")


@pytest.fixture(scope="module")
def used(server_on: Server) -> Iterator[str]:
    """A database with a record, a definition, a claim and a message in it."""
    url = server_on.create_migrated()
    with Session(url, settings()) as session:
        head = stream()
        session.perform(lambda: log.append([appending(head, 2, definitions=(("f", b"{}"),), claims=(("run", "k"),))]))
        session.perform(lambda: hold.post(head.stream_id, uuid4(), "event", b"{}", "somebody"))
    yield url
    server_on.drop(url)


@pytest.fixture
def owner(used: str) -> Iterator[psycopg.Connection[Any]]:
    """A superuser's connection."""
    with psycopg.connect(used, autocommit=True) as conn:
        yield conn


@pytest.mark.parametrize("role", ["sagalog_writer", "sagalog_reader"])
@pytest.mark.parametrize("table", [*TRUTH, *DERIVED, "record_default", "record_standing"])
def test_writer_and_reader_change_no_table(owner: psycopg.Connection[Any], role: str, table: str) -> None:
    owner.execute(f"set role {role}")
    for statement in (
        f"insert into sagalog.{table} default values",
        f"delete from sagalog.{table}",
        f"truncate sagalog.{table}",
        f"drop table sagalog.{table}",
        f"alter table sagalog.{table} disable trigger all",
    ):
        with pytest.raises(REFUSED):
            owner.execute(statement)


def test_the_reader_reads_and_calls_no_function_that_writes(owner: psycopg.Connection[Any]) -> None:
    owner.execute("set role sagalog_reader")
    for table in (*TRUTH, *DERIVED, "record_json"):
        owner.execute(f"select * from sagalog.{table}")
    assert owner.execute("select sagalog.horizon() > 0, sagalog.now() <= clock_timestamp()").fetchone() == (True, True)
    functions = owner.execute(
        "select p.oid::regprocedure::text from pg_proc p where pronamespace = 'sagalog'::regnamespace "
        "and has_function_privilege(p.oid, 'execute') and prosecdef"
    ).fetchall()
    assert functions == []
    with pytest.raises(REFUSED):
        owner.execute("select nextval('sagalog.record_position')")


def test_nobody_else_gets_in(owner: psycopg.Connection[Any]) -> None:
    role = f"stranger_{uuid4().hex}"
    owner.execute(f"create role {role}")
    try:
        owner.execute(f"set role {role}")
        with pytest.raises(REFUSED):
            owner.execute("select * from sagalog.record")
        with pytest.raises(REFUSED):
            owner.execute("select sagalog.leave(gen_random_uuid())")
    finally:
        owner.execute("reset role")
        owner.execute(f"drop role {role}")


@pytest.mark.parametrize("replica", [False, True])
@pytest.mark.parametrize("role", ["sagalog_owner", "postgres"])
def test_triggers_refuse_the_owner_and_the_superuser(owner: psycopg.Connection[Any], role: str, replica: bool) -> None:
    if replica:
        owner.execute("set session_replication_role = replica")
    owner.execute(f"set role {role}")
    query = "select inhrelid::regclass::text from pg_inherits where inhparent = 'sagalog.record'::regclass"
    tables = ["sagalog.record", "sagalog.definition", *(name for (name,) in owner.execute(query).fetchall())]
    assert len(tables) >= 7
    for table in tables:
        column = "body" if table.endswith("definition") else "facts"
        for statement in (f"update {table} set {column} = ''", f"delete from {table}", f"truncate {table}"):
            with pytest.raises(REFUSED, match="append-only"):
                owner.execute(statement)
    assert owner.execute("select count(*) from sagalog.record").fetchone() == (2,)


def test_a_partition_made_later_is_guarded_too(migrated_on: str) -> None:
    with Session(migrated_on, settings()) as session, psycopg.connect(migrated_on, autocommit=True) as owner:
        session.connection.execute("set sagalog.now = '2031-12-05'")
        made = session.connection.execute("select sagalog.ensure_partitions()").fetchone()
        assert made == (3,)
        assert session.connection.execute("select sagalog.ensure_partitions()").fetchone() == (0,)
        in_january = 1956528000_000_000  # 2032-01-01
        heads = [Head(run_id(in_january - 1), epoch=1), Head(run_id(in_january), epoch=1)]
        session.perform(lambda: log.append([appending(head) for head in heads]))
        assert _where(owner, heads[0].stream_id) == "sagalog.record_2031_12"
        assert _where(owner, heads[1].stream_id) == "sagalog.record_2032_01"
        owner.execute("set session_replication_role = replica")
        for table in ("sagalog.record_2031_12", "sagalog.record_2032_01"):
            for statement in (f"update {table} set facts = ''", f"delete from {table}", f"truncate {table}"):
                with pytest.raises(REFUSED, match="append-only"):
                    owner.execute(statement)


def test_every_stream_finds_its_partition(migrated_on: str) -> None:
    with Session(migrated_on, settings()) as session, psycopg.connect(migrated_on, autocommit=True) as owner:
        far, standing = Head(run_id(9_000_000_000_000_000), epoch=1), Head(standing_id("default", "rules"))
        session.perform(lambda: log.append([appending(far), appending(standing), appending(stream())]))
        assert _where(owner, far.stream_id) == "sagalog.record_default"
        assert _where(owner, standing.stream_id) == "sagalog.record_standing"
        rows, _ = session.perform(lambda: log.tail(0))
        assert [row.position for row in rows] == [1, 2, 3]


def test_a_month_that_is_in_the_default_partition_stays_there(migrated_on: str) -> None:
    with Session(migrated_on, settings()) as session:
        early = Head(run_id(1956528000_000_000), epoch=1)
        session.perform(lambda: log.append([appending(early)]))
        session.connection.execute("set sagalog.now = '2031-12-05'")
        session.connection.execute("set client_min_messages = error")
        assert session.connection.execute("select sagalog.ensure_partitions()").fetchone() == (2,)
        assert session.perform(lambda: log.append([appending(early)])) == []
        assert len(session.perform(lambda: log.read(early.stream_id))) == 2


def test_heads_are_updated_in_place(migrated_on: str) -> None:
    with Session(migrated_on, settings()) as session:
        heads = [stream() for _ in range(20)]
        for _ in range(20):
            session.perform(lambda: log.append([appending(head) for head in heads]))
        for _ in range(200):
            session.perform(lambda: log.append([appending(heads[0])]))
    with psycopg.connect(migrated_on, autocommit=True) as conn:
        query = "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'stream'"
        updated, hot = _eventually(conn, query, 580)
        assert updated == 580
        assert hot >= 0.9 * updated
        indexes = conn.execute("select count(*) from pg_index where indrelid = 'sagalog.stream'::regclass").fetchone()
        assert indexes == (1,)


def test_database_time_can_be_set_for_a_session_and_not_for_the_record(migrated_on: str) -> None:
    with Session(migrated_on, settings()) as session:
        real = session.perform(log.now)
        session.connection.execute("set sagalog.now = '2000-01-01 00:00:01+00'")
        assert session.perform(log.now) == 946684801_000_000
        head = stream()
        session.perform(lambda: log.append([appending(head)]))
        (row,) = session.perform(lambda: log.read(head.stream_id))
        assert row.recorded_at.timestamp() * 1e6 >= real
        session.connection.execute("reset sagalog.now")
        assert session.perform(log.now) >= real


def test_the_view_shows_both_bodies_as_json(used: str) -> None:
    with psycopg.connect(used) as conn:
        row = conn.execute(
            "select facts, value ->> 'step', db_user from sagalog.record_json where version = 1"
        ).fetchone()
        assert row == ({}, "1", "postgres")


def _where(conn: psycopg.Connection[Any], stream_id: UUID) -> str:
    row = conn.execute(
        "select tableoid::regclass::text from sagalog.record where stream_id = %s", (stream_id,)
    ).fetchone()
    assert row is not None
    found: str = row[0]
    return found


def _eventually(conn: psycopg.Connection[Any], query: str, enough: int) -> tuple[int, int]:
    """Statistics come when a session ends, or a little later."""
    for _ in range(500):
        row = conn.execute(query).fetchone()
        if row is not None and row[0] >= enough:
            return row[0], row[1]
        time.sleep(0.02)
    raise AssertionError(f"expected {enough} in the statistics, found {row}")
