"""`Undo`: the graph walked backwards, by counters: what of it ran, and what may be reverted next.

One is made when the run turns round, and one for each flow that its retry has undone. It holds only the nodes that were
touched, so that undoing a small part of a large flow costs as much as that part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import Any

from .graph import Definition
from .states import RAN, AtomState, TaskState

PENDING, IGNORED, REVERTED = TaskState.PENDING, TaskState.IGNORED, TaskState.REVERTED
PASSED = (PENDING, IGNORED, REVERTED)
LEFT = (*RAN, TaskState.RUNNING, TaskState.WAITING)


class Undo:
    """How far a revert has come.

    `nodes`: what was touched, each after what it waited for. `before[node]`: its touched predecessors. `waits[node]`:
    successors that are still to be passed before it may be reverted. `ready`: a heap of (-priority, -atom): larger
    priority first, then the later in the definition. `fans`: fan-outs whose elements are being reverted -> whether one of
    them is still to be begun: as long as it is, the fan-out keeps its place in the heap. `over`: those of them of which
    nothing is left to be reverted.
    """

    __slots__ = ("before", "definition", "fans", "nodes", "over", "ready", "task", "waits")

    def __init__(self, definition: Definition, task: list[AtomState]) -> None:
        self.definition = definition
        self.task = task
        self.nodes: dict[int, None] = {}
        self.before: dict[int, list[int]] = {}
        self.waits: dict[int, int] = {}
        self.ready: list[tuple[float, int]] = []
        self.fans: dict[int, bool] = {}
        self.over: dict[int, None] = {}

    def find(self, roots: Iterable[int], touched: Callable[[int], bool]) -> None:
        """Walk forward from `roots` over what was touched, then find what can be reverted first."""
        after, nodes = self.definition.after, self.nodes
        nodes.update((root, None) for root in roots if touched(root))
        walk = list(nodes)
        for node in walk:  # grows while it is walked
            self.waits.setdefault(node, 0)
            self.before.setdefault(node, [])
            for successor in after[node]:
                if touched(successor):
                    self.waits[node] += 1
                    self.before.setdefault(successor, []).append(node)
                    if successor not in nodes:
                        nodes[successor] = None
                        walk.append(successor)
        for node in [node for node, waits in self.waits.items() if not waits]:
            self.reach(node)

    def reach(self, node: int) -> None:
        """Everything after `node` is undone: it is next, or, if there is nothing to revert in it, what is before it."""
        atoms = self.definition.atoms
        todo = [node]
        while todo:
            node = todo.pop()
            if node < len(atoms) and self.task[node] not in PASSED:
                if self.task[node] in LEFT:  # else its revert has begun, and `done` goes on from it
                    heappush(self.ready, (-atoms[node].priority, -node))
                continue
            for predecessor in self.before[node]:
                self.waits[predecessor] -= 1
                if not self.waits[predecessor]:
                    todo.append(predecessor)

    def begun(self) -> None:
        """Take from the heap what is no longer to be begun."""
        while self.ready:
            atom = -self.ready[0][1]
            if self.task[atom] in LEFT or self.fans.get(atom):
                return
            heappop(self.ready)

    def elements(self, atom: int, more: bool, left: int) -> None:
        """Of a fan-out that is being reverted so many elements are left, and whether there are `more` to be begun."""
        if more and not self.fans.get(atom) and self.task[atom] not in LEFT:
            heappush(self.ready, (-self.definition.atoms[atom].priority, -atom))
        self.fans[atom] = more
        if not left:
            self.over[atom] = None

    def done(self, atom: int) -> None:
        """An atom was reverted."""
        self.fans.pop(atom, None)
        self.over.pop(atom, None)
        self.begun()
        if self.waits.get(atom) == 0:
            self.reach(atom)

    def dump(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {
            "nodes": list(self.nodes),
            "before": [[node, list(before)] for node, before in self.before.items()],
            "waits": [[node, waits] for node, waits in self.waits.items()],
            "ready": [list(entry) for entry in self.ready],
            "fans": [list(entry) for entry in self.fans.items()],
            "over": list(self.over),
        }

    @classmethod
    def load(cls, definition: Definition, task: list[AtomState], data: dict[str, Any]) -> Undo:
        """What `dump` gave."""
        undo = cls(definition, task)
        undo.nodes = dict.fromkeys(data["nodes"])
        undo.before = {node: list(before) for node, before in data["before"]}
        undo.waits = {node: waits for node, waits in data["waits"]}
        undo.ready = [(priority, atom) for priority, atom in data["ready"]]
        undo.fans = {atom: more for atom, more in data["fans"]}
        undo.over = dict.fromkeys(data["over"])
        return undo
