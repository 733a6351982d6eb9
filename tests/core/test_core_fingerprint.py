"""The stored form of a definition: complete, canonical, and what changes it."""

from __future__ import annotations

import hashlib
import json
import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sagalog_flows import Branch, Leaf, build, encode, function, trees

from sagalog.engine.core.compile import compile
from sagalog.engine.core.graph import Definition, diff
from sagalog.engine.definition import (
    Flow,
    ForEach,
    FunctorTask,
    Recovery,
    Retry,
    each,
    graph,
    happened,
    linear,
    unordered,
)
from sagalog.errors import AmbiguousDependency, CorruptLog, CycleError


def compiled(tree: Branch) -> Definition:
    try:
        return compile(build(tree).flow, encode).definition
    except (AmbiguousDependency, CycleError):
        assume(False)
        raise


@settings(max_examples=80, deadline=None)
@given(trees())
def test_it_is_loaded_back_whole_without_any_code(tree: Branch) -> None:
    definition = compiled(tree)
    loaded = Definition.load(definition.body)
    assert loaded == definition
    assert loaded.body == definition.body
    assert definition.fingerprint == hashlib.sha256(definition.body).hexdigest()
    json.loads(definition.body)


@settings(max_examples=80, deadline=None)
@given(trees(), trees())
def test_equal_flows_have_equal_prints_and_a_difference_has_words(one: Branch, other: Branch) -> None:
    a, b = compiled(one), compiled(other)
    assert compiled(one).body == a.body
    assert diff(a, compiled(one)) == []
    same = a.parts == b.parts
    assert (a.fingerprint == b.fingerprint) == same
    lines = diff(a, b)
    assert bool(lines) != same
    assert not any("nothing that has a name" in line for line in lines)


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(2, 9))
def test_it_does_not_matter_in_which_order_links_were_made(rng: random.Random, count: int) -> None:
    pairs = [(u, v) for u in range(count) for v in range(u + 1, count) if rng.random() < 0.4]
    turns = list(range(count))
    rng.shuffle(turns)  # links point against the order of the items, too

    def made(links: list[tuple[int, int]]) -> Definition:
        items = [
            unordered(f"u{i}").add(*(FunctorTask(function(), f"t{i}{j}") for j in range(i % 3))) for i in range(count)
        ]
        flow = graph("g").add(*items)
        for u, v in links:
            flow.link(items[turns[u]], items[turns[v]])
        return compile(flow, encode).definition

    assert made(pairs).body == made(rng.sample(pairs, len(pairs))).body


def undo(a: int, result: int) -> None: ...


def probe() -> Any:
    return happened()


BASE: dict[str, Any] = {"name": "t", "provides": "p", "inject": {"a": 1}, "revert": undo, "probe": probe}


def one(**changed: Any) -> Definition:
    options = BASE | changed
    execute = options.pop("execute", None) or function(("a",), ("b",))
    return compile(linear("f").add(FunctorTask(execute, **options)), encode).definition


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "name": ({"name": "other"}, "task 't' is gone"),
    "version": ({"version": "1.1"}, "version was 1.0, now 1.1"),
    "priority": ({"priority": 1}, "priority was 0, now 1"),
    "provides": ({"provides": "q"}, "it provided p, now q"),
    "provides by index": ({"provides": ["p"]}, "it provided p, now p=[0]"),
    "requires": ({"execute": function(("a", "c"))}, "execute took a (a constant), b? (an input), now a"),
    "optional": ({"execute": function(("a", "b"))}, "b? (an input), now a (a constant), b (an input)"),
    "rebind": ({"rebind": {"b": "z"}}, "now a (a constant), b=z? (an input)"),
    "inject": ({"inject": {"a": 2}}, "its constants (inject) differ"),
    "revert": ({"revert": None}, "its revert is gone"),
    "revert arguments": ({"revert": function(("result",))}, "revert took a (a constant), now nothing"),
    "revert_rebind": ({"revert_rebind": {"a": "z"}}, "revert took a (a constant), now a=z (an input)"),
    "recovery": ({"recovery": Recovery.PROBE}, "recovery was RERUN, now PROBE"),
    "revert_recovery": ({"revert_recovery": "ASK"}, "revert_recovery was RERUN, now ASK"),
    "compensation": ({"revert": None, "compensation": "irreversible"}, "compensation was revert, now irreversible"),
    "revertible_for": ({"revertible_for": timedelta(days=1)}, "revertible_for was None, now 86400000000"),
    "transactional": ({"transactional": True, "execute": function(("a", "conn"), ("b",))}, "transactional was False"),
}


@pytest.mark.parametrize("what", list(CHANGES))
def test_what_it_holds_changes_it(what: str) -> None:
    changes, line = CHANGES[what]
    before, after = one(), one(**changes)
    assert before.fingerprint != after.fingerprint
    assert any(line in said for said in diff(before, after)), diff(before, after)
    assert Definition.load(after.body) == after


def test_code_and_texts_do_not_change_it() -> None:
    def documented(*, a: int, b: Any = "another default") -> int:
        """Quite another text."""
        return a + 1

    async def waiting(*, a: float, b: None = None) -> None: ...

    assert one(execute=documented).body == one().body
    assert one(execute=waiting).body == one().body


def leaves(*names: str) -> list[FunctorTask]:
    return [FunctorTask(function(), name) for name in names]


def definition(flow: Flow) -> Definition:
    return compile(flow, encode).definition


def linked(*pairs: str) -> Definition:
    made = dict(zip("abc", leaves(*"abc"), strict=True))
    flow = graph("f").add(*made.values())
    for pair in pairs:
        flow.link(made[pair[0]], made[pair[1]])
    return definition(flow)


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        (
            definition(linear("f").add(*leaves("a", "b"))),
            definition(linear("f").add(*leaves("b", "a"))),
            [
                "the order of the definition differs: where 'a' was, 'b' is",
                "task 'a' no longer leads to 'b'",
                "task 'b' leads to 'a' now",
            ],
        ),
        (
            definition(linear("f").add(*leaves("a", "b"))),
            definition(unordered("f").add(*leaves("a", "b"))),
            ["linear flow 'f' is gone", "unordered flow 'f' is new", "task 'a' no longer leads to 'b'"],
        ),
        (
            definition(linear("f").add(*leaves("a", "b"))),
            definition(linear("g").add(*leaves("a"), linear("n").add(*leaves("b", "c")))),
            [
                "the flow was named 'f', now 'g'",
                "task 'c' is new",
                "task 'a': it was in 'f', now in 'g'",
                "task 'b': it was in 'f', now in 'n' in 'g'",
                "linear flow 'f' is gone",
                "linear flow 'g' is new",
                "linear flow 'n' in 'g' is new",
            ],
        ),
        (linked("ab", "bc"), linked("ab", "ac"), ["task 'a' leads to 'c' now", "task 'b' no longer leads to 'c'"]),
        (
            definition(linear("f").add(unordered("u").add(*leaves("a", "b")), unordered("v").add(*leaves("c", "d")))),
            definition(linear("f").add(unordered("u").add(*leaves("a", "b")), unordered("v").add(*leaves("c", "e")))),
            ["task 'd' is gone", "task 'e' is new"],
        ),
    ],
    ids=["order", "pattern", "nesting", "links", "joins"],
)
def test_differences_are_told(old: Definition, new: Definition, lines: list[str]) -> None:
    assert diff(old, new) == lines
    assert diff(old, old) == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"format":2}', b'{"format":1}', b"\xff", json.dumps({"format": 1, "name": "f"}).encode()],
)
def test_what_is_no_definition_is_refused(body: bytes) -> None:
    with pytest.raises(CorruptLog, match="expected format 1"):
        Definition.load(body)


def test_a_definition_with_a_provider_that_is_not_there_is_refused() -> None:
    flow = linear("f").add(FunctorTask(function(), "p", provides="x"), FunctorTask(function(("x",)), "c"))
    body = definition(flow).body
    assert b"[0]" in body
    with pytest.raises(CorruptLog):
        Definition.load(body.replace(b"[0]", b"[7]", 1))


def test_one_tree_has_a_golden_print() -> None:
    tree = Branch(
        "linear",
        (Leaf(("x",)), Branch("unordered", (Leaf(("y",), ("x",)), Leaf((), (), ("x",)))), Leaf((), ("y", "z"))),
    )
    assert compiled(tree).body == (
        b'{"format":1,"name":"flow0","flows":[["flow0","linear",null,null],["flow2","unordered",0,null]],'
        b'"kinds":[["task","1.0",0,[],[],[["x",0]],"RERUN","RERUN","undeclared",false,false,null],'
        b'["task","1.0",0,[["x","x",false]],[],[["y",0]],"RERUN","RERUN","undeclared",false,false,null],'
        b'["task","1.0",0,[["x","x",true]],[],[],"RERUN","RERUN","undeclared",false,false,null],'
        b'["task","1.0",0,[["y","y",false],["z","z",false]],[],[],"RERUN","RERUN","undeclared",false,false,null]],'
        b'"atoms":[["t1",0,0,[],[],null],["t3",1,1,[0],[],null],["t4",1,2,[0],[],null],["t5",0,3,[1,-1],[],null]],'
        b'"after":[[1,2],[3],[3],[]],"contested":[]}'
    )


class Tries(Retry):
    """A retry that can be told to be another."""

    def __init__(self, name: str = "r", version: str = "1.0", **options: Any) -> None:
        self.version = version
        super().__init__(name, **options)

    def execute(self, history: Any, **values: Any) -> None: ...
    def on_failure(self, history: Any, **values: Any) -> Any: ...


class Undoing(Tries):
    def revert(self, history: Any, **values: Any) -> None: ...


def yes(history: Any) -> bool:
    return True


def other(history: Any) -> bool:
    return False


def newer(history: Any) -> bool:
    return True


newer.__name__ = "yes"
newer.version = "2.0"  # type: ignore[attr-defined]  # as a user may


def governed(retry: Retry | None, **options: Any) -> Definition:
    return definition(unordered("f", retry, **options).add(*leaves("a", "b")))


def decided(decider: Any, depth: Any = None, second: Any = None) -> Definition:
    a, b, c = leaves("a", "b", "c")
    return definition(graph("f").add(a, b, c).link(a, c, decider=decider, decider_depth=depth).link(b, c, decider=second))


def fan(**options: Any) -> Definition:
    return definition(linear("f").add(each(FunctorTask(function(("x", "y")), "t"), **options)))


ALL, PART = "SUCCESS_ON_ALL_EVENTS_SUCCESS", "SUCCESS_FOR_PARTIAL_SUCCESS"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (governed(None), governed(Tries()), "retry 'r' is new"),
        (governed(Tries()), governed(None), "retry 'r' is gone"),
        (governed(Tries()), governed(Tries(version="2")), "retry 'r': version was 1.0, now 2"),
        (governed(Tries()), governed(Tries(provides="v")), "retry 'r': it provided nothing, now v"),
        (governed(Tries(requires="x")), governed(Tries(requires="z")), "retry 'r': on_failure took x (an input), now z"),
        (governed(Tries()), governed(Undoing()), "retry 'r': it has a revert now"),
        (
            governed(ForEach([1], "r")), governed(ForEach([2], "r")), "retry 'r': its constants (inject) differ",
        ),
        (governed(None), governed(None, outcome=PART), f"unordered flow 'f' was no group, now a group ({PART})"),
        (
            governed(None, outcome=ALL), governed(None, outcome=PART, provides="p"),
            f"unordered flow 'f' was a group ({ALL}), now a group ({PART}) that provides p",
        ),
        (decided(None), decided(yes), "before 'c' in 'f', nothing decided, now yes 1.0 behind 'a' (ALL)"),
        (decided(yes), decided(None), "before 'c' in 'f', yes 1.0 behind 'a' (ALL) decided, now nothing"),
        (decided(yes), decided(other), "now other 1.0 behind 'a' (ALL)"),
        (decided(yes), decided(newer), "now yes 2.0 behind 'a' (ALL)"),
        (decided(yes), decided(yes, "flow"), "now yes 1.0 behind 'a' (FLOW)"),
        (decided(yes), decided(yes, None, other), "now yes 1.0 behind 'a' (ALL), other 1.0 behind 'b' (ALL)"),
        (fan(), fan(over="more"), "task 't': the fan-out took items (an input), now more (an input)"),
        (fan(), fan(into="y"), "task 't': element was x, now y"),
        (fan(), fan(outcome=PART), f"task 't': outcome was {ALL}, now {PART}"),
        (fan(), fan(on_empty="policy"), "task 't': on_empty was ok, now policy"),
        (fan(), definition(linear("f").add(FunctorTask(function(("x", "y")), "t"))), "the fan-out took items"),
        (one(), one(recovery={"SUCCESS": "RERUN"}), "its recovery map was the usual one, now SUCCESS: RERUN"),
    ],
)  # fmt: skip
def test_what_governs_decides_and_fans_out_changes_it(old: Definition, new: Definition, line: str) -> None:
    assert old.fingerprint != new.fingerprint
    assert any(line in said for said in diff(old, new)), diff(old, new)
    assert Definition.load(new.body) == new


def test_how_a_task_is_run_does_not_change_it() -> None:
    assert one(timeout=5, retry_policy={"max_attempts": 3}, executor="thread").body == one().body


def test_a_decider_leaves_no_other_trace_in_the_differences() -> None:
    assert diff(decided(None), decided(yes)) == ["before 'c' in 'f', nothing decided, now yes 1.0 behind 'a' (ALL)"]


def test_retries_groups_deciders_and_fan_outs_have_a_golden_print() -> None:
    group = unordered("g", outcome=PART, provides="all").add(*leaves("m"))
    item = each(FunctorTask(function(("x",)), "e", provides="l"), "all", on_empty="policy")
    flow = graph("f", Tries(requires="q")).add(group, item).link(group, item, decider=yes, decider_depth="atom")
    assert definition(flow).body == (
        b'{"format":1,"name":"f","flows":[["f","graph",null,0],["g","unordered",0,null,"SUCCESS_FOR_PARTIAL_SUCCESS",'
        b'"all"]],"kinds":[["retry","1.0",0,[["q","q",false]],[],[],"RERUN","RERUN","not_needed",false,false,null,'
        b'[[],[["q","q",false]],null,null,null,null]],["task","1.0",0,[],[],[],"RERUN","RERUN","undeclared",false,false,'
        b'null],["task","1.0",0,[],[],[["l",null]],"RERUN","RERUN","undeclared",false,false,null,[[],[],'
        b'["all","all",false],"x","SUCCESS_ON_ALL_EVENTS_SUCCESS","policy"]]],"atoms":[["r",0,0,[-1],[],null,[-1]],'
        b'["m",1,1,[],[],null],["e",0,2,[],[],null,[4]]],"after":[[1],[3],[],[4],[2]],"contested":[],"gates":'
        b'[[3,"group",1,1,2,[]],[4,"decider",0,2,3,[["flow",1,"yes","1.0","ATOM"]]]]}'
    )


def test_a_group_that_does_not_provide_what_is_asked_of_it_is_refused() -> None:
    group = unordered("g", outcome=PART, provides="all").add(*leaves("m"))
    body = definition(linear("f").add(group, FunctorTask(function(("all",)), "c"))).body
    with pytest.raises(CorruptLog, match="provides no 'all'"):
        Definition.load(body.replace(b'"all"]],"kinds"', b'"more"]],"kinds"'))
