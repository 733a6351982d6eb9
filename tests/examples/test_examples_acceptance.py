"""The order saga through the command line: killed at any point and resumed, it ends as if it had not been.

Each run has a database and a ledger of its own; what is compared is the state of every order and the reconciliation.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from attrs import frozen

from examples import orders
from examples.demo import sagalog_command
from examples.ledger import read_ledger
from sagalog import Engine
from sagalog_testkit import Server

ROOT = Path(__file__).resolve().parents[2]
FIRST, LAST = 60, 140  # some that are refused, one that is impossible
PATIENCE = 120.0
RECORDS = "SELECT count(*) FROM sagalog.record"
FINISHED = "SELECT count(*) FROM sagalog.record WHERE type IN ('run.success', 'run.reverted')"


@frozen
class Place:
    """Where one run of the file happens."""

    url: str
    home: Path
    file: Path

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: text for name, text in os.environ.items() if not name.startswith("SAGALOG_")}
        own = {"HOME": self.home, "LEDGER": self.ledger, "DATABASE_URL": self.url}
        return inherited | {f"SAGALOG_{name}": str(value) for name, value in own.items()}

    @property
    def ledger(self) -> Path:
        return self.home / "ledger.sqlite"

    def call(self, command: list[str], expect: int) -> Any:
        """Run a command that prints one JSON document; return that."""
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == expect, f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def sagalog(self, *arguments: str, expect: int = 0) -> Any:
        return self.call(sagalog_command(*arguments, "--json"), expect)

    def reconcile(self, expect: int = 0) -> dict[str, Any]:
        """The reconciliation, without the number of calls: a call that was cut short is made again."""
        command = [sys.executable, "-m", "examples.orders", "reconcile", str(self.file), "--json"]
        document: dict[str, Any] = self.call(command, expect)
        del document["attempts"]
        return document

    def count(self, query: str) -> int:
        with psycopg.connect(self.url, autocommit=True) as conn:
            row = conn.execute(query.encode()).fetchone()
        assert row is not None
        return int(row[0])

    def states(self) -> dict[int, str]:
        """The state of each order's run."""
        with Engine.open(self.url, app=orders.app) as engine:
            runs = [engine.state(run.id) for run in engine.runs()]
        states = {run.inputs["order"]["order_id"]: str(run.state) for run in runs}
        assert len(states) == len(runs), "no order has two runs"
        return states

    def kill_at(self, records: int) -> None:
        """Run the file in a child, kill that when there are ``records`` records."""
        command = sagalog_command("run", "examples.orders:order", "--each", str(self.file), "--concurrency", "64")
        child = subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            with psycopg.connect(self.url, autocommit=True) as conn:
                deadline = time.monotonic() + PATIENCE
                while conn.execute(RECORDS.encode()).fetchone() < (records,):  # type: ignore[operator]  # count(*) has a row
                    assert child.poll() is None, "it was over before it could be killed"
                    assert time.monotonic() < deadline
                    time.sleep(0.005)
        finally:
            child.kill()
            child.wait()


@frozen
class Outcome:
    """How a run of the file ended."""

    records: int
    states: dict[int, str]
    books: dict[str, Any]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lines = orders.ORDERS.read_text(encoding="utf-8").splitlines(keepends=True)
    made = tmp_path_factory.mktemp("orders") / "orders.jsonl"
    made.write_text("".join(lines[FIRST:LAST]), encoding="utf-8")
    return made


@pytest.fixture
def place(migrated: str, tmp_path: Path, file: Path) -> Place:
    return Place(migrated, tmp_path, file)


@pytest.fixture(scope="module")
def unkilled(server: Server, tmp_path_factory: pytest.TempPathFactory, file: Path) -> Iterator[Outcome]:
    url = server.create_migrated()
    place = Place(url, tmp_path_factory.mktemp("unkilled"), file)
    done = place.sagalog("run", "examples.orders:order", "--each", str(file), "--concurrency", "64", expect=3)
    states, books, listed = place.states(), place.reconcile(), place.sagalog("list")
    assert done["runs"] == LAST - FIRST
    assert done["states"] == Counter(states.values()) == Counter(row["state"] for row in listed)
    assert books["kept"] == done["states"]["SUCCESS"]
    entries, attempts = read_ledger(place.ledger)
    refused = [call for call in attempts if call not in entries]
    assert {call.kind for call in refused} == {"ship"}, "each call took effect, but for parcels that were refused"
    assert len(attempts) == len(entries) + len(refused)
    yield Outcome(place.count(RECORDS), states, books)
    server.drop(url)


def test_examples_orders_end_as_the_data_says(unkilled: Outcome) -> None:
    rows = [json.loads(line) for line in orders.ORDERS.read_text(encoding="utf-8").splitlines()[FIRST:LAST]]
    refused = {row["order_id"] for row in rows if row["billing"]["country"] in orders.NOT_SERVED}
    impossible = {rows[96 - FIRST]["order_id"]}
    reverted = {order_id for order_id, state in unkilled.states.items() if state == "REVERTED"}
    assert reverted == refused | impossible and len(refused) >= 10
    assert set(unkilled.states.values()) == {"SUCCESS", "REVERTED"}


@pytest.mark.parametrize("percent", [25, 50, 75])
def test_examples_orders_killed_and_resumed_end_the_same(percent: int, place: Place, unkilled: Outcome) -> None:
    place.kill_at(unkilled.records * percent // 100)
    finished = place.count(FINISHED)
    assert finished < LAST - FIRST, "some runs are unfinished"

    resumed = place.sagalog("resume", "--all")
    assert place.states() == unkilled.states
    assert place.reconcile() == unkilled.books
    assert resumed["runs"] == LAST - FIRST - finished

    # A call that was cut short may have been made again, once; nothing else is.
    entries, attempts = read_ledger(place.ledger)
    assert max(Counter(call.key for call in attempts).values()) <= 2
    assert len({entry.key for entry in entries}) == len(entries)
    assert place.sagalog("verify", "--all")["ok"] is True


def test_examples_orders_killed_while_resuming_end_the_same(place: Place, unkilled: Outcome) -> None:
    place.kill_at(unkilled.records * 30 // 100)
    # The same command again goes on with the same runs.
    place.kill_at(unkilled.records * 60 // 100)
    place.sagalog("resume", "--all")
    assert place.states() == unkilled.states
    assert place.reconcile() == unkilled.books
    assert max(Counter(call.key for call in read_ledger(place.ledger)[1]).values()) <= 3


def test_examples_orders_run_again_changes_nothing(place: Place, unkilled: Outcome) -> None:
    command = ("run", "examples.orders:order", "--each", str(place.file), "--concurrency", "64")
    place.sagalog(*command, expect=3)
    records, calls = place.count(RECORDS), len(read_ledger(place.ledger)[1])
    again = place.sagalog(*command, expect=3)
    assert again["states"] == Counter(unkilled.states.values())
    assert (place.count(RECORDS), len(read_ledger(place.ledger)[1])) == (records, calls)


def test_examples_demo_holds_and_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "examples.demo"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The books agree." in done.stdout and "All of it held" in done.stdout
    assert list(tmp_path.glob("sagalog-demo-*")) == []
