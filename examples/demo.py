"""``make demo``: orders are run, the process is killed half-way, and everything comes out right all the same.

Uses a throw-away home with an embedded server of its own, whatever the environment names, and removes it at the end.
Exits 0 only if all that it says held.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from sagalog.errors import SagalogError
from sagalog.store import server

ROOT = Path(__file__).parent.parent
ORDERS = Path("examples/data/orders.jsonl")
CONCURRENCY = 64
PATIENCE = 60.0  # seconds for any one step; all together take a fraction of it

_FINISHED = "SELECT count(*) FROM sagalog.record WHERE type IN ('run.success', 'run.reverted')"


class DemoFailed(Exception):
    """Something the demo says did not hold."""


class Shell:
    """Runs commands as a person would, from the root of the checkout, and shows them.

    ``expect`` is the exit code that must come of one, ``None`` for any; ``DemoFailed`` when another one does.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)

    def sagalog(self, *arguments: str, expect: int | None = 0, show: bool = True) -> str:
        return self._run("sagalog", sagalog_command(*arguments), arguments, expect, show)

    def orders(self, *arguments: str, expect: int | None = 0, show: bool = True) -> str:
        command = [sys.executable, "-m", "examples.orders", *arguments]
        return self._run("python -m examples.orders", command, arguments, expect, show)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a ``sagalog`` command and return at once; what it prints is shown."""
        self._show("sagalog", arguments)
        return subprocess.Popen(sagalog_command(*arguments), cwd=ROOT, env=self._environment)

    def _run(self, name: str, command: list[str], arguments: tuple[str, ...], expect: int | None, show: bool) -> str:
        if show:
            self._show(name, arguments)
        done = subprocess.run(command, cwd=ROOT, env=self._environment, stdout=subprocess.PIPE, timeout=PATIENCE)
        output = done.stdout.decode()
        if show and output.strip():
            print(output.rstrip())
        met = expect is None or done.returncode == expect
        require(met, f"{name} {' '.join(arguments)}: expected exit {expect}, not {done.returncode}")
        return output

    def _show(self, name: str, arguments: tuple[str, ...]) -> None:
        words = [f'"{word}"' if " " in word else word for word in arguments]
        print(f"\n$ {name} {' '.join(words)}", flush=True)


def sagalog_command(*arguments: str) -> list[str]:
    """The command line of this very interpreter's sagalog."""
    return [sys.executable, "-m", "sagalog.cli.main", *arguments]


def require(held: bool, what: str) -> None:
    """Raise ``DemoFailed`` saying ``what`` unless it held."""
    if not held:
        raise DemoFailed(what)


def say(text: str) -> None:
    """One step of the story."""
    print(f"\n== {text}", flush=True)


@contextmanager
def throw_away_home() -> Iterator[tuple[str, dict[str, str]]]:
    """The database URL and the environment of a fresh home; at the end its server is stopped and its files removed."""
    with tempfile.TemporaryDirectory(prefix="sagalog-demo-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        environment = {name: text for name, text in os.environ.items() if not name.startswith("SAGALOG_")}
        environment |= {"SAGALOG_HOME": str(home), "SAGALOG_LEDGER": str(home / "ledger.sqlite")}
        try:
            yield server.embedded(home), environment
        finally:
            server.stop(home)


def kill_half_way(shell: Shell, url: str) -> tuple[int, int]:
    """Start all orders in a child process, kill it when half of them have finished; return (all runs, finished)."""
    count = sum(1 for line in (ROOT / ORDERS).read_text(encoding="utf-8").splitlines() if line.strip())
    child = shell.start("run", "examples.orders:order", "--each", str(ORDERS), "--concurrency", str(CONCURRENCY))
    try:
        with psycopg.connect(url, autocommit=True) as conn:
            wait_for(conn, child, _FINISHED, count // 2)
            child.kill()
            child.wait()
            return count, number(conn, _FINISHED)
    finally:
        child.kill()
        child.wait()


def wait_for(conn: psycopg.Connection[Any], child: subprocess.Popen[bytes], query: LiteralString, least: int) -> None:
    """Wait until ``query`` counts ``least``; raises ``DemoFailed`` when ``child`` ends before, or takes too long."""
    deadline = time.monotonic() + PATIENCE
    while number(conn, query) < least:
        require(child.poll() is None, f"it ended with exit code {child.returncode} before it could be killed")
        require(time.monotonic() < deadline, f"it took more than {PATIENCE:.0f} s to get there")
        time.sleep(0.005)


def number(conn: psycopg.Connection[Any], query: LiteralString) -> int:
    """What a counting query answers."""
    row = conn.execute(query).fetchone()
    return int(row[0]) if row else 0


def runs(shell: Shell) -> list[dict[str, Any]]:
    """The rows of ``sagalog list --json``."""
    listed: list[dict[str, Any]] = json.loads(shell.sagalog("list", "--json", show=False))
    return listed


def outcome_table(listed: list[dict[str, Any]]) -> Counter[str]:
    """Print how many runs are in each state, and return it."""
    states = Counter(row["state"] for row in listed)
    width = max(map(len, states))
    for state, count in sorted(states.items()):
        print(f"   {state.ljust(width)}  {count:4}  {'#' * (count * 50 // len(listed))}")
    return states


def story(shell: Shell, url: str) -> None:
    """All of it, in order."""
    say("A fresh home: the log's tables, and a shop with stock on its shelves.")
    shell.sagalog("init")
    shell.orders("setup", str(ORDERS))
    say(
        f"Run every order of {ORDERS}, {CONCURRENCY} at a time, and kill the process (SIGKILL) when half have finished."
    )
    count, finished = kill_half_way(shell, url)
    print(f"Killed: {finished} of {count} orders had finished, {count - finished} had not.")
    require(0 < finished < count, "the kill was to come in the middle")
    books = json.loads(shell.orders("reconcile", str(ORDERS), "--json", expect=None, show=False))
    print(f"For now the books disagree about {books['disputed']} orders: begun, neither finished nor undone.")

    say("Go on where it stopped.")
    shell.sagalog("resume", "--all")
    say("What came of the orders:")
    listed = runs(shell)
    states = outcome_table(listed)
    require(len(listed) == count, f"{count} orders, but {len(listed)} runs")
    require(set(states) == {"SUCCESS", "REVERTED"}, f"each order succeeded or was reverted; found {dict(states)}")

    say("One order that could not be shipped: what had been done for it was undone.")
    refused = [row for row in listed if "CarrierRefused" in json.dumps(row["failure"])]
    require(bool(refused), "some orders go where the carrier does not")
    shell.sagalog("history", refused[0]["id"])

    books = json.loads(shell.orders("reconcile", str(ORDERS), "--json", show=False))
    require(books["kept"] == states["SUCCESS"], f"kept {books['kept']} orders, but {states['SUCCESS']} runs succeeded")
    say("One order had finished long since; now the customer withdraws, and it is undone as well.")
    withdrawn = next(row for row in listed if row["state"] == "SUCCESS")
    shell.sagalog("revert", withdrawn["id"], "--reason", "customer withdrew")
    after = next(row["state"] for row in runs(shell) if row["id"] == withdrawn["id"])
    require(after == "REVERTED", f"the withdrawn order is REVERTED; found {after}")

    say("Every record of the log is what it was when it was written:")
    shell.sagalog("verify", "--all")
    say("The orders file, the shop's stock and the outside ledger, compared without a look at the log:")
    shell.orders("reconcile", str(ORDERS))
    now = json.loads(shell.orders("reconcile", str(ORDERS), "--json", show=False))
    require(now["kept"] == books["kept"] - 1, f"one order fewer is kept; found {now['kept']} after {books['kept']}")
    require(now["refunded"] == books["refunded"] + 1, "the withdrawn order got its money back")


def main() -> int:
    """Tell the story; returns the exit code."""
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the server is stopped then, too
    try:
        with throw_away_home() as (url, environment):
            story(Shell(environment), url)
    except (DemoFailed, SagalogError, subprocess.TimeoutExpired) as failed:
        print(f"\nThe demo failed: {failed}", file=sys.stderr)
        return 1
    print(f"\nAll of it held, in {time.monotonic() - began:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
