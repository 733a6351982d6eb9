"""What is known of a run after folding its records: facts and references to values, never values.

A reference is the version of the record that holds the value. Every list is indexed by atom (or by node: atoms first,
then the invisible joins of the definition), so that a record changes O(1 + out-degree) of it, however large the flow.
"""

from __future__ import annotations

from heapq import heapify, heappush
from typing import Any

from .graph import Definition
from .states import RunState, TaskState

PENDING, IGNORED, REVERTED = TaskState.PENDING, TaskState.IGNORED, TaskState.REVERTED


class Undo:
    """How far a revert has come: the graph walked backwards, by counters.

    `waits[node]` successors are still to be passed before `node` may be reverted; `ready` is a heap of
    (-priority, -atom): larger priority first, then the later in the definition.
    """

    __slots__ = ("before", "ready", "waits")

    def __init__(self, definition: Definition) -> None:
        self.before: list[list[int]] = [[] for _ in definition.after]
        for node, successors in enumerate(definition.after):
            for successor in successors:
                self.before[successor].append(node)
        self.waits = [len(successors) for successors in definition.after]
        self.ready: list[tuple[float, int]] = []


class State:
    """One run, folded. Made by `initial`, changed only by `evolve`.

    Attributes:
        definition, run, version: the graph, the run's state, the version of the last record folded.
        after, rank: those of the definition, at hand.
        task, execution, attempt: per atom; attempt is that of the last direction (execute, then revert) it took.
        result: per atom, the version of the record with its result or failure; 0 when there is none.
        revert_result: atom -> version of the record with what its revert returned or raised.
        waits, ready: per node its unmet predecessors; a heap of ranks of the atoms that may start.
        running, reverting, unknown, waiting: atoms in that state, oldest first (dicts, for their order).
        lost: atoms whose revert was cut short (REVERT_UNKNOWN).
        failures, stuck: atom -> version of its failure (execute), of its failed revert; oldest first.
        asked: atoms about which a person must say something before the run can go on.
        outcome: atom -> what its revert came to: reverted, nothing_to_revert, undeclared, not_revertible.
        open: atoms that are not settled yet.
        cause, reason: why the run is in the state it is in, and the version of the record with the reason (0: none).
        undo: the counters of the way back, once there is one.
    """

    __slots__ = (
        "after", "asked", "attempt", "cause", "definition", "execution", "failures", "lost", "open", "outcome", "rank",
        "ready", "reason", "result", "revert_result", "reverting", "run", "running", "stuck", "task", "undo", "unknown",
        "version", "waiting", "waits",
    )  # fmt: skip

    def __init__(self, definition: Definition) -> None:
        count = len(definition.atoms)
        self.definition = definition
        self.after = definition.after
        self.rank = definition.rank
        self.run = RunState.PENDING
        self.version = 0
        self.task: list[TaskState] = [PENDING] * count
        self.execution = [0] * count
        self.attempt = [0] * count
        self.result = [0] * count
        self.revert_result: dict[int, int] = {}
        self.waits = list(definition.fan_in)
        self.ready: list[int] = []
        self.running: dict[int, None] = {}
        self.reverting: dict[int, None] = {}
        self.unknown: dict[int, None] = {}
        self.waiting: dict[int, None] = {}
        self.lost: dict[int, None] = {}
        self.failures: dict[int, int] = {}
        self.stuck: dict[int, int] = {}
        self.asked: dict[int, None] = {}
        self.outcome: dict[int, str] = {}
        self.open = count
        self.cause = ""
        self.reason = 0
        self.undo: Undo | None = None

    def dump(self) -> dict[str, Any]:
        """The whole state as JSON-able data, for a snapshot; `load` gives it back, equal."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        ordered = {name: list(getattr(self, name)) for name in _ORDERED}
        maps = {name: list(getattr(self, name).items()) for name in _MAPS}
        undo = self.undo and {"waits": self.undo.waits, "ready": [list(key) for key in self.undo.ready]}
        return {"run": str(self.run), "task": [str(state) for state in self.task], "undo": undo, **plain, **ordered, **maps}

    @classmethod
    def load(cls, definition: Definition, data: dict[str, Any]) -> State:
        """The state that `dump` took, for the same definition."""
        state = cls(definition)
        state.run = RunState(data["run"])
        state.task = [TaskState(name) for name in data["task"]]
        for name in _PLAIN:
            kept = data[name]
            setattr(state, name, list(kept) if isinstance(kept, list) else kept)
        for name in _ORDERED:
            setattr(state, name, dict.fromkeys(data[name]))
        for name in _MAPS:
            setattr(state, name, {atom: version for atom, version in data[name]})
        if data["undo"] is not None:
            state.undo = Undo(definition)
            state.undo.waits = list(data["undo"]["waits"])
            state.undo.ready = [(priority, atom) for priority, atom in data["undo"]["ready"]]
        return state

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, State):
            return NotImplemented
        same = self.definition.fingerprint == other.definition.fingerprint
        return same and self.dump() == other.dump()

    __hash__ = None  # type: ignore[assignment]  # mutable: evolve changes it in place


_PLAIN = ("version", "execution", "attempt", "result", "waits", "ready", "open", "cause", "reason")
_ORDERED = ("running", "reverting", "unknown", "waiting", "lost", "asked")
_MAPS = ("revert_result", "failures", "stuck", "outcome")


def initial(definition: Definition) -> State:
    """The state before the first record: everything PENDING, what has no predecessor ready to start."""
    state = State(definition)
    atoms = len(definition.atoms)
    rank = definition.rank
    state.ready = [rank[atom] for atom in range(atoms) if not definition.fan_in[atom]]
    heapify(state.ready)
    for node in range(atoms, len(definition.fan_in)):
        if not definition.fan_in[node]:
            settle(state, node)
    return state


def settle(state: State, node: int) -> None:
    """Count `node` as done for whatever comes after it; atoms that nothing holds back any more become ready."""
    waits = state.waits
    for successor in state.after[node]:
        left = waits[successor] - 1
        waits[successor] = left
        if not left:
            if successor < len(state.task):
                heappush(state.ready, state.rank[successor])
            else:
                settle(state, successor)


def begin_undo(state: State) -> None:
    """Turn round: find what can be reverted first. A node that never ran is passed at once."""
    state.undo = Undo(state.definition)
    for node in [node for node, waits in enumerate(state.undo.waits) if not waits]:
        reach(state, state.undo, node)


def reach(state: State, undo: Undo, node: int) -> None:
    """Everything after `node` is undone: it is next, or, if there is nothing to revert in it, whatever is before it."""
    atoms = state.definition.atoms
    todo = [node]
    while todo:
        node = todo.pop()
        if node < len(atoms) and state.task[node] not in (PENDING, IGNORED, REVERTED):
            heappush(undo.ready, (-atoms[node].priority, -node))
            continue
        for predecessor in undo.before[node]:
            undo.waits[predecessor] -= 1
            if not undo.waits[predecessor]:
                todo.append(predecessor)
