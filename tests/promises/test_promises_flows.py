"""SEMANTICS §2: the patterns, how they nest, what they say of themselves before a run."""

from __future__ import annotations

from typing import Any

import pytest
from sagalog_story import ALWAYS, Step, states

from sagalog import CycleError, Engine, FlowError, RunState, Times, UnknownSource, graph, linear, unordered

PATTERNS = pytest.mark.parametrize("make", [linear, unordered, graph])


def test_a_linear_flow_runs_its_items_in_order(engine: Engine) -> None:
    notes: list[str] = []
    engine.run(linear("f").add(*(Step(name, notes) for name in "dabc")))
    assert "".join(notes) == "dabc"


def test_what_is_behind_an_unordered_flow_waits_for_all_its_items(engine: Engine) -> None:
    notes: list[str] = []
    engine.run(linear("f").add(unordered("u").add(Step("a", notes), Step("b", notes)), Step("c", notes)))
    assert sorted(notes[:2]) == ["a", "b"] and notes[2:] == ["c"]


def test_a_graph_is_ordered_by_what_its_items_require_and_by_links_made_by_hand(engine: Engine) -> None:
    notes: list[str] = []
    last, needs = Step("last", notes), Step("needs", notes, requires=["x"])
    flow = graph("g").add(last, needs, Step("gives", notes, provides="x"))
    flow.link(needs, last)
    engine.run(flow)
    assert notes == ["gives", "needs", "last"]


@PATTERNS
@pytest.mark.parametrize("inner", [linear, unordered, graph])
def test_each_pattern_nests_in_each(engine: Engine, make: Any, inner: Any) -> None:
    flow = make("outer").add(Step("a"), inner("middle").add(Step("b"), make("deep").add(Step("c"))), Step("d"))
    assert set(states(engine.run(flow)).values()) == {"SUCCESS"}


@PATTERNS
def test_each_pattern_takes_a_retry(engine: Engine, make: Any) -> None:
    flow = make("f", retry=Times(2, name="again")).add(Step("a", fails=[1]))
    done = engine.run(flow)
    assert flow.retry.name == "again"
    assert done.state is RunState.SUCCESS and done.atoms["a"].execution == 2


@PATTERNS
def test_the_constructor_of_a_flow_takes_its_retry_by_place_too(make: Any) -> None:
    retry = Times(2)
    assert make("f", retry).retry is retry
    assert make("f").retry is None


def test_nameless_retries_of_two_flows_do_not_clash(engine: Engine) -> None:
    flow = linear("f", Times(2)).add(linear("g", Times(2)).add(Step("a", fails=[1])))
    done = engine.run(flow)
    assert done.state is RunState.SUCCESS
    assert {view.kind for name, view in done.atoms.items() if name != "a"} == {"retry"}


@PATTERNS
def test_add_chains(make: Any) -> None:
    flow = make("f")
    assert flow.add(Step("a")).add(Step("b"), Step("c")) is flow
    assert len(flow) == 3 and [item.name for item in flow] == ["a", "b", "c"]


def test_requires_and_provides_of_a_flow_are_known_before_a_run() -> None:
    flow = linear("f").add(
        Step("a", requires=["x"], provides="y"), unordered("u").add(Step("b", requires=["y", "z"], provides="w"))
    )
    assert (set(flow.requires), set(flow.provides)) == ({"x", "z"}, {"y", "w"})


def test_requires_and_provides_of_a_flow_include_those_of_its_retry() -> None:
    flow = linear("f", Times(2, provides="try")).add(Step("a", requires=["try", "x"]))
    assert (set(flow.requires), set(flow.provides)) == ({"x"}, {"try"})


def test_a_cycle_is_refused_when_it_is_added() -> None:
    a, b = Step("a"), Step("b")
    flow = graph("g").add(a, b)
    flow.link(a, b)
    with pytest.raises(CycleError):
        flow.link(b, a)
    with pytest.raises(CycleError):
        graph("names").add(Step("p", requires=["x"], provides="y"), Step("q", requires=["y"], provides="x"))


def test_iter_links_and_iter_nodes_tell_what_a_graph_is_made_of() -> None:
    a, b, c = Step("a", provides="x"), Step("b", requires=["x"]), Step("c")
    flow = graph("g").add(a, b, c)
    flow.link(b, c, decider=lambda history: True)
    links = {(u.name, v.name): data for u, v, data in flow.iter_links()}
    assert set(links) == {("a", "b"), ("b", "c")}
    assert links["a", "b"]["reasons"] == {"x"} or list(links["a", "b"]["reasons"]) == ["x"]
    assert links["a", "b"].get("decider") is None and callable(links["b", "c"]["decider"])
    nodes = [node[0] if isinstance(node, tuple) else node for node in flow.iter_nodes()]
    assert [node.name for node in nodes] == ["a", "b", "c"]


def test_a_linear_flow_links_its_neighbours_and_an_unordered_one_nothing() -> None:
    a, b, c = Step("a"), Step("b"), Step("c")
    assert [(u.name, v.name) for u, v, _ in linear("l").add(a, b, c).iter_links()] == [("a", "b"), ("b", "c")]
    assert list(unordered("u").add(Step("x"), Step("y")).iter_links()) == []


def diamond(notes: list[str]) -> tuple[Any, dict[str, Step]]:
    """a -> b -> d, a -> c, and x for itself."""
    steps = {name: Step(name, notes) for name in "abcdx"}
    flow = graph("g").add(*steps.values())
    for u, v in ("ab", "bd", "ac"):
        flow.link(steps[u], steps[v])
    return flow, steps


def test_a_targeted_graph_runs_only_its_target_and_what_leads_to_it(engine: Engine) -> None:
    notes: list[str] = []
    flow, steps = diamond(notes)
    flow.set_target(steps["b"])
    assert list(engine.run(flow).atoms) == ["a", "b"] and notes == ["a", "b"]
    flow.reset_target()
    engine.run(flow)
    assert sorted(notes[2:]) == ["a", "b", "c", "d", "x"]


def test_a_target_must_be_in_the_graph() -> None:
    with pytest.raises(FlowError):
        graph("g").add(Step("a")).set_target(Step("stranger"))


def test_what_is_not_in_the_graph_cannot_be_linked() -> None:
    a = Step("a")
    with pytest.raises((UnknownSource, FlowError)):
        graph("g").add(a).link(a, Step("stranger"))


def test_a_flow_fails_as_its_atoms_do(engine: Engine) -> None:
    done = engine.run(linear("f").add(linear("g").add(Step("a", fails=ALWAYS))), raises=False)
    assert done.state is RunState.REVERTED
