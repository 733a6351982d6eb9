"""SEMANTICS §4 and DESIGN's machine: what a person may do, and that each of it is a record with who and why."""

from __future__ import annotations

from typing import Any

import pytest
from sagalog_story import ALWAYS, Refused, Step, of_type, states

from sagalog import Engine, RunState, SagalogError, Task, linear


class Lost(Step):
    """Interrupted in its first call; a person has to say what became of it."""

    recovery = "ASK"

    def execute(self, **arguments: Any) -> str:
        done = super().execute(**arguments)
        if self.calls == 1:
            raise KeyboardInterrupt
        return done


def lost(engine: Engine, lost: Task, *others: Task) -> Any:
    """The id of a run that has stopped because a person has to say what became of a task."""
    run_id = engine.new_id()
    with pytest.raises(KeyboardInterrupt):
        engine.run(linear(f"lost {lost.name}").add(lost, *others), run_id=run_id)
    assert engine.resume(run_id, raises=False).state is RunState.FAILURE
    return run_id


def test_a_person_may_say_that_it_succeeded_and_with_what(engine: Engine) -> None:
    step, asks = Lost("one", provides="x"), Step("asks", requires=["x"])
    run_id = lost(engine, step, asks)
    engine.amend(run_id, "one", state="SUCCESS", result={"id": 7}, by="ann", reason="seen at the bank")
    done = engine.resume(run_id)
    assert done.state is RunState.SUCCESS and step.calls == 1 and asks.given == {"x": {"id": 7}}


def test_a_person_may_say_that_it_failed(engine: Engine) -> None:
    step = Lost("two")
    run_id = lost(engine, step)
    engine.amend(run_id, "two", state="FAILURE", by="ann", reason="not at the bank")
    assert engine.resume(run_id, raises=False).state is RunState.REVERTED and step.calls == 1


def test_a_person_may_say_that_it_never_took_place(engine: Engine) -> None:
    step = Lost("three")
    run_id = lost(engine, step)
    engine.amend(run_id, "three", state="PENDING", by="ann", reason="the line was down")
    assert engine.resume(run_id).state is RunState.SUCCESS and step.calls == 2


def test_a_failure_may_be_declared_a_success(engine: Engine) -> None:
    bad, last = Step("bad", fails=ALWAYS, provides="x"), Step("last", requires=["x"])
    stopped = engine.run(linear("declared").add(bad, last), raises=False, never_resolve=True)
    engine.amend(stopped.id, "bad", state="SUCCESS", result=5, by="ann", reason="done by hand")
    assert engine.resume(stopped.id).state is RunState.SUCCESS and last.given == {"x": 5}


def test_what_a_person_did_is_a_record_with_who_and_why(engine: Engine) -> None:
    run_id = lost(engine, Lost("four"))
    amended = engine.amend(run_id, "four", state="SUCCESS", by="ann", reason="seen at the bank")
    (record,) = of_type(engine, amended, "operator.amended")
    assert record.atom == "four" and (record.value["by"], record.value["reason"]) == ("ann", "seen at the bank")


@pytest.mark.parametrize(
    ("atom", "state"),
    [("first", "RUNNING"), ("first", "FAILURE"), ("last", "SUCCESS"), ("five", "REVERTED"), ("five", "ODD")],
)
def test_an_impossible_amendment_is_refused_and_changes_nothing(engine: Engine, atom: str, state: str) -> None:
    run_id = engine.new_id()
    with pytest.raises(KeyboardInterrupt):
        engine.run(linear("impossible").add(Step("first"), Lost("five"), Step("last")), run_id=run_id)
    before = engine.resume(run_id, raises=False)
    with pytest.raises(SagalogError, match=f"{atom}|{state}"):
        engine.amend(run_id, atom, state=state, by="ann", reason="why not")
    after = engine.state(run_id)
    assert states(after) == states(before) and of_type(engine, after, "operator.amended") == []


def test_an_amendment_needs_an_atom_that_is_there(engine: Engine) -> None:
    run_id = lost(engine, Lost("six"))
    with pytest.raises(SagalogError, match="stranger"):
        engine.amend(run_id, "stranger", state="SUCCESS", by="ann", reason="?")


class Stuck(Step):
    """Its revert fails as often as it is told."""

    def __init__(self, name: str, times: int) -> None:
        self.left = times
        super().__init__(name)

    def revert(self, **arguments: Any) -> None:
        super().revert(**arguments)
        if self.left:
            self.left -= 1
            raise Refused(f"{self.name} stays")


def stuck(engine: Engine, step: Stuck) -> Any:
    """A run that stopped because a revert failed."""
    run = engine.run(linear(f"stuck {step.name}").add(Step("first"), step, Step("bad", fails=ALWAYS)), raises=False)
    assert run.state is RunState.FAILURE
    return run


def test_retry_revert_tries_a_revert_that_failed_again(engine: Engine) -> None:
    step = Stuck("again", 1)
    run = stuck(engine, step)
    done = engine.retry_revert(run.id, "again", by="ann", reason="the shop is open now")
    assert done.state is RunState.REVERTED and step.notes.count("-again") == 2
    assert "the shop is open now" in str([record.value for record in engine.history(run.id)])


def test_skip_revert_declares_it_done_and_the_run_ends_partly_reverted(engine: Engine) -> None:
    step = Stuck("skipped", 99)
    run = stuck(engine, step)
    done = engine.skip_revert(run.id, "skipped", by="ann", reason="written off")
    assert done.state is RunState.REVERTED_PARTLY
    assert states(done) == {"first": "REVERTED", "skipped": "REVERTED", "bad": "REVERTED"}
    assert step.notes.count("-skipped") == 1
    words = [record.value for record in engine.history(run.id) if isinstance(record.value, dict)]
    assert {("ann", "written off")} <= {(value.get("by"), value.get("reason")) for value in words}


@pytest.mark.parametrize("action", ["retry_revert", "skip_revert"])
def test_both_are_refused_where_no_revert_has_failed(engine: Engine, action: str) -> None:
    done = engine.run(linear("fine").add(Step("a")))
    with pytest.raises(SagalogError, match=action):
        getattr(engine, action)(done.id, "a", by="ann", reason="why not")


def test_a_finished_run_can_be_reverted_by_a_person_with_a_reason(engine: Engine) -> None:
    done = engine.run(linear("finished").add(Step("a"), Step("b")))
    back = engine.revert(done.id, reason="customer withdrew", by="ann")
    assert back.state is RunState.REVERTED and back.reason == "customer withdrew"
