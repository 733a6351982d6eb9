"""SEMANTICS §4: suspend, resume, reset, steps, tick, pending; what becomes of a run whose process is gone; run modes."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Container, Iterator
from typing import Any

import attrs
import psycopg
import pytest
from sagalog_story import ALWAYS, Hands, Step, of_type, states

from sagalog import (
    Engine,
    MissingArgument,
    Record,
    Recovery,
    RetryPolicy,
    Run,
    RunState,
    SagalogError,
    Settings,
    Times,
    did_not_happen,
    happened,
    linear,
)


class Cut(Step):
    """As if its process died: it is interrupted in the calls (from 1) that it is told."""

    def __init__(self, name: str, cuts: Container[int] = (1,), **options: Any) -> None:
        self.cuts = cuts
        super().__init__(name, **options)

    def execute(self, **arguments: Any) -> str:
        done = super().execute(**arguments)
        if self.calls in self.cuts:
            raise KeyboardInterrupt
        return done


def interrupted(engine: Engine, flow: Any, inputs: Any = None, **options: Any) -> Any:
    """The id of a run of which nobody knows what its last task did."""
    run_id = engine.new_id()
    with pytest.raises(KeyboardInterrupt):
        engine.run(flow, inputs, run_id=run_id, **options)
    return run_id


# --- suspend, resume -----------------------------------------------------------------------------------------------


def test_suspend_lets_what_runs_finish_and_starts_nothing_new(engine: Engine, shared: Settings) -> None:
    at_work, go_on = threading.Event(), threading.Event()

    class Patient(Step):
        def execute(self, **arguments: Any) -> str:
            at_work.set()
            assert go_on.wait(20)
            return super().execute(**arguments)

    flow, run_id = linear("suspended").add(Patient("a"), Step("b")), engine.new_id()
    running = threading.Thread(target=lambda: engine.run(flow, run_id=run_id, raises=False))
    running.start()
    with (
        Engine.open(settings=shared, flows=[flow]) as other,
        psycopg.connect(str(shared.database_url), autocommit=True) as log,
    ):
        assert at_work.wait(10)
        asking = threading.Thread(target=lambda: other.suspend(run_id, reason="lunch"))
        asking.start()
        while not log.execute("select 1 from sagalog.inbox where stream_id = %s", [run_id]).fetchall():
            time.sleep(0.01)
        time.sleep(shared.poll)  # the owner looks no more often than that
        go_on.set()
        asking.join(20)
        running.join(20)
        told = other.state(run_id)
    assert told.state is RunState.SUSPENDED and told.reason == "lunch"
    assert states(told) == {"a": "SUCCESS", "b": "PENDING"}
    assert [record.facts["kind"] for record in of_type(engine, told, "message.accepted")] == ["suspend"]
    assert engine.resume(run_id).state is RunState.SUCCESS


def test_resume_goes_on_where_a_run_stopped(engine: Engine) -> None:
    first, cut = Step("first"), Cut("cut")
    run_id = interrupted(engine, linear("resumed").add(first, cut))
    assert engine.resume(run_id).state is RunState.SUCCESS
    assert (first.calls, cut.calls) == (1, 2)


def test_a_settled_run_stays_as_it_is(engine: Engine) -> None:
    done = engine.run(linear("settled").add(Step("a")))
    assert engine.resume(done.id).version == done.version


# --- a process that is gone ----------------------------------------------------------------------------------------


def test_what_had_succeeded_is_kept(engine: Engine) -> None:
    first = Step("first", provides="x")
    cut = Cut("cut", requires=["x"])
    engine.resume(interrupted(engine, linear("kept").add(first, cut)))
    assert first.calls == 1 and cut.given == {"x": "first 1"}


def test_a_failure_asks_the_resolution_again(engine: Engine) -> None:
    class Asked(Times):
        asked = 0

        def on_failure(self, *args: Any, **kwargs: Any) -> Any:
            self.asked += 1
            if self.asked == 1:
                raise KeyboardInterrupt
            return super().on_failure(*args, **kwargs)

    retry, step = Asked(2, name="r"), Step("a", fails=[1])
    assert engine.resume(interrupted(engine, linear("asked again", retry).add(step))).state is RunState.SUCCESS
    assert (retry.asked, step.calls) == (2, 2)


class Probed(Cut):
    """Can be asked."""

    answer: Any = happened("seen")

    def probe(self, **arguments: Any) -> Any:
        return self.answer


class NotDone(Probed):
    answer = did_not_happen


@pytest.mark.parametrize(
    ("kind", "recovery", "calls", "result"),
    [
        (Cut, Recovery.RERUN, 2, "cut 2"),
        (Cut, "SKIP", 1, None),
        (Probed, "PROBE", 1, "seen"),
        (NotDone, Recovery.PROBE, 2, "cut 2"),
        (Cut, {"ACTIVE": "SKIP"}, 1, None),
        (Cut, {"READY": "SKIP", "FAILURE": "SKIP", "SUCCESS": "RERUN"}, 2, "cut 2"),
    ],
    ids=str,
)
def test_what_was_running_is_unknown_and_goes_by_its_recovery_or_by_active_of_its_map(
    engine: Engine, kind: Any, recovery: Any, calls: int, result: Any
) -> None:
    first, cut, last = Step("first"), kind("cut", recovery=recovery), Step("last")
    run_id = interrupted(engine, linear("unknown").add(first, cut, last))
    assert states(engine.state(run_id))["cut"] in ("RUNNING", "UNKNOWN")
    done = engine.resume(run_id)
    assert done.state is RunState.SUCCESS
    assert (cut.calls, done.atoms["cut"].result) == (calls, result)
    assert first.calls == last.calls == 1
    assert len(of_type(engine, done, "task.unknown")) == 1


def test_ask_leaves_it_to_a_person(engine: Engine) -> None:
    cut = Cut("cut", recovery="ASK")
    stopped = engine.resume(interrupted(engine, linear("ask").add(cut)), raises=False)
    assert stopped.state is RunState.FAILURE and states(stopped) == {"cut": "UNKNOWN"} and cut.calls == 1
    assert "'cut'" in str(stopped.reason)


# --- steps, tick, pending, reset, validate -------------------------------------------------------------------------


def test_steps_goes_on_one_step_of_the_machine_at_a_time(engine: Engine) -> None:
    notes: list[str] = []
    begun = engine.start(linear("steps").add(Step("a", notes), Step("b", notes)))
    seen: list[Record] = []
    steps: Iterator[Record] = engine.steps(begun.id)
    for record in steps:
        seen.append(record)
        if record.type == "task.running" and record.atom == "b":
            break
    assert notes == ["a"]
    seen.extend(steps)
    assert notes == ["a", "b"]
    assert [record.version for record in seen] == [
        record.version for record in engine.history(begun.id) if record.type != "run.created"
    ][-len(seen) :]
    assert seen[-1].type == "run.success"


def test_a_run_left_between_two_steps_can_be_resumed(engine: Engine) -> None:
    notes: list[str] = []
    begun = engine.start(linear("left").add(Step("a", notes), Step("b", notes)))
    steps = engine.steps(begun.id)
    list(itertools.islice(steps, 3))
    steps.close()  # type: ignore[attr-defined]  # it is a generator
    assert engine.resume(begun.id).state is RunState.SUCCESS and notes[-1] == "b"


def test_tick_does_all_that_is_due_and_returns_however_much_still_waits(timed: Engine, hands: Hands) -> None:
    step = Step("a", fails=[1, 2], retry_policy=RetryPolicy(3, 30, 100))
    begun = timed.start(linear("ticking").add(step, Step("b")))
    timed.tick(begun.id)
    assert step.calls == 2 and timed.state(begun.id).state is RunState.WAITING
    assert timed.tick(begun.id) == 0
    hands.forward(60)
    assert timed.tick(begun.id) > 0
    assert timed.state(begun.id).state is RunState.SUCCESS


def test_tick_of_no_run_in_particular_is_for_all_of_them(alone: Engine, hands: Hands) -> None:
    with Engine.open(settings=alone.settings, clock=hands) as engine:
        flow = linear("all").add(Step("a", fails=[1, 2, 3, 4], retry_policy=RetryPolicy(3, 30, 100)))
        runs = [engine.start(flow) for _ in range(2)]
        engine.tick()
        assert {engine.state(run.id).state for run in runs} == {RunState.WAITING}
        hands.forward(60)
        engine.tick()
        assert {engine.state(run.id).state for run in runs} == {RunState.SUCCESS}


def test_pending_counts_what_is_still_to_be_done(engine: Engine) -> None:
    begun = engine.start(linear("counted").add(Step("a"), Step("b"), Step("c")))
    assert engine.pending(begun.id) == 3
    assert engine.resume(begun.id).state is RunState.SUCCESS
    assert engine.pending(begun.id) == 0
    cut = interrupted(engine, linear("cut short").add(Step("a"), Cut("b"), Step("c")))
    assert engine.pending(cut) == 2


def test_reset_makes_a_settled_run_as_if_it_had_never_begun(engine: Engine) -> None:
    notes: list[str] = []
    done = engine.run(linear("reset").add(Step("a", notes), Step("b", notes, fails=[1])), raises=False)
    again = engine.reset(done.id)
    assert again.id == done.id and again.state is RunState.PENDING and set(states(again).values()) == {"PENDING"}
    assert again.failures == [] and again.results == {}
    finished = engine.resume(done.id)
    assert finished.state is RunState.SUCCESS and notes == ["a", "b", "-b", "-a", "a", "b"]
    assert finished.atoms["a"].execution == 2


def test_a_run_that_is_not_settled_cannot_be_reset(engine: Engine) -> None:
    run_id = interrupted(engine, linear("not reset").add(Cut("cut")))
    with pytest.raises(SagalogError, match=r"settled|RUNNING"):
        engine.reset(run_id)


def test_validate_says_what_a_run_would_lack_and_writes_nothing(alone: Engine) -> None:
    flow = linear("valid").add(Step("a", requires=["x"]))
    with pytest.raises(MissingArgument, match=r"'a'.*'x'"):
        alone.validate(flow)
    alone.validate(flow, {"x": 1})
    assert list(alone.runs()) == []


# --- run modes -----------------------------------------------------------------------------------------------------


def failed(engine: Engine, *steps: Step, name: str = "modes", inputs: Any = None) -> Run:
    """A run that stopped at a failure, with nothing reverted."""
    return engine.run(linear(name).add(*steps), inputs, raises=False, never_resolve=True)


def test_restart_makes_a_new_run_and_leaves_the_old_one(engine: Engine) -> None:
    step = Step("a", requires=["x"], fails=[1])
    old = failed(engine, step, inputs={"x": 5})
    new = engine.resume(old.id, mode="RESTART")
    assert new.id != old.id and new.state is RunState.SUCCESS and new.inputs == {"x": 5}
    assert engine.state(old.id).version == old.version and engine.state(old.id).state is RunState.FAILURE


def test_recover_goes_on_in_the_same_stream_and_keeps_what_succeeded(engine: Engine) -> None:
    first, bad = Step("first"), Step("bad", fails=[1])
    old = failed(engine, first, bad, Step("last"))
    done = engine.resume(old.id, mode="RECOVER")
    assert done.id == old.id and done.state is RunState.SUCCESS
    assert (first.calls, bad.calls) == (1, 2)
    assert len(of_type(engine, done, "run.recovered")) == 1


def test_recover_of_a_run_that_was_reverted_runs_its_atoms_again(engine: Engine) -> None:
    first, bad = Step("first"), Step("bad", fails=[1])
    old = engine.run(linear("reverted").add(first, bad), raises=False)
    assert old.state is RunState.REVERTED
    assert engine.resume(old.id, mode="RECOVER").state is RunState.SUCCESS
    assert (first.calls, bad.calls) == (2, 2)


def test_recover_may_change_inputs_and_the_record_says_which(engine: Engine) -> None:
    bad = Step("bad", requires=["x", "y"], fails=[1])
    old = failed(engine, bad, inputs={"x": 1, "y": 2})
    done = engine.resume(old.id, mode="RECOVER", inputs={"x": 10})
    assert bad.given == {"x": 10, "y": 2} and done.inputs == {"x": 10, "y": 2}
    (told,) = of_type(engine, done, "run.recovered")
    assert "x" in str(told.facts) + str(told.value) and "10" in str(told.value)


def test_recover_may_start_from_a_chosen_earlier_point(engine: Engine) -> None:
    steps = [Step("a"), Step("b"), Step("c", fails=[1]), Step("d")]
    old = failed(engine, *steps)
    assert engine.resume(old.id, mode="RECOVER", since="b").state is RunState.SUCCESS
    assert [step.calls for step in steps] == [1, 2, 2, 1]


@pytest.mark.parametrize(
    ("recovery", "calls"),
    [
        ({}, [1, 2, 1]),
        ({"SUCCESS": "SKIP", "FAILURE": "RERUN", "READY": "RERUN"}, [1, 2, 1]),
        ({"SUCCESS": "RERUN"}, [2, 2, 1]),
        ({"FAILURE": "SKIP"}, [1, 1, 1]),
        ({"READY": "SKIP"}, [1, 2, 0]),
    ],
    ids=str,
)
def test_in_recover_the_other_keys_of_a_recovery_map_count(engine: Engine, recovery: Any, calls: list[int]) -> None:
    steps = [Step("ok", recovery=recovery), Step("bad", fails=[1], recovery=recovery), Step("last", recovery=recovery)]
    old = failed(engine, *steps, name=f"map {recovery}")
    assert engine.resume(old.id, mode="RECOVER").state is RunState.SUCCESS
    assert [step.calls for step in steps] == calls


def test_otherwise_the_other_keys_do_not_count(engine: Engine) -> None:
    recovery = {"SUCCESS": "RERUN", "READY": "SKIP", "FAILURE": "SKIP"}
    steps = [Step("ok", recovery=recovery), Cut("cut"), Step("last", recovery=recovery)]
    assert engine.resume(interrupted(engine, linear("no map").add(*steps)), mode="CONTINUE").state is RunState.SUCCESS
    assert [step.calls for step in steps] == [1, 2, 1]


def test_continue_keeps_the_original_start_of_delays(timed: Engine, hands: Hands, shared: Settings) -> None:
    step = Step("a", fails=[1, 2], retry_policy=RetryPolicy(3, 30, 100))
    begun = timed.start(linear("delays").add(step))
    timed.tick(begun.id)
    timed.close()
    hands.forward(50)
    with Engine.open(settings=attrs.evolve(shared), clock=hands, flows=[linear("delays").add(step)]) as other:
        other.tick(begun.id)
        assert step.calls == 2
        hands.forward(10)
        other.tick(begun.id)
        assert step.calls == 3


def test_an_unknown_mode_is_refused(engine: Engine) -> None:
    old = failed(engine, Step("a", fails=ALWAYS))
    with pytest.raises(SagalogError, match="RECOVER"):
        engine.resume(old.id, mode="SIDEWAYS")
