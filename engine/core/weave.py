"""Which node waits for which: the links between atoms that the patterns of the flows amount to.

Each item of a flow has beginnings and ends: nodes that wait for nothing in it, and those that nothing in it waits for.
A linear flow links the ends of one item to the beginnings of the next, a graph those of the items it links. Where many
ends meet many beginnings, an invisible join between them makes m + n links of m * n. A flow without atoms is passed
through. Everything in a flow waits for its retry.

Gates are joins that stay: in front of an item of a graph that has deciders, through which all links to it go, and behind
the members of a group. What an item begins with is always atoms.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any, NamedTuple

import attrs

from ...errors import FlowError
from ..definition.deciders import Decider
from .outline import ATOM, ENTER, Outline
from .specs import DeciderSpec, Gate

Functions = tuple[Callable[..., Any], ...]


class Ends(NamedTuple):
    """The first and last nodes of an item; both empty where it has no atoms. The lists belong to whoever holds this."""

    first: list[int]
    last: list[int]


class Web:
    """The links as they are made; nodes beyond the atoms are joins and gates."""

    def __init__(self, atoms: int) -> None:
        self.after: list[list[int]] = [[] for _ in range(atoms)]
        self.gates: list[Gate] = []
        self.deciders: dict[int, Functions] = {}

    def connect(self, ends: list[int], beginnings: list[int]) -> None:
        """Let all of `beginnings` wait for all of `ends`."""
        if len(ends) == 1 or len(beginnings) == 1:
            for node in ends:
                self.after[node].extend(beginnings)
        else:
            self.after[self.join(ends)].extend(beginnings)

    def join(self, ends: list[int]) -> int:
        """A new node that waits for all of `ends`."""
        node = len(self.after)
        self.after.append([])
        for end in ends:
            self.after[end].append(node)
        return node

    def gate(self, ends: list[int], gate: Gate, deciders: Functions = ()) -> int:
        """A new node that waits for all of `ends` and is `gate`."""
        node = self.join(ends)
        self.gates.append(attrs.evolve(gate, node=node))
        if deciders:
            self.deciders[node] = deciders
        return node


class _Linear:
    def __init__(self) -> None:
        self.ends = Ends([], [])

    def item(self, web: Web, item: Ends) -> None:
        if not item.first:
            return
        if self.ends.first:
            web.connect(self.ends.last, item.first)
            self.ends = Ends(self.ends.first, item.last)
        else:
            self.ends = item

    def done(self) -> Ends:
        return self.ends


class _Unordered:
    def __init__(self) -> None:
        self.ends = Ends([], [])

    def item(self, web: Web, item: Ends) -> None:
        # The longer list takes in the shorter one: nested flows cost n log n, not n times their depth.
        self.ends = Ends(_merged(self.ends.first, item.first), _merged(self.ends.last, item.last))

    def done(self) -> Ends:
        return self.ends


class _Graph:
    """Takes the items in an order in which links point forward; `places` says which item comes when.

    `gates`: by place, what is to be decided before an item, and by which functions.
    """

    def __init__(self, links: list[list[int]], places: list[int], gates: dict[int, tuple[Gate, Functions]]) -> None:
        self.links = links
        self.places = iter(places)
        self.gates = gates
        self.before: list[list[list[int]]] = [[] for _ in links]  # the ends of the items that lead to each
        self.ends = Ends([], [])

    def item(self, web: Web, item: Ends) -> None:
        place = next(self.places)
        behind = self.links[place]
        before = self.before[place]
        self.before[place] = []
        incoming = before[0] if len(before) == 1 else list(dict.fromkeys(chain.from_iterable(before)))
        gate = self.gates.get(place)
        if gate is not None:
            incoming = [web.gate(incoming, *gate)]
        if not item.first:
            last = incoming
        else:
            last = item.last
            if incoming:
                web.connect(incoming, item.first)
            else:
                self.ends.first.extend(item.first)
        if len(last) > 1 and len(behind) > 1:
            last = [web.join(last)]
        for other in behind:
            self.before[other].append(last)
        if not behind:
            self.ends.last.extend(last)

    def done(self) -> Ends:
        return Ends(self.ends.first, list(dict.fromkeys(self.ends.last)))


class Woven(NamedTuple):
    """`after`: the successors of each node, in order: the atoms first, then joins and gates. `gates` by their nodes.

    `deciders`: for the node of a gate its functions, in the order of the gate's own.
    """

    after: tuple[tuple[int, ...], ...]
    gates: tuple[Gate, ...]
    deciders: dict[int, Functions]


def weave(outline: Outline) -> Woven:
    """What waits for what.

    Raises:
        FlowError: a decider on a link from a flow without atoms.
    """
    web = Web(len(outline.atoms))
    open_flows: list[_Linear | _Unordered | _Graph] = []
    for event, index in outline.walk():
        if event == ENTER:
            open_flows.append(_scope(outline, index))
            continue
        item = Ends([index], [index]) if event == ATOM else _around(outline, index, web, open_flows.pop().done())
        if open_flows:
            open_flows[-1].item(web, item)
    return _settled(web, len(outline.atoms))


def _around(outline: Outline, flow: int, web: Web, inner: Ends) -> Ends:
    """A whole flow: its items, its retry before them, its gate behind them."""
    retry = outline.retries[flow]
    if retry is not None:
        web.after[retry].extend(inner.first)
        inner = Ends([retry], inner.last or [retry])
    if outline.flows[flow].outcome is not None and inner.first:
        gate = web.gate(inner.last, Gate(-1, "group", flow, outline.first[flow], outline.last[flow]))
        return Ends(inner.first, [gate])
    return inner


def _settled(web: Web, atoms: int) -> Woven:
    """The links as tuples in order, without joins that lead nowhere (to flows without atoms)."""
    after = web.after
    gates = {gate.node: gate for gate in web.gates}
    dead: set[int] = set()
    for node in range(len(after) - 1, atoms - 1, -1):  # what a join leads to was made after it
        if node not in gates and dead.issuperset(after[node]):
            dead.add(node)
    if not dead:
        return Woven(tuple([tuple(sorted(behind)) for behind in after]), tuple(web.gates), web.deciders)
    place = list(range(len(after)))
    for node in range(atoms, len(after)):
        place[node] = place[node - 1] + (node - 1 not in dead)
    alive = [[place[other] for other in behind if other not in dead] for behind in after]
    kept = tuple(tuple(sorted(behind)) for node, behind in enumerate(alive) if node not in dead)
    kept_gates = tuple(attrs.evolve(gate, node=place[gate.node]) for gate in web.gates)
    return Woven(kept, kept_gates, {place[node]: functions for node, functions in web.deciders.items()})


def _scope(outline: Outline, flow: int) -> _Linear | _Unordered | _Graph:
    links, turns = outline.links[flow], outline.turns[flow]
    if links is not None and turns is not None:
        deciders = outline.deciders[flow]
        return _Graph(links, turns, {place: _gate(outline, flow, place, deciders[place]) for place in deciders})
    return _Linear() if outline.flows[flow].pattern == "linear" else _Unordered()


def _gate(outline: Outline, flow: int, place: int, deciders: list[tuple[int, Decider]]) -> tuple[Gate, Functions]:
    children = outline.children[flow]
    first, last = outline.range_of(children[place])
    specs = (_decider(outline, children[source], decider) for source, decider in deciders)
    gate = Gate(-1, "decider", flow, first, last, tuple(specs))
    return gate, tuple(decider.function for _, decider in deciders)


def _decider(outline: Outline, child: int, decider: Decider) -> DeciderSpec:
    kind, source = ("atom", child) if child >= 0 else ("flow", -1 - child)
    first, last = outline.range_of(child)
    if first == last:
        raise FlowError(
            f"flow {outline.flows[0].name!r}: decider {decider.name!r} stands on a link from flow "
            f"{outline.flows[source].name!r}, which has no atoms: there is nothing to decide by; add some, or "
            "link without a decider"
        )
    return DeciderSpec(kind, source, decider.name, decider.version, decider.depth.value)


def _merged(one: list[int], other: list[int]) -> list[int]:
    if len(one) < len(other):
        one, other = other, one
    one.extend(other)
    return one
