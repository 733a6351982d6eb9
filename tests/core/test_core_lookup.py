"""Where arguments come from: SEMANTICS, "Lookup order for an argument"."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, event, given, settings
from sagalog_flows import Branch, build, encode, function, nearest, needs, trees

from sagalog.engine.core.compile import compile
from sagalog.engine.core.graph import Argument, AtomSpec, Definition, Source
from sagalog.engine.definition import Flow, FunctorTask, graph, linear, unordered
from sagalog.errors import AmbiguousDependency, CycleError, MissingArgument


def gives(name: str, *provides: str, takes: tuple[str, ...] = (), **options: Any) -> FunctorTask:
    return FunctorTask(function(takes), name, provides=provides, **options)


def takes(name: str, *requires: str, maybe: tuple[str, ...] = (), **options: Any) -> FunctorTask:
    return FunctorTask(function(requires, maybe), name, **options)


def spec(flow: Flow, name: str) -> AtomSpec:
    return next(atom for atom in compile(flow, encode).definition.atoms if atom.name == name)


def provider(flow: Flow, name: str = "c", argument: str = "x") -> str | None:
    """The name of the atom that an argument comes from; None: an input."""
    definition = compile(flow, encode).definition
    atom = next(atom for atom in definition.atoms if atom.name == name)
    found = next(a for a in atom.execute if a.name == argument).sources
    assert found[0] == Source("input")
    return None if len(found) == 1 else definition.atoms[found[1].atom].name


@settings(max_examples=200, deadline=None)
@given(trees())
def test_an_argument_comes_from_the_one_provider_before_the_atom_that_leads_to_no_other(tree: Branch) -> None:
    try:
        built = build(tree)
    except CycleError:
        assume(False)
    asked = [(atom, name) for atom, leaf in enumerate(built.leaves) for name in leaf.requires + leaf.optional]
    expected = {(atom, name): nearest(built, name, atom) for atom, name in asked}
    try:
        definition = compile(built.flow, encode).definition
    except AmbiguousDependency:
        event("ambiguous")
        assert any(len(providers) > 1 for providers in expected.values())
        return
    event("unambiguous")
    found = {
        (atom.index, argument.name): [source.atom for source in argument.sources[1:]]
        for atom in definition.atoms
        for argument in atom.execute
    }
    assert found == expected
    missing = {name for (atom, name), providers in expected.items() if not providers}
    assert set(definition.requires) == missing & {n for leaf in built.leaves for n in leaf.requires} & set(needs(tree))
    assert set(built.flow.requires) == set(definition.requires)
    assert set(built.flow.provides) == set(definition.provides)
    for name, source in definition.results().items():
        assert source.atom == max(nearest(built, name, None))


def test_its_own_constants_come_first() -> None:
    flow = linear("f").add(gives("p", "x"), takes("c", "x", inject={"x": 5}))
    (argument,) = spec(flow, "c").execute
    assert argument == Argument("x", "x", False, (Source("inject"),))
    assert spec(flow, "c").inject == b'{"x": 5}'


def test_inputs_come_before_providers() -> None:
    (argument,) = spec(linear("f").add(gives("p", "x"), takes("c", "x")), "c").execute
    assert argument.sources == (Source("input"), Source("atom", 0, 0))


@pytest.mark.parametrize(
    ("provides", "key"), [("x", None), (["a", "x"], 1), ({"x", "a"}, "x")], ids=["whole", "index", "key"]
)
def test_a_provider_is_asked_for_all_or_by_index_or_by_key(provides: Any, key: Any) -> None:
    flow = linear("f").add(FunctorTask(function(), "p", provides=provides), takes("c", "x"))
    (argument,) = spec(flow, "c").execute
    assert argument.sources[1] == Source("atom", 0, key)


def test_the_latest_earlier_provider_of_a_linear_flow() -> None:
    assert provider(linear("f").add(gives("a", "x"), gives("b", "x"), takes("c", "x"), gives("d", "x"))) == "b"


def test_nested_flows_are_expanded() -> None:
    nested = linear("n").add(gives("b", "x"), gives("y", "y"))
    assert provider(linear("f").add(gives("a", "x"), nested, takes("c", "x"))) == "b"


def test_then_outward() -> None:
    inner = unordered("u").add(linear("l").add(takes("c", "x")), gives("sibling", "x"))
    assert provider(linear("f").add(gives("a", "x"), inner)) == "a"


def test_unordered_siblings_never_see_each_other() -> None:
    flow = unordered("f").add(gives("a", "x"), takes("c", "x"))
    assert provider(flow) is None
    assert compile(flow, encode).definition.requires == ("x",)


def test_an_atom_never_sees_itself() -> None:
    flow = graph("f").add(gives("c", "x", takes=("x",)))
    assert provider(flow) is None
    assert set(flow.requires) == {"x"}


def test_two_members_of_an_unordered_flow_seen_from_behind_it() -> None:
    flow = linear("f").add(unordered("u").add(gives("a", "x"), gives("b", "x")), takes("c", "x"))
    with pytest.raises(
        AmbiguousDependency, match=r"task 'c' needs 'x' \(its parameter 'x'\), which 'a' and 'b' provide"
    ):
        compile(flow, encode)


def test_one_that_is_nearer_settles_it() -> None:
    members = unordered("u").add(gives("a", "x"), gives("b", "x"))
    assert provider(linear("f").add(members, gives("later", "x"), takes("c", "x"))) == "later"
    members = unordered("u").add(gives("a", "x"), gives("b", "x"))
    assert provider(linear("f").add(members, takes("c", "x", rebind={"x": "z"})), argument="z") is None


@pytest.mark.parametrize("order", ["abc", "acb", "cab", "bca"])
def test_two_providers_in_a_graph_whenever_they_were_added(order: str) -> None:
    made = {"a": gives("a", "x"), "b": gives("b", "x"), "c": takes("c", "x")}
    flow = graph("f").add(*(made[name] for name in order))
    with pytest.raises(AmbiguousDependency, match="'c' needs 'x'"):
        compile(flow, encode)
    flow.link(made["a"], made["b"])
    assert provider(flow) == "b"


def test_of_three_the_two_that_lead_to_no_other_are_named() -> None:
    a, b, other, c = gives("a", "x"), gives("b", "x"), gives("other", "x"), takes("c", "x")
    flow = graph("f").add(a, b, other, c).link(a, b)
    with pytest.raises(AmbiguousDependency, match="which 'b' and 'other' provide"):
        compile(flow, encode)


def test_a_graph_links_by_name_across_nested_flows() -> None:
    inner = linear("inner").add(takes("first"), takes("c", "x"))
    flow = graph("f").add(inner, gives("p", "x"))
    assert provider(flow) == "p"
    assert [(atom.name, atom.index) for atom in compile(flow, encode).definition.atoms] == [
        ("first", 0), ("c", 1), ("p", 2),
    ]  # fmt: skip
    assert compile(flow, encode).definition.after[2] == (0,)


def test_an_optional_argument_links_nothing_in_a_graph_and_is_found_where_it_is_linked_by_hand() -> None:
    p, c, between = gives("p", "x"), takes("c", maybe=("x",)), takes("between")
    flow = graph("f").add(c, p, between)
    assert provider(flow) is None
    flow.link(p, between).link(between, c)
    assert provider(flow) == "p"


def test_an_optional_argument_without_a_provider_is_no_requirement() -> None:
    definition = compile(linear("f").add(takes("c", maybe=("x",))), encode).definition
    assert definition.requires == ()
    assert definition.atoms[0].execute == (Argument("x", "x", True, (Source("input"),)),)
    definition.check_inputs(())


def test_a_revert_looks_up_for_itself() -> None:
    undo = function(("x", "z", "result"))
    task = FunctorTask(function(("x", "y")), "c", revert=undo, rebind={"x": "a"}, revert_rebind={"z": "b"})
    flow = linear("f").add(gives("pa", "a"), gives("pb", "b"), task)
    atom = spec(flow, "c")
    assert [(a.parameter, a.name, len(a.sources)) for a in atom.execute] == [("x", "a", 2), ("y", "y", 1)]
    assert [(a.parameter, a.name, len(a.sources)) for a in atom.revert] == [("x", "a", 2), ("z", "b", 2)]


def test_what_a_name_means_when_the_run_is_over() -> None:
    flow = linear("f").add(gives("a", "x", "y"), unordered("u").add(gives("b", "x"), gives("c", "x")), gives("d", "z"))
    results = compile(flow, encode).definition.results()
    assert results == {"x": Source("atom", 2, 0), "y": Source("atom", 0, 1), "z": Source("atom", 3, 0)}


def definition_with_a_gap() -> Definition:
    flow = linear("f").add(
        gives("early", "e"), takes("c", "x", rebind={"x": "amount"}), gives("late", "amount"), takes("other", "w")
    )
    return compile(flow, encode).definition


def test_a_missing_argument_names_atom_argument_and_what_was_visible() -> None:
    definition = definition_with_a_gap()
    assert definition.requires == ("amount", "w")
    definition.check_inputs({"amount", "w", "more"})
    with pytest.raises(MissingArgument) as caught:
        definition.check_inputs(["w"])
    assert str(caught.value) == (
        "flow 'f': task 'c' needs 'amount' (for its parameter 'x'). Inputs: 'w'; provided before it: 'e'; 'late' "
        "provides it, but is not before 'c'. Give it as an input, or provide it earlier"
    )
    with pytest.raises(MissingArgument, match="task 'other' needs 'w'"):
        definition.check_inputs({"amount": 1})


def test_a_missing_connection_has_a_hint() -> None:
    with pytest.raises(MissingArgument, match="transactional=True"):
        compile(linear("f").add(takes("c", "conn")), encode).definition.check_inputs(())


def test_what_leads_to_any_of_those_named_is_out_of_the_contest() -> None:
    names = ("early", "late", "other", "last")
    early, late, other, last = (gives(name, "x") for name in names)
    # `early` leads to `late` alone; in the order of the walk it stands between the others
    flow = graph("f").add(other, early, late, last, takes("c", "x")).link(early, late).link(other, last)
    with pytest.raises(AmbiguousDependency, match="which 'late' and 'last' provide"):
        compile(flow, encode)


def test_the_meaning_at_the_end_passes_over_what_leads_to_another_provider() -> None:
    first, second, third = gives("first", "x"), gives("second", "x"), gives("third", "x")
    flow = graph("f").add(second, third, first).link(first, second)  # `first` is the last in the definition
    assert compile(flow, encode).definition.results()["x"].atom == 1
