"""Carriers by themselves, without an engine: threads, processes, other people's executors; what hangs and what dies."""

from __future__ import annotations

import contextvars
import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sagalog_carried as there

from sagalog.engine.definition import Context, FunctorTask
from sagalog.engine.definition.execution import Execution, ExecutorConfig
from sagalog.engine.definition.progress import reporting
from sagalog.engine.runtime.carriers import Carriers, Given, Owned
from sagalog.engine.runtime.parcels import check_portable, packed, unpacked
from sagalog.engine.runtime.processes import FailedThere, Processes
from sagalog.engine.runtime.threads import Crew, call_within
from sagalog.errors import AttemptTimeout, FlowError, ProcessDied


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    made = Processes(2)
    yield made
    made.close()


@pytest.fixture
def crew() -> Iterator[Crew]:
    made = Crew(2, "crew")
    yield made
    made.close()


def eventually(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


# --- threads


def test_a_crew_answers_and_raises_what_the_code_does(crew: Crew) -> None:
    assert crew.carry(lambda: threading.current_thread().name, None) == "crew-0"
    with pytest.raises(SystemExit):
        crew.carry(partial(there.fail, "exit"), None)
    assert crew.carry(lambda: threading.current_thread().name, None) == "crew-0"


def test_a_crew_runs_the_code_in_the_callers_context(crew: Crew) -> None:
    word = contextvars.ContextVar("word", default="none")
    word.set("here")
    assert crew.carry(word.get, None) == "here"


def test_a_crew_abandons_what_takes_too_long_and_goes_on_with_another_thread(crew: Crew) -> None:
    gate, ended = threading.Event(), threading.Event()

    def hang() -> None:
        gate.wait(10)
        ended.set()

    for _ in range(3):  # more often than there are threads: what hangs takes nobody's place
        with pytest.raises(AttemptTimeout, match="abandoned") as caught:
            crew.carry(hang, 0.01)
    assert isinstance(caught.value, TimeoutError)
    assert not ended.is_set()
    assert crew.carry(lambda: 5, 5) == 5
    gate.set()
    eventually(lambda: not any(t.name.startswith("crew-") and t.name != "crew-3" for t in threading.enumerate()), "left")


def test_an_interrupt_waits_for_the_code_and_mixes_no_answers_up(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    class Answers:
        """As if Ctrl-C came while the caller waits."""

        def __init__(self) -> None:
            self.real: queue.SimpleQueue[Any] = queue.SimpleQueue()
            self.put = self.real.put
            self.looks = 0

        def get(self, timeout: float | None) -> Any:
            self.looks += 1
            if self.looks == 1:
                raise KeyboardInterrupt
            return self.real.get(timeout=timeout)

    ended: list[str] = []

    def work() -> str:
        time.sleep(0.02)
        ended.append("ended")
        return "first"

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        made = iter([queue.SimpleQueue(), Answers()])
        patched.setattr("sagalog.engine.runtime.threads.SimpleQueue", type("Q", (), {
            "__new__": lambda cls: next(made), "__class_getitem__": classmethod(lambda cls, item: cls),
        }))  # fmt: skip
        crew.carry(work, None)
    assert ended == ["ended"]
    assert crew.carry(lambda: "second", None) == "second"


def test_no_more_of_a_crew_run_at_a_time_than_it_has_room_for(crew: Crew) -> None:
    lock, now, most = threading.Lock(), 0, 0

    def work() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.005)
        with lock:
            now -= 1

    callers = [threading.Thread(target=crew.carry, args=(work, None)) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert most == 2


def test_a_call_with_a_time_limit_runs_on_a_thread_of_its_own_that_ends() -> None:
    names = {call_within(5, lambda: threading.current_thread().name) for _ in range(3)}
    assert names == {"sagalog-timed"}
    eventually(lambda: all(t.name != "sagalog-timed" for t in threading.enumerate()), "a thread did not end")


# --- processes


def test_code_runs_in_another_process_which_is_used_again(processes: Processes) -> None:
    first = processes.carry(there.pid, None)
    assert first != os.getpid()
    assert processes.carry(there.pid, None) == first
    assert processes.carry(partial(there.double, n=21), 60) == 42


def test_what_is_raised_there_comes_back_described_and_rebuilt(processes: Processes) -> None:
    with pytest.raises(FailedThere) as caught:
        processes.carry(partial(there.fail, "no such thing"), None)
    assert isinstance(caught.value.error, ValueError)
    assert caught.value.error.args == ("no such thing",)
    assert caught.value.failure.type == "ValueError"
    assert "sagalog_carried.py" in caught.value.failure.traceback


@pytest.mark.parametrize(("kind", "cls", "text"), [("odd", there.Odd, "this and that"), ("locked", there.Locked, "held")])
def test_an_exception_that_cannot_travel_keeps_its_class_and_text(
    processes: Processes, kind: str, cls: type[Exception], text: str
) -> None:
    with pytest.raises(FailedThere) as caught:
        processes.carry(partial(there.fail, kind), None)
    assert type(caught.value.error) is cls
    assert str(caught.value.error) == text
    assert caught.value.failure.bases == (f"sagalog_carried.{cls.__name__}", "Exception", "BaseException")


def test_a_system_exit_there_is_an_answer_and_the_worker_lives_on(processes: Processes) -> None:
    before = processes.carry(there.pid, None)
    with pytest.raises(FailedThere) as caught:
        processes.carry(partial(there.fail, "exit"), None)
    assert isinstance(caught.value.error, SystemExit)
    assert processes.carry(there.pid, None) == before


def test_a_result_that_cannot_travel_is_the_failure_of_the_call(processes: Processes) -> None:
    with pytest.raises(FailedThere, match="pickle"):
        processes.carry(there.unpackable, None)
    assert processes.carry(partial(there.double, 2), None) == 4


def test_an_argument_that_cannot_travel_is_said_before_anything_runs(processes: Processes) -> None:
    with pytest.raises(FlowError, match="cannot be taken to another process"):
        processes.carry(partial(there.double, threading.Lock()), None)


@pytest.mark.parametrize(("code", "said"), [(there.die, "SIGKILL"), (partial(there.leave, 3), "exit code 3")])
def test_a_worker_that_dies_fails_its_own_call_only(processes: Processes, code: Any, said: str) -> None:
    answers: list[Any] = []
    other = threading.Thread(target=lambda: answers.append(processes.carry(partial(there.sleep, 0.3), None)))
    other.start()
    with pytest.raises(ProcessDied, match=said):
        processes.carry(code, None)
    other.join()
    assert answers == ["slept"]
    assert processes.carry(partial(there.double, 3), None) == 6


def test_a_worker_that_died_while_it_was_idle_is_replaced_unnoticed(processes: Processes) -> None:
    first = processes.carry(there.pid, None)
    os.kill(first, signal.SIGKILL)
    eventually(lambda: not processes._idle[-1].alive, "it lives")
    assert processes.carry(there.pid, None) != first


def test_a_call_that_takes_too_long_is_ended_with_all_that_it_started(processes: Processes, tmp_path: Path) -> None:
    told = tmp_path / "pids"
    processes.carry(there.pid, None)  # a worker is there: the time is that of the call
    with pytest.raises(AttemptTimeout, match="terminated"):
        processes.carry(partial(there.start_another, str(told)), 1.0)
    for pid in map(int, told.read_text().split()):
        eventually(lambda pid=pid: _gone(pid), f"process {pid} was left behind")


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_worker_is_replaced_after_as_many_calls_as_it_may_have() -> None:
    processes = Processes(1, most=2)
    try:
        pids = [processes.carry(there.pid, None) for _ in range(4)]
    finally:
        processes.close()
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_workers_end_when_they_are_closed() -> None:
    processes = Processes(1)
    pid = processes.carry(there.pid, None)
    processes.close()
    eventually(lambda: _gone(pid), "the worker is still there")


def test_progress_made_there_is_told_here(processes: Processes) -> None:
    told: list[tuple[float, Any]] = []
    task = there.tell
    code = task.code("execute").function
    with reporting(lambda fraction, details: told.append((fraction, details)), task):
        assert processes.carry(partial(code, context=_context()), None) == 0.5
    assert told == [(0.5, {"at": "half"})]


def _context() -> Context:
    return Context(UUID(int=1), "tell", 1, 1, "key", logging.getLogger("x"))


# --- what can be taken to another process


def test_a_function_is_found_inside_the_task_that_bears_its_name() -> None:
    code = there.multiply.code("execute").function
    assert unpacked(packed(code)) is code


def test_an_instance_leaves_behind_what_only_the_shell_needs() -> None:
    with ThreadPoolExecutor(1) as pool:
        task = there.Scaled(3, name="scaled", inject={"unit": "kg"}, executor=pool)
        code = unpacked(packed(task.code("execute").function))
        assert code(n=2, unit="kg") == "6 kg"
        assert code.__self__.executor is None
        assert code.__self__.inject == {"unit": "kg"}


def test_what_cannot_be_taken_there_is_named_with_the_reason() -> None:
    here = FunctorTask(lambda: None, name="nameless")
    with pytest.raises(FlowError, match=r"'nameless' is to run in another process.*<lambda>"):
        check_portable(here)
    with pytest.raises(FlowError, match=r"'holding' is to run in another process.*lock"):
        check_portable(there.Holding())
    check_portable(there.multiply)
    check_portable(there.multiply, "revert")


# --- executors


class Counting(Executor):
    """An executor of somebody's own: it runs the code at once, counts, and may be broken."""

    made = 0

    def __init__(self, max_workers: int = 1) -> None:
        type(self).made += 1
        self.max_workers = max_workers
        self.calls = 0
        self.down = False

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.calls += 1
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self.down = True


def test_a_class_is_made_once_for_all_tasks_that_say_the_same_of_it_and_is_closed() -> None:
    Counting.made = 0
    carriers = Carriers()
    config = ExecutorConfig(max_workers=3, thread_name_prefix="not-taken-by-this-class")
    one = carriers.of(Execution(executor=Counting, config=config))
    assert one is carriers.of(Execution(executor=Counting, config=ExecutorConfig(3, None, "not-taken-by-this-class")))
    assert one is not carriers.of(Execution(executor=Counting))
    assert one is not None and one.width == 3
    assert one.carry(lambda: 7, None) == 7
    assert Counting.made == 1
    made = one._executor  # type: ignore[attr-defined]  # to see that it is shut down
    assert made.max_workers == 3
    carriers.close()
    assert made.down


def test_an_instance_is_used_and_never_closed() -> None:
    carriers, given = Carriers(), Counting()
    carrier = carriers.of(Execution(executor=given))
    assert carrier is not None
    assert carrier.carry(lambda: 8, None) == 8
    carriers.close()
    assert given.calls == 1
    assert not given.down


def test_none_and_inline_have_no_carrier() -> None:
    carriers = Carriers()
    assert carriers.of(Execution()) is None
    assert carriers.of(Execution(executor="inline")) is None


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, "thread"])
def test_the_thread_pool_of_the_library_is_one_of_ours_with_its_configuration(pool: Any) -> None:
    carriers = Carriers()
    carrier = carriers.of(Execution(executor=pool, config=ExecutorConfig(max_workers=4, thread_name_prefix="event_")))
    assert carrier is not None and carrier.width == 4
    assert carrier.carry(lambda: threading.current_thread().name, None) == "event_-0"
    carriers.close()


def test_an_executor_abandons_what_takes_too_long_and_a_timeout_of_the_code_is_its_own() -> None:
    gate = threading.Event()

    def own() -> None:
        raise TimeoutError("the server's")

    with ThreadPoolExecutor(2) as pool:
        carrier = Given(pool)
        assert carrier.width == 2
        with pytest.raises(AttemptTimeout, match="abandoned"):
            carrier.carry(lambda: gate.wait(10), 0.01)
        with pytest.raises(TimeoutError, match="the server's") as caught:
            carrier.carry(own, 5)
        assert not isinstance(caught.value, AttemptTimeout)
        gate.set()


def test_a_pool_that_breaks_fails_the_call_and_is_made_anew_if_it_is_ours() -> None:
    class Pool(ProcessPoolExecutor):
        pass

    carrier = Owned(Pool, ExecutorConfig(max_workers=1))
    try:
        with pytest.raises(ProcessDied, match="Pool is broken"):
            carrier.carry(there.die, None)
        assert carrier.carry(partial(there.double, 4), None) == 8
    finally:
        carrier.close()


def test_a_process_pool_that_is_given_takes_functions_that_are_tasks_now() -> None:
    with ProcessPoolExecutor(1) as pool:
        assert Given(pool).carry(partial(there.multiply.code("execute").function, a=6, b=7), None) == 42
