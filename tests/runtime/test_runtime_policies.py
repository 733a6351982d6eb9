"""What a policy says about a failed attempt: RetryPolicy and tenacity's strategies, each asked without any engine."""

from __future__ import annotations

import json
from typing import Any

import pytest
import tenacity
from hypothesis import given
from hypothesis import strategies as st
from sagalog_carried import HttpError

from sagalog.engine.definition.policy import RetryPolicy
from sagalog.engine.runtime.policies import LONGEST, SECOND, again, check, effective
from sagalog.errors import FlowError, OutcomeError

NOW = 1_700_000_000 * SECOND
VALUE = ValueError("no")


def waits(policy: Any, error: BaseException = VALUE, most: int = 8, took: float = 0.0) -> list[float]:
    """The seconds that are waited after each failure, until there is no other attempt, or `most` of them."""
    found: list[float] = []
    now = NOW
    for attempt in range(1, most + 1):
        now += round(took * SECOND)
        due = again(policy, attempt, error, NOW, now)
        if due is None:
            return found
        found.append((due - now) / SECOND)
        now = due
    return found


def test_the_delays_of_the_page_are_0_then_doubling() -> None:
    assert waits(RetryPolicy(max_attempts=5, backoff_factor=0.1, max_backoff=5.0)) == [0, 0.2, 0.4, 0.8]
    assert waits(RetryPolicy(backoff_factor=1, max_backoff=5)) == [0, 2, 4, 5]


@given(st.integers(1, 200), st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_there_are_as_many_attempts_as_the_policy_says_and_no_wait_is_longer_than_its_bound(
    most: int, factor: float, bound: float
) -> None:
    policy = RetryPolicy(max_attempts=most, backoff_factor=factor, max_backoff=bound)
    found = waits(policy, most=most + 1)
    assert len(found) == most - 1
    assert all(0 <= wait <= bound + 1e-6 for wait in found)
    assert found[:1] in ([], [0])


def test_no_policy_is_one_call() -> None:
    assert waits(None) == []


def test_only_the_listed_exceptions_and_what_is_derived_from_them_are_tried_again() -> None:
    policy = RetryPolicy(max_attempts=3, retry_on_exceptions=[ConnectionError, TimeoutError])
    assert len(waits(policy, HttpError())) == 2
    assert len(waits(policy, TimeoutError())) == 2
    assert waits(policy, ValueError()) == []


@pytest.mark.parametrize("policy", [RetryPolicy(), tenacity.Retrying(retry=tenacity.retry_always)])
def test_a_failure_told_by_value_is_never_tried_again(policy: Any) -> None:
    assert waits(policy, OutcomeError("no stock")) == []


# --- tenacity


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (tenacity.stop_after_attempt(3), [0, 0]),
        (tenacity.wait_fixed(2), [2] * 8),
        (tenacity.retry_if_exception_type(KeyError), []),
        (tenacity.retry_if_exception_type(ValueError), [0] * 8),
        (tenacity.Retrying(stop=tenacity.stop_after_attempt(4), wait=tenacity.wait_exponential(1, max=3)), [1, 2, 3]),
        (tenacity.AsyncRetrying(stop=tenacity.stop_after_attempt(2), wait=tenacity.wait_fixed(0.25)), [0.25]),
        (tenacity.Retrying(stop=tenacity.stop_after_attempt(9) | tenacity.stop_after_attempt(2)), [0]),
        (tenacity.Retrying(wait=tenacity.wait_fixed(1) + tenacity.wait_fixed(2), stop=tenacity.stop_after_attempt(2)), [3]),
        (
            tenacity.Retrying(
                wait=tenacity.wait_chain(tenacity.wait_fixed(1), tenacity.wait_fixed(5)),
                stop=tenacity.stop_after_attempt(4),
            ),
            [1, 5, 5],
        ),
        (tenacity.Retrying(stop=lambda state: state.attempt_number > 2, wait=lambda state: state.attempt_number), [1, 2]),
        (tenacity.Retrying(retry=tenacity.retry_if_exception_message(match="no")), [0] * 8),
        (tenacity.Retrying(retry=tenacity.retry_if_not_exception_type(ValueError)), []),
        (tenacity.Retrying(retry=tenacity.retry_if_result(bool)), []),
        (tenacity.stop_never, [0] * 8),
    ],
)
def test_strategies_of_tenacity_are_asked(policy: Any, expected: list[float]) -> None:
    check(policy, "t")
    assert waits(policy) == expected


def test_time_since_the_first_attempt_is_what_a_strategy_sees() -> None:
    policy = tenacity.Retrying(stop=tenacity.stop_after_delay(10), wait=tenacity.wait_fixed(3))
    assert waits(policy, took=1) == [3, 3, 3]  # failures at 1, 5, 9 and 13 s
    assert waits(tenacity.Retrying(stop=tenacity.stop_before_delay(10), wait=tenacity.wait_fixed(3)), took=1) == [3, 3]
    assert again(tenacity.stop_after_delay(10), 2, VALUE, NOW, NOW + 10 * SECOND) is None
    assert again(tenacity.stop_after_delay(10), 2, VALUE, NOW, NOW + 9 * SECOND) is not None


def test_a_strategy_is_handed_a_real_call_state() -> None:
    seen: list[tenacity.RetryCallState] = []

    def stop(state: tenacity.RetryCallState) -> bool:
        seen.append(state)
        return True

    retrying = tenacity.Retrying(stop=stop, wait=tenacity.wait_fixed(7))
    assert again(retrying, 4, VALUE, NOW - 2 * SECOND, NOW) is None
    (state,) = seen
    assert isinstance(state, tenacity.RetryCallState)
    assert state.retry_object is retrying
    assert state.attempt_number == 4
    assert state.outcome is not None and state.outcome.failed
    assert state.outcome.exception() is VALUE
    assert state.upcoming_sleep == 7
    assert state.seconds_since_start == pytest.approx(2)
    assert state.args == () and state.kwargs == {}


def test_try_again_is_tried_again_whatever_the_strategy_says() -> None:
    policy = tenacity.Retrying(retry=tenacity.retry_never, stop=tenacity.stop_after_attempt(3))
    assert len(waits(policy, tenacity.TryAgain())) == 2


def test_a_retrying_object_neither_sleeps_nor_calls_anything_back() -> None:
    def never(*args: Any) -> None:
        raise AssertionError("it was called")

    policy = tenacity.Retrying(
        sleep=never, before=never, after=never, before_sleep=never, retry_error_callback=never,
        wait=tenacity.wait_fixed(60), stop=tenacity.stop_after_attempt(2),
    )  # fmt: skip
    assert waits(policy) == [60]


def test_a_wait_beyond_all_time_is_cut_and_one_that_is_no_number_is_refused() -> None:
    assert again(tenacity.Retrying(wait=lambda state: float("inf")), 1, VALUE, NOW, NOW) == NOW + LONGEST * SECOND
    assert again(tenacity.Retrying(wait=lambda state: -5), 1, VALUE, NOW, NOW) == NOW
    for wrong in (float("nan"), None, "1", True):
        with pytest.raises(FlowError, match="must answer with seconds"):
            again(tenacity.Retrying(wait=lambda state, wrong=wrong: wrong), 1, VALUE, NOW, NOW)


# --- what is refused


class Coroutine(tenacity.retry_base):
    """A strategy that can only be awaited."""

    async def __call__(self, retry_state: Any) -> bool:  # type: ignore[override]  # on purpose
        return True


async def later(state: Any) -> bool:
    return True


@pytest.mark.parametrize("policy", [5, "often", object(), [tenacity.stop_never], int, lambda state: True])
def test_what_is_no_policy_is_refused_by_name(policy: Any) -> None:
    with pytest.raises(FlowError, match="task 'pay': retry_policy must be a RetryPolicy"):
        check(policy, "pay")


@pytest.mark.parametrize("policy", [Coroutine(), tenacity.AsyncRetrying(retry=Coroutine()), tenacity.Retrying(stop=later)])
def test_a_strategy_that_has_to_be_awaited_is_refused(policy: Any) -> None:
    with pytest.raises(FlowError, match=r"task 'pay'.*cannot be asked with a plain call"):
        check(policy, "pay")


# --- what is written down of it


def test_the_effective_policy_is_told_in_plain_json() -> None:
    told = effective(RetryPolicy(max_attempts=3, backoff_factor=0.5, max_backoff=9, retry_on_exceptions=[OSError]))
    assert told == {
        "policy": "RetryPolicy", "max_attempts": 3, "backoff_factor": 0.5, "max_backoff": 9,
        "retry_on_exceptions": ["OSError"],
    }  # fmt: skip
    both = tenacity.stop_after_attempt(3) | tenacity.stop_after_delay(60)
    told = effective(tenacity.Retrying(stop=both, wait=tenacity.wait_fixed(2)))
    assert told["policy"] == "tenacity"
    assert told["stop"] == {
        "stop_any": {
            "stops": [
                {"stop_after_attempt": {"max_attempt_number": 3}},
                {"stop_after_delay": {"max_delay": 60}},
            ]
        }
    }
    assert told["wait"] == {"wait_fixed": {"wait_fixed": 2}}
    assert json.loads(json.dumps(told)) == told


@pytest.mark.parametrize("policy", [tenacity.stop_never, tenacity.wait_random(1, 2), tenacity.retry_if_exception(bool)])
def test_any_policy_can_be_told(policy: Any) -> None:
    assert json.loads(json.dumps(effective(policy)))["policy"] == "tenacity"
