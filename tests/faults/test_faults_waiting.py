"""Runs that wait for a timer, and what happens to them meanwhile: other owners, cancellation, an engine that is closed."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sagalog_children import Child, Line
from sagalog_faults import both, new_id, resume, run, told, verified

from sagalog.config import Settings
from sagalog.engine.core.states import RunState
from sagalog.engine.definition import Context, Decision, FunctorTask, Retry, RetryPolicy, linear
from sagalog.engine.runtime.engine import Engine
from sagalog.errors import Fenced, FlowFailed, SagalogError, UsageError

AN_HOUR = 3600.0


def waiting(folder: Path, wait: float, attempts: int = 3) -> Any:
    """A task that fails until its last attempt: the second is made at once, the third after `wait` seconds."""

    def work(context: Context) -> str:
        note(folder, f"work {context.attempt}")
        if context.attempt < attempts:
            raise ConnectionError("not yet")
        return "done"

    def undo() -> None:
        note(folder, "undo")

    task = FunctorTask(work, name="work", revert=undo, retry_policy=RetryPolicy(attempts, wait / 2, AN_HOUR))
    return linear("waiting").add(task)


def note(folder: Path, line: str) -> None:
    file = os.open(folder / "calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, line.encode() + b"\n")
    finally:
        os.close(file)


def calls(folder: Path) -> list[str]:
    file = folder / "calls"
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def select(settings: Settings, query: str) -> list[Any]:
    with psycopg.connect(str(settings.database_url), autocommit=True) as conn:
        return conn.execute(query.encode()).fetchall()


def timers(settings: Settings) -> list[Any]:
    return select(settings, "SELECT stream_id, timer, due FROM sagalog.timer")


def until(condition: Callable[[], Any], patience: float = 20.0) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def nothing_is_left(settings: Settings) -> bool:
    assert timers(settings) == []
    assert select(settings, "SELECT stream_id FROM sagalog.stream WHERE owner IS NOT NULL") == []
    return verified(settings)


def ended(do: Callable[[], Any]) -> str:
    try:
        return str(do().state)
    except SagalogError as error:
        return type(error).__name__


# ---- other owners


@both
def test_an_owner_that_stood_still_while_it_waited_is_fenced_when_its_timer_goes_off(
    settings: Settings, tmp_path: Path, how: str
) -> None:
    flow, run_id = waiting(tmp_path, 4.0), new_id()
    with Child(lambda line: line.say(ended(lambda: run(settings, how, flow, run_id=run_id)))) as stale:
        until(lambda: timers(settings))
        stale.stop()
        assert resume(settings, how, flow, run_id).state is RunState.SUCCESS  # when its lease has run out
        before = told(settings, run_id)
        stale.go_on()
        assert stale.next() == Fenced.__name__
        assert stale.wait() == 0
    assert told(settings, run_id) == before
    assert calls(tmp_path) == ["work 1", "work 2", "work 3"]
    assert before.count("timer.set work") == before.count("timer.fired work") == 1
    assert nothing_is_left(settings)


def test_two_processes_that_tick_at_once_make_each_call_once(settings: Settings, tmp_path: Path) -> None:
    flow = waiting(tmp_path, 1.0)
    with Engine.open(settings=settings, flows=[flow]) as engine:
        ids = [engine.start(flow).id for _ in range(30)]
        assert engine.tick() == 60
        assert [engine.pending(run_id) for run_id in ids] == [1] * 30

    def ticking(line: Line) -> None:
        with Engine.open(settings=settings, flows=[flow]) as engine:
            made = 0
            while timers(settings):
                made += engine.tick()
            line.say(made)

    with Child(ticking) as one, Child(ticking) as other:
        assert one.next() + other.next() == 30
    assert Counter(calls(tmp_path)) == {"work 1": 30, "work 2": 30, "work 3": 30}
    with Engine.open(settings=settings) as engine:
        assert {row.state for row in engine.rows()} == {RunState.SUCCESS}
    assert nothing_is_left(settings)


# ---- what a person wants of a run that waits


@both
@pytest.mark.parametrize("held", [True, False])
def test_a_run_that_waits_is_suspended_and_its_delay_keeps_its_start(
    settings: Settings, tmp_path: Path, how: str, held: bool
) -> None:
    flow, run_id = waiting(tmp_path, 1.5), new_id()
    with Engine.open(settings=settings, flows=[flow]) as engine:
        if held:
            with Child(lambda line: line.say(ended(lambda: run(settings, how, flow, run_id=run_id)))) as owner:
                until(lambda: timers(settings))
                began, set_to = time.monotonic(), timers(settings)
                assert engine.suspend(run_id).state is RunState.SUSPENDED
                assert owner.next() == "SUSPENDED" and owner.wait() == 0
        else:
            engine.start(flow, run_id=run_id)
            engine.tick()
            began, set_to = time.monotonic(), timers(settings)
            assert engine.suspend(run_id).state is RunState.SUSPENDED
        assert engine.tick() == 0
        time.sleep(max(began + 0.8 - time.monotonic(), 0))
        assert timers(settings) == set_to
        done = resume(settings, how, flow, run_id)
        assert time.monotonic() - began < 2.2, "the delay began anew"
        (success,) = (record for record in engine.history(run_id) if record.type == "timer.fired")
        assert success.facts["timer"] == set_to[0][1]
    assert done.state is RunState.SUCCESS
    assert calls(tmp_path) == ["work 1", "work 2", "work 3"]
    assert nothing_is_left(settings)


@both
@pytest.mark.parametrize("held", [True, False])
def test_a_run_that_waits_is_reverted_at_once(settings: Settings, tmp_path: Path, how: str, held: bool) -> None:
    flow, run_id = waiting(tmp_path, AN_HOUR), new_id()
    with Engine.open(settings=settings, flows=[flow]) as engine:
        if held:
            options = {"run_id": run_id, "raises": False}
            with Child(lambda line: line.say(ended(lambda: run(settings, how, flow, **options)))) as owner:
                until(lambda: timers(settings))
                assert engine.revert(run_id, reason="withdrawn").state is RunState.REVERTED
                assert owner.next() == "REVERTED" and owner.wait() == 0
        else:
            engine.start(flow, run_id=run_id)
            engine.tick()
            assert engine.revert(run_id, reason="withdrawn").state is RunState.REVERTED
    assert calls(tmp_path) == ["work 1", "work 2", "undo"]
    assert nothing_is_left(settings)


# ---- broken off


def test_a_run_whose_caller_is_cancelled_while_it_waits_is_free_for_others(settings: Settings, tmp_path: Path) -> None:
    flow = waiting(tmp_path, AN_HOUR)

    async def scene() -> None:
        async with Engine.open(settings=settings, flows=[flow]) as engine:
            tasks = [asyncio.create_task(engine.arun(flow)) for _ in range(5)]
            while len(timers(settings)) < 5:
                await asyncio.sleep(0.02)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert all(task.cancelled() for task in tasks)
            assert select(settings, "SELECT 1 FROM sagalog.stream WHERE owner IS NOT NULL") == []
            for row in await asyncio.to_thread(engine.rows):
                assert (await engine.arevert(row.run_id, reason="enough")).state is RunState.REVERTED

    asyncio.run(scene())
    assert nothing_is_left(settings)


def test_a_resume_that_is_cancelled_at_any_moment_leaves_the_run_free(settings: Settings, tmp_path: Path) -> None:
    flow, run_id = waiting(tmp_path, AN_HOUR), new_id()

    async def scene() -> None:
        async with Engine.open(settings=settings, flows=[flow]) as engine:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(engine.arun(flow, run_id=run_id), 0.5)
            for number in range(60):
                task = asyncio.create_task(engine.aresume(run_id, steal=False))
                await asyncio.sleep(number / 4000)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                await asyncio.sleep(0.02)  # a release that was under way goes on by itself
                assert select(settings, "SELECT owner FROM sagalog.stream WHERE owner IS NOT NULL") == [], number

    asyncio.run(scene())
    assert calls(tmp_path) == ["work 1", "work 2"]
    assert verified(settings)


def test_steps_that_are_given_up_half_way_leave_the_run_free(settings: Settings, tmp_path: Path) -> None:
    flow = waiting(tmp_path, 0.05)
    with Engine.open(settings=settings, flows=[flow]) as engine, Engine.open(settings=settings, flows=[flow]) as other:
        for number in range(1, 9):
            run_id = engine.start(flow).id
            steps = engine.steps(run_id)
            assert len([next(steps) for _ in range(number)]) == number
            steps.close()
            assert other.resume(run_id, steal=False).state is RunState.SUCCESS
    assert nothing_is_left(settings)


def test_two_runs_are_gone_on_with_by_steps_in_turns_and_other_things_are_done_between(
    settings: Settings, tmp_path: Path
) -> None:
    flow = waiting(tmp_path, 0.05)
    with Engine.open(settings=settings, flows=[flow]) as engine:
        one, two = engine.start(flow).id, engine.start(flow).id
        steps, others = engine.steps(one), engine.steps(two)
        for _ in range(4):
            assert next(steps).version == next(others).version
        with pytest.raises(UsageError, match="by steps on this thread"):
            engine.revert(two, reason="it would wait for whoever asks")
        assert engine.run(flow).state is RunState.SUCCESS
        assert list(steps)[-1].type == "run.success"
        others.close()
        assert engine.revert(one, reason="withdrawn").state is RunState.REVERTED
        assert engine.suspend(two).state is RunState.SUSPENDED
        assert engine.resume(two).state is RunState.SUCCESS
    assert nothing_is_left(settings)


@both
def test_an_engine_that_is_closed_leaves_the_runs_that_wait_to_others(settings: Settings, tmp_path: Path, how: str) -> None:
    flow = waiting(tmp_path, 1.0)
    engine = Engine.open(settings=settings, flows=[flow])
    before = set(threading.enumerate())
    outcome: list[str] = []

    def work() -> None:
        if how == "blocking":
            outcome.append(ended(lambda: engine.run(flow)))
        else:
            async def scene() -> Any:
                return await engine.arun(flow)

            outcome.append(ended(lambda: asyncio.run(scene())))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    until(lambda: timers(settings))
    engine.close()
    thread.join(20)
    assert not thread.is_alive(), "a call of an engine that is closed does not end"
    ((run_id,),) = select(settings, "SELECT stream_id FROM sagalog.stream")
    done = resume(settings, how, flow, run_id)
    assert done.state is RunState.SUCCESS
    assert calls(tmp_path) == ["work 1", "work 2", "work 3"]
    assert nothing_is_left(settings)
    assert all_have_left(settings)
    until(lambda: not [left for left in set(threading.enumerate()) - before if left.name.startswith("sagalog")])
    assert outcome == [UsageError.__name__]


def test_leaving_an_engine_breaks_off_what_waits_and_what_runs_and_leaves_it_to_others(
    settings: Settings, tmp_path: Path
) -> None:
    async def sleep() -> None:
        note(tmp_path, "sleep")
        await asyncio.sleep(AN_HOUR)

    def block() -> None:
        note(tmp_path, "block")
        time.sleep(0.5)

    async def undo() -> None:
        note(tmp_path, "undoing")
        if "going on" not in calls(tmp_path):
            await asyncio.sleep(AN_HOUR)

    def fail() -> None:
        raise ValueError("no")

    undone = linear("undone").add(FunctorTask(lambda: None, "first", revert=undo), FunctorTask(fail))
    flows = [
        waiting(tmp_path, AN_HOUR), *(linear(code.__name__).add(FunctorTask(code)) for code in (sleep, block)), undone
    ]  # fmt: skip

    async def scene() -> list[Any]:
        async with Engine.open(settings=settings, flows=flows) as engine:
            tasks = [asyncio.create_task(engine.arun(flow)) for flow in flows]
            while len(calls(tmp_path)) < 5:
                await asyncio.sleep(0.01)
        # At once, and not when their time has come: an engine that is closed has no run.
        assert select(settings, "SELECT 1 FROM sagalog.stream WHERE owner IS NOT NULL") == []
        return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)

    outcomes = asyncio.run(scene())
    assert [type(outcome) for outcome in outcomes] == [UsageError] * 4, outcomes
    note(tmp_path, "going on")
    assert all_have_left(settings)
    with Engine.open(settings=settings, flows=flows) as engine:
        for row in engine.rows():
            back = engine.resume if row.state is RunState.REVERTING else partial(engine.revert, reason="enough")
            with suppress(FlowFailed):
                back(row.run_id)
            assert engine.state(row.run_id).state is RunState.REVERTED
    made = Counter(calls(tmp_path))
    assert made == {"work 1": 1, "work 2": 1, "sleep": 1, "block": 1, "undoing": 2, "going on": 1, "undo": 1}
    assert nothing_is_left(settings)


def all_have_left(settings: Settings) -> bool:
    query = b"SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with psycopg.connect(str(settings.database_url), autocommit=True) as conn:
        until(lambda: not conn.execute(query).fetchall())  # each with a connection of its own would see the last one leave
        return True


@both
def test_an_interrupt_while_a_retry_is_asked_leaves_the_question_open(settings: Settings, tmp_path: Path, how: str) -> None:
    class Interrupted(Retry):
        def execute(self) -> None: ...

        def on_failure(self) -> Decision:
            note(tmp_path, "asked")
            if calls(tmp_path).count("asked") == 1:
                raise KeyboardInterrupt
            return Decision.REVERT

    def fail() -> None:
        note(tmp_path, "fail")
        raise ValueError("no")

    flow, run_id = linear("f", Interrupted("r")).add(FunctorTask(fail, name="fail")), new_id()
    with pytest.raises(KeyboardInterrupt):
        run(settings, how, flow, run_id=run_id)
    assert select(settings, "SELECT 1 FROM sagalog.stream WHERE owner IS NOT NULL") == []
    assert resume(settings, how, flow, run_id, raises=False).state is RunState.REVERTED
    assert calls(tmp_path) == ["fail", "asked", "asked"]
    assert nothing_is_left(settings)


def test_a_run_that_is_cancelled_while_a_retry_is_asked_asks_again(settings: Settings, tmp_path: Path) -> None:
    class Slow(Retry):
        def execute(self) -> None: ...

        async def on_failure(self) -> Decision:
            note(tmp_path, "asked")
            if calls(tmp_path).count("asked") == 1:
                await asyncio.sleep(30)
            return Decision.REVERT

    def fail() -> None:
        raise ValueError("no")

    flow, run_id = linear("f", Slow("r")).add(FunctorTask(fail, name="fail")), new_id()

    async def scene() -> None:
        async with Engine.open(settings=settings, flows=[flow]) as engine:
            task = asyncio.create_task(engine.arun(flow, run_id=run_id))
            while not calls(tmp_path):
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            done = await engine.aresume(run_id, raises=False)
            assert done.state is RunState.REVERTED

    asyncio.run(scene())
    assert calls(tmp_path) == ["asked", "asked"]
    assert nothing_is_left(settings)
