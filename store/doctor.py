"""What is connected, and whether it is fit to keep a log: the facts that `sagalog doctor` shows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg

from ..errors import SchemaMismatch
from . import wire
from .fault import explain
from .io import Query, Rows, perform
from .migrate import MIGRATIONS, check

OFFSET = 60.0
"""Seconds between our clock and the server's that are worth a remark."""
OLDEST = 150_000


class Fact(NamedTuple):
    """One thing that was looked at; `advice` says what to do when it is not `ok`."""

    name: str
    value: str
    ok: bool = True
    advice: str = ""


def examine(url: str) -> list[Fact]:
    """Look at the database of `url`: every fact that can be had. Raises StoreUnavailable where it cannot be reached."""
    try:
        with psycopg.connect(url, autocommit=True) as conn:
            facts = [*_server(conn), *_roles(_ask(conn, "doctor_roles"))]
            facts.append(_schema(conn))
            if facts[-1].ok:
                facts += [*_tables(conn), _writer(conn)]
            return facts
    except psycopg.Error as error:
        raise explain(error, "examining the database") from error


def _ask(conn: psycopg.Connection[Any], name: str) -> Rows:
    def operation() -> Any:
        return (yield Query(name))

    rows: Rows = perform(conn, operation())
    return rows


def _server(conn: psycopg.Connection[Any]) -> Iterator[Fact]:
    before = time.time()
    row = _ask(conn, "doctor_server")[0]
    between = (before + time.time()) / 2
    version, number, database, user, read_only, at, encoding, fsync, pages, commit = row
    offset = wire.micros(at) / 1e6 - between
    yield Fact("server", f"PostgreSQL {version}", number >= OLDEST, "PostgreSQL 15 or later is needed")
    yield Fact("database", f"{database} at {conn.info.host or 'localhost'}:{conn.info.port}")
    yield Fact("role", user)
    yield Fact(
        "encoding", encoding, encoding == "UTF8", "a database in UTF8 is needed: texts of other scripts are refused"
    )
    yield Fact(
        "writable", "no" if read_only else "yes", not read_only, "connect to the primary, without read-only default"
    )
    yield Fact(
        "clock offset",
        f"{offset:+.3f} s",
        abs(offset) <= OFFSET,
        "set the clocks by NTP; runs are dated by the server's",
    )
    yield Fact("fsync", fsync, fsync == "on", "a crash of the machine would lose what was acknowledged: set fsync = on")
    yield Fact("full_page_writes", pages, pages == "on", "a crash may tear pages: set full_page_writes = on")
    yield Fact("synchronous_commit", commit, True)


def _roles(rows: Rows) -> Iterator[Fact]:
    for name, exists, member in rows:
        value = "ready" if member else "there, but not for the role that connects" if exists else "not there"
        needed = name == "sagalog_writer"
        advice = f"grant {name} to the role that connects" if exists else "run `sagalog init`"
        yield Fact(name, value, member or not needed, advice)


def _schema(conn: psycopg.Connection[Any]) -> Fact:
    expected = f"version {MIGRATIONS[-1].number}"
    try:
        check(conn)
    except SchemaMismatch as error:
        return Fact("schema", "not the one expected", False, str(error))
    return Fact("schema", expected)


def _tables(conn: psycopg.Connection[Any]) -> Iterator[Fact]:
    count, ahead, spilled = _ask(conn, "doctor_partitions")[0]
    yield Fact("partitions", f"{count}, {ahead} of 3 months ready", ahead == 3, "run `sagalog init`, which makes them")
    yield Fact(
        "default partition", "in use" if spilled else "empty", not spilled,
        "runs were started in a month that had no partition; nothing is lost, but that month cannot get its own now",
    )  # fmt: skip
    off = [f"{table}.{trigger}" for table, trigger in _ask(conn, "doctor_triggers")]
    bare = [table for (table,) in _ask(conn, "doctor_guarded")]
    wrong = [f"{name} is off" for name in off] + [f"{table} lacks one" for table in bare]
    advice = "somebody with the owner's rights has opened the log to changes: verify it, then enable them again"
    yield Fact("append-only triggers", "; ".join(wrong) or "on", not wrong, advice)


def _writer(conn: psycopg.Connection[Any]) -> Fact:
    try:
        _ask(conn, "become_writer")
        horizon = _ask(conn, "horizon")[0][0]
    except psycopg.Error as error:
        return Fact("writing as sagalog_writer", "refused", False, str(error).strip())
    return Fact("position", f"{horizon:,}")
