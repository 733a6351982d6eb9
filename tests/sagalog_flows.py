"""Generated flows for the tests of definition and core, and what they mean, told naively."""

from __future__ import annotations

import inspect
import itertools
import json
from collections.abc import Iterator
from typing import Any

import attrs
from hypothesis import strategies as st

from sagalog.engine.core.graph import Definition
from sagalog.engine.definition import AlwaysRevert, Flow, FunctorTask, graph, linear, unordered

NAMES = ("x", "y", "z")
DEPTHS = ("FLOW", "ALL", "ATOM")


@attrs.frozen
class Leaf:
    """A task to be: what it provides, requires, and takes if it is there."""

    provides: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


@attrs.frozen
class Branch:
    """A flow to be; `links` by place, for graphs, are made where they close no cycle, the first `decided` with deciders."""

    pattern: str
    children: tuple[Any, ...]
    links: tuple[tuple[int, int], ...] = ()
    retry: Leaf | None = None
    decided: int = 0


@attrs.define
class Built:
    """A flow, with the leaves in the order of the definition, and which must be before which: (earlier, later)."""

    flow: Flow
    leaves: list[Leaf]
    before: set[tuple[int, int]]


def encode(value: object, path: str) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def function(required: tuple[str, ...] = (), optional: tuple[str, ...] = ()) -> Any:
    """A function with this signature that returns what it was given."""
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(name, kind) for name in required]
    parameters += [inspect.Parameter(name, kind, default=None) for name in optional]

    def made(**values: Any) -> Any:
        return values

    made.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by inspect
    return made


names = st.lists(st.sampled_from(NAMES), unique=True, max_size=2).map(tuple)


@st.composite
def leaves(draw: st.DrawFn) -> Leaf:
    requires = draw(names)
    optional = tuple(name for name in draw(names) if name not in requires)
    return Leaf(draw(names), requires, optional)


def branches(children: st.SearchStrategy[Any], retry: st.SearchStrategy[Any]) -> st.SearchStrategy[Branch]:
    several = st.lists(children, max_size=4).map(tuple)
    plain = st.builds(Branch, st.sampled_from(["linear", "unordered"]), several, retry=retry)
    pairs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=5).map(tuple)
    return plain | st.builds(Branch, st.just("graph"), several, pairs, retry, st.integers(0, 2))


def trees(nameless: bool = False) -> st.SearchStrategy[Branch]:
    """Nested flows of up to some dozen atoms, with retries and deciders; `nameless` ones provide and require nothing."""
    leaf = st.just(Leaf()) if nameless else leaves()
    retry = st.none() | st.none() | leaf.map(lambda found: attrs.evolve(found, optional=()))
    return branches(st.recursive(leaf, lambda children: branches(children, retry), max_leaves=12), retry)


def build(tree: Branch) -> Built:
    """The flow of a tree; CycleError where its names close a cycle."""
    numbers = itertools.count()
    flow, _, found, before = _branch(tree, numbers)
    return Built(flow, found, before)


def _branch(tree: Branch, numbers: Iterator[int]) -> tuple[Flow, list[int], list[Leaf], set[tuple[int, int]]]:
    make: Any = {"linear": linear, "unordered": unordered, "graph": graph}[tree.pattern]
    name = f"flow{next(numbers)}"
    atoms: list[list[int]] = []
    found: list[Leaf] = []
    before: set[tuple[int, int]] = set()
    if tree.retry is None:
        flow = make(name)
    else:
        found.append(tree.retry)
        leaf = tree.retry
        flow = make(name, AlwaysRevert(f"r{next(numbers)}", provides=leaf.provides, requires=leaf.requires))
    for child in tree.children:
        if isinstance(child, Leaf):
            atoms.append([len(found)])
            task = FunctorTask(function(child.requires, child.optional), f"t{next(numbers)}", provides=child.provides)
            flow.add(task)
            found.append(child)
        else:
            inner, _, more, order = _branch(child, numbers)
            flow.add(inner)
            start = len(found)
            atoms.append(list(range(start, start + len(more))))
            before |= {(u + start, v + start) for u, v in order}
            found += more
    for u, v in _reached(tree, flow, len(atoms)):
        before |= set(itertools.product(atoms[u], atoms[v]))
    if tree.retry is not None:
        before |= {(0, later) for later in range(1, len(found))}
    return flow, list(range(len(found))), found, before


def _reached(tree: Branch, flow: Flow, count: int) -> set[tuple[int, int]]:
    """Which child is before which."""
    if tree.pattern != "graph":
        return {(u, v) for u in range(count) for v in range(u + 1, count)} if tree.pattern == "linear" else set()
    items = flow.items
    reached = {
        (u, v)
        for u, v in itertools.permutations(range(count), 2)
        if set(items[u].provides) & set(needs(tree.children[v]))
    }
    reached = closed(reached)
    for place, (u, v) in enumerate(tree.links):
        if u < count and v < count and u != v and (v, u) not in reached:
            decided = place < tree.decided and len_of(tree.children[u])
            decider, depth = (decides, DEPTHS[place % 3]) if decided else (None, None)
            flow.link(items[u], items[v], decider, depth)  # type: ignore[attr-defined]  # it is a graph
            reached = closed(reached | {(u, v)})
    return reached


def decides(history: object) -> bool:
    return True


def len_of(tree: Any) -> int:
    """How many atoms a leaf or branch has."""
    return 1 if isinstance(tree, Leaf) else (tree.retry is not None) + sum(map(len_of, tree.children))


def needs(tree: Any) -> list[str]:
    """What a leaf or branch requires from outside."""
    if isinstance(tree, Leaf):
        return list(tree.requires)
    if tree.retry is not None:
        inside = needs(attrs.evolve(tree, retry=None))
        return [*tree.retry.requires, *(name for name in inside if name not in tree.retry.provides)]
    found: list[str] = []
    for place, child in enumerate(tree.children):
        others = {
            "linear": tree.children[:place],
            "unordered": (),
            "graph": tree.children[:place] + tree.children[place + 1 :],
        }[tree.pattern]
        inside = {name for other in others for name in gives(other)}
        found += [name for name in needs(child) if name not in inside]
    return found


def gives(tree: Any) -> set[str]:
    """What a leaf or branch provides."""
    if isinstance(tree, Leaf):
        return set(tree.provides)
    own = () if tree.retry is None else tree.retry.provides
    return {*own, *(name for child in tree.children for name in gives(child))}


def closed(pairs: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """The transitive closure."""
    while True:
        more = {(a, d) for a, b in pairs for c, d in pairs if b == c} - pairs
        if not more:
            return pairs
        pairs = pairs | more


def reachable(definition: Definition) -> set[tuple[int, int]]:
    """Which atom leads to which in a compiled graph, over joins too."""
    count = len(definition.atoms)
    found: set[tuple[int, int]] = set()
    for start in range(count):
        walk, seen = [start], {start}
        while walk:
            for node in definition.after[walk.pop()]:
                if node not in seen:
                    seen.add(node)
                    walk.append(node)
        found |= {(start, node) for node in seen if node < count and node != start}
    return found


def nearest(built: Built, name: str, atom: int | None) -> list[int]:
    """The providers of a name that are before an atom (None: all), without those that lead to another one of them."""
    candidates = [
        place
        for place, leaf in enumerate(built.leaves)
        if name in leaf.provides and (atom is None or (place, atom) in built.before)
    ]
    return [one for one in candidates if not any((one, other) in built.before for other in candidates)]
