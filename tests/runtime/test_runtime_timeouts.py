"""The time that one attempt may take: coroutines are cancelled, threads abandoned, processes ended; on both shells."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sagalog_carried as there

from sagalog.engine.core.states import RunState
from sagalog.engine.definition import FunctorTask, Task, linear, task, unordered
from sagalog.engine.runtime.engine import Engine
from sagalog.errors import AttemptTimeout, Failure, FlowError


def run(engine: Engine, how: str, flow: Any, inputs: dict[str, Any] | None = None, **options: Any) -> Any:
    """Run a flow the blocking way or on an event loop; both must do the same."""
    if how == "blocking":
        return engine.run(flow, inputs, **options)

    async def on_loop() -> Any:
        async with Engine.open(settings=engine.settings, app=engine.app) as other:
            return await other.arun(flow, inputs, **options)

    return asyncio.run(on_loop())


both = pytest.mark.parametrize("how", ["blocking", "async"])


def told(engine: Engine, run_id: Any) -> dict[str, Any]:
    """What the record of the one failure says of how the attempt was ended."""
    (record,) = [record for record in engine.history(run_id) if record.type == "task.failure"]
    return {key: record.facts[key] for key in ("timed_out", "abandoned", "terminated", "cancelled") if key in record.facts}


def eventually(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


@both
def test_an_async_task_is_cancelled(engine: Engine, how: str) -> None:
    seen: list[str] = []

    @task(timeout=0.05)
    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    done = run(engine, how, linear("slow").add(slow), raises=False)
    assert done.state is RunState.REVERTED
    (failure,) = done.failures
    assert failure.check(TimeoutError) is TimeoutError
    assert failure.type == "sagalog.errors.AttemptTimeout"
    assert isinstance(failure.exception, AttemptTimeout)
    assert seen == ["cancelled"]
    assert told(engine, done.id) == {"timed_out": 0.05, "cancelled": True}


@both
@pytest.mark.parametrize("executor", [None, "inline", "thread"])
def test_a_plain_function_is_abandoned_and_the_record_says_so(engine: Engine, how: str, executor: str | None) -> None:
    gate, after = threading.Event(), list[str]()

    def slow() -> None:
        gate.wait(30)
        after.append("went on")

    flow = linear("slow").add(FunctorTask(slow, timeout=timedelta(milliseconds=50), executor=executor))
    done = run(engine, how, flow, raises=False)
    assert done.state is RunState.REVERTED
    assert told(engine, done.id) == {"timed_out": 0.05, "abandoned": True}
    assert "may still be running" in done.failures[0].message
    assert after == []
    gate.set()
    eventually(lambda: after == ["went on"], "the thread did not go on")
    assert engine.state(done.id).version == done.version


@both
def test_a_process_is_terminated(engine: Engine, how: str, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    warm = FunctorTask(there.pid, "warm", executor="process")  # the time that a worker takes to start is not the task's
    slow = FunctorTask(there.start_another, "slow", timeout=1, executor="process")
    done = run(engine, how, linear("slow").add(warm, slow), {"told": str(pids)}, raises=False)
    assert told(engine, done.id) == {"timed_out": 1.0, "terminated": True}
    for pid in pids.read_text().split():
        eventually(lambda pid=pid: _gone(pid), f"process {pid} was left behind")


def _gone(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@both
@pytest.mark.parametrize("executor", [None, "inline", "thread", "process"])
def test_what_is_done_in_time_is_as_if_there_were_no_limit(engine: Engine, how: str, executor: str | None) -> None:
    plain = FunctorTask(there.double, "plain", provides="m", timeout=30, executor=executor)
    later = FunctorTask(there.double_later, "later", provides="k", timeout=30, rebind={"n": "m"}, executor=executor)
    wrong = FunctorTask(there.fail, "wrong", timeout=30, executor=executor)
    done = run(engine, how, linear("quick").add(plain, later, wrong), {"n": 3, "kind": "odd"}, raises=False)
    assert (done.atoms["plain"].result, done.atoms["later"].result) == (6, 12)
    assert [failure.type for failure in done.failures] == ["sagalog_carried.Odd"]
    assert told(engine, done.id) == {}


@both
def test_a_timeout_of_the_code_itself_is_told_apart(engine: Engine, how: str) -> None:
    @task(timeout=30)
    def plain() -> None:
        raise TimeoutError("the server's")

    @task(timeout=30)
    async def later() -> None:
        raise TimeoutError("the server's")

    for each in (plain, later):
        done = run(engine, how, linear("own").add(each), raises=False)
        assert [str(failure) for failure in done.failures] == [f"{each.name}: TimeoutError: the server's"]
        assert told(engine, done.id) == {}


@both
def test_hooks_run_around_what_is_given_up(engine: Engine, how: str) -> None:
    order: list[str] = []

    class Hooked(Task):
        timeout = 0.05

        def pre_execute(self) -> None:
            order.append("before")

        async def execute(self) -> None:
            await asyncio.sleep(30)

        def post_execute(self) -> None:
            order.append("after")

    run(engine, how, linear("hooked").add(Hooked()), raises=False)
    assert order == ["before", "after"]


@both
def test_a_revert_has_the_time_it_takes(engine: Engine, how: str) -> None:
    results: list[Any] = []

    @task(timeout=0.05)
    def slow() -> None:
        threading.Event().wait(30)

    @slow.revert
    def back(result: Any) -> None:
        time.sleep(0.2)
        results.append(result)

    done = run(engine, how, linear("back").add(slow), raises=False)
    assert done.state is RunState.REVERTED
    assert isinstance(results[0], Failure)


def test_others_go_on_while_one_hangs(engine: Engine) -> None:
    def hang() -> None:
        threading.Event().wait(30)

    slow = [FunctorTask(hang, f"slow{n}", timeout=0.3) for n in range(40)]  # more than there are threads

    @task(provides="quick")
    async def quick() -> str:
        return "quick"

    async def main() -> Any:
        async with Engine.open(settings=engine.settings) as other:
            return await other.arun(unordered("crowd").add(*slow, quick), raises=False)

    done = asyncio.run(main())
    assert done.state is RunState.REVERTED
    assert len(done.failures) == 40
    assert done.atoms["quick"].result == "quick"


# --- the time of a run


@both
@pytest.mark.parametrize("executor", [None, "thread", "process"])
def test_a_run_out_of_time_gives_up_what_is_under_way_and_is_reverted(
    engine: Engine, how: str, executor: str | None
) -> None:
    undone: list[str] = []

    @task
    def first() -> None:
        pass

    @first.revert
    def back() -> None:
        time.sleep(0.1)  # a revert has the time it takes
        undone.append("first")

    warm = FunctorTask(there.pid, "warm", executor=executor)
    slow = FunctorTask(there.sleep, "slow", executor=executor, timeout=60, inject={"seconds": 30})
    begun = time.monotonic()
    seconds = 2.5 if executor == "process" else 0.4
    done = run(engine, how, linear("late").add(first, warm, slow), raises=False, timeout=seconds)
    assert time.monotonic() - begun < 25
    assert done.state is RunState.REVERTED
    assert undone == ["first"]
    assert "timed_out" in told(engine, done.id)


@both
def test_a_run_out_of_time_cancels_its_coroutines(engine: Engine, how: str) -> None:
    seen: list[str] = []

    @task
    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    done = run(engine, how, linear("late").add(slow), raises=False, timeout=0.3)
    assert done.state is RunState.REVERTED
    assert seen == ["cancelled"]


@both
def test_a_run_that_ends_in_time_is_as_if_there_were_no_limit(engine: Engine, how: str) -> None:
    done = run(engine, how, linear("quick").add(FunctorTask(there.double, "d", provides="m")), {"n": 4}, timeout=60)
    assert done.results == {"m": 8}


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "soon", True])
def test_a_limit_that_is_none_is_refused(engine: Engine, timeout: Any) -> None:
    with pytest.raises(FlowError, match="timeout must be seconds above zero"):
        engine.run(linear("odd").add(FunctorTask(there.pid, "odd", timeout=timeout)))
    assert list(engine.runs()) == []
