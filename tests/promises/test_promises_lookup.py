"""SEMANTICS §1: where an argument comes from, and what is said when it comes from nowhere."""

from __future__ import annotations

from typing import Any

import pytest
from sagalog_story import ALWAYS, Step, states

from sagalog import (
    AmbiguousDependency,
    Engine,
    FunctorTask,
    MissingArgument,
    RunState,
    UnknownSource,
    graph,
    linear,
    unordered,
)


def gives(name: str, value: Any, provides: str = "x") -> FunctorTask:
    return FunctorTask(lambda: value, name, provides=provides)


def handed(engine: Engine, flow: Any, asks: Step, inputs: Any = None) -> Any:
    """What the step was handed as x."""
    assert engine.run(flow, inputs).state is RunState.SUCCESS
    return asks.given.get("x")


def test_an_atoms_own_constant_comes_before_inputs_and_providers(engine: Engine) -> None:
    asks = Step("asks", requires=["x"], inject={"x": "own"})
    assert handed(engine, linear("f").add(gives("p", "provided"), asks), asks, {"x": "input"}) == "own"


def test_the_runs_inputs_come_before_providers(engine: Engine) -> None:
    asks = Step("asks", requires=["x"])
    flow = linear("f").add(gives("p", "provided"), asks)
    assert handed(engine, flow, asks, {"x": "input"}) == "input"
    assert handed(engine, flow, asks) == "provided"


def test_the_nearest_earlier_provider_counts(engine: Engine) -> None:
    asks = Step("asks", requires=["x"])
    assert handed(engine, linear("f").add(gives("far", 1), gives("near", 2), asks, gives("behind", 3)), asks) == 2


def test_nested_flows_are_expanded_on_the_way(engine: Engine) -> None:
    asks = Step("asks", requires=["x"])
    nested = linear("n").add(linear("deeper").add(gives("near", 2)), gives("y", 9, "y"))
    assert handed(engine, linear("f").add(gives("far", 1), nested, asks), asks) == 2


def test_then_the_flows_around_are_looked_into(engine: Engine) -> None:
    asks = Step("asks", requires=["x"])
    inner = linear("a").add(linear("b").add(gives("y", 9, "y"), asks))
    assert handed(engine, linear("f").add(gives("p", 1), inner), asks) == 1


def test_unordered_siblings_never_see_each_other(engine: Engine) -> None:
    asks = Step("asks", requires=["x"])
    siblings = unordered("u").add(gives("sibling", 2), asks)
    assert handed(engine, linear("f").add(gives("before", 1), siblings), asks) == 1
    with pytest.raises(MissingArgument, match=r"asks.*'x'"):
        engine.run(unordered("u").add(gives("sibling", 2), Step("asks", requires=["x"])))


def test_what_comes_later_is_never_seen(engine: Engine) -> None:
    with pytest.raises(MissingArgument):
        engine.run(linear("f").add(Step("asks", requires=["x"]), gives("later", 1)))


@pytest.mark.parametrize("order", ["consumer first", "consumer last"])
def test_two_equally_near_providers_in_a_graph_are_ambiguous_whenever_they_were_added(engine: Engine, order: str) -> None:
    providers, asks = [gives("p", 1), gives("q", 2)], Step("asks", requires=["x"])
    with pytest.raises(AmbiguousDependency, match=r"asks.*'x'.*'p'.*'q'"):
        engine.run(graph("g").add(*([asks, *providers] if order == "consumer first" else [*providers, asks])))


def test_a_missing_argument_is_said_before_the_run_naming_atom_argument_and_what_was_visible(alone: Engine) -> None:
    flow = linear("f").add(gives("p", 1, "there"), Step("asks", requires=["absent"]))
    with pytest.raises(MissingArgument, match=r"(?s)'asks'.*'absent'.*there"):
        alone.run(flow)
    assert list(alone.runs()) == []


def test_an_optional_argument_whose_provider_cannot_be_seen_has_its_default(engine: Engine) -> None:
    maybe = FunctorTask(lambda x="default": x, "maybe", provides="seen")
    assert engine.run(unordered("u").add(gives("sibling", 2), maybe)).results["seen"] == "default"


def test_a_revert_looks_its_arguments_up_for_itself(engine: Engine) -> None:
    seen: list[Any] = []

    def revert(x: Any, more: Any) -> None:
        seen.append((x, more))

    undone = FunctorTask(lambda x: None, "undone", revert=revert)
    flow = linear("f").add(gives("p", 1), gives("m", 2, "more"), undone, Step("bad", fails=ALWAYS))
    engine.run(flow, raises=False)
    assert seen == [(1, 2)]


def test_fetch_agrees_with_what_an_argument_at_the_end_is_handed(engine: Engine) -> None:
    asks = Step("asks", requires=["x"])
    flow = linear("f").add(gives("far", 1), linear("n").add(gives("near", 2)), asks)
    done = engine.run(flow)
    assert done.fetch("x") == asks.given["x"] == done.results["x"] == 2
    given = engine.run(flow, {"x": 5})
    assert given.fetch("x") == asks.given["x"] == 5


def test_a_failed_providers_value_is_never_handed_out(engine: Engine) -> None:
    bad = Step("bad", fails=ALWAYS, provides="x")
    done = engine.run(linear("f").add(gives("p", 1), bad, Step("asks", requires=["x"])), raises=False, never_resolve=True)
    assert states(done) == {"p": "SUCCESS", "bad": "FAILURE", "asks": "PENDING"}
    assert "x" not in done.results
    with pytest.raises(UnknownSource, match=r"'x'.*'bad'.*FAILURE"):
        done.fetch("x")
