"""Where the chaos takes place: a throw-away server and home, the orders, and a journal of what was acknowledged."""

from __future__ import annotations

import json
import os
import signal
import time
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
from attrs import frozen

from examples.orders import ORDERS
from sagalog.config import Settings
from sagalog.store.cluster import Cluster
from sagalog.store.server import cluster

ROOT = Path(__file__).resolve().parents[2]
LEASE, POLL, RECONNECT = 2.0, 0.1, 60.0
"""Seconds, of every process: short, so that much happens; a database is waited for as long as a restart may take here."""
WAVE = 40
"""Orders in one file."""
APART = 100_000
"""The numbers of one kind of orders are so far from those of the next."""


@frozen(slots=False)
class Place:
    """One server, one home; every process of the chaos is told of it by `environment`."""

    cluster: Cluster
    home: Path

    @property
    def url(self) -> str:
        return self.cluster.url()

    @property
    def settings(self) -> Settings:
        return Settings(home=self.home, database_url=self.url, lease=LEASE, poll=POLL, reconnect=RECONNECT)

    @property
    def ledger(self) -> Path:
        return self.home / "ledger.sqlite"

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: text for name, text in os.environ.items() if not name.startswith("SAGALOG_")}
        own = {
            "HOME": self.home, "DATABASE_URL": self.url, "LEDGER": self.ledger, "APP": "examples.orders:app",
            "LEASE": LEASE, "POLL": POLL, "RECONNECT": RECONNECT,
        }  # fmt: skip
        return inherited | {f"SAGALOG_{name}": str(value) for name, value in own.items()}

    # --- orders

    @cached_property
    def samples(self) -> list[dict[str, Any]]:
        """The orders of the example."""
        return [json.loads(line) for line in ORDERS.read_text(encoding="utf-8").splitlines() if line.strip()]

    def wave(self, number: int) -> Path:
        """The orders file with that number, from 1; written when it is first asked for."""
        return self._file(f"wave_{number}.jsonl", number * WAVE, WAVE)

    @property
    def counter(self) -> Path:
        """Orders that come one at a time, over the counter."""
        return self._file("counter.jsonl", APART, 10 * WAVE)

    def files(self) -> list[Path]:
        """All orders files there are."""
        return sorted(self.home.glob("*.jsonl"))

    def _file(self, name: str, first: int, count: int) -> Path:
        file = self.home / name
        if not file.exists():
            rows = (self.samples[number % len(self.samples)] | {"order_id": number} for number in range(first, 10**9))
            draft = file.with_suffix(".draft")
            draft.write_text("".join(json.dumps(row) + "\n" for row in islice(rows, count)), encoding="utf-8")
            draft.rename(file)
        return file

    # --- what was acknowledged

    def note(self, **what: Any) -> None:
        """Put it into the journal: somebody has been told that it is so."""
        handle = os.open(self.home / "journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(handle, json.dumps(what, default=str).encode() + b"\n")
        finally:
            os.close(handle)

    def journal(self) -> list[dict[str, Any]]:
        """All that was acknowledged, oldest first."""
        file = self.home / "journal"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    # --- the server

    def restart(self, how: str) -> None:
        """Restart the server: "fast", "immediate", or after a SIGKILL ("killed")."""
        if how == "killed":
            os.kill(int((self.cluster.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
            while self.cluster.running():  # it takes a moment to be dead
                time.sleep(0.01)
        else:
            self.cluster.stop(how)
        self.cluster.start()

    def count(self, query: str) -> int:
        """What a counting query answers."""
        with psycopg.connect(self.url, autocommit=True) as conn:
            row = conn.execute(query.encode()).fetchone()
        assert row is not None
        return int(row[0])


def placed(home: str) -> Place:
    """The place that the process which started this one has made, in this folder."""
    return Place(cluster(Path(home)), Path(home))
