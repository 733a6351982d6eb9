"""`Outline`: a flow numbered: its atoms and flows in the order of the definition, and how to walk them.

Nesting is walked with a stack of its own: how deep flows may nest is a matter of memory, not of a recursion limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from ...errors import DuplicateName, FlowError
from ..definition.deciders import Decider
from ..definition.each import Each
from ..definition.flow import Flow, Item
from ..definition.retry import Retry
from ..definition.task import Task

ENTER: Final = 0
ATOM: Final = 1
LEAVE: Final = 2


Placed = Task | Each | Retry


def kind_of(atom: Placed) -> str:
    """The kind of an atom in a definition: task or retry."""
    return "retry" if isinstance(atom, Retry) else "task"


@attrs.frozen(eq=False)
class Outline:
    """Atoms and flows by index; a flow's retry is the atom right before those of its items.

    `retries[f]`: the retry of flow f; `first[f]` <= i < `last[f]`: its atoms, the retry among them.
    `children[f]`: its items by place: an atom by its index, a flow by -1 - its index.
    `links[f]`: for a graph flow, for each place the places behind it; `turns[f]`: the places in an order in which
    every link points forward; both None for the other patterns. `deciders[f]`: as `Members` has them.
    """

    atoms: list[Placed] = attrs.field(factory=list)
    flow_of: list[int] = attrs.field(factory=list)
    flows: list[Flow] = attrs.field(factory=list)
    parents: list[int | None] = attrs.field(factory=list)
    retries: list[int | None] = attrs.field(factory=list)
    first: list[int] = attrs.field(factory=list)
    last: list[int] = attrs.field(factory=list)
    children: list[list[int]] = attrs.field(factory=list)
    links: list[list[list[int]] | None] = attrs.field(factory=list)
    turns: list[list[int] | None] = attrs.field(factory=list)
    deciders: list[Mapping[int, list[tuple[int, Decider]]]] = attrs.field(factory=list)

    def range_of(self, child: int) -> tuple[int, int]:
        """The atoms of a child: first, and behind the last."""
        return (child, child + 1) if child >= 0 else (self.first[-1 - child], self.last[-1 - child])

    def walk(self) -> Iterator[tuple[int, int]]:
        """(ENTER, flow), (ATOM, atom), (LEAVE, flow), each item after those that it waits for within its flow."""
        yield ENTER, 0
        stack = [(0, self._turn(0))]
        while stack:
            flow, rest = stack[-1]
            for child in rest:
                if child >= 0:
                    yield ATOM, child
                else:
                    yield ENTER, -1 - child
                    stack.append((-1 - child, self._turn(-1 - child)))
                    break
            else:
                stack.pop()
                yield LEAVE, flow

    def _turn(self, flow: int) -> Iterator[int]:
        children, turns = self.children[flow], self.turns[flow]
        return iter(children) if turns is None else map(children.__getitem__, turns)


def outline(root: Flow) -> Outline:
    """Number what is in `root`.

    Raises:
        DuplicateName: two atoms have one name, or one flow is there twice.
    """
    made = Outline()
    names: dict[str, int] = {}
    seen: set[int] = set()
    stack = [(0, _enter(made, root, None, names, seen))]
    while stack:
        flow, rest = stack[-1]
        children = made.children[flow]
        for item in rest:
            if isinstance(item, Flow):
                index = len(made.flows)
                children.append(-1 - index)
                stack.append((index, _enter(made, item, flow, names, seen)))
                break
            children.append(_place(made, item, flow, names))
        else:
            made.last[flow] = len(made.atoms)
            stack.pop()
    return made


def _enter(made: Outline, flow: Flow, parent: int | None, names: dict[str, int], seen: set[int]) -> Iterator[Item]:
    """Number a flow and its retry; its items are still to come."""
    if id(flow) in seen:
        raise DuplicateName(
            f"flow {flow.name!r} is in flow {made.flows[0].name!r} twice; build it twice, by a function"
        )
    seen.add(id(flow))
    index = len(made.flows)
    members = flow.members()
    made.flows.append(flow)
    made.parents.append(parent)
    made.first.append(len(made.atoms))
    made.last.append(-1)
    made.children.append([])
    made.links.append(members.links)
    made.turns.append(None if members.links is None else _turns(flow, members.links))
    made.deciders.append(members.deciders)
    made.retries.append(None if flow.retry is None else _place(made, flow.retry, index, names))
    return iter(members.items)


def _place(made: Outline, item: Placed, flow: int, names: dict[str, int]) -> int:
    index = len(made.atoms)
    other = names.setdefault(item.name, index)
    if other != index:
        raise _twice(made, item, flow, other)
    made.atoms.append(item)
    made.flow_of.append(flow)
    return index


def _turns(flow: Flow, links: list[list[int]]) -> list[int]:
    """The places of a graph flow, each after those that lead to it; the same however the links were made."""
    waits = [0] * len(links)
    for behind in links:
        for place in behind:
            waits[place] += 1
    turns = [place for place, count in enumerate(waits) if count == 0]
    for place in turns:  # grows while it is walked
        for other in links[place]:
            waits[other] -= 1
            if waits[other] == 0:
                turns.append(other)
    if len(turns) != len(links):
        raise FlowError(f"graph flow {flow.name!r} has a cycle that was not refused; this is a fault of sagalog")
    return turns


def _twice(made: Outline, item: Placed, flow: int, other: int) -> DuplicateName:
    again = f"{'the same' if made.atoms[other] is item else 'another'} {kind_of(item)}"
    one, two = made.flows[made.flow_of[other]].name, made.flows[flow].name
    return DuplicateName(
        f"flow {made.flows[0].name!r}: {again} is named {item.name!r}, once in {one!r} and once in {two!r}; names are "
        "unique in a run: give one of them another name"
    )
