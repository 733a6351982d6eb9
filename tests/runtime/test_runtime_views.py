"""What callers are handed of runs with retries, fan-outs, groups and deciders."""

from __future__ import annotations

from typing import Any

import pytest

from sagalog import (
    Engine,
    Failure,
    FlowError,
    OutcomePolicy,
    ResultSet,
    RetryPolicy,
    RunState,
    TaskState,
    Times,
    UnknownSource,
    each,
    graph,
    linear,
    task,
    unordered,
)
from sagalog.errors import SagalogError


@task(provides="doubled")
def double(item: int) -> int:
    if item < 0:
        raise ValueError(f"{item} is below zero")
    return 2 * item


@task(provides="total")
def add(doubled: Any) -> int:
    return sum(doubled.successes)


@task(provides="label")
def label() -> dict[str, Any]:
    return {"text": ["a"]}


def no(history: Any) -> bool:
    return False


def fanned(outcome: OutcomePolicy = OutcomePolicy.SUCCESS_FOR_PARTIAL_SUCCESS) -> Any:
    return linear("fanned").add(each(double, over="items", outcome=outcome), add)


def test_elements_are_atoms_of_their_own_behind_their_fan_out(engine: Engine) -> None:
    run = engine.run(fanned(), {"items": [1, -2, 3]})
    assert list(run.atoms) == ["double", "double[0]", "double[1]", "double[2]", "add"]
    assert len(run.atoms) == 5 and "double[2]" in run.atoms
    fan, failed = run.atoms["double"], run.atoms["double[1]"]
    assert fan.state is TaskState.SUCCESS and fan.elements == 3 and fan.kind == "task"
    assert isinstance(fan.result, ResultSet) and list(fan.result.successes) == [2, 6]
    assert failed.name == "double[1]" and failed.state is TaskState.FAILURE and failed.result is None
    assert failed.failure is not None and failed.failure.atom == "double[1]" and failed.failure.check(ValueError)
    assert run.atoms["double[2]"].result == 6 and run.atoms["double[2]"].elements is None
    assert {name: view.state for name, view in run.atoms.items()}["add"] is TaskState.SUCCESS
    assert run.results["total"] == 8


@pytest.mark.parametrize("name", ["double[3]", "double[-1]", "double[00]", "double[]", "add[0]", "other", "[0]", 0, None])
def test_what_is_no_atom_is_no_key(engine: Engine, name: Any) -> None:
    run = engine.run(fanned(), {"items": [1, 2, 3]})
    assert name not in run.atoms
    with pytest.raises(KeyError):
        run.atoms[name]


def test_views_of_before_the_list_was_read_have_no_elements(engine: Engine) -> None:
    run = engine.start(fanned(), {"items": [1]})
    assert list(run.atoms) == ["double", "add"] and run.atoms["double"].elements is None
    assert run.atoms["double"].result is None and run.results == {}


def test_a_fan_out_that_failed_tells_why(engine: Engine) -> None:
    run = engine.run(fanned(OutcomePolicy.SUCCESS_ON_ALL_EVENTS_SUCCESS), {"items": [1, -2]}, raises=False)
    failure = run.atoms["double"].failure
    assert run.state is RunState.REVERTED and failure is not None
    assert failure.check("GroupFailed") and "1 of 2 elements failed" in failure.message
    assert [cause.atom for cause in failure.causes] == ["double[1]"]
    assert run.results == {}


def test_views_are_decoded_afresh(engine: Engine) -> None:
    run = engine.run(linear("labels").add(label))
    run.atoms["label"].result["text"].append("b")
    run.fetch("label")["text"].append("c")
    assert run.atoms["label"].result == run.fetch("label") == {"text": ["a"]}


def test_a_retry_says_how_often_its_flow_was_tried(engine: Engine) -> None:
    calls: list[int] = []

    @task
    def stumble() -> None:
        calls.append(1)
        if len(calls) < 3:
            raise ConnectionError("again")

    run = engine.run(linear("stumbling", retry=Times(5, name="five", provides="number")).add(stumble))
    view = run.atoms["five"]
    assert (view.kind, view.state, view.tries, view.execution) == ("retry", TaskState.SUCCESS, 3, 3)
    assert view.result == 3 and run.results == {"number": 3}
    assert run.atoms["stumble"].tries is None


def test_progress_is_the_last_that_was_said_with_its_details(engine: Engine) -> None:
    @task
    def copy(context: Any) -> None:
        context.update_progress(0.25)
        context.update_progress(0.75, {"page": 3})

    run = engine.run(linear("copying").add(copy, label))
    assert (run.atoms["copy"].progress, run.atoms["copy"].details) == (0.75, {"page": 3})
    assert (run.atoms["label"].progress, run.atoms["label"].details) == (None, None)


def test_what_waits_for_its_next_attempt_has_the_failure_of_the_last_and_no_result(engine: Engine) -> None:
    @task(provides="x", retry_policy=RetryPolicy(max_attempts=3, backoff_factor=1000, max_backoff=1000))
    def refused() -> None:
        raise ConnectionError("nobody answers")

    run = engine.start(linear("waiting").add(refused))
    engine.tick(run.id)
    atom = engine.state(run.id).atoms["refused"]
    assert (atom.state, atom.attempt, atom.result) == (TaskState.WAITING, 2, None)
    assert atom.failure is not None and atom.failure.message == "nobody answers" and atom.failure.atom == "refused"


def test_fetch_gives_what_an_argument_of_that_name_is_handed(engine: Engine) -> None:
    seen: dict[str, Any] = {}

    @task(provides="x")
    def one() -> int:
        return 1

    @task(provides="x")
    def two() -> int:
        return 2

    @task
    def last(x: int, y: str) -> None:
        seen.update(x=x, y=y)

    run = engine.run(linear("fetching").add(one, two, last), {"y": "input"})
    assert {name: run.fetch(name) for name in seen} == seen == {"x": 2, "y": "input"}
    run = engine.run(linear("fetching").add(one, two, last), {"y": "input", "x": 0})
    assert {name: run.fetch(name) for name in seen} == seen == {"x": 0, "y": "input"}
    assert run.results["x"] == 2


def test_fetch_passes_by_a_provider_that_was_ignored(engine: Engine) -> None:
    seen: list[Any] = []

    @task(provides="x")
    def near() -> str:
        return "near"

    @task(provides="x")
    def far() -> str:
        return "far"

    @task
    def last(x: str) -> None:
        seen.append(x)

    flow = graph("fallback").add(far, near, last)
    flow.link(far, near, decider=no, decider_depth="ATOM").link(near, last)
    run = engine.run(flow)
    assert run.atoms["near"].state is TaskState.IGNORED
    assert [run.fetch("x")] == seen == ["far"]


def test_fetch_of_a_fan_out_and_of_a_group_gives_the_outcomes_in_order(engine: Engine) -> None:
    @task
    def fails() -> None:
        raise ValueError("no")

    both = unordered("both", outcome=OutcomePolicy.SUCCESS_FOR_PARTIAL_SUCCESS, provides="outcomes").add(label, fails)
    run = engine.run(linear("grouped").add(both))
    outcomes = run.fetch("outcomes")
    assert isinstance(outcomes, ResultSet) and outcomes[0] == {"text": ["a"]} and isinstance(outcomes[1], Failure)
    assert run.results["outcomes"] == outcomes
    assert engine.run(fanned(), {"items": [1, 2]}).fetch("doubled") == [2, 4]


def test_fetch_of_what_is_not_there_says_why(engine: Engine) -> None:
    @task(provides="never")
    def fails() -> None:
        raise ValueError("no")

    run = engine.run(linear("failing").add(label, fails), raises=False)
    with pytest.raises(UnknownSource, match="'fails', which is REVERTED"):
        run.fetch("never")
    with pytest.raises(UnknownSource, match="'label', which is REVERTED"):
        run.fetch("label")
    with pytest.raises(UnknownSource, match=r"no result 'other'; there are 'label', 'never'") as unknown:
        run.fetch("other")
    assert isinstance(unknown.value, FlowError | SagalogError) and str(run.id) in str(unknown.value)


def test_looks_from_the_log_alone_are_the_same(engine: Engine) -> None:
    run = engine.run(fanned(), {"items": [1, -2, 3]})
    seen = engine.state(run.id)
    assert {name: repr(view) for name, view in seen.atoms.items()} == {
        name: repr(view) for name, view in run.atoms.items()
    }
    assert seen.results == run.results and seen.fetch("total") == 8
    assert "Atoms of run" in repr(seen.atoms)
