"""The server goes away, and comes back: restarted, killed, full. A run that is under way notices nothing but the time."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest
from sagalog_faults import Business, both, new_id, resume, run, told, verified, write

from sagalog.config import Settings
from sagalog.engine.core.states import RunState
from sagalog.engine.definition import Context, FunctorTask, RetryPolicy, linear, unordered
from sagalog.engine.runtime.engine import Engine
from sagalog.errors import StoreUnavailable
from sagalog.store.migrate import migrate
from sagalog_testkit import Server, embedded_server

RUNS = 50


@pytest.fixture(scope="module")
def fragile() -> Iterator[Server]:
    """A server of this file's own, to be stopped, killed and filled up."""
    with embedded_server() as started:
        yield started


@pytest.fixture
def migrated(fragile: Server) -> str:
    """URL of a database on it."""
    return made_whole(fragile)


def made_whole(server: Server) -> str:
    """A new database with the schema, not copied from a template: PostgreSQL copies sequences of a template together
    with a promise that their next 32 values are in the write-ahead log already, which holds for the template only."""
    url = server.create()
    migrate(url)
    return url


def restart(server: Server, how: str) -> None:
    """Restart the server: in good order (sessions are ended, transactions rolled back), or after a SIGKILL."""
    if how == "fast":
        server.cluster.stop("fast")
    else:
        os.kill(server.postmaster, signal.SIGKILL)
        while server.cluster.running():  # it takes a moment to be dead
            time.sleep(0.01)
    server.cluster.start()


class Upset:
    """Restarts the server beside whatever is going on, once, when it is told to."""

    def __init__(self, server: Server, how: str) -> None:
        self._thread = threading.Thread(target=restart, args=(server, how))
        self._begun = threading.Lock()

    def begin(self) -> None:
        if self._begun.acquire(blocking=False):
            self._thread.start()

    def end(self) -> None:
        self.begin()
        self._thread.join()


@pytest.mark.parametrize("manner", ["fast", "killed"])
@both
def test_a_run_goes_through_a_restart_of_the_server(
    fragile: Server, settings: Settings, business: Business, how: str, manner: str
) -> None:
    """Restarted in a task's code, in a transaction, and between: no plain task is called twice, no row is there twice."""
    upsets = [Upset(fragile, manner) for _ in range(2)]
    calls: Counter[str] = Counter()

    def plain(name: str, then: Callable[[], None] = lambda: None) -> FunctorTask:
        def call() -> None:
            calls[name] += 1
            then()

        return FunctorTask(call, name=name)

    def inside(name: str, then: Callable[[], None] = lambda: None) -> FunctorTask:
        def call(context: Context, conn: Any) -> None:
            write(conn, context.run_id, name)
            then()

        return FunctorTask(call, name=name, transactional=True)

    flow = linear("f").add(
        plain("p1"), inside("t1"), plain("p2", upsets[0].end), inside("t2"), plain("p3"),
        inside("t3", upsets[1].end), plain("p4"), inside("t4"),
    )  # fmt: skip
    done = run(settings, how, flow)
    assert done.state is RunState.SUCCESS
    assert calls == {"p1": 1, "p2": 1, "p3": 1, "p4": 1}
    assert business.effects() == ["t1", "t2", "t3", "t4"]
    assert [record for record in told(settings, done.id) if "unknown" in record] == []
    assert verified(settings)


@pytest.mark.parametrize("manner", ["fast", "killed"])
def test_fifty_runs_go_through_a_restart_of_the_server(
    fragile: Server, settings: Settings, business: Business, manner: str
) -> None:
    upset = Upset(fragile, manner)
    calls: Counter[Any] = Counter()

    def plain(context: Context) -> None:
        calls[context.run_id, context.atom] += 1
        time.sleep(0.002)

    async def on_loop(context: Context) -> None:
        calls[context.run_id, context.atom] += 1
        await asyncio.sleep(0.005)
        if sum(calls.values()) > 2 * RUNS:
            upset.begin()

    def inside(context: Context, conn: Any) -> None:
        write(conn, context.run_id, context.atom)

    def task(code: Callable[..., Any], name: str) -> FunctorTask:
        return FunctorTask(code, name=name, transactional=code is inside)

    flow = linear("f").add(
        task(on_loop, "a1"),
        unordered("all").add(task(plain, "p1"), task(inside, "t1"), task(inside, "t2"), task(on_loop, "a2")),
        task(inside, "t3"), task(plain, "p2"), task(on_loop, "a3"), task(inside, "t4"),
    )  # fmt: skip

    async def scene() -> list[Any]:
        async with Engine.open(settings=settings) as engine:
            runs = await asyncio.gather(*(engine.arun(flow) for _ in range(RUNS)))
            upset.end()
            return runs

    runs = asyncio.run(scene())
    assert [done.state for done in runs] == [RunState.SUCCESS] * RUNS
    assert set(calls.values()) == {1}
    assert len(calls) == 5 * RUNS
    for done in runs:
        assert business.effects(done.id) == ["t1", "t2", "t3", "t4"]
    assert verified(settings)


@pytest.mark.parametrize("manner", ["fast", "killed"])
def test_fifty_runs_that_wait_for_a_timer_go_through_a_restart_of_the_server(
    fragile: Server, settings: Settings, manner: str
) -> None:
    calls: Counter[Any] = Counter()

    def work(context: Context) -> None:
        calls[context.run_id, context.attempt] += 1
        if context.attempt < 3:
            raise ConnectionError("not yet")

    flow = linear("f").add(FunctorTask(work, name="work", retry_policy=RetryPolicy(3, 1.0, 2.0)))

    async def scene() -> list[Any]:
        async with Engine.open(settings=settings, flows=[flow]) as engine:
            tasks = [asyncio.create_task(engine.arun(flow)) for _ in range(RUNS)]
            while len(calls) < 2 * RUNS:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
            await asyncio.to_thread(restart, fragile, manner)
            # What is asked of one of them reaches it behind the restart too: nobody has stopped looking.
            suspended = await engine.asuspend(next(iter(calls))[0])
            assert suspended.state in (RunState.SUSPENDED, RunState.SUCCESS)
            runs = await asyncio.gather(*tasks)
            return [run if run.state is RunState.SUCCESS else await engine.aresume(run.id) for run in runs]

    runs = asyncio.run(scene())
    assert [done.state for done in runs] == [RunState.SUCCESS] * RUNS
    assert set(calls.values()) == {1} and len(calls) == 3 * RUNS
    with psycopg.connect(str(settings.database_url), autocommit=True) as conn:
        assert conn.execute("SELECT * FROM sagalog.timer").fetchall() == []
    assert verified(settings)


@both
def test_a_connection_that_is_first_needed_while_the_server_is_away_is_waited_for(
    fragile: Server, settings: Settings, business: Business, how: str
) -> None:
    """Transactions of an event loop have connections of their own, opened when they are first used."""
    returning = threading.Timer(1.0, fragile.cluster.start)

    def leave() -> None:
        fragile.cluster.stop("immediate")
        returning.start()

    def book(context: Context, conn: Any) -> None:
        write(conn, context.run_id, "book")

    async def sleep() -> None:
        await asyncio.sleep(0)

    flow = unordered("f").add(
        linear("one").add(FunctorTask(leave, name="leave")),
        linear("two").add(FunctorTask(sleep, name="sleep"), FunctorTask(book, name="book", transactional=True)),
    )
    done = run(settings, how, linear("g").add(FunctorTask(sleep, name="first"), flow))
    returning.join()
    assert done.state is RunState.SUCCESS
    assert business.effects() == ["book"]


@both
def test_a_server_that_stays_away_ends_the_call_and_not_the_run(fragile: Server, settings: Settings, how: str) -> None:
    impatient = attrs.evolve(settings, reconnect=0.5)
    todo = [fragile.cluster.stop]

    def stop_once() -> None:
        while todo:
            todo.pop()("immediate")

    flow = linear("f").add(FunctorTask(stop_once, name="stop"), FunctorTask(lambda: None, name="after"))
    run_id = new_id()
    with pytest.raises(StoreUnavailable, match="check the server"):
        run(impatient, how, flow, run_id=run_id)
    fragile.cluster.start()
    assert resume(settings, how, flow, run_id).state is RunState.SUCCESS
    assert told(settings, run_id).count("task.running stop") == 2
    assert verified(settings)


@both
@pytest.mark.parametrize("what", ["read-only", "statement timeout"])
def test_a_server_that_will_not_write_says_why_and_the_run_goes_on_later(
    settings: Settings, how: str, what: str
) -> None:
    """The setting comes while the run is under way, for all who connect from then on."""
    name, value, said = {
        "read-only": ("default_transaction_read_only", "on", "takes no writes"),
        "statement timeout": ("statement_timeout", "50ms", "statement_timeout"),
    }[what]

    def change(text: str) -> None:
        with psycopg.connect(str(settings.database_url), autocommit=True) as conn:
            conn.execute("SET default_transaction_read_only = off")
            conn.execute("SET statement_timeout = 0")
            conn.execute(f"ALTER DATABASE {conn.info.dbname} {text}".encode())
            if "RESET" not in text:
                if what == "statement timeout":
                    conn.execute(SLOW.encode())
                conn.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            else:
                conn.execute("DROP TRIGGER IF EXISTS slow ON sagalog.record")

    todo = [f"SET {name} = '{value}'"]

    def change_once() -> None:
        while todo:
            change(todo.pop())

    flow = linear("f").add(FunctorTask(change_once, name="change"), FunctorTask(lambda: None, name="after"))
    run_id = new_id()
    with pytest.raises(StoreUnavailable, match=said):
        run(settings, how, flow, run_id=run_id)
    change(f"RESET {name}")
    assert resume(settings, how, flow, run_id).state is RunState.SUCCESS
    assert verified(settings)


SLOW = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(5); RETURN NULL; END $$;
CREATE TRIGGER slow BEFORE INSERT ON sagalog.record FOR EACH STATEMENT EXECUTE FUNCTION slow();
"""


# ---- no room for the write-ahead log


@pytest.fixture
def small_volume(own_server: Server, tmp_path: Path) -> Iterator[Path]:
    """A file system of 96 MiB, on which the write-ahead log of `own_server` lies."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system takes root")
    folder = tmp_path / "volume"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"file systems cannot be mounted here: {mounted.stderr.strip()}")
    try:
        own_server.cluster.stop("fast")
        log, owner = own_server.cluster.data / "pg_wal", own_server.cluster.data.stat()
        shutil.copytree(log, folder / "pg_wal")
        shutil.rmtree(log)
        log.symlink_to(folder / "pg_wal")
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, owner.st_uid, owner.st_gid)
        (folder / "pg_wal").chmod(0o700)
        for parent in folder.parents:
            parent.chmod(parent.stat().st_mode | 0o001)
        own_server.cluster.start()
        yield folder
    finally:
        own_server.cluster.stop("immediate")
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_is_full_stops_the_run_and_loses_nothing(
    own_server: Server, small_volume: Path, tmp_path: Path
) -> None:
    url = made_whole(own_server)
    settings = Settings(home=tmp_path, database_url=url, lease=2.0, reconnect=1.0)
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("CREATE TABLE effect (run uuid NOT NULL, task text NOT NULL)")
    calls: list[str] = []
    ballast = small_volume / "ballast"

    def fill() -> None:
        calls.append("fill")
        if len(calls) > 1:
            return
        with open(ballast, "wb", buffering=0) as file, pytest.raises(OSError):
            while True:
                file.write(bytes(1 << 16))
        with psycopg.connect(url, autocommit=True) as conn, pytest.raises(psycopg.Error):
            for _ in range(20):  # what is left of the segments that are there already
                conn.execute("SELECT pg_switch_wal()")
                conn.execute("CREATE TABLE filler AS SELECT 1")
                conn.execute("DROP TABLE filler")

    def book(context: Context, conn: Any) -> None:
        write(conn, context.run_id, "book")

    flow = linear("f").add(
        FunctorTask(lambda: None, name="before"),
        FunctorTask(fill, name="fill"),
        FunctorTask(book, name="book", transactional=True),
    )
    run_id = new_id()
    with pytest.raises(StoreUnavailable):
        run(settings, "blocking", flow, run_id=run_id)
    ballast.unlink()
    own_server.cluster.start()
    _until_it_has_recovered(url)
    assert told(settings, run_id)[-1] == "task.running fill"
    assert resume(settings, "blocking", flow, run_id).state is RunState.SUCCESS
    assert (calls, Business(url).effects()) == (["fill", "fill"], ["book"])
    assert verified(settings)


def _until_it_has_recovered(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
