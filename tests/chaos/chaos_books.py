"""What is left to be read afterwards: the log's records, the tables beside it, the ledger, the journal. No engine code."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from functools import cached_property
from typing import Any

import psycopg
from attrs import define, field, frozen
from chaos_place import Place

from examples.invoice import read_orders
from examples.ledger import Entry, read_ledger

RECORDS = """
SELECT stream_id::text, version, type, epoch, position, recorded_at, facts
  FROM sagalog.record ORDER BY stream_id, version
"""
ORDER_OF_RUN = """
SELECT stream_id::text, value #> '{inputs,order,order_id}' FROM sagalog.record_json WHERE type = 'run.created'
"""
STREAMS = """
SELECT stream_id::text, version, epoch, (SELECT w.id::text FROM sagalog.worker w WHERE w.id = owner AND lease_until > now())
  FROM sagalog.stream
"""
STATES = "SELECT run_id::text, state FROM sagalog.run"
MESSAGES = "SELECT stream_id::text, message_id::text FROM sagalog.inbox"
TIMERS = "SELECT stream_id::text FROM sagalog.timer"
RESERVED = "SELECT run_id::text, track_id, quantity FROM shop.reservation"
NO_ORDER = 0
"""The order of a run that the log does not begin with one."""
SHELVES = """
SELECT track_id, on_hand, initial, coalesce((SELECT sum(quantity) FROM shop.reservation r WHERE r.track_id = s.track_id), 0)
  FROM shop.stock s
"""


@frozen
class Step:
    """One record. `task` is the name of the task that it is about."""

    version: int
    type: str
    epoch: int
    position: int
    at: datetime
    facts: Mapping[str, Any]
    task: str | None


@define
class Life:
    """One run: its order, its records, what it has reserved, and what the ledger says of it."""

    run: str
    order_id: int
    steps: list[Step] = field(factory=list)
    reserved: dict[int, int] = field(factory=dict)
    entries: list[Entry] = field(factory=list)
    attempts: list[tuple[str, datetime]] = field(factory=list)  # (kind, when), as they came

    def of(self, type: str, task: str | None = None) -> list[Step]:
        """The records of a type, of one task or of all."""
        return [step for step in self.steps if step.type == type and (task is None or step.task == task)]


@frozen(slots=False)
class Books:
    """All of it."""

    lives: Mapping[str, Life]
    files: Mapping[str, Mapping[int, dict[str, Any]]]  # the orders by number, of each file
    streams: Sequence[tuple[str, int, int, str | None]]  # run, version, epoch, who owns it and is alive
    states: Mapping[str, str]
    waiting: Sequence[tuple[str, str]]
    timers: Sequence[str]
    shelves: Sequence[tuple[int, int, int, int]]
    strangers: Sequence[Entry]  # effects and calls of the ledger that belong to no run
    journal: Sequence[Mapping[str, Any]]

    @cached_property
    def orders(self) -> dict[int, dict[str, Any]]:
        """All orders by number."""
        return {number: order for orders in self.files.values() for number, order in orders.items()}


def read(place: Place) -> Books:
    """Read everything, when nothing moves any more."""
    files = {file.name: read_orders([file]) for file in place.files()}
    with psycopg.connect(place.url, autocommit=True) as conn:
        lives = _lives(conn)
        for run, track, quantity in conn.execute(RESERVED):
            lives.setdefault(run, Life(run, NO_ORDER)).reserved[track] = quantity
        strangers = _with_ledger(place, lives)
        return Books(
            lives, files, conn.execute(STREAMS).fetchall(), dict(conn.execute(STATES).fetchall()),
            conn.execute(MESSAGES).fetchall(), [run for (run,) in conn.execute(TIMERS)],
            conn.execute(SHELVES).fetchall(), strangers, place.journal(),
        )  # fmt: skip


def _lives(conn: psycopg.Connection[Any]) -> dict[str, Life]:
    """Of what is damaged as much as can be read: the laws say what is missing."""
    lives = {run: Life(run, order_id) for run, order_id in conn.execute(ORDER_OF_RUN)}
    bodies = conn.execute("SELECT hash, body FROM sagalog.definition")
    names = {hash: [atom[0] for atom in json.loads(bytes(body))["atoms"]] for hash, body in bodies}
    of_run: dict[str, list[str]] = {}
    for run, version, type, epoch, position, at, body in conn.execute(RECORDS):
        facts = json.loads(bytes(body))
        if type == "run.created":
            of_run[run] = names[facts["definition"]]
        task = of_run[run][facts["atom"]] if "atom" in facts and run in of_run else None
        lives.setdefault(run, Life(run, NO_ORDER)).steps.append(Step(version, type, epoch, position, at, facts, task))
    return lives


def _with_ledger(place: Place, lives: Mapping[str, Life]) -> list[Entry]:
    """Give each run its calls; what belongs to none is returned."""
    entries, made = read_ledger(place.ledger)
    run_of, calls = _references(place)
    for entry in entries:
        if life := lives.get(run_of.get(entry.key, "")):
            life.entries.append(entry)
    for key, kind, at in calls:
        if life := lives.get(run_of.get(key, "")):
            life.attempts.append((kind, datetime.fromisoformat(at)))
    return [entry for entry in (*entries, *made) if run_of.get(entry.key) not in lives]


def _references(place: Place) -> tuple[dict[str, str], list[tuple[str, str, str]]]:
    """{key: run}, and the calls as (key, kind, when)."""
    if not place.ledger.exists():
        return {}, []
    with closing(sqlite3.connect(place.ledger)) as db:
        runs = dict(db.execute("SELECT key, run_id FROM reference").fetchall())
        return runs, db.execute("SELECT key, kind, at FROM attempt ORDER BY seq").fetchall()
