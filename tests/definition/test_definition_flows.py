"""Flows: what may be added, what they require and provide, links and cycles."""

from __future__ import annotations

from typing import Any

import pytest

from sagalog.engine.definition import (
    Flow,
    FunctorTask,
    OutcomePolicy,
    ParameterizedForEach,
    Task,
    Times,
    graph,
    linear,
    unordered,
)
from sagalog.errors import CycleError, FlowError, UnknownSource


def takes_x(x: int) -> None: ...
def nothing() -> None: ...


def gives(*names: str, name: str = "p") -> FunctorTask:
    return FunctorTask(nothing, name, provides=names)


PATTERNS = pytest.mark.parametrize("make", [linear, unordered, graph])


@PATTERNS
def test_add_chains_and_takes_tasks_flows_and_functions(make: Any) -> None:
    inner = linear("inner")
    flow = make("f").add(takes_x, inner).add(gives("y"))
    assert [item.name for item in flow] == ["takes_x", "inner", "p"]
    assert flow.items[1] is inner
    assert isinstance(flow.items[0], FunctorTask)
    assert len(flow) == 3
    assert make("empty")


@PATTERNS
def test_what_is_no_item_is_refused(make: Any) -> None:
    class Mine(Task):
        def execute(self) -> None: ...

    flow = make("f")
    with pytest.raises(FlowError, match=r"Mine is a class; add an instance, Mine\(…\)"):
        flow.add(Mine)
    with pytest.raises(FlowError, match="expected tasks, flows or functions; found 'text'"):
        flow.add("text")
    with pytest.raises(FlowError, match="expected tasks, flows or functions; found 5"):
        flow.add(takes_x, 5)
    assert len(flow) == 0


@PATTERNS
def test_a_flow_may_have_a_retry(make: Any) -> None:
    retry = Times(3, "again", provides="n")
    flow = make("f", retry=retry).add(FunctorTask(lambda n, m: 0, "t"))
    assert flow.retry is retry
    assert make("f").retry is None
    assert (list(flow.requires), list(flow.provides)) == (["m"], ["n"])
    assert len(flow) == 1
    assert make("g", retry).retry is retry


@PATTERNS
def test_what_a_retry_requires_the_flow_requires_even_if_an_item_provides_it(make: Any) -> None:
    flow = make("f", retry=ParameterizedForEach("each", provides="value", rebind={"values": "ips"}))
    flow.add(gives("ips"), FunctorTask(lambda value: 0, "t"))
    assert list(flow.requires) == ["ips"]
    assert list(flow.provides) == ["value", "ips"]


def test_a_retry_without_a_name_is_named_after_its_flow() -> None:
    assert linear("f", Times(2)).retry.name == "f_retry"  # type: ignore[union-attr]  # it has one
    assert linear("f", Times(2, "mine")).retry.name == "mine"  # type: ignore[union-attr]  # it has one
    shared = Times(2)
    assert linear("f", shared).retry is linear("g", shared).retry
    assert shared.name == "f_retry"


@PATTERNS
def test_what_is_no_retry_is_refused(make: Any) -> None:
    with pytest.raises(FlowError, match=r"flow 'f': retry must be a Retry \(an instance: Times\(5\)\); found 5"):
        make("f", retry=5)
    with pytest.raises(FlowError, match="retry must be a Retry"):
        make("f", retry=Times)
    with pytest.raises(FlowError, match="retry 'r' is no item; give it to a flow"):
        make("f").add(Times(2, "r"))


def test_an_unordered_flow_with_an_outcome_is_a_group() -> None:
    group = unordered("g", outcome="SUCCESS_FOR_PARTIAL_SUCCESS", provides="all").add(gives("x"))
    assert group.outcome is OutcomePolicy.SUCCESS_FOR_PARTIAL_SUCCESS
    assert list(group.provides) == ["x", "all"]
    assert unordered("g").outcome is None
    with pytest.raises(FlowError, match="unordered flow 'g': provides='all' names the results of a group"):
        unordered("g", provides="all")
    with pytest.raises(FlowError, match=r"unordered flow 'g'.*SUCCESS_ON_ALL_EVENTS_SUCCESS.*found 'MAYBE'"):
        unordered("g", outcome="MAYBE")
    with pytest.raises(FlowError, match="provides of unordered flow 'g'"):
        unordered("g", outcome="SUCCESS_FOR_PARTIAL_SUCCESS", provides="")


@PATTERNS
def test_a_flow_cannot_contain_itself(make: Any) -> None:
    flow = make("f")
    with pytest.raises(CycleError, match="flow 'f' would contain itself: f in f"):
        flow.add(flow)
    middle = linear("middle").add(flow)
    with pytest.raises(CycleError, match="flow 'f' would contain itself: f in middle in outer in f"):
        flow.add(unordered("outer").add(middle))


def test_requires_and_provides_are_known_before_a_run() -> None:
    def flow(make: Any) -> Flow:
        made: Flow = make("f").add(gives("x"), takes_x, FunctorTask(lambda y, x: 0, "q", provides="z"))
        return made

    assert (list(flow(linear).requires), list(flow(linear).provides)) == (["y"], ["x", "z"])
    assert (list(flow(unordered).requires), list(flow(unordered).provides)) == (["x", "y"], ["x", "z"])
    assert (list(flow(graph).requires), list(flow(graph).provides)) == (["y"], ["x", "z"])
    assert flow(linear).requires == {"y"}


def test_requires_follows_what_is_added_further_in() -> None:
    inner = linear("inner")
    outer = linear("outer").add(unordered("between").add(inner))
    assert not outer.requires
    before = outer.changes
    assert outer.changes == before
    inner.add(takes_x)
    assert outer.changes > before
    assert list(outer.requires) == ["x"]
    inner.add(gives("w"))
    assert list(outer.provides) == ["w"]


def test_an_optional_or_injected_name_is_not_required() -> None:
    flow = linear("f").add(FunctorTask(lambda x=1: 0, "a"), FunctorTask(takes_x, "b", inject={"x": 1}))
    assert not flow.requires


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_graph_links_by_name_whichever_was_added_first(order: tuple[int, int]) -> None:
    items = (gives("x"), FunctorTask(takes_x))
    flow = graph("f").add(*(items[place] for place in order))
    assert flow.successors()[order.index(0)] == [order.index(1)]
    assert flow.successors()[order.index(1)] == []


def test_a_graph_sees_what_a_flow_in_it_was_given_later() -> None:
    inner = linear("inner")
    flow = graph("f").add(inner, takes_x, nothing).link(inner, nothing)
    assert flow.successors() == [[2], [], []]
    inner.add(gives("x"))
    assert flow.successors() == [[1, 2], [], []]
    with pytest.raises(CycleError, match="p"):
        inner.add(linear("more").add(FunctorTask(lambda z: 0, "c")))
        flow.add(FunctorTask(lambda x: 0, "p", provides="z"))


def test_functions_are_linked_as_they_were_added() -> None:
    flow = graph("f").add(nothing, takes_x).link(takes_x, nothing)
    assert flow.successors() == [[], [0]]


def test_what_is_not_in_the_graph_cannot_be_linked() -> None:
    flow = graph("f").add(nothing)
    with pytest.raises(UnknownSource, match="graph flow 'f' has no item 'takes_x'"):
        flow.link(nothing, takes_x)
    with pytest.raises(UnknownSource, match="has no item 'p'"):
        flow.link(gives("x"), nothing)
    with pytest.raises(UnknownSource, match="has no item 'q'"):
        flow.link(gives("x", name="q"), nothing, decider=lambda history: True)
    with pytest.raises(UnknownSource, match="links are between items, not their names; found 'nothing'"):
        flow.link("nothing", nothing)  # type: ignore[arg-type]  # the mistake


def test_a_cycle_by_hand_is_refused_when_it_is_added_and_names_its_path() -> None:
    a, b, c = (FunctorTask(nothing, name) for name in "abc")
    flow = graph("f").add(a, b, c).link(a, b).link(b, c)
    with pytest.raises(CycleError, match=r"'a' cannot wait for 'c' \(linked by hand\).*cycle c -> a -> b -> c"):
        flow.link(c, a)
    with pytest.raises(CycleError, match="cycle a -> a"):
        flow.link(a, a)
    assert flow.successors() == [[1], [2], []]
    flow.link(a, c)


def test_a_cycle_by_names_is_refused_when_it_is_added_and_nothing_is_added() -> None:
    first = FunctorTask(lambda x: 0, "first", provides="y")
    second = FunctorTask(lambda y: 0, "second", provides="x")
    flow = graph("f").add(first, nothing)
    with pytest.raises(CycleError, match=r"'first' cannot wait for 'second' \(by 'x'\).*second -> first -> second"):
        flow.add(linear("held"), second)
    assert [item.name for item in flow] == ["first", "nothing"]
    assert list(flow.requires) == ["x"]
    flow.add(gives("x")).link(nothing, first)
    assert flow.successors() == [[], [0], [0]]


def test_two_that_need_what_the_other_changes_are_a_cycle() -> None:
    one = FunctorTask(takes_x, "one", provides="x")
    with pytest.raises(CycleError, match=r"one -> other -> one|other -> one -> other"):
        graph("f").add(one, FunctorTask(takes_x, "other", provides="x"))


@pytest.mark.parametrize("name", ["", None, "a\0"])
def test_a_flow_needs_a_name(name: Any) -> None:
    with pytest.raises(FlowError, match="the name of a flow"):
        linear(name)


def names(flow: Flow) -> list[str]:
    return [item.name for item, _ in flow.iter_nodes()]


def links(flow: Flow) -> list[tuple[str, str, Any, tuple[str, ...]]]:
    return [(u.name, v.name, about["decider"], about["reasons"]) for u, v, about in flow.iter_links()]


def test_nodes_and_links_of_a_flow() -> None:
    def yes(history: Any) -> bool:
        return True

    a, b, c = gives("x", name="a"), FunctorTask(takes_x, "b"), FunctorTask(nothing, "c")
    assert (names(linear("f").add(c, b, a)), links(linear("f").add(c, b, a))) == (
        ["c", "b", "a"],
        [("c", "b", None, ()), ("b", "a", None, ())],
    )
    assert (names(unordered("f").add(c, b)), links(unordered("f").add(c, b))) == (["c", "b"], [])
    flow = graph("f").add(c, b, a).link(a, c, decider=yes)
    assert names(flow) == ["c", "b", "a"]
    assert links(flow) == [("a", "c", yes, ()), ("a", "b", None, ("x",))]


def test_a_target_leaves_only_what_leads_to_it() -> None:
    a, b, c, d = gives("x", name="a"), FunctorTask(takes_x, "b", provides="y"), FunctorTask(lambda y: 0, "c"), gives("w")
    flow = graph("f").add(c, b, d, a).set_target(b)
    assert (names(flow), links(flow)) == (["b", "a"], [("a", "b", None, ("x",))])
    assert flow.members().links == [[], [0]]
    assert (list(flow.requires), list(flow.provides), len(flow)) == ([], ["y", "x"], 4)
    outer = graph("outer").add(flow, FunctorTask(lambda w: 0, "takes_w"))
    assert list(outer.requires) == ["w"]
    flow.reset_target()
    assert len(names(flow)) == 4
    assert not outer.requires
    with pytest.raises(UnknownSource, match="has no item 'strange'"):
        flow.set_target(gives("z", name="strange"))


def test_a_target_may_be_a_flow_or_a_function_and_grows_with_what_leads_to_it() -> None:
    inner = linear("inner").add(FunctorTask(lambda y: 0, "in"))
    flow = graph("f").add(nothing, inner).set_target(nothing)
    assert names(flow) == ["nothing"]
    flow.set_target(inner).add(FunctorTask(takes_x, "p", provides="y"))
    assert names(flow) == ["inner", "p"]
    assert list(flow.requires) == ["x"]
