"""The world outside: a payment provider and a carrier, played by one SQLite file that no flow engine knows of.

``attempt`` has one row per call, written before anything is deduplicated; ``entry`` has what took effect, once per key,
as a provider does with idempotency keys; ``reference`` says which run a key belongs to, as a merchant's own
reference does. Each call commits twice, first that it was made, then what it did, so that a process killed between
the two leaves a call without effect, as a cut connection would.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from sagalog.config import Settings

BUSY = 30.0  # seconds a call waits for the other processes that write

_TABLES = """
CREATE TABLE IF NOT EXISTS attempt (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    key      TEXT NOT NULL,
    kind     TEXT NOT NULL,
    order_id INTEGER NOT NULL,
    cents    INTEGER NOT NULL,
    at       TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS entry (
    key      TEXT PRIMARY KEY,
    kind     TEXT NOT NULL,
    order_id INTEGER NOT NULL,
    cents    INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS reference (key TEXT PRIMARY KEY, run_id TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS reference_run ON reference (run_id);
CREATE TABLE IF NOT EXISTS withdrawn (
    run_id    TEXT NOT NULL,
    kind      TEXT NOT NULL,
    execution INTEGER NOT NULL,
    PRIMARY KEY (run_id, kind)
);
"""

_ENTRIES = "SELECT key, kind, order_id, cents FROM entry ORDER BY rowid"
_ATTEMPTS = "SELECT key, kind, order_id, cents FROM attempt ORDER BY seq"
_ATTEMPT = "INSERT INTO attempt (key, kind, order_id, cents, at) VALUES (?, ?, ?, ?, ?)"
_REFERENCE = "INSERT INTO reference (key, run_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
_FIND = "SELECT kind, order_id, cents FROM entry WHERE key = ?"
_ENTER = "INSERT INTO entry (key, kind, order_id, cents) VALUES (?, ?, ?, ?)"
_WITHDRAW = """
INSERT INTO withdrawn (run_id, kind, execution) VALUES (?, ?, ?)
ON CONFLICT (run_id, kind) DO UPDATE SET execution = max(execution, excluded.execution)
"""
_WITHDRAWN = "SELECT 1 FROM withdrawn WHERE run_id = ? AND kind = ? AND execution >= ?"
# What a run has of one kind and has not given back by another: how many, and how many cents.
_OUTSTANDING = """
SELECT coalesce(sum(CASE kind WHEN :done THEN 1 ELSE -1 END), 0),
       coalesce(sum(CASE kind WHEN :done THEN cents ELSE -cents END), 0)
  FROM entry JOIN reference USING (key)
 WHERE run_id = :run_id AND kind IN (:done, :undone)
"""


class KeyReused(Exception):
    """An idempotency key came back with another call; what the key first did stands."""


class Withdrawn(Exception):
    """A call that comes after it was taken back: it was held up on its way, and has no effect."""


class Call(NamedTuple):
    """One call to the outside: its idempotency key, the caller's own reference, the order, and the amount in cents.

    `execution` is the caller's number of what is done, or taken back, of its reference; 0: it has none.
    """

    key: str
    run_id: str
    order_id: int
    cents: int = 0
    execution: int = 0


class Entry(NamedTuple):
    """What a row of the ledger says: an effect of ``entry``, or a call of ``attempt``; amounts in cents."""

    key: str
    kind: str
    order_id: int
    cents: int


def ledger_path() -> Path:
    """``SAGALOG_LEDGER``, else ``ledger.sqlite`` in ``SAGALOG_HOME``."""
    named = os.environ.get("SAGALOG_LEDGER")
    return Path(named) if named else Settings.load().home / "ledger.sqlite"


def ledger() -> Ledger:
    """The ledger of this process. Its connection is never shared with a forked child, nor with another file."""
    return _ledger(ledger_path().absolute(), os.getpid())


class Ledger:
    """A ledger file, for any number of threads here and of processes beside; made when it is not there.

    Threads take turns at one connection: SQLite's own waiting is unfair to threads that wait long.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._turn = threading.Lock()
        self._db = sqlite3.connect(path, timeout=BUSY, isolation_level=None, check_same_thread=False)
        self._prepare()

    def close(self) -> None:
        """Close the file; the ledger is of no use afterwards."""
        self._db.close()

    def charge(self, call: Call) -> bool:
        """Take ``call.cents`` for the order; once per key. Whether it was this call that took them."""
        self.attempt("charge", call)
        return self.enter("charge", call)

    def refund(self, call: Call) -> bool:
        """Give back what the run has been charged and has not got back, which may be nothing; once per key.

        What is taken back stays so: a charge of this execution that comes later, from a process that stood still and was
        given up meanwhile, is refused (``Withdrawn``). No engine can call back what is on its way.
        """
        self.attempt("refund", call)
        return self._undo("refund", "charge", call)

    def unship(self, call: Call) -> bool:
        """Cancel the run's shipment, if there is one; once per key."""
        self.attempt("unship", call)
        return self._undo("unship", "ship", call)

    def attempt(self, kind: str, call: Call) -> None:
        """Count a call, whatever will come of it."""
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        with self._transaction() as db:
            db.execute(_ATTEMPT, (call.key, kind, call.order_id, call.cents, at))
            db.execute(_REFERENCE, (call.key, call.run_id))

    def enter(self, kind: str, call: Call) -> bool:
        """Let a call take effect; ``False`` when its key already has, ``KeyReused`` when it had for something else.

        Raises ``Withdrawn`` when it has been taken back before it came.
        """
        with self._transaction() as db:
            return _enter(db, kind, call, same_cents=True)

    def _undo(self, kind: str, done: str, call: Call) -> bool:
        with self._transaction() as db:
            count, cents = db.execute(_OUTSTANDING, {"done": done, "undone": kind, "run_id": call.run_id}).fetchone()
            if call.execution:
                db.execute(_WITHDRAW, (call.run_id, done, call.execution))
            # The second call of a key finds nothing outstanding, because of the first: its cents do not tell.
            return count > 0 and _enter(db, kind, call._replace(cents=cents), same_cents=False)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        # IMMEDIATE: one that begins to read and then writes is refused at once when another wrote in between.
        with self._turn:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                # Some errors, a full disk among them, have already ended it.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _prepare(self) -> None:
        # Only the first switch to WAL takes a lock, and SQLite answers "locked" to it without the usual waiting.
        deadline = time.monotonic() + BUSY
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        # What a provider has answered, it does not forget with the power.
        self._db.execute("PRAGMA synchronous = FULL")
        if not _is_prepared(self._db, "withdrawn"):
            with self._transaction() as db:
                for statement in _TABLES.split(";"):
                    db.execute(statement)


def read_ledger(path: Path) -> tuple[list[Entry], list[Entry]]:
    """The entries and the attempts of one moment, in the order in which they came; none when there is no file."""
    if not path.exists():
        return [], []
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY, isolation_level=None)
    try:
        db.execute("BEGIN")
        if not _is_prepared(db, "reference_run"):
            return [], []
        entries, attempts = db.execute(_ENTRIES).fetchall(), db.execute(_ATTEMPTS).fetchall()
    finally:
        db.close()
    return [Entry(*row) for row in entries], [Entry(*row) for row in attempts]


def _is_prepared(db: sqlite3.Connection, last: str) -> bool:
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (last,)).fetchone() is not None


def _enter(db: sqlite3.Connection, kind: str, call: Call, *, same_cents: bool) -> bool:
    found = db.execute(_FIND, (call.key,)).fetchone()
    if found is None:
        if call.execution and db.execute(_WITHDRAWN, (call.run_id, kind, call.execution)).fetchone():
            raise Withdrawn(f"{kind} of order {call.order_id}, key {call.key}: it has been taken back before it came")
        db.execute(_ENTER, (call.key, kind, call.order_id, call.cents))
        return True
    if found[:2] != (kind, call.order_id) or (same_cents and found[2] != call.cents):
        was = "{} of order {}, {} cents".format(*found)
        raise KeyReused(
            f"key {call.key}: it was used for {was}; found it again for "
            f"{kind} of order {call.order_id}, {call.cents} cents; each call needs a key of its own"
        )
    return False


@lru_cache(maxsize=8)
def _ledger(path: Path, _process: int) -> Ledger:
    return Ledger(path)
