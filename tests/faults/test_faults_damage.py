"""Damage done behind the log's back, by its owner with the triggers off: `verify` names the record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from attrs import frozen

from sagalog.config import Settings
from sagalog.engine.definition import FunctorTask, linear
from sagalog.engine.runtime.engine import Engine

Change = Callable[[psycopg.Connection[Any], UUID], object]


@frozen
class Log:
    """A log with runs of a flow of five tasks in it."""

    engine: Engine
    url: str
    flow: Any

    def run(self) -> UUID:
        return self.engine.run(self.flow).id

    def damage(self, change: Change, run: UUID) -> None:
        with psycopg.connect(self.url, autocommit=True) as conn, conn.transaction():
            conn.execute("SET LOCAL ROLE sagalog_owner")
            for table in self._tables(conn):
                conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL".encode())
            change(conn, run)
            for table in self._tables(conn):
                conn.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL".encode())

    def _tables(self, conn: psycopg.Connection[Any]) -> list[str]:
        rows = conn.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'sagalog.record'::regclass"
        ).fetchall()
        return ["sagalog.record", *(name for (name,) in rows)]


@pytest.fixture
def log(settings: Settings) -> Iterator[Log]:
    with Engine.open(settings=settings) as engine:
        flow = linear("f").add(*(FunctorTask(lambda n=n: {"n": n}, name=f"t{n}", provides=f"r{n}") for n in range(5)))
        yield Log(engine, str(settings.database_url), flow)


def flip(column: str, version: int) -> Change:
    """Flip one bit of one byte."""
    statement = (
        f"UPDATE sagalog.record SET {column} = set_byte({column}, 3, get_byte({column}, 3) # 1) "
        "WHERE stream_id = %s AND version = %s"
    )
    return lambda conn, run: conn.execute(statement.encode(), [run, version])


def renumber(conn: psycopg.Connection[Any], run: UUID, one: int, two: int) -> None:
    """Swap two records."""
    for old, new in ((one, -1), (two, one), (-1, two)):
        conn.execute("UPDATE sagalog.record SET version = %s WHERE stream_id = %s AND version = %s", [new, run, old])


def swap_bodies(conn: psycopg.Connection[Any], run: UUID, one: int, two: int) -> None:
    """Swap what two records say, and leave all else."""
    conn.execute(
        "UPDATE sagalog.record a SET facts = b.facts, value = b.value, value_digest = b.value_digest, salt = b.salt "
        "FROM sagalog.record b WHERE a.stream_id = %(run)s AND b.stream_id = %(run)s "
        "AND (a.version, b.version) IN ((%(one)s, %(two)s), (%(two)s, %(one)s))",
        {"run": run, "one": one, "two": two},
    )


def delete(low: int, high: int) -> Change:
    return lambda conn, run: conn.execute(
        "DELETE FROM sagalog.record WHERE stream_id = %s AND version BETWEEN %s AND %s", [run, low, high]
    )


DAMAGES: dict[str, tuple[Change, list[tuple[int, str]]]] = {
    "a byte of a value": (flip("value", 7), [(7, "payload")]),
    "a byte of the inputs": (flip("value", 1), [(1, "payload")]),
    "a byte of the facts": (flip("facts", 6), [(6, "hash")]),
    "a byte of a hash": (flip("hash", 6), [(6, "hash")]),
    "a byte of a salt": (flip("salt", 7), [(7, "payload")]),
    "a type": (
        lambda conn, run: conn.execute(
            "UPDATE sagalog.record SET type = 'task.failure' WHERE stream_id = %s AND version = 9", [run]
        ),
        [(9, "hash")],
    ),
    "a record deleted": (delete(8, 8), [(8, "gap")]),
    "the first record deleted": (delete(1, 1), [(1, "gap")]),
    "the tail cut off": (delete(11, 99), [(11, "tail")]),
    "two records swapped": (lambda conn, run: renumber(conn, run, 5, 9), [(5, "order"), (9, "order")]),
    "two bodies swapped": (lambda conn, run: swap_bodies(conn, run, 5, 7), [(5, "hash"), (7, "hash")]),
}
"""What is done to a run of 14 records, and what `verify` has to say of it: version and kind of each fault."""


def test_verify_names_the_very_records_and_no_others(log: Log) -> None:
    """A run for each damage, in one log, among runs that nobody touches."""
    runs = {what: log.run() for what in DAMAGES}
    untouched = log.run()
    assert log.engine.verify().ok
    for what, (change, _) in DAMAGES.items():
        log.damage(change, runs[what])
    faults = log.engine.verify().faults
    for what, (_, expected) in DAMAGES.items():
        assert [(fault.version, fault.kind) for fault in faults if fault.run_id == runs[what]] == expected, what
        one = log.engine.verify(runs[what])
        assert not one.ok
        assert [(fault.run_id, fault.version, fault.kind) for fault in one.faults] == [
            (runs[what], *known) for known in expected
        ], what
    assert {fault.run_id for fault in faults} == set(runs.values())
    assert log.engine.verify(untouched).ok


def test_without_the_owners_hand_on_the_triggers_nothing_can_be_changed(log: Log) -> None:
    log.run()
    with psycopg.connect(log.url, autocommit=True) as conn:
        for statement in (
            "UPDATE sagalog.record SET value = NULL",
            "DELETE FROM sagalog.record",
            "TRUNCATE sagalog.record",
        ):
            for role in ("sagalog_owner", "sagalog_writer", "sagalog_reader", None):
                if role:
                    conn.execute(f"SET ROLE {role}".encode())
                with pytest.raises(psycopg.Error):
                    conn.execute(statement.encode())
                conn.execute("RESET ROLE")
    assert log.engine.verify().ok
