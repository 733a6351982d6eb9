"""Flows of every pattern, nested, with links and deciders, made by choice."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...engine.definition import Depth, Flow, GraphFlow, graph, linear, unordered
from .asked import mostly, mostly_async, no, yes
from .making import Making, Part, Seen
from .retries import retry
from .tasks import POLICIES, item

PATTERNS = ("linear", "linear", "unordered", "group", "graph", "graph")
DEPTHS = tuple(Depth)
DECIDERS = (yes, mostly, no, mostly_async, mostly)


class Scope(NamedTuple):
    """Where a flow is made.

    Attributes:
        level: how deep it is in the whole, from 1; `depth`: how deep it may go.
        seen: what its atoms may take.
        tries: how often its atoms may be executed for the sake of retries.
        retries: how many there are around it.
        renew: names that its atoms may provide once more: nobody can see two of them as equally near.
    """

    level: int
    depth: int
    seen: Seen
    tries: int
    retries: int
    renew: list[str]


def flow(m: Making, size: int, scope: Scope) -> tuple[Flow, Seen]:
    """A flow of about `size` atoms, and what those behind it may take from it."""
    m.part.depth = max(m.part.depth, scope.level)
    pattern, name, governor = m.pick(PATTERNS), m.name("f"), None
    provides: Seen = {}
    if size > 1 and m.choose(2):
        governor, tries = retry(m, scope.seen, scope.tries)
        size -= 1
        provides.update(dict.fromkeys(governor.provides, False))
        if scope.retries:
            m.has("nested retry")
        scope = scope._replace(
            seen={**scope.seen, **provides}, tries=max(1, scope.tries // tries), retries=scope.retries + 1
        )
    if pattern == "linear":
        m.has("linear")
        made: Flow = linear(name, governor)
        _one_after_the_other(m, made, size, scope, provides)
    elif pattern == "graph":
        m.has("graph")
        made = graph(name, governor)
        _linked(m, made, size, scope, provides)
    else:
        made = unordered(name, governor, **(_group(m, provides) if pattern == "group" else {}))
        m.has("unordered")
        _side_by_side(m, made, size, scope, provides)
    return made, provides


def _group(m: Making, provides: Seen) -> dict[str, Any]:
    options: dict[str, Any] = {"outcome": m.pick(POLICIES)}
    m.has("group", "outcome policy", f"policy {options['outcome']}")
    if m.choose(3):
        options["provides"] = name = m.name("x")
        provides[name] = True
    return options


def _member(m: Making, left: int, scope: Scope, provides: Seen) -> tuple[Any, int]:
    """A flow, or a task or fan-out, of at most `left` atoms; and how many are left."""
    if scope.level < scope.depth:
        if left > 1 and m.once_in(3):
            size = 2 + m.choose(left - 1)
            m.has("nested flow")
            made, given = flow(m, size, scope._replace(level=scope.level + 1))
            provides.update(given)
            return made, left - size
        if m.once_in(60):
            m.has("empty flow")
            return unordered(m.name("f")), left
    return item(m, scope.seen, provides, scope.renew), left - 1


def _one_after_the_other(m: Making, made: Flow, size: int, scope: Scope, provides: Seen) -> None:
    while size > 0:
        given: Seen = {}
        member, size = _member(m, size, scope, given)
        made.add(member)
        provides.update(given)
        if given:
            scope.seen.update(given)
            scope.renew.extend(given)


def _side_by_side(m: Making, made: Flow, size: int, scope: Scope, provides: Seen) -> None:
    while size > 0:
        member, size = _member(m, size, scope._replace(seen=dict(scope.seen), renew=[]), provides)
        made.add(member)


def _linked(m: Making, made: GraphFlow, size: int, scope: Scope, provides: Seen) -> None:
    """Items may take from those before them, which links them; some are linked by hand, with deciders or without."""
    parts: dict[Any, tuple[Part, Seen]] = {}
    outside = m.part
    while size > 0:
        given: Seen = {}
        m.part = Part()
        member, size = _member(m, size, scope._replace(seen=dict(scope.seen), renew=[]), given)
        made.add(member)
        for source in list(parts)[-3:]:
            _link(m, made, source, member)
        parts[member] = m.part, given
        scope = scope._replace(seen={**scope.seen, **given})
    m.part = outside
    if len(parts) > 1 and m.once_in(10):
        m.has("targeted graph")
        made.set_target(list(parts)[-1 - m.choose(2)])
        parts = {node: parts[node] for node, _ in made.iter_nodes()}
    for part, given in parts.values():
        outside.take(part)
        provides.update(given)


def _link(m: Making, made: GraphFlow, source: Any, member: Any) -> None:
    kind = m.choose(8)
    if kind > 5 and _has_atoms(source):
        decider, depth = m.pick(DECIDERS), m.pick(DEPTHS)
        m.has("decider", f"decider {depth}", *["decider that refuses"] * (decider is no))
        made.link(source, member, decider, depth)
    elif kind > 3:
        made.link(source, member)


def _has_atoms(item: Any) -> bool:
    """Whether there is anything to decide by: a flow, or all that a graph is to reach, may hold no atoms."""
    return not isinstance(item, Flow) or item.retry is not None or any(_has_atoms(inner) for inner, _ in item.iter_nodes())
