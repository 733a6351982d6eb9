"""Where arguments come from: SEMANTICS, "Lookup order for an argument"."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import assume, event, given, settings
from sagalog_flows import Branch, Built, build, encode, function, nearest, needs, trees

from sagalog.engine.core.compile import compile
from sagalog.engine.core.graph import Argument, AtomSpec, Definition, Source
from sagalog.engine.definition import AlwaysRevert, Flow, FunctorTask, each, graph, linear, unordered
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


def behind_gates(definition: Definition) -> set[int]:
    """The atoms that a decider may keep from running although something behind them runs."""
    walk = [gate.node for gate in definition.gates if {d.depth for d in gate.deciders} != {"ALL"}]
    seen = set(walk)
    while walk:
        more = [node for node in definition.after[walk.pop()] if node not in seen]
        seen.update(more)
        walk += more
    return {node for node in seen if node < len(definition.atoms)}


def fallbacks(built: Built, name: str, found: list[int], ignorable: set[int]) -> list[int]:
    """What the one provider that was found would see itself, and so on, while it may be ignored."""
    seen: list[int] = []
    while len(found) == 1 and found[0] in ignorable:
        found = nearest(built, name, found[0])
        seen += found if len(found) == 1 else []
    return seen


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
    ignorable = behind_gates(definition)
    for place, name in asked:
        expected[place, name] = [*expected[place, name], *fallbacks(built, name, expected[place, name], ignorable)]
    found = {
        (atom.index, argument.name): [source.atom for source in argument.sources[1:]]
        for atom in definition.atoms
        for argument in atom.execute
    }
    event("with a fallback" if any(len(providers) > 1 for providers in found.values()) else "without fallbacks")
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


class Gives(AlwaysRevert):
    """A retry that provides and takes what it is told."""


def test_a_retry_looks_outside_its_flow() -> None:
    flow = linear("f").add(
        gives("early", "x"), linear("inner", Gives("r", requires=["x"])).add(gives("late", "x"), takes("c", "x"))
    )
    assert provider(flow, "r") == "early"
    assert provider(flow) == "late"
    (asked,) = spec(flow, "r").asked
    assert asked.sources[1].atom == 0


@pytest.mark.parametrize("make", [linear, unordered, graph])
def test_what_a_retry_provides_is_seen_by_all_in_its_flow_and_from_behind(make: Any) -> None:
    inner = make("inner", retry=Gives("r", provides="x")).add(takes("b", "x"), linear("deep").add(takes("d", "x")))
    flow = linear("f").add(gives("early", "x"), inner, takes("c", "x"))
    assert [provider(flow, name) for name in ("b", "d", "c")] == ["r", "r", "r"]


@pytest.mark.parametrize("make", [linear, unordered, graph])
def test_an_item_that_provides_the_same_as_the_retry_is_nearer_from_behind(make: Any) -> None:
    inner = make("inner", retry=Gives("r", provides="x")).add(gives("m", "x"))
    definition = compile(linear("f").add(inner, takes("c", "x")), encode).definition
    assert definition.atoms[2].execute[0].sources[1:] == (Source("atom", 1, 0),)
    assert definition.results()["x"].atom == 1


def group(*items: Any, provides: str = "all") -> Any:
    return unordered("g", outcome="SUCCESS_FOR_PARTIAL_SUCCESS", provides=provides).add(*items)


def test_a_group_shows_the_results_of_its_members_under_its_own_name() -> None:
    flow = linear("f").add(group(gives("a", "x"), gives("b", "y")), takes("c", "all", "x"))
    found = {argument.name: argument.sources for argument in spec(flow, "c").execute}
    assert found == {"all": (Source("input"), Source("group", 1)), "x": (Source("input"), Source("atom", 0, 0))}
    definition = compile(flow, encode).definition
    assert definition.provides == ("x", "y", "all")
    assert definition.results()["all"] == Source("group", 1)


def test_the_name_of_a_group_is_nearer_than_that_of_its_members() -> None:
    flow = linear("f").add(group(gives("a", "x"), gives("b", "x"), provides="x"), takes("c", "x"))
    assert spec(flow, "c").execute[0].sources[1] == Source("group", 1)
    assert compile(flow, encode).definition.results() == {"x": Source("group", 1)}
    later = linear("f").add(group(gives("a", "x"), provides="x"), gives("b", "x"), takes("c", "x"))
    assert spec(later, "c").execute[0].sources[1] == Source("atom", 1, 0)


def test_members_of_a_group_do_not_see_its_name() -> None:
    flow = linear("f").add(gives("p", "all"), group(takes("c", "all")))
    assert provider(flow, argument="all") == "p"


def test_a_group_and_a_task_may_be_at_the_same_distance() -> None:
    flow = linear("f").add(unordered("u").add(group(gives("a", "y"), provides="x"), gives("b", "x")), takes("c", "x"))
    with pytest.raises(AmbiguousDependency, match=r"'c' needs 'x' .* which 'b' and group 'g' provide"):
        compile(flow, encode)


def decided(*items: Any, depth: str = "FLOW") -> Any:
    """A graph of the items in a row, the first linked to the second with a decider."""
    flow = graph("branch").add(*items).link(items[0], items[1], decider=lambda history: True, decider_depth=depth)
    for one, other in itertools.pairwise(items[1:]):
        flow.link(one, other)
    return flow


def test_behind_a_provider_that_may_be_ignored_stands_what_it_would_see_itself() -> None:
    flow = linear("f").add(
        gives("far", "x"), gives("near", "x"), decided(takes("if"), gives("a", "x"), gives("b", "x")), takes("c", "x")
    )
    definition = compile(flow, encode).definition
    sources = definition.atoms[-1].execute[0].sources
    assert [definition.atoms[source.atom].name for source in sources[1:]] == ["b", "a", "near"]
    assert Definition.load(definition.body) == definition
    assert definition.requires == ()


def test_a_name_that_only_ignorable_tasks_provide_has_no_other_source() -> None:
    flow = linear("f").add(decided(takes("if"), gives("a", "x")), takes("c", "x"))
    assert spec(flow, "c").execute[0].sources == (Source("input"), Source("atom", 1, 0))


def test_two_equally_near_providers_are_no_fallback() -> None:
    pair = unordered("u").add(gives("one", "x"), gives("other", "x"))
    flow = linear("f").add(pair, decided(takes("if"), gives("a", "x")), takes("c", "x"))
    assert provider(flow) == "a"
    assert len(spec(flow, "c").execute[0].sources) == 2


def test_behind_a_group_that_may_be_ignored_stands_what_was_seen_before_it() -> None:
    flow = linear("f").add(gives("p", "all"), decided(takes("if"), group(gives("a", "x"))), takes("c", "all"))
    assert spec(flow, "c").execute[0].sources[1:] == (Source("group", 2), Source("atom", 0, 0))


def test_a_retry_that_may_be_ignored_has_a_fallback_too() -> None:
    inner = linear("inner", Gives("r", provides="x")).add(takes("b", "x"))
    flow = linear("f").add(gives("p", "x"), decided(takes("if"), inner), takes("c", "x"))
    definition = compile(flow, encode).definition
    for name in ("b", "c"):
        sources = spec(flow, name).execute[0].sources
        assert [definition.atoms[source.atom].name for source in sources[1:]] == ["r", "p"]


def test_a_fan_out_provides_like_any_other_and_finds_its_list() -> None:
    fan = each(takes("one", "item", "more"), "urls", provides="pages")
    flow = linear("f").add(gives("p", "urls", "more"), fan, takes("c", "pages"))
    definition = compile(flow, encode).definition
    over = definition.atoms[1].over
    assert over == Argument("urls", "urls", False, (Source("input"), Source("atom", 0, 0)))
    assert definition.atoms[1].execute[0].sources[1] == Source("atom", 0, 1)
    assert definition.atoms[2].execute[0].sources[1] == Source("atom", 1, None)


@pytest.mark.parametrize(
    ("flow", "said"),
    [
        (
            linear("f").add(gives("p", "y"), each(takes("one", "item"), "urls")),
            "flow 'f': task 'one' needs 'urls'. Inputs: none; provided before it: 'y'. Give it",
        ),
        (
            linear("f").add(gives("p", "y"), linear("g", Gives("r", requires=["x"], provides="z")).add(gives("m", "x"))),
            "flow 'f': retry 'r' needs 'x'. Inputs: none; provided before it: 'y'; 'm' provides it, but is not before 'r'",
        ),
        (
            linear("f").add(group(gives("a", "y")), takes("c", "w")),
            "task 'c' needs 'w'. Inputs: none; provided before it: 'y', 'all'. Give it",
        ),
        (
            linear("f").add(takes("c", "all"), group(gives("a", "y"))),
            "task 'c' needs 'all'. Inputs: none; provided before it: none; 'g' provides it, but is not before 'c'",
        ),
    ],
    ids=["list", "retry", "group before", "group behind"],
)
def test_a_missing_argument_says_what_was_visible_from_there(flow: Flow, said: str) -> None:
    with pytest.raises(MissingArgument) as caught:
        compile(flow, encode).definition.check_inputs(())
    assert said in str(caught.value)


def test_there_is_no_fallback_for_what_is_ignored_together_with_all_that_waits_for_it() -> None:
    flow = linear("f").add(gives("p", "x"), decided(takes("if"), gives("a", "x"), depth="all"), takes("c", "x"))
    assert provider(flow) == "a"
    assert len(spec(flow, "c").execute[0].sources) == 2
