"""What every measurement stands on: one embedded server in a throw-away home, a database of its own for each.

Nothing is relaxed: what makes commits durable is as a new server has it, and is checked before the first measurement.
"""

from __future__ import annotations

import gc
import itertools
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from sagalog.config import Settings
from sagalog.store import server
from sagalog.store.migrate import migrate

DURABLE: Mapping[LiteralString, str] = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
_TEMPLATE = "bench_template"


class Miscount(Exception):
    """What is durable in the database is not what the measurement believes to have written."""


class Ground:
    """A running server; `settings` are for engines on its databases."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home)
        self._cluster = server.cluster(home)
        self._numbers = itertools.count()
        self._admin = psycopg.connect(server.embedded(home), autocommit=True)
        self.version: str = _one(self._admin, "show server_version")
        found = {name: _one(self._admin, f"show {name}") for name in DURABLE}
        if found != DURABLE:
            raise Miscount(f"the server must be durable: expected {DURABLE}, found {found}")
        self._execute("create database {}", _TEMPLATE)
        migrate(self._cluster.url(_TEMPLATE))

    @contextmanager
    def database(self, checkpoint: bool = True) -> Iterator[str]:
        """URL of a new, migrated database. The server has nothing left to write when the measurement begins."""
        name = f"bench_{next(self._numbers)}"
        self._execute("create database {} template {}", name, _TEMPLATE)
        try:
            if checkpoint:
                self.checkpoint()
            with quiet():
                yield self._cluster.url(name)
        finally:
            self._execute("drop database {} with (force)", name)

    def checkpoint(self) -> None:
        """Have the server write what it still holds in memory only."""
        self._admin.execute("checkpoint")

    def close(self) -> None:
        """Leave the server."""
        self._admin.close()

    def _execute(self, statement: LiteralString, *names: str) -> None:
        self._admin.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def ground() -> Iterator[Ground]:
    """A server for the time of the block; stopped and removed at its end, whatever ends it."""
    home = Path(tempfile.mkdtemp(prefix="sagalog-bench-"))
    try:
        made = Ground(home)
        try:
            yield made
        finally:
            made.close()
    finally:
        server.stop(home)
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def quiet() -> Iterator[None]:
    """What was there before the block is none of the garbage collector's business within it."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def count(url: str, expected: Mapping[LiteralString, int]) -> None:
    """Check numbers of rows in SQL; `expected`: {from-clause: rows}.

    Raises:
        Miscount: the database holds more or fewer.
    """
    with psycopg.connect(url) as conn:
        for where, rows in expected.items():
            found = _one(conn, f"select count(*) from {where}")
            if found != rows:
                raise Miscount(f"{where}: expected {rows} rows, found {found}")


def _one(conn: psycopg.Connection[Any], query: LiteralString) -> Any:
    row = conn.execute(query).fetchone()
    assert row is not None
    return row[0]
