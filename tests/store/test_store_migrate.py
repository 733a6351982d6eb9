"""Migrations: from any number of processes, by whoever may, and never over a newer schema."""

from __future__ import annotations

import subprocess
import sys
from uuid import uuid4

import psycopg
import pytest
from sagalog_logkit import appending, settings, stream

from sagalog.errors import SchemaMismatch, StoreUnavailable
from sagalog.store import log, migrate
from sagalog.store.session import Session
from sagalog_testkit import Server

NAMES = [f"{migration.number:04} {migration.name}" for migration in migrate.MIGRATIONS]
PROGRAM = "import sys; from sagalog.store.migrate import migrate; print(len(migrate(sys.argv[1])))"


def test_a_database_is_migrated_once(database_on: str) -> None:
    assert migrate.migrate(database_on) == NAMES
    assert migrate.migrate(database_on) == []
    with psycopg.connect(database_on, autocommit=True) as conn:
        migrate.check(conn)
    with Session(database_on, settings()) as session:
        assert session.perform(lambda: log.append([appending(stream())])) == []


def test_many_processes_migrate_at_once(server_on: Server) -> None:
    """Two databases of one server too: they share their roles."""
    urls = [server_on.create() for _ in range(2)]
    try:
        running = [
            subprocess.Popen([sys.executable, "-c", PROGRAM, url], stdout=subprocess.PIPE, text=True)
            for url in urls
            for _ in range(3)
        ]
        printed = [process.communicate()[0] for process in running]
        assert [process.returncode for process in running] == [0] * 6
        for place in range(2):
            assert sorted(map(int, printed[3 * place : 3 * place + 3])) == [0, 0, len(NAMES)]
    finally:
        for url in urls:
            server_on.drop(url)


def test_a_schema_that_is_newer_is_left_alone(migrated: str) -> None:
    with psycopg.connect(migrated, autocommit=True) as conn:
        conn.execute("insert into sagalog.migration (number, name, digest) values (999, 'later', '')")
        with pytest.raises(SchemaMismatch, match="newer 999"):
            migrate.migrate(migrated)
        with pytest.raises(SchemaMismatch, match="newer 999"):
            migrate.check(conn)


def test_a_schema_that_is_older_is_brought_up(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = migrate.MIGRATIONS
    monkeypatch.setattr(migrate, "MIGRATIONS", whole[:3])
    assert migrate.migrate(database) == NAMES[:3]
    monkeypatch.setattr(migrate, "MIGRATIONS", whole)
    with psycopg.connect(database, autocommit=True) as conn:
        with pytest.raises(SchemaMismatch, match="found version 3; run `sagalog init`"):
            migrate.check(conn)
        assert migrate.migrate(database) == NAMES[3:]
        migrate.check(conn)


def test_a_migration_that_was_another_is_noticed(migrated: str) -> None:
    with psycopg.connect(migrated, autocommit=True) as conn:
        conn.execute("update sagalog.migration set digest = 'x' where number = 2")
        with pytest.raises(SchemaMismatch, match="0002 log was applied with other contents"):
            migrate.check(conn)


def test_a_migration_that_fails_leaves_nothing_of_itself(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = migrate.Migration(1, "broken", "create table half (); select 1 / 0", "")
    monkeypatch.setattr(migrate, "MIGRATIONS", (broken,))
    with pytest.raises(StoreUnavailable, match="division by zero"):
        migrate.migrate(database)
    with psycopg.connect(database) as conn:
        assert conn.execute("select to_regclass('half')").fetchone() == (None,)


def test_a_role_that_may_create_roles_is_enough(server_on: Server) -> None:
    """No superuser: the owner of the database, allowed to create roles; the server has ours already."""
    role, url = f"chief_{uuid4().hex}", server_on.create()
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(f"create role {role} login createrole")
        conn.execute(f"grant sagalog_owner, sagalog_writer, sagalog_reader to {role} with admin option")
        conn.execute(f"alter database {conn.info.dbname} owner to {role}")
        own = url.replace("postgres@", f"{role}@")
        try:
            assert migrate.migrate(own) == NAMES
            with Session(own, settings()) as session:
                assert session.perform(lambda: log.append([appending(stream())])) == []
        finally:
            server_on.drop(url)
            conn.close()
            _drop_role(server_on, role)


def test_on_a_server_without_our_roles_it_makes_them(own_server: Server) -> None:
    url = own_server.create()
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("create role chief login createrole")
        conn.execute(f"grant create on database {conn.info.dbname} to chief")
    own = url.replace("postgres@", "chief@")
    assert migrate.migrate(own) == NAMES
    with Session(own, settings()) as session:
        assert session.perform(lambda: log.append([appending(stream())])) == []
    with psycopg.connect(url, autocommit=True) as conn:
        flags = conn.execute("select rolcanlogin or rolsuper from pg_roles where rolname like 'sagalog_%'").fetchall()
    assert flags == [(False,)] * 3


def test_a_role_that_may_not_is_told_what_it_needs(server_on: Server) -> None:
    role, url = f"clerk_{uuid4().hex}", server_on.create()
    with psycopg.connect(server_on.url, autocommit=True) as conn:
        conn.execute(f"create role {role} login")
    try:
        with pytest.raises(StoreUnavailable, match="CREATEROLE and CREATE on the database"):
            migrate.migrate(url.replace("postgres@", f"{role}@"))
    finally:
        server_on.drop(url)
        _drop_role(server_on, role)


def _drop_role(server: Server, role: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute(f"drop role {role}")
