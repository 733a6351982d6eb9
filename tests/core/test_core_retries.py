"""Retries in the core, record by record: who is asked, what is undone, what an answer that comes late does."""

from __future__ import annotations

from typing import Any

import pytest
from sagalog_play import Play

from sagalog.codec.values import encode
from sagalog.engine.core.decide import (
    Advance,
    Amend,
    Consulted,
    Probed,
    Progressed,
    Recover,
    Resume,
    Revert,
    SkipRevert,
    Succeeded,
    Suspend,
)
from sagalog.engine.core.states import RunState, TaskState
from sagalog.engine.definition import AlwaysRevert, FunctorTask, Recovery, each, graph, happened, linear, unordered


def step(name: str, **options: Any) -> FunctorTask:
    return FunctorTask(lambda: None, name=name, revert=lambda: None, **options)


def one(element: Any) -> None: ...


def begun(flow: Any, capacity: int = 1, **created: Any) -> Play:
    play = Play(flow, capacity, **created)
    play.take(Resume())
    play.advance()
    return play


def nested(capacity: int = 1, **created: Any) -> Play:
    """outer(a, inner(b, c)): everything has run but c, which is running."""
    inner = linear("inner", AlwaysRevert("ri")).add(step("b"), step("c"))
    play = begun(linear("outer", AlwaysRevert("ro")).add(step("a"), inner), capacity, **created)
    for _ in ("ro", "a", "ri", "b"):
        play.succeed()
    return play


def states(play: Play) -> dict[str, str]:
    return {atom.name: str(play.state.task[atom.index]) for atom in play.definition.atoms}


def test_a_retry_undoes_its_flow_in_reverse_and_is_executed_again() -> None:
    play = nested()
    assert play.fail() == ["task.failure c"]
    assert play.answer("RETRY") == ["retry.consulted ri", "task.reverting c"]
    assert play.succeed() == ["task.reverted c", "task.reverting b"]
    assert play.succeed() == ["task.reverted b", "retry.retrying ri", "retry.running ri"]
    assert play.next().execution == 2
    assert [len(play.state.history[atom]) for atom in (0, 2)] == [1, 1]
    assert play.state.history[2][0][1] == {4: 12}, "the failure stands in the history of the try"


def test_a_revert_is_passed_on_and_the_outer_retry_forgets_for_those_within() -> None:
    play = nested()
    play.fail()
    assert play.answer("REVERT") == ["retry.consulted ri"]
    assert play.state.history[0][0][1] == {2: 12}, "under the name of the retry that gave up"
    told = play.answer("RETRY")
    while play.calls[0].kind == "revert":
        told += play.succeed()
    assert [line for line in told if "reverted" in line] == [
        "task.reverted c", "task.reverted b", "retry.reverted ri", "task.reverted a",
    ]  # fmt: skip
    assert told[-2:] == ["retry.retrying ro", "retry.running ro"]
    assert states(play) == {"ro": "RUNNING", "a": "PENDING", "ri": "PENDING", "b": "PENDING", "c": "PENDING"}
    assert list(play.state.history) == [0]


@pytest.mark.parametrize("decision", ["RETRY", "REVERT", "REVERT_ALL"])
def test_an_answer_within_what_is_being_undone_is_overruled(decision: str) -> None:
    inner = linear("inner", AlwaysRevert("ri")).add(step("b"))
    play = begun(unordered("outer", AlwaysRevert("ro")).add(step("a"), inner), 3)
    play.succeed(of="ro"), play.succeed(of="ri")
    play.fail(of="b")
    asked = play.next("ri")
    play.fail(of="a")
    play.answer("RETRY", of="ro")
    assert play.take(Consulted(asked, decision)) == ["retry.consulted ri"]
    assert play.records[-1].facts["done"] == "overruled"
    while play.state.execution[0] == 1:
        play.succeed()
    assert play.state.run is RunState.RUNNING and list(play.state.history) == [0]


def test_revert_all_that_is_said_while_the_run_is_being_suspended_is_done_when_it_goes_on() -> None:
    play = nested()
    play.fail()
    assert play.take(Suspend({}, None)) == ["run.suspending"]
    assert play.answer("REVERT_ALL") == ["retry.consulted ri", "run.suspended"]
    assert play.state == play.refold()
    assert play.take(Recover(), Resume()) + play.advance() == ["run.running", "run.reverting", "task.reverting c"]


def test_what_all_is_decided_for_no_other_retry_takes_back() -> None:
    left = linear("left", AlwaysRevert("rl")).add(step("l"))
    right = linear("right", AlwaysRevert("rr")).add(step("r"))
    play = begun(unordered("f").add(left, right), 2)
    for _ in range(2):
        play.succeed()
    play.fail(of="l"), play.fail(of="r")
    play.take(Suspend({}, None))
    play.answer("REVERT_ALL", of="rl")
    play.answer("RETRY", of="rr")
    assert [draft.facts["done"] for draft in play.records if draft.type == "retry.consulted"] == ["revert_all", "overruled"]


def test_an_answer_to_a_run_that_is_over_is_not_recorded() -> None:
    left = linear("left", AlwaysRevert("rl")).add(step("l", revert_recovery=Recovery.RERUN))
    play = begun(unordered("f").add(left, step("other")), 2)
    play.succeed(of="rl")
    play.fail(of="l")
    asked = play.next("rl")
    play.fail(of="other")
    while play.calls:
        play.succeed()
    assert play.state.run is RunState.REVERTED
    assert play.take(Consulted(asked, "RETRY")) + play.advance() == []


def test_what_is_being_reverted_is_not_begun_again_when_all_is_reverted() -> None:
    play = nested(2)
    play.fail()
    play.answer("RETRY")
    assert play.take(Revert({}, None)) + play.advance() == ["run.reverting"]
    assert play.succeed() == ["task.reverted c", "task.reverting b"]


def test_a_fan_out_that_is_being_reverted_goes_on_when_all_is_reverted() -> None:
    fan = each(FunctorTask(one, "e", revert=lambda: None), into="element")
    play = begun(linear("f", AlwaysRevert("r")).add(fan, step("bad")), 1)
    play.succeed(), play.expand(2), play.succeed(), play.succeed()
    play.fail()
    play.answer("RETRY")
    assert play.succeed() == ["task.reverted bad", "task.reverting e", "task.reverting e[1]"]
    play.take(Revert({}, None))
    assert play.succeed() == ["task.reverted e[1]", "task.reverting e[0]"]
    assert play.succeed() == [
        "task.reverted e[0]", "task.reverted e", "retry.reverting r", "retry.reverted r", "run.reverted",
    ]  # fmt: skip


def test_where_the_first_failure_was_none_the_second_is_asked_about() -> None:
    play = begun(unordered("f", AlwaysRevert("r")).add(step("a"), step("b")), 2)
    play.succeed()
    play.take(Suspend({}, None))
    play.fail(of="a"), play.fail(of="b")
    play.calls.clear()
    play.take(Recover(), Amend(1, None, "SUCCESS", encode(1), {}, None), Resume())
    play.advance()
    assert [call.kind for call in play.calls] == ["on_failure"]
    assert play.state.regions[0].failed == 2


def test_what_did_not_happen_in_a_flow_that_is_undone_is_not_run() -> None:
    flow = unordered("f", AlwaysRevert("r")).add(step("a"), step("b", recovery=Recovery.PROBE, probe=happened))
    play = begun(flow, 2)
    play.succeed()
    play.fail(of="a")
    play.answer("RETRY", of="r")
    play.calls.clear()  # the process dies; b is still running
    play.take(Recover(), Resume())
    probe = play.next("b")
    told = play.take(Probed(probe, "did_not_happen", None)) + play.advance()
    assert told == ["task.reverting b", "task.reverted b", "task.reverting a"]
    assert play.records[-2].facts["outcome"] == "nothing_to_revert"


def test_what_did_not_happen_in_a_flow_that_is_asked_about_waits_for_the_answer() -> None:
    flow = unordered("f", AlwaysRevert("r")).add(step("a"), step("b", recovery=Recovery.PROBE, probe=happened))
    play = begun(flow, 2)
    play.succeed()
    play.fail(of="a")
    play.calls.clear()
    play.take(Recover(), Resume())
    assert play.take(Probed(play.next("b"), "did_not_happen", None)) + play.advance() == []
    assert play.state.task[2] is TaskState.UNKNOWN
    assert [call.kind for call in play.calls] == ["on_failure"]


def test_a_retry_is_executed_again_when_there_is_room() -> None:
    """Its flow is undone, and another task is running already."""
    play = begun(unordered("f").add(linear("x", AlwaysRevert("r")).add(step("a")), step("b")), 2)
    play.succeed(of="r")
    play.fail(of="a")
    play.answer("RETRY", of="r")
    play.capacity = 1
    assert play.succeed(of="a") == ["task.reverted a"]
    assert play.whose(play.calls[0]) == "b"
    assert play.succeed() == ["task.success b", "retry.retrying r", "retry.running r"]


def test_what_is_ignored_while_the_flow_is_undone_is_put_back_too() -> None:
    group = unordered("g", outcome="FAILURE_FOR_PARTIAL_ERROR").add(linear("member").add(step("m"), step("n")))
    play = begun(linear("f", AlwaysRevert("r")).add(unordered("u").add(step("a"), group)), 2)
    play.succeed()
    play.fail(of="a")
    play.answer("RETRY", of="r")
    assert play.fail(of="m")[:2] == ["task.failure m", "task.ignored n"]
    while play.state.history[0][-1][1]:
        play.succeed()
        if play.state.task[0] == "RUNNING":
            break
    assert states(play) == {"r": "RUNNING", "a": "PENDING", "m": "PENDING", "n": "PENDING"}
    assert not any(play.state.done)


def test_a_flow_that_is_reverted_alone_says_what_was_skipped() -> None:
    class Undone(AlwaysRevert):
        def revert(self, **anything: Any) -> None: ...

    play = begun(linear("f").add(linear("x", Undone("r")).add(step("a"))), defer_reverts=False)
    play.succeed()
    play.fail()
    play.answer("REVERT")
    play.succeed()
    assert play.fail() == ["retry.revert_failure r", "run.failure"]
    told = play.take(Recover(), SkipRevert(0, None, {}, None), Resume()) + play.advance()
    assert told[-2:] == ["retry.given_up r", "run.reverted_partly"]


def test_a_retry_that_is_ignored_takes_its_flow_with_it() -> None:
    class Takes(AlwaysRevert):
        def execute(self, taken: Any) -> None: ...

    g = graph("g")
    source, giver = step("s"), FunctorTask(lambda: 1, "giver", provides="x")
    g.add(source, giver).link(source, giver, lambda history: False, "ATOM")
    inner = linear("inner", Takes("r", rebind={"taken": "x"})).add(step("a"))
    play = begun(linear("f").add(g, inner, step("z")))
    play.succeed()
    told = play.vote(False)
    assert told == [
        "decider.answered", "task.ignored giver", "retry.ignored r", "task.ignored a", "task.running z",
    ]  # fmt: skip


def test_a_run_that_resolves_nothing_stops_also_where_a_fan_out_fails() -> None:
    play = begun(linear("f", AlwaysRevert("r")).add(each(FunctorTask(one, "e"), into="element")), never_resolve=True)
    play.succeed(), play.expand(1)
    assert play.fail() == ["task.failure e[0]", "task.failure e", "run.failure"]
    assert play.state.cause == "never_resolve"


def test_a_retry_may_say_how_far_it_is() -> None:
    play = begun(linear("f", AlwaysRevert("r")).add(step("a")))
    assert play.take(Progressed(play.calls[0], 0.5, None)) == ["task.progress r"]
    assert play.state.progress == {0: (0.5, 4)}
    play.succeed(), play.fail()
    play.answer("RETRY"), play.succeed()
    assert play.state.progress == {}


def test_a_question_whose_retry_was_executed_anew_is_not_answered_by_the_old_answer() -> None:
    play = nested()
    play.fail()
    asked = play.next()
    play.take(Consulted(asked, "RETRY"))
    play.take(Advance(1))
    while play.state.execution[2] == 1:
        play.take(Succeeded(play.next(), encode(1)))
        play.advance()
    play.succeed(), play.succeed(), play.fail()
    assert play.take(Consulted(asked, "REVERT_ALL")) == []


def test_what_an_earlier_attempt_failed_of_is_no_result_of_one_that_was_cut_short() -> None:
    """Its revert is handed Unknown, and not the failure that it waited after."""
    play = begun(linear("f", AlwaysRevert("r")).add(step("a")))
    play.succeed()
    play.wait(7)
    play.fire()
    assert play.state.attempt[1] == 2 and not play.state.result[1]
    play.take(Recover())
    assert play.state.task[1] is TaskState.UNKNOWN and not play.state.result[1]


def test_what_is_undone_of_a_large_flow_is_what_of_it_has_run() -> None:
    """Also where an earlier try had come further: the way back is not looked for among what was put back to PENDING."""
    flow = linear("f", AlwaysRevert("r")).add(*(step(f"t{i}") for i in range(500)))
    play = begun(flow)
    for ran in (40, 3):
        play.succeed()
        for _ in range(ran):
            play.succeed()
        play.fail()
        play.answer("RETRY")
        region = play.state.regions[0]
        assert region.undo is not None and len(region.undo.nodes) == ran + 1
        while play.state.regions:
            play.succeed()


@pytest.mark.parametrize("around", [False, True])
def test_a_run_whose_group_was_undone_alone_is_no_success(around: bool) -> None:
    """All of it is settled: the failed member counted, and then its group gave up."""
    group = unordered("g", AlwaysRevert("r"), outcome="SUCCESS_ON_ALL_EVENTS_SUCCESS").add(step("bad"))
    play = begun(linear("f").add(group) if around else group, defer_reverts=False)
    play.succeed(of="r"), play.fail(of="bad"), play.answer("REVERT")
    play.succeed(of="bad")
    assert play.state.run is RunState.REVERTED


def test_within_a_group_too_the_flow_that_gave_up_first_is_undone_alone() -> None:
    inner = linear("n", AlwaysRevert("ri")).add(step("bad"))
    member = linear("m", AlwaysRevert("ro")).add(step("a"), inner, step("behind"))
    group = unordered("g", outcome="SUCCESS_FOR_PARTIAL_SUCCESS").add(member, step("b"))
    play = begun(linear("f").add(group, step("z")), defer_reverts=False)
    for atom in ("ro", "a", "ri"):
        play.succeed(of=atom)
    play.fail(of="bad"), play.answer("REVERT", of="ri"), play.answer("REVERT", of="ro")
    while play.calls:
        play.succeed()
    states = {spec.name: play.state.task[spec.index] for spec in play.definition.atoms}
    assert states == {
        "ro": "SUCCESS", "a": "SUCCESS", "ri": "REVERTED", "bad": "REVERTED", "behind": "IGNORED", "b": "SUCCESS",
        "z": "SUCCESS",
    }  # fmt: skip
    assert play.state.run is RunState.SUCCESS
