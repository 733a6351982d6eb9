"""Pytest plugin: throw-away PostgreSQL servers and databases.

==================  ========  =====================================================================================
fixture             scope     what a test gets
==================  ========  =====================================================================================
``server``          session   ``Server``: the embedded PostgreSQL, in a throw-away home
``pg15``            session   ``Server``: PostgreSQL 15 from Debian's package, started by the tests
``database``        test      URL of an empty database on ``server``
``migrated``        test      URL of a database with the schema of sagalog on ``server``
``database_on``     test      as ``database``, once on each of both servers
``migrated_on``     test      as ``migrated``, once on each of both servers
``server_on``       session   ``Server``: each of both, the embedded one and PostgreSQL 15
``own_server``      test      ``Server``: an embedded one of the test's own, to stop, kill or fill up
``throwaway_home``  test      a folder for ``SAGALOG_HOME``; an embedded server in it is stopped afterwards
==================  ========  =====================================================================================

Every server is stopped and its folder removed by a process of its own (``testing/crash/reaper.py``), so that nothing
is left behind when a test session is killed.
"""

from __future__ import annotations

import gc
import importlib
import itertools
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import hypothesis
import psycopg
import pytest
from attrs import define, field
from psycopg import sql

from sagalog.store import server as embedding
from sagalog.store.cluster import Cluster
from sagalog.testing.crash.scratch import MEMORY, reaper, scratch

PG15 = Path("/usr/lib/postgresql/15/bin")
SERVERS = ("embedded", "pg15")
_TEMPLATE = "sagalog_migrated"

# No test is about absolute time.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def pytest_configure() -> None:
    """Forget the settings of whoever runs the tests: none of his databases is touched."""
    # What a shell starts in the background ignores SIGINT, and so would every child that a test is to interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in [name for name in os.environ if name.startswith("SAGALOG_") and name != "SAGALOG_REQUIRE_PG15"]:
        del os.environ[name]


def pytest_collection_finish() -> None:
    """Leave what a session has until its end, thousands of tests, out of each search for garbage."""
    gc.collect()
    gc.freeze()


@define(eq=False)
class Server:
    """A PostgreSQL server that belongs to the tests; ``cluster`` starts, stops and finds it."""

    cluster: Cluster
    _numbers: Iterator[int] = field(factory=itertools.count)
    _template_made: bool = False

    @property
    def url(self) -> str:
        """The URL of its database ``postgres``."""
        return self.cluster.url()

    @property
    def postmaster(self) -> int:
        """The process number of the server, to kill it."""
        return int((self.cluster.data / "postmaster.pid").read_text().split()[0])

    def create(self, template: str = "template1") -> str:
        """Make a database as a copy of ``template``; return its URL."""
        name = f"test_{next(self._numbers)}"
        # In memory it is quicker to copy the files than to write each page to the WAL, on a disk it is slower.
        how = "FILE_COPY" if self.cluster.data.is_relative_to(MEMORY) else "WAL_LOG"
        self._execute(f"CREATE DATABASE {{}} TEMPLATE {{}} STRATEGY {how}", name, template)
        return self.cluster.url(name)

    def create_migrated(self) -> str:
        """Make a database with the schema of sagalog, copied from one that was migrated once; return its URL."""
        if not self._template_made:
            self._execute("DROP DATABASE IF EXISTS {}", _TEMPLATE)
            self._execute("CREATE DATABASE {}", _TEMPLATE)
            # By name: tests of the rooms below the store run where it cannot be imported.
            importlib.import_module("sagalog.store.migrate").migrate(self.cluster.url(_TEMPLATE))
            self._template_made = True
        return self.create(_TEMPLATE)

    def drop(self, url: str) -> None:
        """Remove a database that ``create`` made, whoever is still connected to it."""
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", urlsplit(url).path.removeprefix("/"))

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def throw_away(folder: Path, cluster: Cluster) -> Iterator[None]:
    """See that the server of ``cluster`` is stopped and ``folder`` removed at the end, or when this process dies."""
    ending = reaper(cluster, folder)
    try:
        yield
    finally:
        ending.communicate(b".")
        assert ending.returncode == 0, f"the server in {folder} was not stopped"


@contextmanager
def embedded_server() -> Iterator[Server]:
    """An embedded server in a home of its own."""
    home = scratch("sagalog-")
    cluster = embedding.cluster(home)
    with throw_away(home, cluster):
        embedding.embedded(home)
        yield Server(cluster)


@contextmanager
def pg15_server() -> Iterator[Server]:
    """A PostgreSQL 15; where it is not installed the tests are skipped, or fail if SAGALOG_REQUIRE_PG15=1."""
    if not (PG15 / "postgres").exists():
        reason = f"PostgreSQL 15 is not in {PG15}: install Debian's package postgresql"
        if os.environ.get("SAGALOG_REQUIRE_PG15") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    folder = scratch("sagalog-")
    cluster = Cluster(PG15, folder / "postgres")
    with throw_away(folder, cluster):
        cluster.start()
        yield Server(cluster)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The embedded server of this session."""
    with embedded_server() as started:
        yield started


@pytest.fixture(scope="session")
def pg15() -> Iterator[Server]:
    """The PostgreSQL 15 server of this session."""
    with pg15_server() as started:
        yield started


@pytest.fixture
def own_server() -> Iterator[Server]:
    """An embedded server for this test alone."""
    with embedded_server() as started:
        yield started


@pytest.fixture
def throwaway_home() -> Iterator[Path]:
    """A folder for ``SAGALOG_HOME``."""
    home = scratch("sagalog-")
    with throw_away(home, embedding.cluster(home)):
        yield home


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    """URL of an empty database on the embedded server."""
    url = server.create()
    yield url
    server.drop(url)


@pytest.fixture
def migrated(server: Server) -> Iterator[str]:
    """URL of a migrated database on the embedded server."""
    url = server.create_migrated()
    yield url
    server.drop(url)


@pytest.fixture(scope="session", params=SERVERS)
def server_on(request: pytest.FixtureRequest) -> Server:
    """Each of both servers."""
    chosen = request.getfixturevalue({"embedded": "server", "pg15": "pg15"}[request.param])
    assert isinstance(chosen, Server)
    return chosen


@pytest.fixture
def database_on(server_on: Server) -> Iterator[str]:
    """URL of an empty database, on each of both servers."""
    url = server_on.create()
    yield url
    server_on.drop(url)


@pytest.fixture
def migrated_on(server_on: Server) -> Iterator[str]:
    """URL of a migrated database, on each of both servers."""
    url = server_on.create_migrated()
    yield url
    server_on.drop(url)
