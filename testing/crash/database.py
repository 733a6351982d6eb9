"""Throw-away databases: on a PostgreSQL in a home of its own, which is gone when this process is, however that ends."""

from __future__ import annotations

import atexit
import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from secrets import token_hex
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ...store.migrate import migrate
from ...store.server import cluster, embedded
from .scratch import reaper, scratch

_NUMBERS = itertools.count(1)
_QUICKLY = ("fsync", "full_page_writes", "synchronous_commit")


@contextmanager
def throw_away_database(given: str | None = None, on: str | None = None) -> Iterator[tuple[str, Path]]:
    """URL of a database with the schema, and a folder for `Settings.home`.

    A `given` database is taken as it is. `on`: URL of a server to make one on, else a server of this process's own.
    Raises UsageError: the extra `embedded` is not installed.
    """
    if given is not None:
        yield given, Path(tempfile.gettempdir())
        return
    server = own_server(os.getpid()) if on is None else server_at(on, os.getpid())
    url = server.create()
    try:
        yield url, Path(tempfile.gettempdir())
    finally:
        server.drop(url)


class Server:
    """A PostgreSQL on which databases may be made, as copies of one that is migrated once and dropped with this process."""

    strategy: LiteralString = ""

    def __init__(self, url: str) -> None:
        self.url = url
        self._template = f"sagalog_testing_{os.getpid()}_{token_hex(4)}"
        self._execute("CREATE DATABASE {}", self._template)
        atexit.register(self.close)
        migrate(make_conninfo(url, dbname=self._template))

    def create(self) -> str:
        """Make a database with the schema; its URL."""
        name = f"{self._template}_{next(_NUMBERS)}"
        self._execute("CREATE DATABASE {} TEMPLATE {}" + self.strategy, name, self._template)
        return make_conninfo(self.url, dbname=name)

    def drop(self, url: str) -> None:
        """Remove a database that `create` made, whoever is still connected to it."""
        self._drop(str(conninfo_to_dict(url)["dbname"]))

    def close(self) -> None:
        """Remove what the others are copied from."""
        with suppress(psycopg.Error):  # where the server is gone already there is nothing to remove
            self._drop(self._template)

    def _drop(self, name: str) -> None:
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _execute(self, statement: LiteralString, *names: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


class ThrowAwayServer(Server):
    """The embedded PostgreSQL in a home of its own; a process of its own stops it and removes the home."""

    strategy = " STRATEGY FILE_COPY"  # without fsync a quarter of the time that it takes to write each page to the WAL

    def __init__(self) -> None:
        home = scratch("sagalog-testing-")
        self._reaper = reaper(cluster(home), home)
        url = embedded(home)
        with psycopg.connect(url, autocommit=True) as connection:
            for setting in _QUICKLY:  # nobody needs what is in it when the machine is switched off
                connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
            connection.execute("SELECT pg_reload_conf()")
        super().__init__(url)

    def close(self) -> None:
        """Stop it and remove its home; whoever dies without a word has that done, too."""
        self._reaper.communicate(b".")


@lru_cache(maxsize=1)
def own_server(process: int) -> ThrowAwayServer:
    """The server of this process, started when it is first asked for, and gone when the process is."""
    return ThrowAwayServer()


@lru_cache(maxsize=4)
def server_at(url: str, process: int) -> Server:
    """The server of that URL."""
    return Server(url)
