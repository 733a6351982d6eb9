"""Executors for each task (lines 17 to 38 of the volnux page), and SEMANTICS §5 of them."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import pytest
from sagalog_story import Refused, Step, of_type

from sagalog import Engine, EventBase, ExecutorConfig, FlowError, FunctorTask, RunState, linear, task

CONFIG = {"max_workers": 4, "max_tasks_per_child": 50, "thread_name_prefix": "event_executor_"}


def where() -> tuple[int, str]:
    """The process and the thread it is called in."""
    return os.getpid(), threading.current_thread().name


def die() -> None:
    os._exit(9)


def refuse() -> None:
    raise Refused("from afar")


def ran(engine: Engine, **options: Any) -> tuple[int, str]:
    """Where a task with these options has run."""
    found: tuple[int, str] = engine.run(linear("f").add(FunctorTask(where, provides="x", **options))).results["x"]
    return found


def test_a_task_needs_no_executor(engine: Engine) -> None:
    assert ran(engine)[0] == os.getpid()


def test_inline_is_the_thread_of_the_caller(engine: Engine) -> None:
    assert ran(engine, executor="inline") == where()


def test_thread_is_another_thread_of_this_process(engine: Engine) -> None:
    process, thread = ran(engine, executor="thread")
    assert process == os.getpid() and thread != threading.current_thread().name


def test_process_is_another_process(engine: Engine) -> None:
    assert ran(engine, executor="process")[0] != os.getpid()


def test_the_class_of_an_executor_is_made_with_the_config(engine: Engine) -> None:
    class Mine(EventBase):
        executor = ThreadPoolExecutor
        executor_config = ExecutorConfig(max_workers=4, max_tasks_per_child=50, thread_name_prefix="event_executor_")

        def process(self, *args: Any, **kwargs: Any) -> tuple[bool, Any]:
            return True, where()

    result = engine.run(linear("f").add(Mine(provides="x"))).results["x"]
    assert result[0] == os.getpid() and result[1].startswith("event_executor_")


def test_the_config_may_be_a_dict(engine: Engine) -> None:
    assert ran(engine, executor=ThreadPoolExecutor, executor_config=CONFIG)[1].startswith("event_executor_")
    assert ran(engine, executor="thread", executor_config={"thread_name_prefix": "mine_"})[1].startswith("mine_")


def test_a_config_with_unknown_keys_or_impossible_numbers_is_refused(engine: Engine) -> None:
    for wrong in ({"workers": 4}, {"max_workers": 0}, {"max_tasks_per_child": -1}):
        with pytest.raises(FlowError, match=next(iter(wrong))):
            linear("f").add(FunctorTask(where, executor="thread", executor_config=wrong))


def test_an_instance_is_used_and_left_open(engine: Engine) -> None:
    with ThreadPoolExecutor(1, "own_") as own:
        assert ran(engine, executor=own)[1].startswith("own_")
        engine.close()
        assert own.submit(where).result()[1].startswith("own_")


def test_anything_with_the_interface_of_an_executor_will_do(engine: Engine) -> None:
    calls: list[Any] = []

    class Foreign:
        """As a client of another system would be."""

        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            calls.append(fn)
            future: Future[Any] = Future()
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)
            return future

        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None: ...

    assert ran(engine, executor=Foreign())[0] == os.getpid() and len(calls) == 1


def test_the_process_pool_of_the_standard_library_will_do(engine: Engine) -> None:
    assert ran(engine, executor=ProcessPoolExecutor, executor_config={"max_workers": 1})[0] != os.getpid()


def test_what_is_no_executor_is_refused() -> None:
    for wrong in ("nowhere", 5, object()):
        with pytest.raises(FlowError, match="executor"):
            linear("f").add(Step("a", executor=wrong))


def test_a_worker_process_that_dies_fails_that_attempt_and_not_the_engine(engine: Engine) -> None:
    done = engine.run(linear("f").add(FunctorTask(die, executor="process")), raises=False)
    assert done.state is RunState.REVERTED and done.failures[0].atom == "die"
    assert of_type(engine, done, "task.failure")[0].facts.get("died") is True
    assert ran(engine, executor="process")[0] != os.getpid()


def test_what_is_raised_in_another_process_is_the_failure(engine: Engine) -> None:
    done = engine.run(linear("f").add(FunctorTask(refuse, executor="process")), raises=False)
    assert done.failures[0].check(Refused) and done.failures[0].message == "from afar"


def test_a_process_that_takes_too_long_is_terminated_and_the_record_says_so(engine: Engine) -> None:
    done = engine.run(linear("f").add(FunctorTask(sleep_long, executor="process", timeout=1.0)), raises=False)
    facts = of_type(engine, done, "task.failure")[0].facts
    assert done.failures[0].check(TimeoutError) and (facts["timed_out"], facts["terminated"]) == (1.0, True)


def sleep_long() -> None:
    threading.Event().wait(600)


def test_what_cannot_be_pickled_is_said_before_the_task_is_started(alone: Engine) -> None:
    with pytest.raises(FlowError, match="small"):
        alone.run(linear("f").add(Step("first"), FunctorTask(lambda: 1, "small", executor="process")))
    assert list(alone.runs()) == []


@task(executor="process", provides="process")
def decorated(n: int) -> int:
    """A function of this module whose name is the task made of it."""
    return os.getpid() * n


def test_a_decorated_function_runs_in_another_process(engine: Engine) -> None:
    assert engine.run(linear("f").add(decorated), {"n": 1}).results["process"] not in (0, os.getpid())
