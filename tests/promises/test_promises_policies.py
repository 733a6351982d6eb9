"""`RetryPolicy` and `timeout` (lines 52 to 78 of the volnux page), and SEMANTICS §5 of policies."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
import tenacity
from sagalog_story import ALWAYS, Hands, Refused, Step, of_type, states, story

from sagalog import (
    Engine,
    FlowError,
    FunctorTask,
    Outcome,
    RetryPolicy,
    RunState,
    Settings,
    Task,
    Times,
    linear,
    unordered,
)

QUICK = RetryPolicy(max_attempts=3, backoff_factor=0.001)


def failures(engine: Engine, run: Any) -> int:
    """How many attempts have failed so far."""
    return len(of_type(engine, run, "timer.set")) + len(of_type(engine, run, "task.failure"))


def gaps(timed: Engine, hands: Hands, flow: Any, most: int = 20) -> list[float]:
    """The seconds that a run waits between its attempts: the clock is moved to each due time, and not a bit beyond."""
    begun = timed.start(flow)
    timed.tick(begun.id)
    found = []
    for _ in range(most):
        pending = [record.facts["due"] for record in of_type(timed, begun, "timer.set")][len(found) :]
        if not pending:
            break
        for due in pending:
            found.append(round((due - hands.at) / 1_000_000, 6))
            hands.at = due
        timed.tick(begun.id)
    assert timed.state(begun.id).state in (RunState.REVERTED, RunState.SUCCESS)
    return found


def test_max_attempts_counts_the_calls_in_all(engine: Engine) -> None:
    step = Step("a", fails=ALWAYS, retry_policy=QUICK)
    done = engine.run(linear("f").add(step), raises=False)
    assert step.calls == 3 and done.state is RunState.REVERTED
    assert [record.attempt for record in of_type(engine, done, "task.running")] == [1, 2, 3]


def test_the_defaults_are_five_attempts_a_twentieth_of_a_second_and_a_hundred_at_most() -> None:
    policy = RetryPolicy()
    assert (policy.max_attempts, policy.backoff_factor, policy.max_backoff) == (5, 0.05, 100)
    assert tuple(policy.retry_on_exceptions) == ()


def test_without_a_policy_there_is_one_call(engine: Engine) -> None:
    step = Step("a", fails=[1])
    engine.run(linear("f").add(step), raises=False)
    assert step.calls == 1


def test_the_delay_is_nothing_and_then_doubles_up_to_the_limit() -> None:
    policy = RetryPolicy(max_attempts=9, backoff_factor=0.1, max_backoff=5)
    assert [policy.delay(n) for n in range(1, 9)] == [0, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5]


def test_the_waits_are_those_of_the_policy_and_there_is_none_behind_the_last_failure(timed: Engine, hands: Hands) -> None:
    policy = RetryPolicy(max_attempts=6, backoff_factor=0.5, max_backoff=3)
    step = Step("a", fails=ALWAYS, retry_policy=policy)
    waits = [wait for wait in gaps(timed, hands, linear("f").add(step)) if wait]
    assert waits == [1.0, 2.0, 3.0, 3.0] and step.calls == 6


def test_a_policy_may_be_a_dict(engine: Engine) -> None:
    options = {"max_attempts": 2, "backoff_factor": 0.001, "max_backoff": 5.0, "retry_on_exceptions": [Refused]}
    step = Step("a", fails=ALWAYS, retry_policy=options)
    engine.run(linear("f").add(step), raises=False)
    assert step.calls == 2


def test_a_policy_may_be_an_attribute_of_the_class(engine: Engine) -> None:
    class Stubborn(Step):
        retry_policy = QUICK

    step = Stubborn("a", fails=[1, 2])
    assert engine.run(linear("f").add(step)).state is RunState.SUCCESS and step.calls == 3


class Narrower(Refused):
    """A subclass of what is listed."""


def raising(error: BaseException, listed: Any) -> tuple[Any, list[int]]:
    """A flow of one task that raises, tried again only for what is listed; and its calls."""
    calls: list[int] = []

    def fails() -> None:
        calls.append(1)
        raise error

    return linear("f").add(FunctorTask(fails, retry_policy=RetryPolicy(3, 0.001, 1, listed))), calls


@pytest.mark.parametrize(
    ("error", "listed", "expected"),
    [
        (Refused(), (), 3),
        (Refused(), [Refused], 3),
        (Narrower(), [Refused], 3),
        (Refused(), [Narrower], 1),
        (KeyError(), [ConnectionError, TimeoutError], 1),
        (ConnectionResetError(), [ConnectionError, TimeoutError], 3),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_only_listed_exceptions_and_their_subclasses_are_retried_and_an_empty_list_means_any(
    engine: Engine, error: BaseException, listed: Any, expected: int
) -> None:
    flow, calls = raising(error, listed)
    engine.run(flow, raises=False)
    assert len(calls) == expected


def test_a_false_outcome_is_not_retried_by_the_policy(engine: Engine) -> None:
    calls: list[int] = []

    def no() -> Outcome:
        calls.append(1)
        return Outcome.error("no")

    done = engine.run(linear("f").add(FunctorTask(no, retry_policy=QUICK)), raises=False)
    assert done.state is RunState.REVERTED and len(calls) == 1


@pytest.mark.parametrize(
    "policy",
    [
        tenacity.stop_after_attempt(3),
        tenacity.Retrying(stop=tenacity.stop_after_attempt(3), wait=tenacity.wait_fixed(0.001)),
        tenacity.AsyncRetrying(stop=tenacity.stop_after_attempt(3), wait=tenacity.wait_none()),
    ],
    ids=lambda policy: type(policy).__name__,
)
def test_a_tenacity_strategy_may_stand_in_its_place(engine: Engine, policy: Any) -> None:
    step = Step("a", fails=ALWAYS, retry_policy=policy)
    engine.run(linear("f").add(step), raises=False)
    assert step.calls == 3


@pytest.mark.parametrize(
    "policy",
    [tenacity.wait_fixed(0.001), tenacity.wait_none(), tenacity.retry_if_exception_type(Refused)],
    ids=lambda policy: type(policy).__name__,
)
def test_a_wait_or_a_retry_strategy_alone_goes_on_as_long_as_it_fails(engine: Engine, policy: Any) -> None:
    step = Step("a", fails=[1, 2, 3], retry_policy=policy)
    assert engine.run(linear("f").add(step)).state is RunState.SUCCESS and step.calls == 4


def test_a_retry_strategy_that_does_not_want_the_exception_has_it_fail(engine: Engine) -> None:
    step = Step("a", fails=[1], retry_policy=tenacity.retry_if_exception_type(KeyError))
    assert engine.run(linear("f").add(step), raises=False).state is RunState.REVERTED and step.calls == 1


def test_a_tenacity_strategy_is_asked_with_a_real_retry_call_state(engine: Engine) -> None:
    seen: list[Any] = []

    def stop(state: tenacity.RetryCallState) -> bool:
        assert isinstance(state, tenacity.RetryCallState) and state.outcome is not None
        seen.append((state.attempt_number, str(state.outcome.exception())))
        return state.attempt_number >= 3

    policy = tenacity.Retrying(stop=stop, wait=tenacity.wait_none(), retry=tenacity.retry_if_exception_type(Refused))
    engine.run(linear("f").add(Step("a", fails=ALWAYS, retry_policy=policy)), raises=False)
    assert seen == [(1, "a 1"), (2, "a 2"), (3, "a 3")]


def test_the_waits_of_a_tenacity_strategy_are_durable_timers(timed: Engine, hands: Hands) -> None:
    policy = tenacity.Retrying(stop=tenacity.stop_after_attempt(3), wait=tenacity.wait_incrementing(10, 5))
    assert gaps(timed, hands, linear("f").add(Step("a", fails=ALWAYS, retry_policy=policy))) == [10.0, 15.0]


def test_what_is_no_policy_is_refused(engine: Engine) -> None:
    with pytest.raises(FlowError, match=r"'a'"):
        engine.run(linear("f").add(Step("a", retry_policy="often")))


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0}, {"max_attempts": -1}, {"max_attempts": 1.5}, {"backoff_factor": -0.1}, {"backoff_factor": 0},
        {"backoff_factor": float("nan")}, {"max_backoff": 0}, {"max_backoff": float("inf")}, {"retry_on_exceptions": ["x"]},
        {"retry_on_exceptions": [int]},
    ],
    ids=str,
)  # fmt: skip
def test_numbers_that_are_negative_zero_or_nan_and_classes_that_are_no_exceptions_are_refused(wrong: Any) -> None:
    with pytest.raises(FlowError, match=next(iter(wrong))):
        RetryPolicy(**wrong)
    with pytest.raises(FlowError, match=next(iter(wrong))):
        linear("f").add(Step("a", retry_policy=wrong))


def test_each_failed_attempt_its_failure_the_decision_and_the_due_time_is_a_record(timed: Engine, hands: Hands) -> None:
    begun = timed.start(linear("f").add(Step("a", fails=[1, 2], retry_policy=RetryPolicy(3, 5, 100))))
    timed.tick(begun.id)
    failed = [record for record in of_type(timed, begun, "task.waiting") if record.value is not None]
    assert [(record.attempt, record.value["message"]) for record in failed] == [(1, "a 1"), (2, "a 2")]
    (timer,) = [record for record in of_type(timed, begun, "timer.set") if record.facts["due"] > hands.at]
    assert timer.facts["due"] == hands.at + 10_000_000
    assert timed.state(begun.id).state is RunState.WAITING
    assert states(timed.state(begun.id)) == {"a": "WAITING"}
    hands.forward(10)
    timed.tick(begun.id)
    assert story(timed, begun)[-1] == "run.success"
    assert [record.facts["timer"] for record in of_type(timed, begun, "timer.fired")][-1] == timer.version


def test_a_timer_is_never_early(timed: Engine, hands: Hands) -> None:
    step = Step("a", fails=[1, 2], retry_policy=RetryPolicy(3, 5, 100))
    begun = timed.start(linear("f").add(step))
    timed.tick(begun.id)
    hands.forward(9.999999)
    timed.tick(begun.id)
    assert step.calls == 2
    hands.forward(0.000001)
    timed.tick(begun.id)
    assert step.calls == 3


def test_a_waiting_run_survives_its_process_and_goes_on_once_when_it_is_due(
    timed: Engine, hands: Hands, shared: Settings
) -> None:
    policy = RetryPolicy(3, 5, 100)
    first, later = Step("a", fails=ALWAYS, retry_policy=policy), Step("a", retry_policy=policy)
    begun = timed.start(linear("surviving").add(first))
    timed.tick(begun.id)
    timed.close()
    with Engine.open(settings=shared, clock=hands, flows=[linear("surviving").add(later)]) as other:
        other.tick(begun.id)
        assert later.calls == 0
        hands.forward(10)
        other.tick(begun.id)
        other.tick(begun.id)
        assert (first.calls, later.calls) == (2, 1)
        assert other.state(begun.id).state is RunState.SUCCESS
        assert other.state(begun.id).atoms["a"].attempt == 3


def test_a_live_wait_is_waited_out(engine: Engine) -> None:
    step = Step("a", fails=[1, 2], retry_policy=RetryPolicy(3, 0.05, 1))
    done = engine.run(linear("f").add(step))
    runs = [record.at for record in of_type(engine, done, "task.running")]
    assert len(runs) == 3 and runs[2] - runs[1] >= timedelta(seconds=0.1)


def test_waits_hold_no_thread(shared: Settings) -> None:
    policy = RetryPolicy(3, 0.2, 1)
    steps = [Step(f"s{n}", fails=[1, 2], retry_policy=policy) for n in range(50)]
    most = 0

    async def watch() -> None:
        nonlocal most
        async with Engine.open(settings=shared) as engine:
            await engine.arun(linear("warm").add(Step("warm")))
            base = threading.active_count()
            runs = asyncio.gather(*(engine.arun(linear(step.name).add(step)) for step in steps))
            while not all(step.calls == 2 for step in steps):
                await asyncio.sleep(0.01)
            most = threading.active_count() - base
            assert {done.state for done in await runs} == {RunState.SUCCESS}

    asyncio.run(watch())
    assert most < 20


def test_siblings_go_on_while_one_waits(engine: Engine) -> None:
    notes: list[str] = []
    waits = Step("waits", notes, fails=[1, 2], retry_policy=RetryPolicy(3, 0.05, 1))
    engine.run(unordered("u").add(waits, linear("l").add(Step("a", notes), Step("b", notes))))
    assert notes[-1] == "waits" and notes.count("waits") == 3 and {"a", "b"} < set(notes[:-1])


def test_when_the_policy_is_at_its_end_the_retry_is_asked(engine: Engine) -> None:
    from_page = Step("a", fails=[1, 2, 3], retry_policy=QUICK)
    done = engine.run(linear("f", Times(2)).add(from_page))
    assert from_page.calls == 4 and (done.atoms["a"].execution, done.atoms["a"].attempt) == (2, 1)




def test_an_async_task_that_takes_too_long_is_cancelled(engine: Engine) -> None:
    told: list[str] = []

    class Slow(Task):
        timeout = 0.05

        async def execute(self) -> None:
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                told.append("cancelled")
                raise

    done = engine.run(linear("f").add(Slow()), raises=False)
    assert told == ["cancelled"] and done.failures[0].check(TimeoutError)
    assert of_type(engine, done, "task.failure")[0].facts["timed_out"] == 0.05


def test_a_plain_function_that_takes_too_long_is_abandoned_and_the_record_says_so(engine: Engine) -> None:
    ended = threading.Event()

    def slow() -> None:
        time.sleep(0.3)
        ended.set()

    done = engine.run(linear("f").add(FunctorTask(slow, timeout=0.05)), raises=False)
    assert not ended.is_set() and done.failures[0].check(TimeoutError)
    facts = of_type(engine, done, "task.failure")[0].facts
    assert (facts["timed_out"], facts["abandoned"]) == (0.05, True)
    assert ended.wait(10)


def test_a_timeout_counts_for_each_attempt_and_may_be_retried(engine: Engine) -> None:
    calls: list[int] = []

    async def slow() -> str:
        calls.append(1)
        await asyncio.sleep(30 if len(calls) < 3 else 0)
        return "in time"

    policy = RetryPolicy(3, 0.001, 1, [TimeoutError])
    flow = linear("f").add(FunctorTask(slow, provides="x", timeout=timedelta(seconds=0.05), retry_policy=policy))
    assert engine.run(flow).results == {"x": "in time"}


def test_a_run_that_takes_too_long_fails_and_is_reverted(engine: Engine) -> None:
    async def slow() -> None:
        await asyncio.sleep(30)

    done = engine.run(linear("f").add(Step("first"), FunctorTask(slow)), raises=False, timeout=0.1)
    assert done.state is RunState.REVERTED and states(done)["first"] == "REVERTED"
    assert done.failures[0].check(TimeoutError)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "soon", timedelta(0)])
def test_a_timeout_must_be_above_zero(timeout: Any) -> None:
    with pytest.raises(FlowError, match="timeout"):
        linear("f").add(Step("a", timeout=timeout))
