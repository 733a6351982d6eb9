"""Bringing a database to the schema of this code: numbered files of sql/migrations, each in its own transaction."""

from __future__ import annotations

import time
from hashlib import sha256
from typing import Any, NamedTuple

import psycopg

from ..errors import SchemaMismatch, StoreUnavailable
from .fault import explain
from .queries import QUERIES, SQL

_LOCK = (21346, 0)
"""One migration at a time in a database; the first number is ours, beside the one of the floors."""
_TRIES = 10


class Migration(NamedTuple):
    number: int
    name: str
    text: str
    digest: str


def _load() -> tuple[Migration, ...]:
    found = []
    for file in sorted((SQL / "migrations").glob("[0-9]*_*.sql")):
        number, _, name = file.stem.partition("_")
        text = file.read_text(encoding="utf-8")
        found.append(Migration(int(number), name, text, sha256(text.encode()).hexdigest()))
    numbers = [migration.number for migration in found]
    if numbers != sorted(set(numbers)):
        raise ValueError(f"sql/migrations: expected each number once, found {numbers}")
    return tuple(found)


MIGRATIONS = _load()


def migrate(url: str) -> list[str]:
    """Apply what the database lacks; return the names of what was applied. Any number of processes may call it at once.

    The role that connects must be a superuser, or may create roles and a schema. Raises SchemaMismatch for a database
    newer than this code, StoreUnavailable when it cannot be reached or refuses.
    """
    try:
        with psycopg.connect(url, autocommit=True) as conn:
            # Waiting inside a statement would hold a snapshot, and others' DDL waits for those; so we knock.
            while conn.execute("select pg_try_advisory_lock(%s, %s)", _LOCK).fetchone() != (True,):
                time.sleep(0.05)
            applied = _applied(conn)
            _refuse_newer(applied)
            missing = [migration for migration in MIGRATIONS if migration.number not in applied]
            for migration in missing:
                _apply(conn, migration)
            if not missing:
                _ensure_partitions(conn)
            return [f"{migration.number:04} {migration.name}" for migration in missing]
    except psycopg.Error as error:
        raise explain(error, "migrating the database") from error


def check(conn: psycopg.Connection[Any]) -> None:
    """Raise SchemaMismatch unless the database has exactly the schema of this code."""
    compare(_applied(conn))


def compare(applied: dict[int, str]) -> None:
    """Raise SchemaMismatch unless `applied` (digest by number) is what this code has."""
    _refuse_newer(applied)
    missing = [migration for migration in MIGRATIONS if migration.number not in applied]
    if missing:
        found = f"version {max(applied)}" if applied else "none of it"
        raise SchemaMismatch(
            f"schema sagalog: expected version {MIGRATIONS[-1].number}, found {found}; run `sagalog init`"
        )
    for migration in MIGRATIONS:
        if applied[migration.number] != migration.digest:
            raise SchemaMismatch(
                f"schema sagalog: migration {migration.number:04} {migration.name} was applied with other contents "
                "than this version of sagalog has; install the version that made the database, or restore the file"
            )


def _refuse_newer(applied: dict[int, str]) -> None:
    if applied and max(applied) > MIGRATIONS[-1].number:
        raise SchemaMismatch(
            f"schema sagalog: expected version {MIGRATIONS[-1].number}, found the newer {max(applied)}; "
            "install the version of sagalog that made it, or a later one"
        )


def _applied(conn: psycopg.Connection[Any]) -> dict[int, str]:
    row = conn.execute(QUERIES["schema"]).fetchone()
    if row is None or not row[0]:
        return {}
    return {number: digest for number, _, digest in conn.execute(QUERIES["migrations"]).fetchall()}


def _apply(conn: psycopg.Connection[Any], migration: Migration) -> None:
    for tried in range(1, _TRIES + 1):
        try:
            with conn.transaction():
                conn.execute(migration.text.encode())
                conn.execute(
                    "insert into sagalog.migration (number, name, digest) values (%s, %s, %s)",
                    (migration.number, migration.name, migration.digest),
                )
            return
        except psycopg.errors.InternalError_ as error:
            # Roles belong to the server, not to the database that our lock is for: a migration of another database may
            # be granting the same role ("tuple concurrently updated").
            if "concurrently" not in str(error) or tried == _TRIES:
                raise
            time.sleep(0.05 * tried)
        except psycopg.errors.InsufficientPrivilege as error:
            raise StoreUnavailable(
                f"migration {migration.number:04} {migration.name}: the role that connects may not do this: {error}; "
                "connect as a superuser, or as a role with CREATEROLE and CREATE on the database, or have a superuser "
                "create sagalog_owner, sagalog_writer and sagalog_reader and grant them to the role"
            ) from error


def _ensure_partitions(conn: psycopg.Connection[Any]) -> None:
    with conn.transaction():
        conn.execute("set local role sagalog_owner")
        conn.execute(QUERIES["ensure_partitions"])
