"""An engine that is closed on one thread while others are at work in it: nothing stays open, whatever was half-way."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from sagalog.config import Settings
from sagalog.engine.core.states import RunState
from sagalog.engine.definition import FunctorTask, linear
from sagalog.engine.runtime.engine import Engine
from sagalog.errors import UsageError
from sagalog.store import log
from sagalog.store.session import AsyncSession, Session

both = pytest.mark.parametrize("how", ["blocking", "async"])
OTHERS = "datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture(autouse=True)
def nothing_is_collected() -> Iterator[None]:
    """What is left open is not to be closed by chance."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Aside(threading.Thread):
    """A call on a thread of its own; `join` gives what it returned or raised."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self._came: Any = None
        self.start()

    def run(self) -> None:
        try:
            self._came = self._call()
        except BaseException as error:
            self._came = error

    def outcome(self) -> Any:
        """What came of it."""
        self.join(20)
        assert not self.is_alive(), "it does not end"
        return self._came


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@contextmanager
def nobody_gets_in(url: str) -> Iterator[Callable[[str], int]]:
    """Whoever connects has to wait, half-way, until this is left; gives a count of the connections that `WHERE` says."""
    with psycopg.connect(url, autocommit=True) as other, psycopg.connect(url) as conn:
        conn.execute("LOCK TABLE sagalog.migration")

        def count(where: str) -> int:
            row = other.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {OTHERS} AND {where}".encode()).fetchone()
            assert row is not None
            return int(row[0])

        yield count


def all_have_left(url: str) -> bool:
    with psycopg.connect(url, autocommit=True) as conn:  # one for all looks: the next one would see the last one leave
        until(lambda: not conn.execute(f"SELECT 1 FROM pg_stat_activity WHERE {OTHERS}".encode()).fetchall())
        return True


@both
def test_a_session_that_is_ended_while_it_connects_is_not_connected(settings: Settings, migrated: str, how: str) -> None:
    one: Session | AsyncSession = Session(migrated, settings) if how == "blocking" else AsyncSession(migrated, settings)

    def use() -> Any:
        if isinstance(one, Session):
            return one.perform(log.now)
        return asyncio.run(one.perform(log.now))

    with nobody_gets_in(migrated) as connections:
        aside = Aside(use)
        until(lambda: connections("wait_event_type = 'Lock'"))
        if isinstance(one, Session):
            one.end()
        else:
            with pytest.raises(StopIteration):
                one.end().send(None)  # as a shell does whose loop is another thread's
    assert isinstance(aside.outcome(), UsageError)
    assert all_have_left(migrated)


@both
def test_a_call_that_is_half_way_to_its_connection_has_none_when_the_engine_is_closed(
    settings: Settings, migrated: str, how: str
) -> None:
    flow = linear("f").add(FunctorTask(lambda: None, name="a"))
    engine = Engine.open(settings=settings)
    with nobody_gets_in(migrated) as connections:
        aside = Aside(lambda: engine.rows() if how == "blocking" else asyncio.run(engine.arun(flow)))
        until(lambda: connections("wait_event_type = 'Lock'"))
        closing = Aside(engine.close)
        if how == "blocking":
            assert closing.outcome() is None
        else:  # that the worker is leaving can be written when it has come
            time.sleep(0.1)
    assert closing.outcome() is None
    assert isinstance(aside.outcome(), UsageError)
    assert all_have_left(migrated)


@both
def test_an_engine_that_is_closed_opens_no_connection(settings: Settings, migrated: str, how: str) -> None:
    flow = linear("f").add(FunctorTask(lambda: None, name="a"))
    with Engine.open(settings=settings) as engine:
        run_id = engine.run(flow).id
    with pytest.raises(UsageError, match="this engine is closed"):
        if how == "blocking":
            engine.state(run_id)
        else:
            asyncio.run(engine.aresume(run_id))
    assert all_have_left(migrated)


@pytest.mark.parametrize("kind", ["plain", "async", "transactional"])
@both
def test_an_engine_is_closed_while_a_task_runs_which_ends_by_itself(
    settings: Settings, migrated: str, how: str, kind: str
) -> None:
    begun, leave, calls = threading.Event(), threading.Event(), []

    def work() -> None:
        calls.append("begun")
        begun.set()
        assert leave.wait(20)
        calls.append("ended")

    async def on_loop() -> None:
        work()

    def inside(conn: Any) -> None:
        conn.execute("SELECT 1")
        work()

    code: Any = {"plain": work, "async": on_loop, "transactional": inside}[kind]
    flow = linear("f").add(FunctorTask(code, name="work", transactional=kind == "transactional"))
    engine = Engine.open(settings=settings, flows=[flow])
    aside = Aside(lambda: engine.run(flow) if how == "blocking" else asyncio.run(engine.arun(flow)))
    assert begun.wait(20)
    engine.close()
    leave.set()
    assert isinstance(aside.outcome(), UsageError), aside.outcome()
    assert all_have_left(migrated)
    with Engine.open(settings=settings, flows=[flow]) as other:
        (row,) = other.rows()
        assert row.state is RunState.RUNNING
        assert other.resume(row.run_id, steal=False).state is RunState.SUCCESS
    assert calls == ["begun", "ended"] * 2
