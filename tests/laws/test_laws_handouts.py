"""Law 8: whoever is handed a value has one of his own, as fresh as one from the log."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sagalog.config import Settings
from sagalog.engine.definition import FunctorTask, linear
from sagalog.engine.runtime.app import Sagalog
from sagalog.engine.runtime.engine import Engine


def spoiling(seen: list[Any]) -> Any:
    """Notes what it is handed, then spoils it."""

    def code(items: list[int]) -> None:
        seen.append(list(items))
        items.append(99)

    return code


def test_constants_are_handed_out_anew_to_execute_to_revert_and_to_the_next_run(engine: Engine) -> None:
    seen: list[Any] = []
    mine = [1]
    flow = linear("f").add(FunctorTask(spoiling(seen), name="t", inject={"items": mine}, revert=spoiling(seen)))
    for _ in range(2):
        engine.revert(engine.run(flow).id, reason="again")
    assert seen == [[1]] * 4 and mine == [1]


@pytest.mark.parametrize("how", ["blocking", "async"])
def test_a_revert_is_handed_what_the_task_returned_and_not_what_became_of_it(settings: Settings, how: str) -> None:
    """The task keeps what it returned, and changes it: the log does not know of that, nor does the revert."""
    kept: list[list[int]] = []
    seen: list[Any] = []

    def make() -> list[int]:
        kept.append([1])
        return kept[-1]

    def fail() -> None:
        kept[-1].append(99)
        raise ValueError

    flow = linear("f").add(
        FunctorTask(make, name="make", provides="items", revert=lambda result: seen.append(result)),
        FunctorTask(fail, name="fail"),
    )

    async def on_loop(engine: Engine) -> None:
        async with engine:
            await engine.arun(flow, raises=False)

    engine = Engine.open(settings=settings)
    if how == "async":
        asyncio.run(on_loop(engine))
    else:
        with engine:
            engine.run(flow, raises=False)
    assert kept == [[1, 99]]
    assert seen == [[1]]


def test_what_a_caller_does_to_what_he_was_shown_changes_nothing(engine: Engine) -> None:
    flow = linear("f").add(FunctorTask(lambda items: {"items": items}, name="t", provides="basket"))
    run = engine.run(flow, {"items": [1]}, tags={"of": ["me"]})
    for shown in (run, engine.state(run.id)):
        shown.inputs["items"].append(99)
        shown.results["basket"]["items"].append(99)
        shown.tags["of"].append("him")
        assert (shown.inputs, shown.results) == ({"items": [1]}, {"basket": {"items": [1]}})
        assert shown.tags == {"of": ["me"]}
    (record,) = [record for record in engine.history(run.id) if record.type == "task.success"]
    record.value["items"].append(99)
    assert record.value == {"items": [1]}


def test_a_run_that_goes_on_elsewhere_hands_out_the_same(settings: Settings) -> None:
    """What a task is handed from memory, its rerun in another process is handed from the log: the very same."""
    seen: list[Any] = []
    stop = [KeyboardInterrupt]

    def make(given: Any) -> Any:
        return {"pair": (given, {2}), 3: b"raw"}

    def look(given: Any, made: Any, more: Any) -> None:
        seen.append(repr((given, made, more)))
        while stop:
            raise stop.pop()

    def flow() -> Any:
        return linear("f").add(
            FunctorTask(make, name="make", provides="made"),
            FunctorTask(look, name="look", inject={"more": (1, frozenset({2}))}),
        )

    with Engine.open(settings=settings) as engine, pytest.raises(KeyboardInterrupt):
        engine.run(flow(), {"given": (0, 2.5)}, key="k")
    with Engine.open(settings=settings, app=Sagalog(flows=[flow()])) as other:
        (run,) = other.resume_all()
    assert len(seen) == 2 and seen[0] == seen[1]
    assert "((0, 2.5), {2})" in seen[0]
    assert list(run.results) == ["made"]


def test_the_views_of_a_run_are_not_shared_between_readings(engine: Engine) -> None:
    run = engine.run(linear("f").add(FunctorTask(lambda: [1], name="t")))
    run.atoms["t"].result.append(99)
    assert run.atoms["t"].result == [1]
