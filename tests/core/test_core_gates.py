"""Retries, groups, deciders and fan-outs in a compiled flow: numbers, links, gates, and who is asked."""

from __future__ import annotations

from typing import Any

import pytest
from sagalog_flows import encode, function

from sagalog.engine.core.compile import Compiled, compile
from sagalog.engine.core.graph import DeciderSpec, Definition, FlowSpec, Gate
from sagalog.engine.definition import (
    Flow,
    ForEach,
    FunctorTask,
    Retry,
    Times,
    each,
    graph,
    linear,
    unordered,
)
from sagalog.errors import DuplicateName, FlowError

PARTIAL = "SUCCESS_FOR_PARTIAL_SUCCESS"


def step(name: str, *requires: str, **options: Any) -> FunctorTask:
    return FunctorTask(function(requires), name, **options)


def yes(history: Any) -> bool:
    return True


def no(history: Any) -> bool:
    return False


def made(flow: Flow) -> Definition:
    compiled: Definition = compile(flow, encode).definition
    assert Definition.load(compiled.body) == compiled
    return compiled


def names(definition: Definition) -> list[tuple[str, str, str]]:
    return [(atom.name, atom.kind, definition.flows[atom.flow].name) for atom in definition.atoms]


def ranges(definition: Definition) -> dict[str, tuple[int, int]]:
    return {flow.name: (flow.first, flow.last) for flow in definition.flows}


def test_a_retry_is_the_atom_before_those_of_its_flow() -> None:
    inner = unordered("inner", Times(2, "ri")).add(step("b"), step("c"))
    definition = made(linear("root", Times(3, "rr")).add(step("a"), inner, step("d"), linear("empty")))
    assert names(definition) == [
        ("rr", "retry", "root"), ("a", "task", "root"), ("ri", "retry", "inner"), ("b", "task", "inner"),
        ("c", "task", "inner"), ("d", "task", "root"),
    ]  # fmt: skip
    assert [flow.retry for flow in definition.flows] == [0, 2, None]
    assert ranges(definition) == {"root": (0, 6), "inner": (2, 5), "empty": (0, 0)}
    assert definition.after == ((1,), (2,), (3, 4), (5,), (5,), ())


def test_a_retry_declares_what_it_is() -> None:
    class Undoes(Times):
        version = "3"

        def revert(self, **kwargs: Any) -> None: ...

    plain, undoes = made(linear("f", Undoes(2, "u")).add(linear("g", Times(2, "t")))).atoms[::-1]
    assert (plain.compensation, plain.reverts, plain.recovery, plain.version) == ("not_needed", False, "RERUN", "1.0")
    assert (undoes.compensation, undoes.reverts, undoes.version) == ("revert", True, "3")


def test_a_retry_of_a_flow_without_items_stands_alone() -> None:
    definition = made(linear("root").add(step("a"), linear("empty", Times(2, "r")), step("b")))
    assert definition.after == ((1,), (2,), ())
    assert ranges(definition)["empty"] == (1, 2)


@pytest.mark.parametrize("make", [linear, unordered, graph])
def test_everything_in_a_flow_waits_for_its_retry(make: Any) -> None:
    flow = make("f", retry=Times(2, "r")).add(step("a"), unordered("u").add(step("b"), step("c")))
    definition = made(linear("root").add(step("before"), flow, step("behind")))
    assert definition.after[0] == (1,)
    assert definition.after[1] == ((2,) if make is linear else (2, 3, 4))


def test_names_of_retries_are_unique_too() -> None:
    with pytest.raises(DuplicateName, match=r"another retry is named 'a', once in 'f' and once in 'f'"):
        compile(linear("f").add(step("a"), linear("f", Times(2, "a"))), encode)
    shared = Times(2)
    with pytest.raises(DuplicateName, match=r"the same retry is named 'f_retry'"):
        compile(linear("f", shared).add(linear("g", shared)), encode)


def test_who_is_asked_is_the_nearest_retry_or_group_around() -> None:
    group = unordered("group", Times(2, "rg"), outcome=PARTIAL).add(
        step("m"), linear("in_group").add(step("n")), linear("asks", Times(2, "ra")).add(step("o"))
    )
    inner = linear("inner", Times(2, "ri")).add(step("b"), unordered("plain").add(step("c")))
    definition = made(linear("root").add(step("a"), linear("outer", Times(2, "ro")).add(inner, group), step("d")))
    at = {atom.name: atom.index for atom in definition.atoms}
    flow = {flow.name: flow.index for flow in definition.flows}
    of_group = -2 - flow["group"]
    asks = {atom.name: definition.asks[atom.index] for atom in definition.atoms}
    assert asks == {
        "a": -1, "d": -1, "ro": -1, "ri": at["ro"], "b": at["ri"], "c": at["ri"],
        "rg": at["ro"], "m": of_group, "n": of_group, "ra": of_group, "o": at["ra"],
    }  # fmt: skip
    beyond = {name: definition.beyond[index] for name, index in flow.items()}
    assert beyond == {
        "root": -1, "outer": -1, "inner": at["ro"], "plain": at["ri"], "group": at["ro"],
        "in_group": of_group, "asks": of_group,
    }  # fmt: skip


def test_a_group_ends_in_a_gate_even_where_nothing_is_behind_it() -> None:
    group = unordered("g", outcome=PARTIAL, provides="all").add(step("a"), linear("l").add(step("b"), step("c")))
    definition = made(group)
    assert definition.gates == (Gate(3, "group", 0, 0, 3),)
    assert definition.after == ((3,), (2,), (3,), ())
    assert definition.flows[0] == FlowSpec(0, "g", "unordered", None, None, PARTIAL, "all", 0, 3, 3)
    assert definition.gate_at == {3: definition.gates[0]}


def test_what_is_behind_a_group_waits_for_its_gate_alone() -> None:
    group = unordered("g", Times(2, "r"), outcome=PARTIAL).add(step("a"), step("b"))
    definition = made(linear("root").add(group, unordered("u").add(step("c"), step("d"))))
    assert definition.after == ((1, 2), (5,), (5,), (), (), (3, 4))
    assert definition.gates == (Gate(5, "group", 1, 0, 3),)


def test_a_group_without_members_has_no_gate() -> None:
    definition = made(linear("root").add(step("a"), unordered("g", outcome=PARTIAL), step("b")))
    assert (definition.gates, definition.after) == ((), ((1,), ()))
    assert definition.flows[1].gate is None


def test_all_links_into_an_item_with_deciders_go_through_its_gate() -> None:
    a, b, c = step("a", provides="x"), step("b"), step("c", "x")
    compiled = compile(graph("f").add(a, b, c).link(b, c, decider=yes, decider_depth="atom"), encode)
    definition = compiled.definition
    assert definition.after == ((3,), (3,), (), (2,))
    gate = Gate(3, "decider", 0, 2, 3, (DeciderSpec("atom", 1, "yes", "1.0", "ATOM"),))
    assert definition.gates == (gate,)
    assert compiled.deciders == {3: (yes,)}


def test_a_gate_stands_before_a_whole_flow_and_asks_about_a_whole_flow() -> None:
    source, target = unordered("source").add(step("a"), step("b")), unordered("target", Times(2, "r")).add(step("c"))
    more = step("more")
    flow = graph("f").add(source, target, more).link(more, target, decider=no).link(source, target, decider=yes)
    compiled = compile(flow, encode)
    (gate,) = compiled.definition.gates
    assert (gate.first, gate.last) == (2, 4)
    assert [(d.kind, d.source, d.name) for d in gate.deciders] == [("flow", 1, "yes"), ("atom", 4, "no")]
    assert compiled.deciders == {gate.node: (yes, no)}
    assert compiled.definition.after[gate.node] == (2,)


def test_a_gate_before_a_flow_without_atoms_holds_up_what_is_behind_it() -> None:
    a, hole, b = step("a"), linear("hole"), step("b")
    definition = made(graph("f").add(a, hole, b).link(a, hole, decider=yes).link(hole, b))
    assert definition.after == ((2,), (), (1,))
    assert (definition.gates[0].first, definition.gates[0].last) == (1, 1)
    nothing_behind = made(graph("f").add(a, hole).link(a, hole, decider=yes))
    assert nothing_behind.after == ((1,), ())


def test_a_decider_needs_something_to_decide_by() -> None:
    hole, b = linear("hole"), step("b")
    with pytest.raises(FlowError, match=r"flow 'f': decider 'yes' stands on a link from flow 'hole', which has no atoms"):
        compile(graph("f").add(hole, b).link(hole, b, decider=yes), encode)


def test_gates_stay_where_joins_without_successors_are_dropped() -> None:
    wide = unordered("wide").add(step("a"), step("b"))
    holes = [linear("one"), linear("other")]
    dead = graph("dead").add(wide, *holes).link(wide, holes[0]).link(wide, holes[1])
    c, d = step("c"), step("d")
    compiled = compile(unordered("root").add(dead, graph("g").add(c, d).link(c, d, decider=yes)), encode)
    assert compiled.definition.after == ((), (), (4,), (), (3,))
    assert [gate.node for gate in compiled.definition.gates] == [4] == list(compiled.deciders)


def test_only_what_leads_to_a_target_is_compiled() -> None:
    a, b, c = step("a", provides="x"), step("b", "x"), step("c", "x")
    flow = graph("f").add(c, b, a).link(a, b, decider=yes).set_target(b)
    definition = made(linear("root").add(flow, step("d")))
    assert [atom.name for atom in definition.atoms] == ["b", "a", "d"]
    assert definition.after == ((2,), (3,), (), (0,))
    assert definition.gates[0].deciders[0].source == 1


def test_the_code_of_a_fan_out_is_its_task() -> None:
    def get(url: str, base: str) -> None: ...
    def drop(url: str, result: Any) -> None: ...

    task = FunctorTask(get, "get", revert=drop, version="2", priority=3)
    compiled: Compiled = compile(each(task, "urls", name="all", provides="pages", on_empty="policy"), encode)
    assert compiled.atoms == (task,)
    (spec,) = compiled.definition.atoms
    assert (spec.name, spec.kind, spec.version, spec.priority, spec.saves) == ("all", "task", "2", 3, (("pages", None),))
    assert ([a.name for a in spec.execute], spec.revert) == (["base"], ())
    assert spec.over is not None
    assert (spec.over.name, spec.element, spec.on_empty) == ("urls", "url", "policy")
    assert spec.outcome == "SUCCESS_ON_ALL_EVENTS_SUCCESS"
    assert compiled.definition.requires == ("base", "urls")
    assert Definition.load(compiled.definition.body) == compiled.definition


def test_what_is_no_fan_out_and_no_retry_says_so() -> None:
    (spec,) = made(linear("f").add(step("a"))).atoms
    assert (spec.over, spec.element, spec.outcome, spec.on_empty, spec.asked, spec.recoveries) == (
        None, None, None, None, (), (),
    )  # fmt: skip


def test_tasks_of_one_function_each_have_what_they_declare() -> None:
    code = function()
    several: list[dict[str, Any]] = [{}, {"recovery": "ASK"}, {"compensation": "irreversible"}, {"revert_recovery": "ASK"}]
    tasks = [FunctorTask(code, f"t{place}", **options) for place, options in enumerate(several)]
    specs = made(linear("f").add(*tasks)).atoms
    assert [spec.recovery for spec in specs] == ["RERUN", "ASK", "RERUN", "RERUN"]
    assert [spec.compensation for spec in specs] == ["undeclared", "undeclared", "irreversible", "undeclared"]
    assert [spec.revert_recovery for spec in specs] == ["RERUN", "RERUN", "RERUN", "ASK"]


def test_a_recovery_map_is_stored() -> None:
    (spec,) = made(linear("f").add(step("a", recovery={"FAILURE": "SKIP", "ACTIVE": "ASK"}))).atoms
    assert (spec.recovery, spec.recoveries) == ("ASK", (("FAILURE", "SKIP"),))


def test_the_values_of_a_retry_reach_the_definition_encoded() -> None:
    definition = made(linear("f", ForEach(["a", "b"], "r", provides="v")).add(step("t", "v")))
    assert definition.atoms[0].inject == b'{"values": ["a", "b"]}'
    assert [argument.name for argument in definition.atoms[0].asked] == ["values"]


def test_definitions_are_values() -> None:
    definition = made(unordered("g", Times(2), outcome=PARTIAL).add(step("a")))
    assert {definition: 1}[made(unordered("g", Times(2), outcome=PARTIAL).add(step("a")))] == 1


def test_a_retry_may_take_more_in_on_failure() -> None:
    class Asks(Retry):
        def execute(self, history: Any) -> None: ...
        def on_failure(self, history: Any, limit: int, soft: int = 1) -> Any: ...

    definition = made(linear("f").add(step("p", provides="soft"), linear("g", Asks("r")).add(step("t"))))
    spec = definition.atoms[1]
    assert spec.execute == ()
    assert [(a.name, a.optional, len(a.sources)) for a in spec.asked] == [("limit", False, 1), ("soft", True, 2)]
    assert definition.requires == ("limit",)
