"""Which node waits for which: the links between atoms that the patterns of the flows amount to.

Each item of a flow has beginnings and ends: nodes that wait for nothing in it, and those that nothing in it waits for.
A linear flow links the ends of one item to the beginnings of the next, a graph those of the items it links. Where many
ends meet many beginnings, an invisible join between them makes m + n links of m * n. A flow without atoms is passed
through.
"""

from __future__ import annotations

from itertools import chain
from typing import NamedTuple

from .outline import ATOM, ENTER, Outline


class Ends(NamedTuple):
    """The first and last nodes of an item; both empty where it has no atoms. The lists belong to whoever holds this."""

    first: list[int]
    last: list[int]


class Web:
    """The links as they are made; nodes beyond the atoms are joins."""

    def __init__(self, atoms: int) -> None:
        self.after: list[list[int]] = [[] for _ in range(atoms)]

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
    """Takes the items in an order in which links point forward; `places` says which item comes when."""

    def __init__(self, links: list[list[int]], places: list[int]) -> None:
        self.links = links
        self.places = iter(places)
        self.before: list[list[list[int]]] = [[] for _ in links]  # the ends of the items that lead to each
        self.ends = Ends([], [])

    def item(self, web: Web, item: Ends) -> None:
        place = next(self.places)
        behind = self.links[place]
        before = self.before[place]
        self.before[place] = []
        incoming = before[0] if len(before) == 1 else list(dict.fromkeys(chain.from_iterable(before)))
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


def weave(outline: Outline) -> tuple[tuple[int, ...], ...]:
    """The successors of each node, in order: the atoms first, then the joins."""
    web = Web(len(outline.atoms))
    open_flows: list[_Linear | _Unordered | _Graph] = []
    for event, index in outline.walk():
        if event == ENTER:
            open_flows.append(_scope(outline, index))
            continue
        item = Ends([index], [index]) if event == ATOM else open_flows.pop().done()
        if open_flows:
            open_flows[-1].item(web, item)
    return _settled(web.after, len(outline.atoms))


def _settled(after: list[list[int]], atoms: int) -> tuple[tuple[int, ...], ...]:
    """The links as tuples in order, without joins that lead nowhere (to flows without atoms)."""
    dead: set[int] = set()
    for node in range(len(after) - 1, atoms - 1, -1):  # what a join leads to was made after it
        if dead.issuperset(after[node]):
            dead.add(node)
    if not dead:
        return tuple(tuple(sorted(behind)) for behind in after)
    place = list(range(len(after)))
    for node in range(atoms, len(after)):
        place[node] = place[node - 1] + (node - 1 not in dead)
    alive = [[place[other] for other in behind if other not in dead] for behind in after]
    return tuple(tuple(sorted(behind)) for node, behind in enumerate(alive) if node not in dead)


def _scope(outline: Outline, flow: int) -> _Linear | _Unordered | _Graph:
    links, turns = outline.links[flow], outline.turns[flow]
    if links is not None and turns is not None:
        return _Graph(links, turns)
    return _Linear() if outline.flows[flow].pattern == "linear" else _Unordered()


def _merged(one: list[int], other: list[int]) -> list[int]:
    if len(one) < len(other):
        one, other = other, one
    one.extend(other)
    return one
