"""What waits for what after compilation, the numbers of atoms, and what that costs."""

from __future__ import annotations

import itertools
import sys
import tracemalloc
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sagalog_flows import Branch, Leaf, build, decides, encode, reachable, trees

from sagalog.engine.core.compile import compile
from sagalog.engine.core.graph import Definition
from sagalog.engine.definition import AlwaysRevert, Flow, FunctorTask, Task, each, graph, linear, task, unordered
from sagalog.errors import AmbiguousDependency, CycleError, DuplicateName, FlowError, MissingArgument, NotStorable


def step(**values: Any) -> None:
    """Takes anything."""


def atoms(count: int, prefix: str = "t") -> list[FunctorTask]:
    return [FunctorTask(step, f"{prefix}{index}") for index in range(count)]


@settings(max_examples=150, deadline=None)
@given(trees())
def test_every_link_is_one_that_the_patterns_ask_for_and_none_is_missing(tree: Branch) -> None:
    try:
        built = build(tree)
    except CycleError:
        assume(False)
    definition = compile_without_ambiguity(built.flow)
    assert reachable(definition) == built.before


def compile_without_ambiguity(flow: Flow) -> Any:
    try:
        return compile(flow, encode).definition
    except AmbiguousDependency:
        assume(False)


@settings(max_examples=80, deadline=None)
@given(trees(nameless=True))
def test_nodes_are_counted_and_joins_lead_somewhere(tree: Branch) -> None:
    built = build(tree)
    definition = compile(built.flow, encode).definition
    assert [atom.index for atom in definition.atoms] == list(range(len(built.leaves)))
    fan_in = [0] * len(definition.after)
    for successors in definition.after:
        assert list(successors) == sorted(set(successors))
        for node in successors:
            fan_in[node] += 1
    assert list(definition.fan_in) == fan_in
    for join in range(len(definition.atoms), len(definition.after)):
        assert fan_in[join] > 0
        assert join in definition.gate_at or (fan_in[join] > 1 and definition.after[join])
    assert [gate.node for gate in definition.gates] == sorted(definition.gate_at)
    order = sorted(range(len(definition.atoms)), key=lambda index: (-definition.atoms[index].priority, index))
    assert list(definition.order) == order


@given(st.lists(st.integers(1, 30), min_size=2, max_size=5))
def test_links_between_wide_flows_are_the_sum_of_their_widths(widths: list[int]) -> None:
    flow = linear("wide")
    for place, width in enumerate(widths):
        flow.add(unordered(f"u{place}").add(*atoms(width, f"a{place}_")))
    definition = compile(flow, encode).definition
    links = sum(map(len, definition.after))
    assert links <= 2 * sum(widths)
    assert len(definition.after) - len(definition.atoms) <= len(widths) - 1


def test_atoms_are_numbered_depth_first_as_they_were_added() -> None:
    a, b, c, d = atoms(4)
    definition = compile(linear("root").add(a, unordered("u").add(linear("in").add(b), c), d), encode).definition
    assert [atom.name for atom in definition.atoms] == ["t0", "t1", "t2", "t3"]
    assert [(flow.name, flow.pattern, flow.parent) for flow in definition.flows] == [
        ("root", "linear", None),
        ("u", "unordered", 0),
        ("in", "linear", 1),
    ]
    assert [atom.flow for atom in definition.atoms] == [0, 2, 1, 0]
    assert definition.after == ((1, 2), (3,), (3,), ())
    assert definition.fan_in == (0, 1, 1, 2)


def test_an_empty_flow_is_passed_through() -> None:
    a, b = atoms(2)
    inner = graph("g").add(a, b)
    hole = unordered("hole").add(linear("hollow"))
    inner.add(hole).link(a, hole).link(hole, b)
    assert compile(inner, encode).definition.after == ((1,), ())
    assert compile(linear("nothing"), encode).definition.after == ()


def test_a_join_behind_which_there_are_only_empty_flows_is_dropped() -> None:
    u = unordered("u").add(*atoms(3))
    one, other = linear("one"), linear("other")
    flow = graph("g").add(u, one, other).link(u, one).link(u, other)
    assert compile(flow, encode).definition.after == ((), (), ())


def test_priorities_come_before_places() -> None:
    low, high, same = (FunctorTask(step, name, priority=p) for name, p in [("low", -1), ("high", 2.5), ("same", 0)])
    definition = compile(unordered("u").add(low, high, same), encode).definition
    assert definition.order == (1, 2, 0)
    assert definition.rank == (2, 0, 1)


def test_a_bare_task_is_a_flow_of_one() -> None:
    @task(provides="doubled")
    def double(number: int) -> int:
        return 2 * number

    compiled = compile(double, encode)
    assert compiled.definition.name == "double"
    assert compiled.definition.requires == ("number",)
    assert compiled.definition.provides == ("doubled",)
    assert compiled.atoms == (double,)


def test_atoms_stand_beside_their_specs() -> None:
    made = atoms(5)
    compiled = compile(unordered("u").add(*made), encode)
    assert list(compiled.atoms) == made
    assert [spec.name for spec in compiled.definition.atoms] == [atom.name for atom in made]


@pytest.mark.parametrize("make", [linear, unordered, graph])
def test_one_task_twice_is_a_duplicate_name(make: Any) -> None:
    (one,) = atoms(1)
    flow = make("outer").add(one, linear("inner").add(one))
    with pytest.raises(DuplicateName, match=r"the same task is named 't0', once in 'outer' and once in 'inner'"):
        compile(flow, encode)
    with pytest.raises(DuplicateName, match="t0"):
        compile(make("outer").add(one, one), encode)


def test_two_tasks_of_one_name_are_told_apart_from_one_task_twice() -> None:
    flow = linear("f").add(FunctorTask(step, "a"), FunctorTask(step, "a"))
    with pytest.raises(DuplicateName, match="another task is named 'a'"):
        compile(flow, encode)


def test_one_function_under_two_names_is_fine() -> None:
    first = FunctorTask(step, "first")
    flow = linear("f").add(first, FunctorTask(step, "second"), first.named("third"))
    assert [atom.name for atom in compile(flow, encode).definition.atoms] == ["first", "second", "third"]


def test_one_flow_twice_is_a_duplicate_name() -> None:
    inner = linear("inner")
    with pytest.raises(DuplicateName, match="'inner' is in flow 'outer' twice"):
        compile(linear("outer").add(inner, unordered("between").add(inner)), encode)


def test_something_else_is_refused() -> None:
    with pytest.raises(FlowError, match="expected a flow or a task"):
        compile("order", encode)  # type: ignore[arg-type]  # the mistake


def test_constants_are_encoded_under_the_name_of_their_atom() -> None:
    paths: list[str] = []

    def refuse(value: object, path: str) -> bytes:
        paths.append(path)
        raise NotStorable(path, "complex")

    def use(number: complex) -> None: ...

    with pytest.raises(NotStorable, match=r"use\.inject"):
        compile(FunctorTask(use, inject={"number": 1j}), refuse)
    assert paths == ["use.inject"]


def test_an_ignored_parameter_needs_a_default() -> None:
    class Ignoring(Task):
        def execute(self, a: int, b: int, c: int = 3) -> None: ...

    fine = Ignoring("fine", ignore_list=["c"])
    assert set(fine.requires) == {"a", "b"}
    assert not fine.optional
    broken = Ignoring("broken", ignore_list=["b", "c"])
    assert set(broken.requires) == {"a"}
    with pytest.raises(MissingArgument, match="'broken': b stands in ignore_list"):
        compile(broken, encode)


@pytest.mark.parametrize("make", [linear, unordered, graph])
def test_nesting_has_no_limit(make: Any) -> None:
    depth = 1_050
    flow = make("f0").add(FunctorTask(step, "t0"))
    for level in range(1, depth):
        flow = make(f"f{level}").add(flow)
        if level % 20 == 0:
            flow.add(FunctorTask(step, f"t{level}"))
    definition = compile(flow, encode).definition
    assert len(definition.flows) == depth
    assert len(definition.atoms) == (depth - 1) // 20 + 1
    assert not flow.requires
    assert Definition.load(definition.body) == definition


def calls(flow: Flow) -> int:
    """How many calls, Python's and C's, compilation makes: a cost that no other load on the machine changes."""
    count = 0

    def profile(frame: object, event: str, arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        compile(flow, encode)
    finally:
        sys.setprofile(None)
    return count


def chain(count: int) -> Flow:
    tasks = (
        FunctorTask(one_argument, f"t{i}", provides=f"r{i}", rebind={"value": f"r{i - 1}" if i else "start"})
        for i in range(count)
    )
    return linear("chain").add(*tasks)


def one_argument(value: int) -> int:
    return value


def layered(count: int) -> Flow:
    flow = graph("layers")
    made = atoms(count)
    flow.add(*made)
    for place in range(count):
        for back in (1, 7, 20, 50):
            if place >= back:
                flow.link(made[place - back], made[place])
    return flow


def governed(count: int) -> Flow:
    """Groups of ten, each with a retry, in a row that deciders hold together."""
    flow = graph("governed")
    made = [
        unordered(f"g{i}", AlwaysRevert(f"r{i}", provides="x"), outcome="SUCCESS_FOR_PARTIAL_SUCCESS", provides="y").add(
            *atoms(8, f"t{i}_"), each(one_argument, f"list{i}", name=f"e{i}", provides="x")
        )
        for i in range(count // 10)
    ]
    flow.add(*made)
    for one, other in itertools.pairwise(made):
        flow.link(one, other, decider=decides)
    return flow


@pytest.mark.parametrize(
    "make",
    [
        lambda n: linear("f").add(*atoms(n)),
        lambda n: unordered("f").add(*atoms(n)),
        lambda n: linear("f").add(*(unordered(f"u{i}").add(*atoms(10, f"t{i}_")) for i in range(n // 10))),
        chain,
        layered,
        governed,
    ],
    ids=["linear", "unordered", "nested", "chain", "graph", "governed"],
)
def test_the_cost_of_an_atom_does_not_grow_with_the_flow(make: Any) -> None:
    assert calls(make(4_000)) / calls(make(500)) < 8 * 1.1


@pytest.mark.parametrize("make", [linear, unordered])
def test_an_atom_takes_less_than_1500_bytes(make: Any) -> None:
    count = 5_000
    flow = make("f").add(*atoms(count))
    compile(flow, encode)
    tracemalloc.start()
    try:
        definition = compile(flow, encode).definition
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(definition.atoms) == count
    assert used / count < 1_500


def test_the_generator_says_what_a_flow_says_of_itself() -> None:
    built = build(Branch("graph", (Leaf(("x",)), Leaf((), ("x",))), ((0, 1),)))
    assert built.before == {(0, 1)}
    assert not built.flow.requires
