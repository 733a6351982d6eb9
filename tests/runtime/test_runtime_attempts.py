"""Attempts of one task as its policy has them, through an engine: the records, the waits, and what is never tried again."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sagalog_carried as there
import tenacity

from sagalog.engine.core.states import RunState
from sagalog.engine.definition import Context, FunctorTask, Outcome, RetryPolicy, Task, event, linear, task, unordered
from sagalog.engine.runtime.engine import Engine


def run(engine: Engine, how: str, flow: Any, inputs: dict[str, Any] | None = None, **options: Any) -> Any:
    """Run a flow the blocking way or on an event loop; both must do the same."""
    if how == "blocking":
        return engine.run(flow, inputs, **options)

    async def on_loop() -> Any:
        async with Engine.open(settings=engine.settings, app=engine.app) as other:
            return await other.arun(flow, inputs, **options)

    return asyncio.run(on_loop())


both = pytest.mark.parametrize("how", ["blocking", "async"])


def told(engine: Engine, run_id: Any, *types: str) -> list[str]:
    """The types of the records about tasks and timers, or only those of `types`, in order."""
    found = [record.type for record in engine.history(run_id)]
    return [type for type in found if (type in types if types else type.startswith(("task.", "timer.")))]


def waited(engine: Engine, run_id: Any) -> list[float]:
    """The seconds between each failed attempt that was tried again, as its record tells them."""
    records = [record for record in engine.history(run_id) if record.type == "task.waiting"]
    return [round(record.facts["due"] / 1e6 - record.at.timestamp(), 1) for record in records]


class Flaky:
    """Fails the first few times."""

    def __init__(self, failures: int, error: BaseException | None = None) -> None:
        self.left = failures
        self.error = error or ValueError("not yet")
        self.attempts: list[int] = []

    def __call__(self, context: Context) -> str:
        self.attempts.append(context.attempt)
        if self.left:
            self.left -= 1
            raise self.error
        return "done"


@both
def test_a_task_is_tried_again_until_it_succeeds_with_every_attempt_and_wait_a_record(engine: Engine, how: str) -> None:
    flaky = Flaky(3)
    policy = RetryPolicy(max_attempts=5, backoff_factor=0.1)
    done = run(engine, how, linear("flaky").add(FunctorTask(flaky, "flaky", provides="said", retry_policy=policy)))
    assert done.results["said"] == "done"
    assert flaky.attempts == [1, 2, 3, 4]
    assert told(engine, done.id) == [
        "task.running", "task.waiting", "task.running",  # at once: no timer
        "task.waiting", "timer.set", "timer.fired", "task.running",
        "task.waiting", "timer.set", "timer.fired", "task.running", "task.success",
    ]  # fmt: skip
    assert waited(engine, done.id) == [0, 0.2, 0.4]
    waiting = [record for record in engine.history(done.id) if record.type == "task.waiting"]
    assert [record.attempt for record in waiting] == [1, 2, 3]
    assert all(record.facts["classes"][0] == "ValueError" for record in waiting)
    assert all(record.value["message"] == "not yet" for record in waiting)
    assert done.atoms["flaky"].attempt == 4


@both
def test_after_the_last_attempt_the_failure_is_the_tasks(engine: Engine, how: str) -> None:
    flaky = Flaky(9)
    policy = {"max_attempts": 3, "backoff_factor": 0.01}
    done = run(engine, how, linear("f").add(FunctorTask(flaky, "flaky", retry_policy=policy)), raises=False)
    assert done.state is RunState.REVERTED
    assert flaky.attempts == [1, 2, 3]
    assert told(engine, done.id, "task.waiting", "task.failure") == ["task.waiting", "task.waiting", "task.failure"]
    assert [str(failure) for failure in done.failures] == ["flaky: ValueError: not yet"]
    assert done.failures[0].exception is flaky.error


@both
def test_a_class_of_exceptions_that_is_not_listed_is_not_tried_again(engine: Engine, how: str) -> None:
    policy = RetryPolicy(max_attempts=2, retry_on_exceptions=[ConnectionError])
    for error, attempts in ((there.HttpError("derived"), [1, 2]), (KeyError("other"), [1])):
        flaky = Flaky(1, error)
        run(engine, how, linear("f").add(FunctorTask(flaky, "flaky", retry_policy=policy)), raises=False)
        assert flaky.attempts == attempts


@both
def test_a_false_outcome_is_a_failure_and_never_tried_again(engine: Engine, how: str) -> None:
    calls: list[str] = []

    @task(retry_policy=RetryPolicy())
    def by_value() -> Outcome:
        calls.append("value")
        return Outcome.error({"stock": 0})

    @event(retry_policy=RetryPolicy())
    async def by_pair() -> tuple[bool, str]:
        calls.append("pair")
        return False, "sold out"

    for each, message in ((by_value, "{'stock': 0}"), (by_pair, "sold out")):
        done = run(engine, how, linear("told").add(each), raises=False)
        assert done.state is RunState.REVERTED
        (failure,) = done.failures
        assert (failure.type, failure.message) == ("sagalog.errors.OutcomeError", message)
    assert calls == ["value", "pair"]


@both
def test_a_true_outcome_is_its_content(engine: Engine, how: str) -> None:
    @task(provides="stock")
    def by_value() -> Outcome:
        return Outcome.ok({"stock": 3})

    @event(provides="pair")
    def by_pair(stock: dict[str, int]) -> tuple[bool, int]:
        return True, stock["stock"]

    assert run(engine, how, linear("told").add(by_value, by_pair)).results == {"stock": {"stock": 3}, "pair": 3}


@both
def test_strategies_of_tenacity_decide_about_a_task(engine: Engine, how: str) -> None:
    seen: list[tuple[int, str]] = []

    def stop(state: tenacity.RetryCallState) -> bool:
        assert state.outcome is not None
        seen.append((state.attempt_number, type(state.outcome.exception()).__name__))
        return state.attempt_number >= 3

    flaky = Flaky(9)
    policy = tenacity.Retrying(stop=stop, wait=tenacity.wait_fixed(0.1))
    done = run(engine, how, linear("t").add(FunctorTask(flaky, "flaky", retry_policy=policy)), raises=False)
    assert seen == [(1, "ValueError"), (2, "ValueError"), (3, "ValueError")]
    assert flaky.attempts == [1, 2, 3]
    assert waited(engine, done.id) == [0.1, 0.1]


@both
def test_time_is_counted_from_the_first_attempt_over_all_waits(engine: Engine, how: str) -> None:
    seen: list[float] = []

    def stop(state: tenacity.RetryCallState) -> bool:
        seen.append(state.seconds_since_start or 0.0)
        return state.attempt_number >= 4

    policy = tenacity.Retrying(stop=stop, wait=tenacity.wait_fixed(0.1))
    run(engine, how, linear("t").add(FunctorTask(Flaky(9), "flaky", retry_policy=policy)), raises=False)
    assert len(seen) == 4
    assert all(later - earlier >= 0.1 for earlier, later in pairwise(seen))


@both
def test_a_strategy_that_raises_takes_no_run_with_it(engine: Engine, how: str) -> None:
    def stop(state: tenacity.RetryCallState) -> bool:
        raise LookupError("a fault of its own")

    flow = linear("t").add(FunctorTask(Flaky(9), "flaky", retry_policy=tenacity.Retrying(stop=stop)))
    done = run(engine, how, flow, raises=False)
    assert [str(failure) for failure in done.failures] == ["flaky: ValueError: not yet"]
    (record,) = [record for record in engine.history(done.id) if record.type == "task.failure"]
    assert record.facts["policy_raised"] == "LookupError"


@both
def test_an_attempt_that_took_too_long_is_tried_again(engine: Engine, how: str) -> None:
    attempts: list[int] = []

    @task(timeout=0.05, retry_policy=RetryPolicy(max_attempts=2, retry_on_exceptions=[TimeoutError]), provides="said")
    async def slow(context: Context) -> str:
        attempts.append(context.attempt)
        if context.attempt == 1:
            await asyncio.sleep(60)
        return "in time"

    done = run(engine, how, linear("slow").add(slow))
    assert done.results["said"] == "in time"
    assert attempts == [1, 2]
    (waiting,) = [record for record in engine.history(done.id) if record.type == "task.waiting"]
    assert waiting.facts["timed_out"] == 0.05


@both
def test_an_attempt_whose_process_died_is_tried_again_in_another(engine: Engine, how: str, tmp_path: Path) -> None:
    dying = FunctorTask(there.die_once, "dying", provides="said", executor="process", retry_policy=RetryPolicy())
    done = run(engine, how, linear("dying").add(dying), {"mark": str(tmp_path / "mark")})
    assert done.results["said"] == "lived"
    (waiting,) = [record for record in engine.history(done.id) if record.type == "task.waiting"]
    assert waiting.facts["died"] is True


@both
def test_an_exception_in_a_process_is_what_the_policy_sees(engine: Engine, how: str) -> None:
    policy = RetryPolicy(max_attempts=2, retry_on_exceptions=[there.Odd])
    for kind, waits in (("odd", 1), ("other", 0)):
        odd = FunctorTask(there.fail, "odd", executor="process", retry_policy=policy, inject={"kind": kind})
        done = run(engine, how, linear("odd").add(odd), raises=False)
        assert len(told(engine, done.id, "task.waiting")) == waits


@both
def test_each_attempt_of_a_transactional_task_is_rolled_back_but_the_last(engine: Engine, how: str) -> None:
    assert engine.settings.database_url is not None
    with psycopg.connect(engine.settings.database_url, autocommit=True) as own:
        own.execute("create table tried (n int)")

    class Tried(Task):
        transactional = True
        retry_policy = RetryPolicy(max_attempts=3, backoff_factor=0.01)

        def execute(self, conn: Any, context: Context) -> None:
            conn.execute("insert into tried values (%s)", [context.attempt])
            if context.attempt < 3:
                raise ValueError("not yet")

    assert run(engine, how, linear("tried").add(Tried())).state is RunState.SUCCESS
    with psycopg.connect(engine.settings.database_url) as own:
        assert own.execute("select n from tried").fetchall() == [(3,)]


def test_others_go_on_while_one_waits(engine: Engine) -> None:
    order: list[str] = []

    @task(retry_policy=RetryPolicy(max_attempts=3, backoff_factor=0.15))
    async def flaky(context: Context) -> None:
        order.append(f"flaky {context.attempt}")
        if context.attempt < 3:
            raise ValueError("not yet")

    steps = [FunctorTask(lambda n=n: order.append(f"step {n}"), f"s{n}", ignore_list=["n"]) for n in range(4)]
    done = run(engine, "async", unordered("both").add(flaky, linear("steps").add(*steps)))
    assert done.state is RunState.SUCCESS
    assert order.index("flaky 3") > order.index("step 3")
