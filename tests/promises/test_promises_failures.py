"""SEMANTICS §3: reverts that raise, `never_resolve`, what is raised to the caller, and to what a run is pinned."""

from __future__ import annotations

from typing import Any

import pytest
from sagalog_story import ALWAYS, Refused, Step, lines, of_type, states, story

from sagalog import DefinitionChanged, Engine, FlowFailed, RunState, Settings, Times, linear


class Stuck(Step):
    """Its revert fails as often as it is told."""

    def __init__(self, name: str, times: int, **options: Any) -> None:
        self.left = times
        super().__init__(name, **options)

    def revert(self, **arguments: Any) -> None:
        super().revert(**arguments)
        if self.left:
            self.left -= 1
            raise Refused(f"{self.name} stays")


def test_a_revert_that_raises_stops_the_reverting_and_the_run_is_in_failure_with_both(engine: Engine) -> None:
    first = Step("first")
    done = engine.run(linear("f").add(first, Stuck("stuck", 1), Step("bad", fails=ALWAYS)), raises=False)
    assert done.state is RunState.FAILURE
    assert states(done) == {"first": "SUCCESS", "stuck": "REVERT_FAILURE", "bad": "REVERTED"}
    assert [failure.message for failure in done.failures] == ["bad 1", "stuck stays"]
    assert first.undone == {}


def test_the_whole_order_of_a_revert_that_failed_is_in_the_log(engine: Engine) -> None:
    done = engine.run(linear("f").add(Stuck("stuck", 1), Step("bad", fails=ALWAYS)), raises=False)
    assert story(engine, done) == lines("""
        run.running
        task.running stuck
        task.success stuck
        task.running bad
        task.failure bad
        run.reverting
        task.reverting bad
        task.reverted bad
        task.reverting stuck
        task.revert_failure stuck
        run.failure
    """)


def test_going_on_later_tries_that_revert_again_and_then_the_others(engine: Engine) -> None:
    first, stuck = Step("first"), Stuck("stuck", 1)
    done = engine.run(linear("again").add(first, stuck, Step("bad", fails=ALWAYS)), raises=False)
    gone_on = engine.resume(done.id, raises=False)
    assert gone_on.state is RunState.REVERTED and stuck.notes.count("-stuck") == 2
    assert set(states(gone_on).values()) == {"REVERTED"} and first.undone["result"] == "first 1"


def test_a_revert_that_fails_while_a_retry_undoes_its_flow_stops_the_run_too(engine: Engine) -> None:
    done = engine.run(linear("f", Times(3, name="r")).add(Stuck("stuck", 1), Step("bad", fails=ALWAYS)), raises=False)
    assert done.state is RunState.FAILURE and states(done)["stuck"] == "REVERT_FAILURE"


def test_never_resolve_stops_at_failure_without_reverting_anything(engine: Engine) -> None:
    flow = linear("f", Times(3, name="r")).add(Step("a"), Step("bad", fails=ALWAYS))
    done = engine.run(flow, raises=False, never_resolve=True)
    assert done.state is RunState.FAILURE
    assert states(done) == {"r": "SUCCESS", "a": "SUCCESS", "bad": "FAILURE"}
    assert of_type(engine, done, "retry.consulted") == []


def test_a_run_that_was_never_resolved_can_be_reverted_by_a_person(engine: Engine) -> None:
    done = engine.run(linear("f").add(Step("a"), Step("bad", fails=ALWAYS)), raises=False, never_resolve=True)
    assert engine.revert(done.id, reason="enough").state is RunState.REVERTED


def test_what_is_raised_is_flow_failed_with_the_live_exception_as_its_cause(engine: Engine) -> None:
    with pytest.raises(FlowFailed) as caught:
        engine.run(linear("f").add(Step("a"), Step("bad", fails=ALWAYS)))
    assert [failure.message for failure in caught.value.failures] == ["bad 1"]
    assert isinstance(caught.value.__cause__, Refused)
    assert engine.state(caught.value.run_id).state is RunState.REVERTED


def test_the_same_is_raised_after_a_resume_in_another_process(engine: Engine, shared: Settings) -> None:
    with pytest.raises(FlowFailed) as first:
        engine.run(linear("raised again").add(Step("bad", fails=ALWAYS)))
    with (
        Engine.open(settings=shared, flows=[linear("raised again").add(Step("bad"))]) as other,
        pytest.raises(FlowFailed) as again,
    ):
        other.resume(first.value.run_id)
    assert (again.value.run_id, again.value.failures) == (first.value.run_id, first.value.failures)
    assert again.value.__cause__ is None


def test_a_run_is_pinned_to_its_definition_and_another_is_refused_with_a_readable_diff(
    engine: Engine, shared: Settings
) -> None:
    begun = engine.start(linear("pinned").add(Step("a"), Step("b")))
    with (
        Engine.open(settings=shared, flows=[linear("pinned").add(Step("a"), Step("c"))]) as other,
        pytest.raises(DefinitionChanged, match="'pinned'") as refused,
    ):
        other.resume(begun.id)
    assert "'b'" in str(refused.value) and "'c'" in str(refused.value)
    assert engine.resume(begun.id).state is RunState.SUCCESS


def test_another_retry_or_another_number_of_tries_is_another_definition_only_if_its_type_or_version_differs(
    engine: Engine, shared: Settings
) -> None:
    begun = engine.start(linear("pinned retry", Times(2, name="r")).add(Step("a")))
    with (
        Engine.open(settings=shared, flows=[linear("pinned retry").add(Step("a"))]) as other,
        pytest.raises(DefinitionChanged, match="'r'"),
    ):
        other.resume(begun.id)
    with Engine.open(settings=shared, flows=[linear("pinned retry", Times(5, name="r")).add(Step("a"))]) as other:
        assert other.resume(begun.id).state is RunState.SUCCESS


def test_policies_timeouts_and_executors_may_change_while_a_run_is_under_way(engine: Engine, shared: Settings) -> None:
    begun = engine.start(linear("unpinned").add(Step("a")))
    other_way = Step("a", retry_policy={"max_attempts": 2}, timeout=5, executor="thread")
    with Engine.open(settings=shared, flows=[linear("unpinned").add(other_way)]) as other:
        assert other.resume(begun.id).state is RunState.SUCCESS
