"""What people do with an engine: ids as text, keys used twice, calls from a running loop, threads, closed engines."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from sagalog.config import Settings
from sagalog.engine.core.states import RunState
from sagalog.engine.definition import Context, FunctorTask, linear, task, unordered
from sagalog.engine.runtime.app import Sagalog
from sagalog.engine.runtime.engine import Engine
from sagalog.errors import Conflict, DefinitionChanged, FlowError, FlowFailed, UsageError


def step(name: str, **options: Any) -> FunctorTask:
    return FunctorTask(lambda: name, name=name, **options)


def test_an_id_may_be_given_as_text(engine: Engine) -> None:
    flow = linear("f").add(step("a", revert=lambda: None))
    run = engine.run(flow)
    assert engine.state(str(run.id)).version == run.version
    assert len(engine.history(str(run.id))) == run.version and engine.verify(str(run.id)).ok
    assert engine.revert(str(run.id), reason="text").state is RunState.REVERTED
    for bad in ("abc", 7, None):
        with pytest.raises(UsageError, match="a run's id is a UUID"):
            engine.state(bad)  # type: ignore[arg-type]  # that is the mistake


def test_what_cannot_be_a_request_is_said_before_anything_is_written(engine: Engine) -> None:
    flow = linear("f").add(step("a"))
    with pytest.raises(UsageError, match="key"):
        engine.run(flow, key="")
    with pytest.raises(UsageError, match="UUIDv7"):
        engine.run(flow, run_id=uuid4())
    with pytest.raises(UsageError, match="inputs must be"):
        engine.run(flow, [1])  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="app must be"):
        Engine.open(engine.url, app=flow)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="time zone"):
        engine.state(engine.new_id(), engine.run(flow).created_at.replace(tzinfo=None))
    assert len(list(engine.runs())) == 1


def test_an_id_is_taken_once(engine: Engine) -> None:
    flow, run_id = linear("f").add(step("a")), engine.new_id()
    assert engine.run(flow, run_id=run_id).id == run_id
    with pytest.raises(Conflict, match="there is already a run"):
        engine.run(flow, run_id=run_id)


def test_a_key_stands_for_one_request(engine: Engine) -> None:
    flow = linear("pay").add(FunctorTask(lambda amount: amount, name="pay"))
    engine.run(flow, {"amount": 1}, key="k")
    with pytest.raises(Conflict, match="with other inputs"):
        engine.run(flow, {"amount": 2}, key="k")
    with pytest.raises(Conflict, match="of flow 'pay'"):
        engine.run(linear("other").add(FunctorTask(lambda amount: amount, name="pay")), {"amount": 1}, key="k")


def test_a_key_does_not_lift_a_suspension(engine: Engine) -> None:
    flow = linear("f").add(step("a"))
    run = engine.start(flow, key="k")
    assert engine.suspend(run.id, reason="fraud").state is RunState.SUSPENDED
    again = engine.run(flow, key="k")
    assert (again.id, again.state, again.reason) == (run.id, RunState.SUSPENDED, "fraud")
    assert engine.resume(run.id).state is RunState.SUCCESS


def test_blocking_calls_work_inside_a_running_loop(settings: Settings) -> None:
    undone: list[str] = []

    async def work() -> str:
        await asyncio.sleep(0)
        return "done"

    async def undo() -> None:
        await asyncio.sleep(0)
        undone.append("undone")

    flow = linear("f").add(FunctorTask(work, name="a", provides="x", revert=undo))

    async def main() -> None:
        async with Engine.open(settings=settings, flows=[flow]) as engine:
            first = engine.run(flow)
            second = await engine.arun(flow)
            assert first.results == second.results == {"x": "done"}
            assert engine.revert(first.id, reason="blocking").state is RunState.REVERTED
            assert (await engine.arevert(second.id, reason="async")).state is RunState.REVERTED
            waiting = engine.start(flow)
            assert (await engine.asuspend(waiting.id)).state is RunState.SUSPENDED
            engine.start(flow)
            assert [run.state for run in await engine.aresume_all()] == [RunState.SUCCESS]

    asyncio.run(main())
    assert undone == ["undone"] * 2


def test_a_task_cannot_wait_for_its_own_run(engine: Engine) -> None:
    @task
    def regret(context: Context) -> None:
        engine.revert(context.run_id, reason="changed my mind")

    with pytest.raises(FlowFailed, match="it would wait for itself"):
        engine.run(linear("f").add(regret))


@pytest.mark.parametrize(("made", "result"), [(("a", "b"), (1,)), (("a", "b"), "xy"), ({"a"}, {"b": 1}), (("a",), 5)])
def test_a_result_that_lacks_what_is_provided_is_its_own_tasks_failure(engine: Engine, made: Any, result: Any) -> None:
    flow = linear("f").add(FunctorTask(lambda: result, name="t", provides=made))
    run = engine.run(flow, raises=False)
    assert run.state is RunState.REVERTED and run.results == {}
    assert run.failures[0].check(FlowError) and "provides" in run.failures[0].message


def test_the_outcome_of_each_revert_can_be_seen(engine: Engine) -> None:
    def fail() -> None:
        raise ValueError

    flow = linear("f").add(
        step("undone", revert=lambda: None),
        step("nothing", compensation="not_needed"),
        step("forgotten"),
        step("stays", compensation="irreversible"),
        FunctorTask(fail, name="bad"),
    )
    run = engine.run(flow, raises=False)
    assert run.state is RunState.REVERTED_PARTLY
    assert {name: view.outcome for name, view in run.atoms.items()} == {
        "undone": "reverted",
        "nothing": "nothing_to_revert",
        "forgotten": "undeclared",
        "stays": "not_revertible",
        "bad": "undeclared",
    }
    with pytest.raises(FlowFailed, match="is REVERTED_PARTLY"):
        engine.run(flow)


def test_each_run_of_a_factory_goes_on_with_its_own_code(settings: Settings) -> None:
    def make(n: int) -> Any:
        return linear("made").add(FunctorTask(lambda: n, name="t", provides="n"))

    app = Sagalog(flows=[make])
    with Engine.open(settings=settings, app=app) as engine:
        ids = [engine.start(app.make(make, {"n": n})).id for n in (1, 2, 3)]
    with Engine.open(settings=settings, app=Sagalog(flows=[make])) as engine:
        assert [engine.resume(run_id).results["n"] for run_id in ids] == [1, 2, 3]


def test_a_factory_that_fails_is_named_and_its_run_is_let_go(settings: Settings) -> None:
    def make(path: str) -> Any:
        if path == "gone":
            raise FileNotFoundError(path)
        return linear("made").add(step("t"))

    app = Sagalog(flows=[make])
    with Engine.open(settings=settings, app=app) as engine:
        order = engine.order(app.make(make, {"path": "here"}))
        order.value = order.value.replace(b'"here"', b'"gone"')
        (run_id,) = engine.start_many([order])
        with pytest.raises(FlowError, match=r"make\(path='gone'\) raised FileNotFoundError"):
            engine.resume(run_id)
        with Engine.open(settings=settings, app=Sagalog(flows=[make])) as other, pytest.raises(FlowError):
            other.resume(run_id, steal=False)


def test_a_revert_declared_after_the_first_run_is_known_to_the_next(engine: Engine) -> None:
    undone: list[str] = []

    @task
    def pay() -> str:
        return "paid"

    flow = linear("f").add(pay)
    engine.run(flow)

    @pay.revert
    def refund() -> None:
        undone.append("refunded")

    engine.revert(engine.run(flow).id, reason="late")
    assert undone == ["refunded"]


def test_a_revert_needs_the_code_of_what_ran_and_no_more(settings: Settings) -> None:
    undone: list[str] = []
    pay = step("pay", revert=lambda: undone.append("pay"), version="1.0")
    with Engine.open(settings=settings) as engine:
        run = engine.run(linear("order").add(pay))
    grown = linear("order").add(step("check"), pay, step("post"))
    with Engine.open(settings=settings, flows=[grown]) as engine:
        assert engine.revert(run.id, reason="old").state is RunState.REVERTED
    assert undone == ["pay"]
    with Engine.open(settings=settings) as engine:
        run = engine.run(linear("order").add(pay))
    newer = linear("order").add(step("check"), step("pay", revert=lambda: undone.append("new"), version="2.0"))
    with Engine.open(settings=settings, flows=[newer]) as engine:
        with pytest.raises(DefinitionChanged, match=r"'pay' of version '1\.0'.*has version '2\.0'"):
            engine.revert(run.id, reason="old")
        assert engine.state(run.id).state is RunState.SUCCESS
    assert undone == ["pay"]


def test_the_connections_of_threads_that_ended_are_closed(engine: Engine, migrated: str) -> None:
    flow = linear("f").add(step("a"))

    def use() -> None:
        engine.run(flow)

    def connections() -> int:
        with psycopg.connect(migrated) as conn:
            row = conn.execute("select count(*) from pg_stat_activity where application_name = 'sagalog'").fetchone()
            assert row is not None
            return int(row[0])

    engine.run(flow)
    before = connections()
    for _ in range(8):
        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
    gc.collect()
    deadline = time.monotonic() + 10
    while connections() > before:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_loops_that_are_gone_leave_no_connections(engine: Engine) -> None:
    flow = linear("f").add(step("a"))
    for _ in range(4):
        asyncio.run(engine.arun(flow))
    assert len(engine._shells._aios) == 1


def test_a_closed_engine_runs_nothing(settings: Settings) -> None:
    flow = linear("f").add(step("a"))
    with Engine.open(settings=settings) as engine:
        engine.run(flow)
    with pytest.raises(UsageError, match="this engine is closed"):
        engine.run(flow)


@pytest.mark.parametrize("how", ["blocking", "async"])
def test_a_suspend_is_noticed_between_transactional_tasks(settings: Settings, how: str) -> None:
    def work(conn: Any) -> None:
        time.sleep(0.1)

    flow = linear("slow").add(*(FunctorTask(work, name=f"t{n}", transactional=True) for n in range(40)))
    with Engine.open(settings=settings, flows=[flow]) as engine:
        run_id = engine.new_id()

        def drive() -> None:
            if how == "blocking":
                engine.run(flow, run_id=run_id)
            else:
                asyncio.run(engine.arun(flow, run_id=run_id))

        owner = threading.Thread(target=drive)
        owner.start()
        with Engine.open(settings=settings, flows=[flow]) as other:
            while not other.find(str(run_id)):
                time.sleep(0.02)
            assert other.suspend(run_id, reason="stop").state is RunState.SUSPENDED
            owner.join(10)
            assert not owner.is_alive()
            assert sum(view.state == "SUCCESS" for view in other.state(run_id).atoms.values()) < 40


def test_a_cancelled_run_begins_nothing_more_and_is_let_go_when_its_threads_are_done(settings: Settings) -> None:
    began: list[int] = []
    ended: list[int] = []

    def work(n: int) -> None:
        began.append(n)
        time.sleep(0.1)
        ended.append(n)

    flow = unordered("wide").add(
        *(FunctorTask(lambda n=n: work(n), name=f"t{n}", ignore_list=["n"]) for n in range(60))
    )

    async def main() -> None:
        async with Engine.open(settings=settings, flows=[flow]) as engine:
            call = asyncio.create_task(engine.arun(flow))
            while not began:
                await asyncio.sleep(0.01)
            call.cancel()
            await asyncio.wait([call])
            assert call.cancelled() and len(began) == len(ended) < 60

    asyncio.run(main())
    count = len(began)
    time.sleep(0.3)
    assert len(began) == count


def test_a_system_exit_of_an_async_transactional_task_is_its_failure(settings: Settings) -> None:
    async def leave(conn: Any) -> None:
        raise SystemExit(3)

    flow = linear("f").add(FunctorTask(leave, name="leave", transactional=True))

    async def main() -> Any:
        async with Engine.open(settings=settings) as engine:
            return await engine.arun(flow, raises=False)

    assert asyncio.run(main()).failures[0].type == "SystemExit"


@pytest.mark.parametrize("flow", [None, 5, "x"])
def test_what_is_no_flow_is_refused_with_words(engine: Engine, flow: object) -> None:
    with pytest.raises(FlowError, match="expected a flow or a task"):
        engine.run(flow)


def test_a_script_without_a_main_guard_does_not_run_twice(tmp_path: Path, settings: Settings) -> None:
    """A worker process imports the main module again; what that would run is refused there, and says why."""
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from sagalog import Engine, linear, task\n"
        "@task(executor='process')\n"
        "def charge():\n"
        "    return 1\n"
        "open('charged', 'a').write('run ')\n"
        "with Engine.open() as engine:\n"
        "    run = engine.run(linear('guard').add(charge), raises=False)\n"
        "    print(run.state, [failure.message for failure in run.failures])\n"
    )
    env = {**os.environ, "SAGALOG_DATABASE_URL": str(settings.database_url)}
    done = subprocess.run([sys.executable, script.name], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert "__main__" in done.stderr + done.stdout
    assert "SUCCESS" not in done.stdout, "the worker could not be started"
