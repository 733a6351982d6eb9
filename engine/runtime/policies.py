"""What a task's policy says about a failed attempt: whether there is another, and when.

A policy is a `RetryPolicy`, or a strategy of tenacity: one that stops, waits or retries, or an object that has all three
(`Retrying`, `AsyncRetrying`). A strategy is asked with a `RetryCallState` as tenacity itself would ask it; only the
sleeping is the engine's, which keeps no thread for it.
"""

from __future__ import annotations

import time
from inspect import iscoroutinefunction
from math import isfinite
from typing import Any

import attrs
from tenacity import BaseRetrying, RetryCallState, Retrying, TryAgain
from tenacity.retry import retry_base
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from ...errors import FlowError, OutcomeError, class_names
from ..definition.policy import RetryPolicy

SECOND = 1_000_000
"""Microseconds."""
LONGEST = 100 * 366 * 86_400
"""Seconds: what is said to be due later than that is due then."""


def check(policy: object, name: str) -> None:
    """See whether `policy`, that of task `name`, can be asked.

    Raises:
        FlowError: it is none, or one of its strategies can only be awaited.
    """
    if policy is None or isinstance(policy, RetryPolicy):
        return
    if not isinstance(policy, BaseRetrying | stop_base | wait_base | retry_base):
        raise FlowError(
            f"task {name!r}: retry_policy must be a RetryPolicy, a dict of its parameters, or a stop, wait or retry "
            f"strategy or Retrying object of tenacity; found {policy!r}"
        )
    retrying = _retrying(policy)
    for part in (retrying.stop, retrying.wait, retrying.retry):
        if not callable(part) or iscoroutinefunction(part) or iscoroutinefunction(type(part).__call__):
            raise FlowError(
                f"task {name!r}: retry_policy has {part!r}, which cannot be asked with a plain call; take a strategy that "
                "is not a coroutine"
            )


def again(policy: object, attempt: int, error: BaseException, started_us: int, now_us: int) -> int | None:
    """When a task that failed is to be tried again; None: this was the last attempt.

    Args:
        policy: None, or what `check` accepts.
        attempt: which failure this is, from 1; an attempt that a crash cut short is none.
        error: what it raised.
        started_us, now_us: when the first attempt began, and the time now; they and the answer are microseconds since 1970.

    Raises whatever a strategy raises; FlowError: it answers with no number of seconds.
    """
    if policy is None or isinstance(error, OutcomeError):
        return None
    if isinstance(policy, RetryPolicy):
        if attempt >= policy.max_attempts or not policy.wants(error):
            return None
        return now_us + _microseconds(policy.delay(attempt), policy)
    goes_on, wait = _asked(_retrying(policy), attempt, error, max(0, now_us - started_us) / SECOND)
    return now_us + _microseconds(wait, policy) if goes_on else None


def _asked(retrying: BaseRetrying, attempt: int, error: BaseException, since: float) -> tuple[bool, Any]:
    """Whether there is another attempt, and the wait before it.

    The strategies are asked in tenacity's order: retry, then wait, then stop, which may look at the wait.
    """
    if not getattr(retrying, "enabled", True):
        return False, 0
    state = RetryCallState(retrying, None, (), {})
    state.attempt_number = attempt
    state.set_exception((type(error), error, error.__traceback__))
    state.start_time = (state.outcome_timestamp or time.monotonic()) - since
    if not isinstance(error, TryAgain) and not retrying.retry(state):
        return False, 0
    state.upcoming_sleep = wait = retrying.wait(state)
    return not retrying.stop(state), wait


def _retrying(policy: Any) -> BaseRetrying:
    if isinstance(policy, BaseRetrying):
        return policy
    if isinstance(policy, stop_base):
        return Retrying(stop=policy)
    if isinstance(policy, wait_base):
        return Retrying(wait=policy)
    return Retrying(retry=policy)


def _microseconds(wait: object, policy: object) -> int:
    if isinstance(wait, bool) or not isinstance(wait, int | float) or wait != wait:
        raise FlowError(f"{policy!r} must answer with seconds to wait; it answered {wait!r}")
    return round(min(max(wait, 0), LONGEST) * SECOND)


def effective(policy: object) -> dict[str, Any]:
    """The policy as it will be asked, told in plain JSON: for the record, never to make a policy from it."""
    if isinstance(policy, RetryPolicy):
        told = attrs.asdict(policy, recurse=False)
        told["retry_on_exceptions"] = [class_names(cls)[0] for cls in policy.retry_on_exceptions]
        return {"policy": "RetryPolicy", **told}
    retrying = _retrying(policy)
    parts = {name: _told(getattr(retrying, name), 0) for name in ("stop", "wait", "retry")}
    return {"policy": "tenacity", **parts}


def _told(value: Any, depth: int) -> Any:
    """A strategy: its class and what it was made with, down to plain values."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    if isinstance(value, type) or depth > DEPTH:
        return getattr(value, "__qualname__", type(value).__qualname__)
    if isinstance(value, list | tuple | set | frozenset):
        return [_told(each, depth + 1) for each in value]
    if isinstance(value, stop_base | wait_base | retry_base):
        made_with = {name: _told(each, depth + 1) for name, each in sorted(vars(value).items())}
        return {type(value).__qualname__: made_with} if made_with else type(value).__qualname__
    return _name(value)


def _name(value: object) -> str:
    return getattr(value, "__qualname__", None) or type(value).__qualname__


DEPTH = 6
"""How deep strategies made of strategies are told."""
