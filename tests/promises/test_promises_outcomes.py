"""Success told by value and policies over groups (lines 39 to 51 of the volnux page), and SEMANTICS §5 of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sagalog_story import ALWAYS, Step, of_type, states

from sagalog import (
    Engine,
    EventBase,
    Failure,
    FlowError,
    FunctorTask,
    Outcome,
    OutcomePolicy,
    ResultSet,
    RunState,
    Times,
    each,
    graph,
    linear,
    task,
    unordered,
)

ALL = OutcomePolicy.SUCCESS_ON_ALL_EVENTS_SUCCESS
NO_ERROR = OutcomePolicy.FAILURE_FOR_PARTIAL_ERROR
SOME = OutcomePolicy.SUCCESS_FOR_PARTIAL_SUCCESS
NOT_ALL_FAILED = OutcomePolicy.FAILURE_FOR_ALL_EVENTS_FAILURE

TABLE = [
    (ALL, [False, True, False, False]),
    (NO_ERROR, [True, True, False, False]),
    (SOME, [False, True, False, True]),
    (NOT_ALL_FAILED, [True, True, False, True]),
]
"""The verdicts over (successes, errors): nothing ran, successes only, errors only, both."""
CASES = [(0, 0), (1, 0), (0, 1), (1, 1)]


def test_an_ok_outcome_is_its_value(engine: Engine) -> None:
    done = engine.run(linear("f").add(FunctorTask(lambda: Outcome.ok({"n": 1}), "t", provides="x")))
    assert done.results == {"x": {"n": 1}}


def test_an_error_outcome_is_a_failure_with_its_content(engine: Engine) -> None:
    done = engine.run(linear("f").add(FunctorTask(lambda: Outcome.error("out of stock"), "t")), raises=False)
    assert done.state is RunState.REVERTED
    assert done.failures[0].check("OutcomeError") and "out of stock" in done.failures[0].message


def test_a_raised_exception_is_a_failure(engine: Engine) -> None:
    assert engine.run(linear("f").add(Step("a", fails=ALWAYS)), raises=False).failures[0].check("Refused")


@pytest.mark.parametrize(("policy", "verdicts"), TABLE)
def test_the_verdict_of_each_policy_over_successes_and_errors(policy: OutcomePolicy, verdicts: list[bool]) -> None:
    assert [policy.verdict(*case) for case in CASES] == verdicts
    assert [policy.verdict(*case) for case in [(7, 0), (0, 7), (3, 4)]] == verdicts[1:]


@pytest.mark.parametrize(("policy", "verdicts"), TABLE)
@pytest.mark.parametrize("case", CASES[1:])
def test_an_unordered_flow_with_a_policy_fares_as_the_table_says(
    engine: Engine, policy: OutcomePolicy, verdicts: list[bool], case: tuple[int, int]
) -> None:
    members = [Step(f"good{n}") for n in range(case[0])] + [Step(f"bad{n}", fails=ALWAYS) for n in range(case[1])]
    done = engine.run(linear("f").add(unordered("u", outcome=policy).add(*members), Step("last")), raises=False)
    assert (done.state is RunState.SUCCESS) is verdicts[CASES.index(case)]
    (settled,) = of_type(engine, done, "group.settled")
    assert [settled.facts[name] for name in ("ok", "successes", "errors")] == [verdicts[CASES.index(case)], *case]


@pytest.mark.parametrize(("policy", "verdicts"), TABLE)
@pytest.mark.parametrize("case", CASES[1:])
def test_a_fan_out_with_a_policy_fares_as_the_table_says(
    engine: Engine, policy: OutcomePolicy, verdicts: list[bool], case: tuple[int, int]
) -> None:
    items = ["good"] * case[0] + ["bad"] * case[1]
    done = engine.run(linear("f").add(each(judge, outcome=policy)), {"items": items}, raises=False)
    assert (done.state is RunState.SUCCESS) is verdicts[CASES.index(case)]


@task(provides="judged")
def judge(item: str) -> str:
    if item == "bad":
        raise ValueError(item)
    return item


def test_the_default_of_a_fan_out_is_that_all_must_succeed(engine: Engine) -> None:
    flow = linear("f").add(each(judge))
    assert engine.run(flow, {"items": ["good", "good"]}).state is RunState.SUCCESS
    assert engine.run(flow, {"items": ["good", "bad"]}, raises=False).state is RunState.REVERTED


@pytest.mark.parametrize("policy", [None, *OutcomePolicy])
def test_an_empty_unordered_flow_is_a_success(engine: Engine, policy: Any) -> None:
    flow = linear("f").add(unordered("u", outcome=policy) if policy else unordered("u"), Step("last"))
    assert engine.run(flow).state is RunState.SUCCESS


@pytest.mark.parametrize(("policy", "verdicts"), TABLE)
def test_a_fan_out_over_nothing_is_ok_unless_the_policy_is_to_decide(
    engine: Engine, policy: OutcomePolicy, verdicts: list[bool]
) -> None:
    nothing: dict[str, Any] = {"items": []}
    assert engine.run(linear("ok").add(each(judge, outcome=policy)), nothing).state is RunState.SUCCESS
    decided = engine.run(linear("policy").add(each(judge, outcome=policy, on_empty="policy")), nothing, raises=False)
    assert (decided.state is RunState.SUCCESS) is verdicts[0]


def test_a_group_in_which_nothing_ran_has_the_verdict_of_the_first_column(engine: Engine) -> None:
    from_decider = {}
    for policy, verdicts in TABLE:
        done = engine.run(passed_by(policy), raises=False)
        from_decider[policy] = (done.state is RunState.SUCCESS, verdicts[0])
    assert all(found is expected for found, expected in from_decider.values()), from_decider


def passed_by(policy: OutcomePolicy) -> Any:
    """A group whose only member is ignored because what it needs is not provided."""
    a, p = Step("a"), Step("p", provides="x")
    first = graph("g").add(a, p)
    first.link(a, p, decider=lambda history: False, decider_depth="ATOM")
    return linear("f").add(first, unordered("u", outcome=policy).add(FunctorTask(lambda x: x, "needs")))


def test_when_the_verdict_is_ok_failed_members_stay_failed_and_consumers_see_their_failure(engine: Engine) -> None:
    seen: list[Any] = []

    def look(all: ResultSet) -> None:
        seen.append((len(all), len(all.successes), [failure.message for failure in all.failures]))
        assert isinstance(all, ResultSet) and isinstance(all.failures[0], Failure)

    group = unordered("u", outcome=SOME, provides="all").add(Step("good"), Step("bad", fails=ALWAYS))
    done = engine.run(linear("f").add(group, FunctorTask(look)))
    assert states(done) == {"good": "SUCCESS", "bad": "FAILURE", "look": "SUCCESS"}
    assert seen == [(2, 1, ["bad 1"])]


def test_when_the_verdict_is_fail_the_group_fails_as_one_and_its_retry_is_asked(engine: Engine) -> None:
    good, bad = Step("good"), Step("bad", fails=[1])
    done = engine.run(linear("f", Times(2, name="r")).add(unordered("u", outcome=ALL).add(good, bad)))
    assert done.state is RunState.SUCCESS and (good.calls, bad.calls) == (2, 2)
    assert len(of_type(engine, done, "retry.consulted")) == 1


def test_a_group_that_failed_reverts_its_members(engine: Engine) -> None:
    group = unordered("u", outcome=ALL).add(Step("good"), Step("bad", fails=ALWAYS))
    assert states(engine.run(linear("f").add(group), raises=False)) == {"good": "REVERTED", "bad": "REVERTED"}


def test_a_member_with_a_retry_of_its_own_is_retried_before_it_counts_as_an_error(engine: Engine) -> None:
    bad = Step("bad", fails=[1, 2])
    group = unordered("u", outcome=ALL).add(linear("g", Times(3)).add(bad), Step("good"))
    assert engine.run(group).state is RunState.SUCCESS and bad.calls == 3


def test_the_state_of_an_event_class_is_the_policy_of_its_fan_out(engine: Engine) -> None:
    class Some(EventBase):
        execution_evaluation_state = SOME

        def process(self, item: str) -> tuple[bool, str]:
            return item == "good", item

    done = engine.run(linear("f").add(each(Some(), provides="all")), {"items": ["bad", "good", "bad"]})
    assert [isinstance(one, Failure) for one in done.results["all"]] == [True, False, True]


def test_an_unknown_policy_or_a_name_without_one_is_refused() -> None:
    with pytest.raises(FlowError, match="SUCCESS_ON_ALL"):
        unordered("u", outcome="MOSTLY")
    with pytest.raises(FlowError, match="provides"):
        unordered("u", provides="all")


def test_members_that_still_run_when_all_is_lost_are_waited_for(engine: Engine) -> None:
    ended: list[str] = []

    async def slow() -> None:
        await asyncio.sleep(0.05)
        ended.append("slow")

    async def bad() -> None:
        raise ValueError("bad")

    group = unordered("u", outcome=ALL).add(FunctorTask(bad), FunctorTask(slow))
    assert asyncio.run(engine.arun(group, raises=False)).state is RunState.REVERTED
    assert ended == ["slow"]
