"""`Outline`: a flow numbered: its atoms and flows in the order of the definition, and how to walk them.

Nesting is walked with a stack of its own: how deep flows may nest is a matter of memory, not of a recursion limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from ...errors import DuplicateName, FlowError
from ..definition.flow import Flow
from ..definition.graph import GraphFlow
from ..definition.task import Task

ENTER: Final = 0
ATOM: Final = 1
LEAVE: Final = 2


@attrs.frozen(eq=False)
class Outline:
    """Atoms and flows by index. `children[f]`: an atom by its index, a flow by -1 - its index, by place.

    `links[f]`: for a graph flow, for each place the places behind it; `turns[f]`: the places in an order in which
    every link points forward; both None for the other patterns.
    """

    atoms: list[Task]
    flow_of: list[int]
    flows: list[Flow]
    parents: list[int | None]
    children: list[list[int]]
    links: list[list[list[int]] | None]
    turns: list[list[int] | None]

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
    made = Outline([], [], [], [], [], [], [])
    names: dict[str, int] = {}
    seen: set[int] = set()
    stack = [(_enter(made, root, None, seen), iter(root))]
    while stack:
        flow, rest = stack[-1]
        children = made.children[flow]
        for item in rest:
            if isinstance(item, Flow):
                index = _enter(made, item, flow, seen)
                children.append(-1 - index)
                stack.append((index, iter(item)))
                break
            index = len(made.atoms)
            other = names.setdefault(item.name, index)
            if other != index:
                raise _twice(made, item, flow, other)
            made.atoms.append(item)
            made.flow_of.append(flow)
            children.append(index)
        else:
            stack.pop()
    return made


def _enter(made: Outline, flow: Flow, parent: int | None, seen: set[int]) -> int:
    if id(flow) in seen:
        raise DuplicateName(
            f"flow {flow.name!r} is in flow {made.flows[0].name!r} twice; build it twice, by a function"
        )
    seen.add(id(flow))
    made.flows.append(flow)
    made.parents.append(parent)
    made.children.append([])
    links = flow.successors() if isinstance(flow, GraphFlow) else None
    made.links.append(links)
    made.turns.append(None if links is None else _turns(flow, links))
    return len(made.flows) - 1


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


def _twice(made: Outline, item: Task, flow: int, other: int) -> DuplicateName:
    again = "the same task" if made.atoms[other] is item else "another task"
    one, two = made.flows[made.flow_of[other]].name, made.flows[flow].name
    return DuplicateName(
        f"flow {made.flows[0].name!r}: {again} is named {item.name!r}, once in {one!r} and once in {two!r}; names are "
        "unique in a run: give one of them another name"
    )
