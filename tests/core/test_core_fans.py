"""Fan-outs in the core: their elements, what is undone of them, and how they go on."""

from __future__ import annotations

from typing import Any

import pytest
from sagalog_play import Play

from sagalog.engine.core.decide import Probed, Progressed, Recover, Reset, Restore, Resume, RetryRevert, Revert
from sagalog.engine.core.going import may_reset, may_restore
from sagalog.engine.core.records import Draft
from sagalog.engine.core.states import RunState, TaskState
from sagalog.engine.definition import AlwaysRevert, FunctorTask, Recovery, each, linear, unordered


def one(element: Any) -> None: ...


def fan(name: str = "e", outcome: str | None = None, on_empty: str = "ok", **options: Any) -> Any:
    if not {"compensation", "revert"} & set(options):
        options["revert"] = lambda: None
    return each(FunctorTask(one, name, **options), into="element", outcome=outcome, on_empty=on_empty)


def step(name: str, **options: Any) -> FunctorTask:
    return FunctorTask(lambda: None, name=name, revert=lambda: None, **options)


def begun(flow: Any, capacity: int = 1, **created: Any) -> Play:
    play = Play(flow, capacity, **created)
    play.take(Resume())
    play.advance()
    return play


def test_elements_are_run_in_order_and_reverted_from_the_last() -> None:
    play = begun(linear("f").add(fan(), step("bad")))
    assert play.expand(2) == ["each.elements e", "each.opened e", "task.running e[0]"]
    assert play.succeed() == ["task.success e[0]", "task.running e[1]"]
    assert play.succeed() == ["task.success e[1]", "task.success e", "task.running bad"]
    play.fail(), play.succeed()
    assert play.succeed() == ["task.reverted e[1]", "task.reverting e[0]"]
    assert play.succeed() == ["task.reverted e[0]", "task.reverted e", "run.reverted"]


def test_what_is_before_a_fan_out_is_reverted_once_that_is_done_and_nothing_has_to_wake_it() -> None:
    play = begun(linear("f").add(step("a"), fan(), fan("e2"), step("bad")))
    play.succeed(), play.expand(1), play.succeed(), play.expand(1), play.succeed()
    play.fail(), play.succeed()
    assert play.succeed() == ["task.reverted e2[0]", "task.reverted e2", "task.reverting e", "task.reverting e[0]"]
    assert play.succeed() == ["task.reverted e[0]", "task.reverted e", "task.reverting a"]


@pytest.mark.parametrize(("done", "outcome", "end"), [
    (1, "not_revertible", RunState.REVERTED_PARTLY), (0, "nothing_to_revert", RunState.REVERTED),
])  # fmt: skip
def test_what_an_element_did_stays_done_though_the_whole_failed(done: int, outcome: str, end: RunState) -> None:
    play = begun(linear("f").add(fan(compensation="irreversible")))
    play.expand(2)
    for _ in range(done):
        play.succeed()
    play.fail()
    assert (play.state.outcome[0], play.state.run) == (outcome, end)


def test_an_element_of_which_nobody_knows_holds_nothing_up_where_it_is_not_reverted() -> None:
    play = begun(linear("f").add(fan(compensation="irreversible", recovery="ASK")))
    play.expand(2)
    play.calls.clear()
    assert play.take(Recover(), Revert({}, None), Resume()) + play.advance() == [
        "task.unknown e[0]", "run.reverting", "task.failure e", "task.reverting e", "task.reverted e",
        "run.reverted_partly",
    ]  # fmt: skip
    assert play.state.task[1] is TaskState.UNKNOWN and not play.state.unknown


def test_no_execution_of_an_element_is_told_twice() -> None:
    """One that failed is executed anew by a recovery, and each of its executions is reverted."""
    play = begun(linear("f").add(fan()), never_resolve=True)
    play.expand(2), play.succeed(), play.fail()
    for _ in range(2):
        play.take(Recover(), Restore(None, {}, None), Resume())
        play.advance()
        play.fail()
    assert "'e'" in str(may_restore(play.state, 0)), "what succeeded of it is not executed anew without being reverted"
    assert not may_reset(play.state)
    play.take(Recover(), Revert({}, None), Resume())
    play.advance()
    while play.calls:
        play.succeed()
    assert _told(play, "task.running") == [(None, 1), (0, 1), (1, 1), (1, 2), (1, 3)]
    assert _told(play, "task.reverted") == [(1, 3), (1, 2), (1, 1), (0, 1), (None, 1)]
    assert play.state.run is RunState.REVERTED


def _told(play: Play, type: str) -> list[tuple[int | None, int]]:
    return [_element(draft) for draft in play.records if draft.type == type]


def _element(draft: Draft) -> tuple[int | None, int]:
    return draft.facts.get("instance"), draft.facts["execution"]


def test_a_reset_counts_on_behind_the_elements() -> None:
    play = begun(linear("f").add(fan()), never_resolve=True)
    play.expand(1), play.fail()
    play.take(Recover(), Restore(None, {}, None), Resume())
    play.advance()
    play.fail()
    play.take(Recover(), Revert({}, None), Resume())
    play.advance()
    play.succeed(), play.succeed()
    play.take(Reset({}, None), Resume())
    play.advance()
    play.expand(1)
    assert play.next().execution == 3


def test_one_over_nothing_that_failed_reads_its_list_again() -> None:
    play = begun(linear("f").add(fan(on_empty="policy")), never_resolve=True)
    assert play.expand(0) == ["each.opened e", "task.failure e", "run.failure"]
    assert play.take(Recover(), Restore(None, {}, None), Resume()) + play.advance() == ["run.recovered", "task.running e"]
    assert play.expand(1)[-1] == "task.running e[0]"


def test_an_element_that_waits_is_tried_at_once_when_the_run_is_recovered() -> None:
    flow = unordered("f").add(fan(), linear("x", AlwaysRevert("r")).add(step("bad")))
    play = begun(flow, 2)
    play.expand(1, of="e"), play.wait(of="e[0]")
    play.succeed(of="r"), play.fail(of="bad")
    assert play.fail(of="r") == ["retry.consulted r", "run.failure"], "its code raised"
    told = play.take(Recover(), Restore(None, {}, None), Resume()) + play.advance()
    assert told == ["timer.cancelled", "run.recovered", "task.running e[0]", "retry.running r"]
    assert play.next("e[0]").attempt == 2
    assert play.refold() == play.state


def test_what_is_said_of_an_element_that_is_not_there_is_not_taken_for_another() -> None:
    """Elements of all fan-outs lie behind one another: `e[1]` would be where `x[0]` is."""
    asking = dict(recovery=Recovery.PROBE, probe=lambda: None)
    play = begun(unordered("f").add(fan("e", **asking), fan("x", **asking)), 2)
    play.expand(1, of="e"), play.expand(1, of="x")
    running = play.next("x[0]")
    assert play.take(Progressed(running._replace(atom=0, instance=1), 0.5, None)) == []
    assert play.take(Progressed(running, 0.5, None)) == ["task.progress x[0]"]
    play.calls.clear()
    play.take(Recover(), Resume())
    asked = play.next("x[0]")
    assert play.take(Probed(asked._replace(atom=0, instance=1), "happened", b"1")) == []
    assert play.take(Probed(asked, "happened", b"1")) == ["task.success x[0]"]


def test_a_run_is_not_reset_while_the_revert_of_an_element_has_failed_or_nobody_knows_of_it() -> None:
    play = begun(linear("f").add(fan()))
    play.expand(1)
    play.succeed()
    play.take(Revert({}, None))
    play.advance()
    play.fail(of="e[0]")
    assert play.state.run is RunState.FAILURE and not may_reset(play.state)  # what e[0] did would be forgotten
    play.take(RetryRevert(0, 0, {}, None))
    play.take(Recover(), Resume())
    assert play.state.task[-1] is TaskState.REVERTING and not may_reset(play.state)
    play.take(Recover())
    assert play.state.task[-1] is TaskState.REVERT_UNKNOWN and not may_reset(play.state)


@pytest.mark.parametrize(("capacity", "first"), [
    (1, ["e", "e[1]"]), (2, ["e", "e[1]", "e[0]"]), (3, ["e", "e[1]", "e[0]", "none", "late"]),
])  # fmt: skip
def test_elements_are_reverted_in_the_turn_of_their_fan_out(capacity: int, first: list[str]) -> None:
    """Larger priority first, then the later place; with more room others begin beside the last elements."""
    members = unordered("u").add(step("low", priority=-3), fan("e", priority=5), fan("none", priority=4), step("late"))
    play = begun(linear("f").add(members, step("bad")))
    play.expand(2, of="e"), play.succeed(of="e[0]"), play.succeed(of="e[1]"), play.expand(0, of="none")
    play.succeed(of="late"), play.succeed(of="low")
    play.fail(of="bad")
    play.capacity = capacity
    told = play.succeed(of="bad")
    assert [what.split()[1] for what in told if what.startswith("task.reverting")] == first
    for name in ("e[1]", "e[0]", "late", "low"):
        told += play.succeed(of=name)
    turns = [what.split()[1] for what in told if what.startswith("task.reverting")]
    assert turns == ["e", "e[1]", "e[0]", "none", "late", "low"]
    assert told.index("task.reverted none") == told.index("task.reverting none") + 1
    assert play.state.run is RunState.REVERTED and play.refold() == play.state
