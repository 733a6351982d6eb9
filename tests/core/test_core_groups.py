"""Groups and gates in the core: when a verdict is due, what it does, and that nothing overtakes what it waits for."""

from __future__ import annotations

from typing import Any

import pytest
from sagalog_play import Play

from sagalog.codec.values import encode
from sagalog.engine.core.decide import Amend, Recover, Resume, Suspend
from sagalog.engine.core.operator import amends
from sagalog.engine.core.states import TaskState
from sagalog.engine.definition import AlwaysRevert, FunctorTask, graph, linear, unordered

ALL, PARTIAL = "SUCCESS_ON_ALL_EVENTS_SUCCESS", "SUCCESS_FOR_PARTIAL_SUCCESS"


def step(name: str, **options: Any) -> FunctorTask:
    return FunctorTask(lambda: None, name=name, revert=lambda: None, **options)


def begun(flow: Any, capacity: int = 1, **created: Any) -> Play:
    play = Play(flow, capacity, **created)
    play.take(Resume())
    play.advance()
    return play


def no(history: Any) -> bool:
    return False


def settled(play: Play) -> list[tuple[str, bool, int, int]]:
    """The verdicts: (flow, ok, successes, errors)."""
    facts = [draft.facts for draft in play.records if draft.type == "group.settled"]
    flows = play.definition.flows
    return [(flows[fact["flow"]].name, fact["ok"], fact["successes"], fact["errors"]) for fact in facts]


def test_what_is_behind_a_group_waits_for_members_that_run_though_the_rest_is_passed_by() -> None:
    inner = unordered("in", outcome=ALL).add(step("bad"), linear("m").add(step("slow"), step("rest")))
    play = begun(linear("f").add(unordered("out", outcome=PARTIAL).add(inner, step("good")), step("behind")), 3)
    assert play.fail(of="bad") == ["task.failure bad", "task.ignored rest"]
    assert play.succeed(of="good") == ["task.success good"], "no verdict while slow is running"
    assert play.succeed(of="slow") == ["task.success slow", "group.settled", "group.settled", "task.running behind"]


def test_what_a_decider_refuses_is_passed_in_its_turn() -> None:
    flow = graph("g")
    a, slow, joint, behind = step("a"), step("slow"), step("joint"), step("behind")
    flow.add(a, slow, joint).link(a, joint, no, "FLOW").link(slow, joint)
    play = begun(linear("f").add(flow, behind), 2)
    assert play.succeed(of="a") == ["task.success a"]
    assert play.succeed(of="slow") == ["task.success slow"]
    assert play.vote(False) == ["decider.answered", "task.ignored joint", "task.running behind"]


def test_a_group_that_fails_within_a_member_takes_the_rest_of_the_member_with_it() -> None:
    inner = unordered("in", outcome=ALL).add(step("bad"))
    member = linear("member").add(inner, step("needs it"))
    play = begun(linear("f").add(unordered("out", outcome=PARTIAL).add(member, step("good"))), 2)
    play.fail(of="bad")
    assert "task.ignored needs it" in play.all_told()
    play.succeed(of="good")
    assert settled(play) == [("in", False, 0, 1), ("out", True, 1, 1)]
    assert play.all_told()[-1] == "run.success"


def test_a_group_within_that_fails_without_a_failure_is_a_failed_member() -> None:
    refused = graph("refused")
    a, b = step("a"), step("b")
    refused.add(a, b).link(a, b, no, "ATOM")
    empty = unordered("in", outcome=ALL)
    outer = unordered("out", outcome=PARTIAL).add(graph("m").add(a, empty.add(b)).link(a, empty, no, "ATOM"))
    play = begun(linear("f").add(outer, step("behind")))
    play.succeed()
    play.vote(False)
    assert settled(play) == [("in", False, 0, 0), ("out", False, 0, 1)]


def test_a_retry_that_fails_itself_has_no_group_to_be_asked_about() -> None:
    inner = unordered("in", AlwaysRevert("r"), outcome=ALL).add(step("never"))
    play = begun(unordered("out", outcome=PARTIAL).add(inner, step("good")), 2)
    assert play.fail(of="r") == ["retry.failure r", "task.ignored never"]
    assert play.succeed(of="good") == ["task.success good", "group.settled", "run.success"]
    assert settled(play) == [("out", True, 1, 1)]


@pytest.mark.parametrize("deferred", [True, False])
def test_a_flow_that_gives_up_is_a_failed_member_and_nothing_is_decided_in_it_any_more(deferred: bool) -> None:
    inner = graph("in", retry=AlwaysRevert("r"))
    a, b, c = step("a"), step("b"), step("c")
    inner.add(a, b, c).link(a, b).link(b, c, no)
    member = linear("member").add(inner, step("after it"))
    play = begun(unordered("out", outcome=PARTIAL).add(member, step("good")), 2, defer_reverts=deferred)
    play.succeed(of="good"), play.succeed(of="r"), play.succeed(of="a")
    play.fail(of="b")
    play.answer("REVERT", of="r")
    told = play.succeed() + play.succeed()
    assert told[-7:] == [
        "retry.reverting r", "retry.reverted r", "retry.given_up r", "task.ignored c", "task.ignored after it",
        "group.settled", "run.success",
    ]  # fmt: skip
    assert settled(play) == [("out", True, 1, 1)]


def test_what_failed_and_then_did_not_is_judged_anew() -> None:
    play = begun(linear("f").add(unordered("g", outcome=ALL).add(step("a"), step("b")), step("z")), 2, never_resolve=True)
    play.succeed(of="a")
    assert play.fail(of="b") == ["task.failure b", "group.settled", "run.failure"]
    told = play.take(Recover(), Amend(1, None, "SUCCESS", encode(1), {}, None), Resume()) + play.advance()
    assert told == ["operator.amended b", "task.success b", "run.running", "group.settled", "task.running z"]
    assert settled(play) == [("g", False, 1, 1), ("g", True, 2, 0)]


def test_what_a_group_has_gone_on_from_is_not_said_to_have_been_otherwise() -> None:
    group = unordered("g", outcome=PARTIAL).add(step("a"), step("b"))
    play = begun(linear("f").add(group, step("z")), 2)
    play.succeed(of="a"), play.fail(of="b")
    play.take(Suspend({}, None))
    play.calls.clear()
    play.take(Recover(), Resume(), Suspend({}, None))
    play.advance()
    assert "has gone on from that" in str(amends(play.state, 1, TaskState.PENDING))
    assert "has gone on from that" in str(amends(play.state, 1, TaskState.SUCCESS))


def test_a_failure_that_a_person_tells_of_spoils_its_member_too() -> None:
    member = linear("member").add(step("a", recovery="ASK"), step("b"))
    play = begun(unordered("g", outcome=PARTIAL).add(step("good"), member), 2)
    play.succeed(of="good")
    play.calls.clear()
    play.take(Recover(), Resume())
    told = play.take(Recover(), Amend(1, None, "FAILURE", b"{}", {}, None), Resume()) + play.advance()
    assert told == [
        "operator.amended a", "task.failure a", "task.ignored b", "run.running", "group.settled", "run.success",
    ]  # fmt: skip
