"""The machine of a run, record by record: given a flow, when this comes in, then these records and calls."""

from __future__ import annotations

import pytest
from sagalog_play import Play, starts

from sagalog.codec.values import encode
from sagalog.engine.core.decide import (
    Aborted,
    Failed,
    Probed,
    Recover,
    Resume,
    Revert,
    Succeeded,
    Suspend,
)
from sagalog.engine.core.records import Draft
from sagalog.engine.core.states import RunState, TaskState
from sagalog.engine.definition import FunctorTask, Recovery, graph, happened, linear, unordered
from sagalog.errors import CorruptLog


def step(name: str, **options: object) -> FunctorTask:
    return FunctorTask(lambda: None, name=name, revert=lambda: None, **options)


def begun(flow: object, capacity: int = 1) -> Play:
    play = Play(flow, capacity)
    play.take(Resume())
    play.advance()
    return play


def test_a_linear_flow_starts_each_task_in_the_batch_that_ends_the_one_before() -> None:
    play = Play(linear("f").add(step("a"), step("b")))
    assert play.take(Resume()) + play.advance() == ["run.running", "task.running a"]
    assert play.succeed() == ["task.success a", "task.running b"]
    assert play.succeed() == ["task.success b", "run.success"]


def test_a_failure_reverts_what_ran_in_reverse_and_the_failed_one_first() -> None:
    play = begun(linear("f").add(step("a"), step("b"), step("c")))
    play.succeed()
    assert play.fail() == ["task.failure b", "run.reverting", "task.reverting b"]
    assert play.succeed() == ["task.reverted b", "task.reverting a"]
    assert play.succeed() == ["task.reverted a", "run.reverted"]
    assert play.state.task[2] is TaskState.PENDING


def test_running_siblings_finish_before_anything_is_reverted() -> None:
    play = begun(unordered("f").add(step("a"), step("b"), step("c")), capacity=3)
    first = play.calls.pop(0)
    assert play.fail() == ["task.failure b", "run.reverting"]
    assert play.succeed() == ["task.success c"]
    assert play.take(Succeeded(first, encode(1))) + play.advance() == [
        "task.success a",
        "task.reverting c",
        "task.reverting b",
        "task.reverting a",
    ]


def test_nothing_new_starts_once_a_sibling_has_failed() -> None:
    play = begun(unordered("f").add(linear("x").add(step("a"), step("b")), step("c")), capacity=2)
    play.calls.reverse()
    assert play.fail() == ["task.failure c", "run.reverting"]
    assert play.succeed() == ["task.success a", "task.reverting c", "task.reverting a"]


def test_reverts_go_against_the_arrows_of_a_graph() -> None:
    a, b, c, d = step("a"), step("b"), step("c"), step("d")
    flow = graph("g").add(a, b, c, d).link(a, b).link(a, c).link(b, d).link(c, d)
    play = begun(flow, capacity=4)
    play.succeed(), play.succeed(), play.succeed()
    told = play.fail()
    assert told == ["task.failure d", "run.reverting", "task.reverting d"]
    assert play.succeed() == ["task.reverted d", "task.reverting c", "task.reverting b"]
    assert play.succeed() == ["task.reverted c"]
    assert play.succeed() == ["task.reverted b", "task.reverting a"]


def test_larger_priority_starts_first_and_equal_ones_in_the_order_of_the_definition() -> None:
    play = begun(unordered("f").add(step("a"), step("b", priority=5), step("c"), step("d", priority=5)), capacity=1)
    order = [starts([play.told(draft) for draft in play.records])[0]]
    for _ in range(3):
        order += starts(play.succeed())
    assert order == ["b", "d", "a", "c"]


def test_the_capacity_bounds_what_is_under_way() -> None:
    play = begun(unordered("f").add(*(step(f"t{n}") for n in range(5))), capacity=2)
    assert len(play.calls) == 2
    assert starts(play.succeed()) == ["t2"]


@pytest.mark.parametrize(
    ("declared", "outcome", "end"),
    [
        ({"compensation": "not_needed"}, "nothing_to_revert", "run.reverted"),
        ({"compensation": "irreversible"}, "not_revertible", "run.reverted_partly"),
        ({}, "nothing_to_revert", "run.reverted"),
    ],
)
def test_what_is_declared_is_what_the_revert_says(declared: dict[str, str], outcome: str, end: str) -> None:
    plain = FunctorTask(lambda: None, name="plain", **declared)
    play = begun(linear("f").add(plain, step("bad")))
    play.succeed()
    play.fail()
    told = play.succeed()
    assert told[-1] == end
    said = next(draft.facts for draft in play.records if draft.type == "task.reverted" and draft.facts["atom"] == 0)
    assert said["outcome"] == outcome
    assert said.get("undeclared", False) is (not declared)


def test_an_irreversible_task_that_failed_has_left_nothing_to_revert() -> None:
    play = begun(linear("f").add(FunctorTask(lambda: None, name="send", compensation="irreversible")))
    assert play.fail()[-1] == "run.reverted"


def test_a_failed_revert_stops_the_run_and_a_resume_tries_it_once_more() -> None:
    play = begun(linear("f").add(step("a"), step("b")))
    play.succeed()
    play.fail()
    assert play.fail() == ["task.revert_failure b", "run.failure"]
    assert play.state.run is RunState.FAILURE and play.state.cause == "revert_failure"
    assert play.take(Recover(), Resume()) + play.advance() == ["run.reverting", "task.reverting b"]
    assert play.succeed() == ["task.reverted b", "task.reverting a"]
    assert play.succeed() == ["task.reverted a", "run.reverted"]


def test_other_reverts_under_way_finish_when_one_has_failed_and_none_is_started() -> None:
    flow = linear("f").add(step("z"), unordered("u").add(step("a"), step("b")), step("c"))
    play = begun(flow, capacity=2)
    for _ in range(3):
        play.succeed()
    play.fail()
    play.succeed()
    assert play.fail() == ["task.revert_failure b"]
    assert play.succeed() == ["task.reverted a", "run.failure"]


def test_a_finished_run_can_be_reverted_by_a_person() -> None:
    play = begun(linear("f").add(step("a"), step("b")))
    play.succeed(), play.succeed()
    assert play.take(Recover(), Revert({"reason": True}, b"{}"), Resume()) + play.advance() == [
        "run.reverting",
        "task.reverting b",
    ]
    play.succeed()
    assert play.succeed() == ["task.reverted a", "run.reverted"]


def test_a_suspended_run_starts_nothing_and_goes_on_where_it_was() -> None:
    play = begun(linear("f").add(step("a"), step("b")))
    assert play.take(Suspend({}, None)) + play.advance() == ["run.suspending"]
    assert play.succeed() == ["task.success a", "run.suspended"]
    assert play.take(Recover(), Resume()) + play.advance() == ["run.running", "task.running b"]


def test_a_failure_while_suspending_is_resolved_when_the_run_goes_on() -> None:
    play = begun(linear("f").add(step("a")))
    play.take(Suspend({}, None))
    assert play.fail() == ["task.failure a", "run.suspended"]
    assert play.take(Recover(), Resume()) + play.advance() == ["run.running", "run.reverting", "task.reverting a"]


def test_a_run_that_is_suspended_can_be_reverted() -> None:
    play = begun(linear("f").add(step("a"), step("b")))
    play.take(Suspend({}, None))
    play.succeed()
    assert play.take(Recover(), Revert({}, None), Resume()) + play.advance() == ["run.reverting", "task.reverting a"]


def crashed(**options: object) -> Play:
    """A run whose process died while its second task was running."""
    play = begun(linear("f").add(step("a"), step("b", **options)))
    play.succeed()
    play.calls.clear()
    return play


def test_rerun_starts_another_attempt_of_the_same_execution() -> None:
    play = crashed()
    assert play.take(Recover(), Resume()) + play.advance() == ["task.unknown b", "task.running b"]
    call = play.next()
    assert (call.execution, call.attempt) == (1, 2)


def test_skip_passes_by_what_is_unknown() -> None:
    play = crashed(recovery=Recovery.SKIP)
    assert play.take(Recover(), Resume()) + play.advance() == ["task.unknown b", "task.success b", "run.success"]


def test_ask_stops_the_run_until_a_person_reverts_it() -> None:
    play = crashed(recovery=Recovery.ASK)
    assert play.take(Recover(), Resume()) + play.advance() == ["task.unknown b", "run.failure"]
    assert list(play.state.asked) == [1]
    assert play.take(Recover(), Resume()) + play.advance() == []
    assert play.take(Revert({}, None), Resume()) + play.advance() == ["run.reverting", "task.reverting b"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("happened", ["task.success b", "run.success"]),
        ("did_not_happen", ["task.running b"]),
        ("dont_know", ["run.failure"]),
    ],
)
def test_a_probe_settles_what_is_unknown(answer: str, told: list[str]) -> None:
    play = crashed(recovery=Recovery.PROBE, probe=lambda: happened())
    assert play.take(Recover(), Resume()) == ["task.unknown b"]
    call = play.next()
    assert call.kind == "probe"
    assert play.take(Probed(call, answer, b"1" if answer == "happened" else None)) + play.advance() == told


def test_what_is_unknown_is_not_executed_again_just_to_be_reverted() -> None:
    play = crashed()
    assert play.take(Recover(), Revert({}, None), Resume()) + play.advance() == [
        "task.unknown b",
        "run.reverting",
        "task.reverting b",
    ]
    assert [call.kind for call in play.calls] == ["revert"]


def test_a_probe_that_denies_leaves_nothing_to_revert() -> None:
    play = crashed(recovery=Recovery.PROBE, probe=lambda: happened())
    play.take(Recover(), Revert({}, None), Resume())
    told = play.take(Probed(play.next(), "did_not_happen", None)) + play.advance()
    assert told == ["task.reverting b", "task.reverted b", "task.reverting a"]
    assert play.succeed()[-1] == "run.reverted"


def reverting_crashed(**options: object) -> Play:
    play = begun(linear("f").add(step("a", **options), step("b")))
    play.succeed()
    play.fail()
    play.succeed()
    play.calls.clear()
    return play


def test_a_revert_cut_short_is_run_again() -> None:
    play = reverting_crashed()
    assert play.take(Recover(), Resume()) + play.advance() == ["task.revert_unknown a", "task.reverting a"]
    assert play.next().attempt == 2
    play.calls.append(play.calls[-1]) if play.calls else None


def test_a_revert_cut_short_asks_where_it_was_told_to() -> None:
    play = reverting_crashed(revert_recovery=Recovery.ASK)
    assert play.take(Recover(), Resume()) + play.advance() == ["task.revert_unknown a", "run.failure"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("happened", ["task.reverted a", "run.reverted"]),
        ("did_not_happen", ["task.reverting a"]),
        ("dont_know", ["run.failure"]),
    ],
)
def test_a_probe_settles_a_revert_cut_short(answer: str, told: list[str]) -> None:
    play = reverting_crashed(revert_recovery=Recovery.PROBE, probe_revert=lambda: happened())
    play.take(Recover(), Resume())
    call = play.next()
    assert call.kind == "probe_revert"
    assert play.take(Probed(call, answer, b"1" if answer == "happened" else None)) + play.advance() == told


def test_a_transaction_broken_off_is_recorded_and_tried_again() -> None:
    play = begun(linear("f").add(step("a")))
    assert play.take(Aborted(play.next(), "40001")) == ["task.waiting a", "task.running a"]
    assert play.next().attempt == 2


def test_a_crash_after_a_transaction_was_broken_off_goes_on_with_it() -> None:
    play = begun(linear("f").add(step("a")))
    play.fold(Draft("task.waiting", {"atom": 0, "execution": 1, "attempt": 1}))
    play.calls.clear()
    assert play.take(Recover(), Resume()) + play.advance() == ["task.running a"]


def test_an_empty_flow_is_a_success() -> None:
    play = Play(unordered("f"))
    assert play.take(Resume()) + play.advance() == ["run.running", "run.success"]


def test_nested_and_empty_flows_are_walked_through() -> None:
    flow = linear("f").add(
        unordered("e"), unordered("u").add(step("a"), step("b")), linear("l"), unordered("w").add(step("c"), step("d"))
    )
    play = begun(flow, capacity=9)
    assert [call.atom for call in play.calls] == [0, 1]
    assert starts(play.succeed()) == []
    assert starts(play.succeed()) == ["c", "d"]
    play.succeed()
    assert play.succeed()[-1] == "run.success"


@pytest.mark.parametrize(
    ("draft", "said"),
    [
        (Draft("task.success", {"atom": 1, "execution": 1, "attempt": 1}), "'b' is PENDING and cannot become SUCCESS"),
        (
            Draft("task.reverted", {"atom": 0, "execution": 1, "attempt": 1, "outcome": "reverted"}),
            "RUNNING and cannot",
        ),
        (Draft("run.reverted", {}), "the run is RUNNING and cannot become REVERTED"),
        (Draft("task.exploded", {}), "does not know the type 'task.exploded'"),
    ],
)
def test_a_record_that_the_machine_does_not_allow_is_refused(draft: Draft, said: str) -> None:
    play = begun(linear("f").add(step("a"), step("b")))
    with pytest.raises(CorruptLog, match=said):
        play.fold(draft)


def two_unknown(first: Recovery, second: Recovery) -> Play:
    """Two siblings that were running when their process died."""
    options = {"probe": lambda: happened()}
    a = step("a", recovery=first, **(options if first is Recovery.PROBE else {}))
    b = step("b", recovery=second, **(options if second is Recovery.PROBE else {}))
    play = begun(unordered("f").add(a, b), capacity=2)
    play.calls.clear()
    return play


def test_a_suspend_without_an_owner_does_not_lose_a_revert_cut_short() -> None:
    play = reverting_crashed()
    told = play.take(Recover(), Suspend({}, None)) + play.advance()
    assert told == ["task.revert_unknown a", "task.reverting a"]
    assert play.succeed() == ["task.reverted a", "run.reverted"]


def test_what_a_probe_denies_is_not_executed_again_when_a_sibling_has_failed() -> None:
    play = begun(
        unordered("f").add(step("a", recovery=Recovery.PROBE, probe=lambda: happened()), step("b")), capacity=2
    )
    play.take(Suspend({}, None))
    lost, failing = play.calls
    play.calls[:] = [failing]
    play.fail()
    assert play.state.run is RunState.SUSPENDING and lost.atom == 0
    play.calls.clear()
    told = play.take(Recover(), Resume())
    assert told == ["task.unknown a", "run.suspended", "run.running", "run.reverting"]
    assert play.take(Probed(play.next(), "did_not_happen", None)) == ["task.reverting a", "task.reverted a"]
    assert [call.kind for call in play.calls] == []


def test_a_probe_that_answers_after_another_could_not_leaves_the_atom_as_it_is() -> None:
    play = two_unknown(Recovery.PROBE, Recovery.PROBE)
    play.take(Recover(), Resume())
    first, second = play.next(), play.next()
    assert play.take(Probed(first, "dont_know", None)) == ["run.failure"]
    assert play.take(Probed(second, "did_not_happen", None)) == []
    assert play.state.task == [TaskState.UNKNOWN] * 2


def test_a_suspend_during_probes_leaves_what_is_unknown_for_later() -> None:
    play = two_unknown(Recovery.PROBE, Recovery.RERUN)
    play.take(Recover(), Resume())
    assert play.take(Suspend({}, None)) == ["run.suspending"]
    assert play.take(Probed(play.next(), "did_not_happen", None)) + play.advance() == ["run.suspended"]
    told = play.take(Recover(), Resume())
    assert told == ["run.running"] and [call.kind for call in play.calls] == ["probe"]
    assert play.take(Probed(play.next(), "did_not_happen", None)) + play.advance() == [
        "task.running a",
        "task.running b",
    ]


def test_a_pending_run_can_be_suspended_and_reverted() -> None:
    play = Play(linear("f").add(step("a")))
    assert play.take(Suspend({}, None)) + play.advance() == ["run.running", "run.suspending", "run.suspended"]
    play = Play(linear("f").add(step("a")))
    assert play.take(Revert({}, None), Resume()) + play.advance() == ["run.running", "run.reverting", "run.reverted"]


def test_a_probe_that_raises_is_described_where_the_run_stops() -> None:
    play = crashed(recovery=Recovery.PROBE, probe=lambda: happened())
    play.take(Recover(), Resume())
    assert play.take(Failed(play.next(), ("ValueError",), b'{"why": 1}')) == ["run.failure"]
    assert play.records[-1].value == b'{"why": 1}'
