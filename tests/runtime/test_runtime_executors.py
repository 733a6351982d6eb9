"""Where a task's code runs: inline, in a thread, in a process, in somebody's executor, on both shells."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sagalog_carried as there

from sagalog.engine.core.states import RunState, TaskState
from sagalog.engine.definition import FunctorTask, Task, linear, task, unordered
from sagalog.engine.runtime.app import Sagalog
from sagalog.engine.runtime.engine import Engine
from sagalog.errors import FlowError


def run(engine: Engine, how: str, flow: Any, inputs: dict[str, Any] | None = None, **options: Any) -> Any:
    """Run a flow the blocking way or on an event loop; both must do the same."""
    if how == "blocking":
        return engine.run(flow, inputs, **options)

    async def on_loop() -> Any:
        async with Engine.open(settings=engine.settings, app=engine.app) as other:
            return await other.arun(flow, inputs, **options)

    return asyncio.run(on_loop())


both = pytest.mark.parametrize("how", ["blocking", "async"])


def thread_name() -> str:
    return threading.current_thread().name


# --- processes


@both
def test_a_task_runs_in_another_process_with_its_arguments_and_provides_its_result(engine: Engine, how: str) -> None:
    done = run(engine, how, linear("far").add(there.where, there.multiply), {"a": 6, "b": 7, "told": "unused"})
    assert done.state is RunState.SUCCESS
    assert done.results["product"] == 42
    assert done.results["where"] != os.getpid()


@both
def test_its_revert_runs_there_too(engine: Engine, how: str, tmp_path: Path) -> None:
    told = tmp_path / "told"

    @task
    def fail() -> None:
        raise ValueError("no")

    done = run(engine, how, linear("back").add(there.multiply, fail), {"a": 6, "b": 7, "told": str(told)}, raises=False)
    assert done.state is RunState.REVERTED
    pid, result = told.read_text().split()
    assert int(pid) != os.getpid()
    assert result == "42"


@both
def test_the_context_goes_along(engine: Engine, how: str) -> None:
    done = run(engine, how, linear("known").add(FunctorTask(there.who.execute, "who", provides="told", executor="process")))
    run_id, atom, key = done.results["told"]
    assert (run_id, atom, len(key)) == (str(done.id), "who", 36)


@both
def test_hooks_run_in_the_process_of_the_code_around_it(engine: Engine, how: str) -> None:
    done = run(engine, how, linear("hooked").add(there.Hooked("hooked")))
    before, during = done.results["told"]
    assert before == during != os.getpid()
    assert there.Hooked.there == []


@both
def test_an_async_function_runs_there_on_a_loop_of_its_own(engine: Engine, how: str) -> None:
    later = FunctorTask(there.double_later, "later", provides="twice", executor="process")
    assert run(engine, how, linear("later").add(later), {"n": 4}).results["twice"] == 8


@both
def test_a_failure_there_is_described_as_one_here_would_be(engine: Engine, how: str) -> None:
    odd = FunctorTask(there.fail, "odd", executor="process")
    done = run(engine, how, linear("odd").add(odd), {"kind": "odd"}, raises=False)
    (failure,) = done.failures
    assert failure.type == "sagalog_carried.Odd"
    assert failure.message == "this and that"
    assert failure.atom == "odd"
    assert isinstance(failure.exception, there.Odd)


@both
def test_a_process_that_dies_fails_that_task_and_nothing_else(engine: Engine, how: str) -> None:
    dead = FunctorTask(there.die, "dead", executor="process")
    done = run(engine, how, linear("dying").add(there.where, dead), raises=False)
    assert done.state is RunState.REVERTED
    (failure,) = done.failures
    assert failure.type == "sagalog.errors.ProcessDied"
    assert "SIGKILL" in failure.message
    (record,) = [record for record in engine.history(done.id) if record.type == "task.failure"]
    assert record.facts["died"] is True
    assert run(engine, how, linear("alive").add(there.where)).state is RunState.SUCCESS


def test_siblings_run_in_several_processes_at_a_time(engine: Engine, tmp_path: Path) -> None:
    config = {"max_workers": 3}
    meeting = [
        FunctorTask(there.meet, f"m{n}", executor="process", executor_config=config, inject={"who": str(n)})
        for n in range(3)
    ]
    done = run(engine, "async", unordered("meeting").add(*meeting), {"room": str(tmp_path), "count": 3})
    assert len({view.result for view in done.atoms.values()}) == 3  # each met the others, in a process of its own


def test_workers_end_with_the_engine(engine: Engine) -> None:
    with Engine.open(settings=engine.settings) as other:
        pid = other.run(linear("far").add(there.where)).results["where"]
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "the worker process is still there"
        time.sleep(0.01)


# --- what cannot be taken to another process


def test_what_cannot_be_taken_there_is_said_when_it_joins_an_app(engine: Engine) -> None:
    ran: list[str] = []
    flow = linear("closed").add(
        FunctorTask(lambda: ran.append("first"), "first"),
        FunctorTask(lambda: None, "second", executor="process"),
    )
    with pytest.raises(FlowError, match=r"task 'second' is to run in another process, and its execute cannot"):
        Sagalog(flows=[flow])
    with pytest.raises(FlowError, match="'second'"):
        engine.run(flow)
    with pytest.raises(FlowError, match="'holding'"):
        Sagalog(flows=[there.Holding()])
    with pytest.raises(FlowError, match="'pooled'"), ProcessPoolExecutor(1) as pool:
        Sagalog(flows=[linear("pooled").add(FunctorTask(lambda: None, "pooled", executor=pool))])
    assert ran == []
    assert list(engine.runs()) == []


def test_a_revert_that_cannot_be_taken_there_is_said_too() -> None:
    half = FunctorTask(there.pid, "half", executor="process", revert=lambda: None)
    with pytest.raises(FlowError, match=r"'half'.*its revert cannot"):
        Sagalog(flows=[linear("half").add(half)])


def test_a_policy_that_is_none_is_said_when_it_joins_an_app() -> None:
    with pytest.raises(FlowError, match="task 'odd': retry_policy must be"):
        Sagalog(flows=[linear("odd").add(FunctorTask(there.pid, "odd", retry_policy=object()))])


# --- threads


@both
@pytest.mark.parametrize("executor", ["thread", ThreadPoolExecutor])
def test_a_task_runs_in_a_thread_named_as_configured(engine: Engine, how: str, executor: Any) -> None:
    class Named(Task):
        default_provides = "name"
        executor_config: ClassVar[dict[str, Any]] = {
            "max_workers": 4, "max_tasks_per_child": 50, "thread_name_prefix": "event_executor_",
        }  # fmt: skip

        def execute(self) -> str:
            return thread_name()

    done = run(engine, how, linear("threads").add(Named(executor=executor)))
    assert done.results["name"] == "event_executor_-0"


@both
def test_an_async_function_can_be_sent_to_a_thread(engine: Engine, how: str) -> None:
    async def late() -> str:
        await asyncio.sleep(0)
        return thread_name()

    late_task = FunctorTask(late, provides="name", executor="thread")
    assert run(engine, how, linear("late").add(late_task)).results["name"].startswith("sagalog-thread")


def test_no_more_run_at_a_time_than_there_are_workers_and_others_do_not_wait_for_them(engine: Engine) -> None:
    gate, lock, now, most, full = threading.Event(), threading.Lock(), 0, 0, threading.Semaphore(0)

    def let_go() -> None:
        assert full.acquire(timeout=10) and full.acquire(timeout=10)
        gate.set()

    def slow() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
            full.release()
        assert gate.wait(10)
        with lock:
            now -= 1

    config = {"max_workers": 2}
    slow_ones = [FunctorTask(slow, f"slow{n}", executor="thread", executor_config=config) for n in range(20)]
    plain = FunctorTask(let_go, "plain")  # in the shell's own threads, of which there are fewer than 20

    async def main() -> Any:
        async with Engine.open(settings=engine.settings) as other:
            return await other.arun(unordered("crowd").add(*slow_ones, plain))

    assert asyncio.run(main()).state is RunState.SUCCESS
    assert most == 2


# --- inline


def test_inline_is_the_callers_thread_and_the_loops_own(engine: Engine) -> None:
    me = thread_name()
    inline = linear("inline").add(FunctorTask(thread_name, provides="name", executor="inline"))
    default = linear("default").add(FunctorTask(thread_name, provides="name"))
    assert run(engine, "blocking", inline).results["name"] == me
    assert run(engine, "async", inline).results["name"] == me
    assert run(engine, "blocking", default).results["name"] == me
    assert run(engine, "async", default).results["name"] != me


# --- other executors


class Remote(Executor):
    """Keeps the interface and no more, as a cluster's client does."""

    made: list[Remote] = []  # noqa: RUF012  # what was made

    def __init__(self, max_workers: int = 1) -> None:
        self.names: list[str] = []
        self.down = False
        self.made.append(self)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def work() -> None:
            self.names.append(thread_name())
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=work, name="remote", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.down = True


@both
def test_an_executor_that_is_given_is_used_and_left_open(engine: Engine, how: str) -> None:
    given = Remote()
    here = FunctorTask(thread_name, provides="name", executor=given)
    assert run(engine, how, linear("given").add(here)).results["name"] == "remote"
    assert given.names == ["remote"]
    assert not given.down


def test_a_class_is_made_once_and_shut_down_with_the_engine(engine: Engine) -> None:
    Remote.made.clear()
    flow = linear("made").add(*(FunctorTask(thread_name, f"t{n}", executor=Remote) for n in range(3)))
    with Engine.open(settings=engine.settings) as other:
        other.run(flow)
        other.run(flow)
        (made,) = Remote.made
        assert len(made.names) == 6
        assert not made.down
    assert made.down


@both
def test_an_executor_that_cannot_be_made_fails_the_task(engine: Engine, how: str) -> None:
    class Broken(Remote):
        def __init__(self) -> None:
            raise OSError("no cluster")

    done = run(engine, how, linear("broken").add(FunctorTask(thread_name, "t", executor=Broken)), raises=False)
    assert [str(failure) for failure in done.failures] == ["t: OSError: no cluster"]
    assert done.atoms["t"].state is TaskState.REVERTED
