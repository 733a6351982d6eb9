"""The fixtures: fresh databases on both servers, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings

from sagalog_testkit import Server, embedded_server

_CHILD = """
import sys
from sagalog_testkit import embedded_server
with embedded_server() as server:
    print(server.cluster.data, flush=True)
    sys.stdin.read()
"""


def test_repo_testkit_no_example_of_a_property_test_may_fail_for_the_time_it_takes() -> None:
    assert settings.default is not None and settings.default.deadline is None


def test_repo_testkit_a_database_is_empty_and_ours(database_on: str) -> None:
    with psycopg.connect(database_on) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        connection.execute("CREATE TABLE left_behind ()")
    assert tables == (0,)


def test_repo_testkit_the_servers_are_18_and_15(server: Server, pg15: Server) -> None:
    versions = []
    for each in (server, pg15):
        with psycopg.connect(each.url) as connection:
            versions.append(connection.info.server_version // 10_000)
    assert versions == [18, 15]


def test_repo_testkit_a_dropped_database_is_gone_though_connected(server: Server) -> None:
    url = server.create()
    with psycopg.connect(url) as connection:
        server.drop(url)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


def test_repo_testkit_a_failing_test_leaves_no_server() -> None:
    with pytest.raises(ZeroDivisionError), embedded_server() as server:
        data, postmaster = server.cluster.data, server.postmaster
        raise ZeroDivisionError
    assert not data.parent.exists()
    assert not _lives(postmaster)


def test_repo_testkit_a_killed_session_leaves_no_server() -> None:
    here = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path},
        text=True,
    ) as child:
        assert child.stdout is not None
        data = Path(child.stdout.readline().strip())
        postmaster = int((data / "postmaster.pid").read_text().split()[0])
        child.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while (_lives(postmaster) or data.parent.exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(postmaster)
    assert not data.parent.exists()


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
