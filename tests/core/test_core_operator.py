"""What persons may do, in the core: recover, reset, amend, and what they may not while something is under way."""

from __future__ import annotations

from typing import Any

import pytest
from sagalog_play import Play

from sagalog.codec.values import encode
from sagalog.engine.core.decide import (
    Amend,
    Consulted,
    Expanded,
    Failed,
    Probed,
    Recover,
    Reset,
    Restore,
    Resume,
    Revert,
    SkipRevert,
    Suspend,
)
from sagalog.engine.core.going import may_reset, may_restore
from sagalog.engine.core.operator import amends
from sagalog.engine.core.states import RunState, TaskState
from sagalog.engine.definition import AlwaysRevert, FunctorTask, Recovery, each, happened, linear, unordered

T = TaskState


def step(name: str, **options: Any) -> FunctorTask:
    options.setdefault("revert", lambda: None)
    return FunctorTask(lambda: None, name=name, **options)


def one(element: Any) -> None: ...


def begun(flow: Any, capacity: int = 1, **created: Any) -> Play:
    play = Play(flow, capacity, **created)
    play.take(Resume())
    play.advance()
    return play


def recovered(play: Play, since: int | None = None) -> list[str]:
    play.calls.clear()
    return play.take(Recover(), Restore(since, {}, None), Resume()) + play.advance()


def test_a_recovery_runs_what_failed_and_keeps_what_succeeded() -> None:
    play = begun(linear("f").add(step("a"), step("b"), step("c")), never_resolve=True)
    play.succeed()
    assert play.fail() == ["task.failure b", "run.failure"]
    assert recovered(play) == ["run.recovered", "task.running b"]
    assert play.next().execution == 2


def test_what_is_kept_does_not_let_anything_overtake_what_is_run_again() -> None:
    again = {"SUCCESS": "RERUN"}
    play = begun(linear("f").add(step("a", recovery=again), step("b"), step("c")), 3, never_resolve=True)
    play.succeed(), play.succeed(), play.fail()
    assert recovered(play) == ["run.recovered", "task.running a"], "b is kept, and c waits for a all the same"
    assert play.succeed() == ["task.success a", "task.running c"]


def test_what_is_passed_over_does_not_let_anything_overtake_what_is_before_it() -> None:
    skip = {"READY": "SKIP"}
    play = begun(linear("f").add(step("a"), step("b"), step("c", recovery=skip), step("d")), 2, never_resolve=True)
    play.fail()
    assert recovered(play) == ["run.recovered", "task.ignored c", "task.running a"]
    assert play.succeed() == ["task.success a", "task.running b"]
    assert play.succeed() == ["task.success b", "task.running d"]


def test_what_stands_behind_something_put_back_is_reverted_too() -> None:
    """b is put back, and has not run again when a person has it all reverted: c is not forgotten, nor what b has done."""
    again = step("b", recovery={"SUCCESS": "RERUN"})
    play = begun(linear("f").add(step("a"), again, step("c"), step("d")), never_resolve=True)
    for _ in range(3):
        play.succeed()
    play.fail()
    play.take(Recover(), Restore(None, {}, None), Revert({}, None), Resume())
    play.calls.clear()
    play.advance()
    assert [play.whose(call) for call in play.calls] == ["d"]
    assert play.succeed()[:2] == ["task.reverted d", "task.reverting c"]
    assert play.succeed()[:2] == ["task.reverted c", "task.reverting b"]
    assert play.succeed()[:2] == ["task.reverted b", "task.reverting a"]


def test_every_execution_that_was_put_aside_is_reverted_once_the_newest_first() -> None:
    again = step("a", recovery={"SUCCESS": "RERUN"})
    play = begun(linear("f").add(again, step("b")), never_resolve=True)
    play.succeed(), play.fail()
    recovered(play)
    play.succeed(), play.fail()
    play.take(Recover(), Revert({}, None), Resume())
    play.calls.clear()
    play.advance()
    undone = []
    while play.calls:
        call = play.calls[0]
        undone.append((play.whose(call), call.execution))
        play.succeed()
    assert undone == [("b", 2), ("b", 1), ("a", 2), ("a", 1)]
    assert play.state.run is RunState.REVERTED and not play.state.earlier
    assert recovered(play)[-1] == "task.running a"
    assert play.next("a").execution == 3, "no number is used twice"


def test_what_was_done_before_a_reset_is_reverted_too() -> None:
    play = begun(linear("f").add(step("a")))
    play.succeed()
    assert play.take(Reset({}, None)) == ["run.pending"]
    play.take(Resume())
    play.advance()
    play.take(Revert({}, None), Resume())
    play.fail()
    assert play.succeed()[:2] == ["task.reverted a", "task.reverting a"] and play.next("a").execution == 1


def test_of_what_nobody_knows_is_said_first_what_became_of_it() -> None:
    play = begun(linear("f").add(step("a", recovery=Recovery.ASK)))
    play.calls.clear()
    play.take(Recover(), Resume())
    assert may_restore(play.state) == "what became of it must be said first (amend): 'a'"
    assert play.take(Restore(None, {}, None)) == []
    play.take(Amend(0, None, "FAILURE", b"{}", {}, None))
    assert may_restore(play.state) is None


def test_what_is_unknown_is_run_again_in_its_turn() -> None:
    """A retry is put back by a recovery; what ran in its flow when the process died waits for it."""
    fails = linear("x", AlwaysRevert("rx")).add(step("bad"))
    flow = linear("f", AlwaysRevert("r")).add(unordered("u").add(step("ask", recovery=Recovery.ASK), step("t"), fails))
    play = begun(flow, 3)
    play.succeed()
    play.calls.clear()
    play.take(Recover(), Resume())
    play.take(Recover(), Amend(1, None, "FAILURE", b"{}", {}, None))
    assert recovered(play)[-2:] == ["run.recovered", "retry.running r"]
    assert play.state.task[2] is T.UNKNOWN
    assert amends(play.state, 2, T.FAILURE) is not None
    assert "task.running t" in play.succeed()


@pytest.mark.parametrize("wish", [Restore(None, {}, None), Reset({}, None)])
def test_nothing_is_put_back_while_some_of_it_is_under_way(wish: Any) -> None:
    probed = (step(name, recovery=Recovery.PROBE, probe=happened) for name in "ab")
    play = begun(unordered("f").add(*probed), 2)
    play.calls.clear()
    play.take(Recover(), Resume())
    play.take(Probed(play.next("b"), "did_not_happen", None))
    assert play.take(Probed(play.next("a"), "dont_know", None)) == ["run.failure"]
    play.take(Amend(0, None, "SUCCESS", encode(1), {}, None))
    assert may_restore(play.state) == "some of it is still under way" and not may_reset(play.state)
    assert play.take(wish) == []
    play.succeed(of="b")
    assert play.take(wish) != []


def test_the_answer_of_a_probe_is_not_heard_where_a_person_was_quicker() -> None:
    play = begun(unordered("f").add(*(step(name, recovery=Recovery.PROBE, probe=happened) for name in "ab")), 2)
    play.calls.clear()
    play.take(Recover(), Resume())
    first, second = play.calls
    assert play.take(Probed(first, "dont_know", None)) == ["run.failure"]
    play.take(Reset({}, None))
    for answer in ("happened", "did_not_happen", "dont_know"):
        assert play.take(Probed(second, answer, encode(1))) == []
    assert play.take(Failed(second, ("ValueError",), b"{}")) == []


def test_the_list_of_an_execution_that_is_no_more_is_not_taken() -> None:
    play = begun(linear("f").add(each(FunctorTask(one, "e"), into="element")), never_resolve=True)
    old = play.calls[0]
    play.take(Failed(old, ("ValueError",), b"{}"))
    play.advance()
    recovered(play)
    assert play.take(Expanded(old, ((1, b"[0]"),))) == [] and play.take(Failed(old, ("ValueError",), b"{}")) == []
    assert play.expand(1)[-1] == "task.running e[0]"


def test_what_is_being_undone_is_not_said_to_have_succeeded() -> None:
    play = begun(linear("f", AlwaysRevert("r")).add(step("a"), step("b")))
    play.succeed()
    play.fail()
    asked = play.next()
    play.take(Suspend({}, None), Consulted(asked, "RETRY"))
    play.advance()
    assert play.state.run is RunState.SUSPENDED
    for to in (T.SUCCESS, T.PENDING):
        assert amends(play.state, 1, to) == "it is being undone, and nothing of that is started afresh"
    assert play.take(Recover(), Resume()) + play.advance() == ["run.running", "task.reverting a"]


def test_a_reset_run_begins_as_if_it_never_had() -> None:
    play = begun(linear("f", AlwaysRevert("r")).add(step("a")))
    play.succeed(), play.succeed()
    assert play.state.run is RunState.SUCCESS
    assert play.take(Reset({}, None), Resume()) + play.advance() == ["run.pending", "run.running", "retry.running r"]
    assert play.next().execution == 2 and not play.state.history


def test_a_person_who_settles_a_revert_has_not_said_what_became_of_anything_else() -> None:
    flow = unordered("f").add(linear("x", AlwaysRevert("r")).add(step("a")), step("b", recovery=Recovery.ASK))
    play = begun(flow, 2)
    play.succeed(of="r"), play.fail(of="a")
    play.answer("RETRY", of="r")
    assert play.fail(of="a") == ["task.revert_failure a"]
    play.calls.clear()
    assert play.take(Recover(), Resume()) == ["task.unknown b", "run.failure"]
    told = play.take(Recover(), SkipRevert(1, None, {}, None), Resume()) + play.advance()
    assert told == ["operator.amended a", "run.running", "task.reverted a", "run.failure"]
    assert list(play.state.asked) == [2]


def test_a_run_that_is_being_suspended_is_not_reverted_while_something_of_it_is_being_reverted() -> None:
    play = begun(linear("f", AlwaysRevert("r")).add(step("a"), step("b")))
    play.succeed(), play.succeed(), play.fail(of="b")
    assert play.answer("RETRY")[-1] == "task.reverting b"
    assert play.take(Suspend({}, None)) == ["run.suspending"]
    assert play.take(Revert({}, None)) == [], "the revert of b is under way"
