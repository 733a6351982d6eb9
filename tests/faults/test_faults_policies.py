"""What a crash must not do to a policy, and to the run that has one."""

from __future__ import annotations

from typing import Any

import pytest
from sagalog_faults import both, new_id, resume, run
from tenacity import stop_after_attempt

from sagalog.config import Settings
from sagalog.engine.core.states import RunState
from sagalog.engine.definition import FunctorTask, RetryPolicy, Times, each, linear


@both
def test_an_attempt_that_is_cut_short_uses_no_attempt_up(settings: Settings, how: str) -> None:
    calls: list[int] = []

    def work() -> str:
        calls.append(len(calls))
        if len(calls) in (1, 2):
            raise KeyboardInterrupt
        if len(calls) == 3:
            raise ConnectionError("the one failure that the policy allows")
        return "done"

    flow, run_id = linear("tried").add(FunctorTask(work, name="work", provides="x", retry_policy=RetryPolicy(2))), new_id()
    with pytest.raises(KeyboardInterrupt):
        run(settings, how, flow, run_id=run_id)
    with pytest.raises(KeyboardInterrupt):
        resume(settings, how, flow, run_id)
    done = resume(settings, how, flow, run_id)
    assert done.state is RunState.SUCCESS and done.results["x"] == "done"
    assert len(calls) == 4 and done.atoms["work"].attempt == 4


@both
def test_a_run_is_taken_over_whose_fan_out_with_a_policy_was_begun_anew(settings: Settings, how: str) -> None:
    calls: list[Any] = []

    def element(a: int) -> int:
        calls.append(a)
        if len(calls) < 3:
            raise ConnectionError("not yet")
        return a

    def after() -> None:
        calls.append("after")
        if calls.count("after") == 1:
            raise ValueError("once more")
        if calls.count("after") == 2:
            raise KeyboardInterrupt

    fanned = each(FunctorTask(element, name="element", retry_policy=stop_after_attempt(3)), over="items", into="a")
    flow, run_id = linear("anew", Times(3, name="r")).add(fanned, FunctorTask(after, name="after")), new_id()
    with pytest.raises(KeyboardInterrupt):
        run(settings, how, flow, {"items": [1]}, run_id=run_id)
    assert resume(settings, how, flow, run_id).state is RunState.SUCCESS
    assert calls == [1, 1, 1, "after", 1, "after", "after"]
