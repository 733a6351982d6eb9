"""What is known of a run after folding its records: facts and references to values, never values.

A reference is the version of the record that holds the value. Lists are indexed by *slot*: the atoms first, then the
invisible nodes of the definition (of which only counters are kept), then the elements of fan-outs as they are opened.
So a record changes O(1 + out-degree) of it, however large the flow.
"""

from __future__ import annotations

from typing import Any

from .graph import AtomSpec, Definition
from .region import Fan, Region
from .seldom import Seldom
from .states import AtomState, RetryState, RunState, TaskState
from .undo import Undo

PENDING = TaskState.PENDING


class State:
    """One run, folded. Made by `counters.initial`, changed only by `evolve`.

    Attributes:
        definition, run, version: the graph, the run's state, the version of the last record folded.
        after, rank, atoms: those of the definition, at hand; how many atoms it has.
        task, execution, attempt: per slot; attempt is that of the last direction (execute, then revert) it took; of a gate,
            execution is how often what was decided there was undone.
        result: per slot, the version of the record with its result or failure; 0 when there is none.
        revert_result: slot -> version of the record with what its revert returned or raised.
        waits, done, ready: per node its unmet predecessors, and whether it counts as met for those behind it; a heap of
            ranks of the atoms that may start. `parked`: such as stand in a closed flow; `queued`: who is in the heap.
        running, reverting, unknown: slots in that state, oldest first (dicts, for their order).
        waiting: slot -> the timer it waits for (0: none); overdue: those whose wait is over.
        timers: version of the record that set it -> (slot, -1 for the run itself; due, microseconds since 1970).
        lost: slots whose revert was cut short (REVERT_UNKNOWN).
        failures, stuck: slot -> version of its failure (execute), of its failed revert; oldest first.
        unresolved: failed atom -> who is to be asked (-1: nobody, the run is to be undone).
        asked: slots about which a person must say something before the run can go on; halted: what a person must mend,
            a retry or gate whose code raised.
        outcome: slot -> what its revert came to: reverted, nothing_to_revert, undeclared, not_revertible, skipped.
        stays: atoms of which something stays done, by whichever execution, until the run is reset.
        open: atoms that are not settled yet.
        history: retry -> its tries: (version of what it provided, {atom: version of its failure}).
        regions, dead: retry -> its closed flow; retry that has given up, whose flow is undone alone -> the version of the
            failure it gave up about (0: a group failed in which nothing had run).
        gates: gate node -> due; verdicts: flow -> whether it succeeded as a group.
        earlier: slot -> executions before the present one that were put aside and never undone: (execution, result, state);
            a revert comes back to them. counted: slot -> the highest execution there was, where it has.
        fans, owners: fan-outs by atom; the atom of each element's slot. opening, spread, full: those whose list is being
            read; whose elements are being run; that await their verdict.
        progress: slot -> (fraction, version of the record that said so).
        cause, reason: why the run is in the state it is in, and the version of the record with the reason (0: none).
        undo: the counters of the way back, once there is one.
        defers, resolves: whether a REVERT without anyone outward undoes the whole run; whether failures are resolved.
        plain: tasks have been started and have succeeded, and nothing else has happened: the quick way will do. `queued` is
            not kept as long.
        given: inputs that stand before a provider of that name; lacking: something was passed by, or put back
            by a person: a provider may be missing, and what ran may stand behind what has not.
    """

    __slots__ = (
        "__dict__", "after", "atoms", "attempt", "cause", "defers", "definition", "done", "execution", "given",
        "lacking", "open", "plain", "queued", "rank", "ready", "reason", "resolves", "result", "reverting", "run",
        "running", "task", "timeout", "undo", "version", "waits",
    )  # fmt: skip

    revert_result = Seldom[dict[int, int]](dict)
    parked = Seldom[list[int]](list)
    unknown = Seldom[dict[int, None]](dict)
    waiting = Seldom[dict[int, int]](dict)
    overdue = Seldom[dict[int, None]](dict)
    timers = Seldom[dict[int, tuple[int, int]]](dict)
    lost = Seldom[dict[int, None]](dict)
    failures = Seldom[dict[int, int]](dict)
    stuck = Seldom[dict[int, int]](dict)
    unresolved = Seldom[dict[int, int]](dict)
    asked = Seldom[dict[int, None]](dict)
    halted = Seldom[dict[int, int]](dict)
    outcome = Seldom[dict[int, str]](dict)
    stays = Seldom[dict[int, None]](dict)
    history = Seldom[dict[int, list[tuple[int, dict[int, int]]]]](dict)
    regions = Seldom[dict[int, Region]](dict)
    dead = Seldom[dict[int, int]](dict)
    gates = Seldom[dict[int, str]](dict)
    verdicts = Seldom[dict[int, bool]](dict)
    earlier = Seldom[dict[int, list[tuple[int, int, str]]]](dict)
    counted = Seldom[dict[int, int]](dict)
    fans = Seldom[dict[int, Fan]](dict)
    owners = Seldom[list[int]](list)
    opening = Seldom[dict[int, None]](dict)
    spread = Seldom[dict[int, None]](dict)
    full = Seldom[dict[int, None]](dict)
    progress = Seldom[dict[int, tuple[float, int]]](dict)

    def __init__(self, definition: Definition) -> None:
        atoms, nodes = len(definition.atoms), len(definition.after)
        self.definition = definition
        self.after = definition.after
        self.rank = definition.rank
        self.atoms = atoms
        self.run = RunState.PENDING
        self.version = 0
        self.task: list[AtomState] = [PENDING] * nodes
        self.execution = [0] * nodes
        self.attempt = [0] * nodes
        self.result = [0] * nodes
        self.waits = list(definition.fan_in)
        self.done = bytearray(nodes)
        self.queued = bytearray(atoms)
        self.ready: list[int] = []
        self.running: dict[int, None] = {}
        self.reverting: dict[int, None] = {}
        self.open = atoms
        self.cause = ""
        self.reason = 0
        self.undo: Undo | None = None
        self.defers = self.resolves = True
        self.lacking = False
        self.plain = definition.plain
        self.given: tuple[str, ...] = ()
        self.timeout = 0

    def atom_of(self, slot: int) -> int:
        """The atom whose slot, or whose element's slot, it is."""
        return slot if slot < self.atoms else self.owners[slot - len(self.after)]

    def spec(self, slot: int) -> AtomSpec:
        """What the definition says of a slot."""
        return self.definition.atoms[self.atom_of(slot)]

    def instance(self, slot: int) -> int | None:
        """Which element of its fan-out a slot is; None for an atom's own."""
        return None if slot < self.atoms else slot - self.fans[self.atom_of(slot)].base

    def slot(self, atom: int, instance: int | None) -> int:
        """The slot of an atom, or of one of its elements; KeyError where that fan-out has not been opened."""
        return atom if instance is None else self.fans[atom].base + instance

    def found(self, atom: int, instance: int | None) -> int | None:
        """`slot` of what somebody named, or named a while ago; None where there is no such atom or element (any more)."""
        if instance is None:
            return atom if 0 <= atom < self.atoms else None
        fan = self.fans.get(atom)
        return fan.base + instance if fan is not None and 0 <= instance < fan.count else None

    def name(self, slot: int) -> str:
        """The name of an atom; that of an element is `name[i]`."""
        instance = self.instance(slot)
        return self.spec(slot).name + ("" if instance is None else f"[{instance}]")

    def span(self, retry: int) -> tuple[int, int]:
        """The atoms of a retry's flow: from the first, which it is itself, to behind the last."""
        flow = self.definition.flows[self.definition.atoms[retry].flow]
        return flow.first, flow.last

    def dump(self) -> dict[str, Any]:
        """The whole state as JSON-able data, for a snapshot; `load` gives it back, equal."""
        return {
            "run": str(self.run),
            "task": [str(state) for state in self.task],
            "done": self.done.hex(),
            "queued": self.queued.hex(),
            "undo": self.undo and self.undo.dump(),
            "history": [
                [retry, [[made, list(failed.items())] for made, failed in tries]] for retry, tries in self.history.items()
            ],
            "earlier": [[slot, [list(entry) for entry in entries]] for slot, entries in self.earlier.items()],
            "regions": [region.dump() for region in self.regions.values()],
            "fans": [[atom, fan.dump()] for atom, fan in self.fans.items()],
            **{name: getattr(self, name) for name in _PLAIN},
            **{name: list(getattr(self, name)) for name in _ORDERED},
            **{name: [list(item) for item in getattr(self, name).items()] for name in _MAPS},
            **{name: [[key, *pair] for key, pair in getattr(self, name).items()] for name in _PAIRS},
        }

    @classmethod
    def load(cls, definition: Definition, data: dict[str, Any]) -> State:
        """The state that `dump` took, for the same definition."""
        state = cls(definition)
        state.run = RunState(data["run"])
        state.task = [_STATES[name] for name in data["task"]]
        state.done = bytearray.fromhex(data["done"])
        state.queued = bytearray.fromhex(data["queued"])
        for name in _PLAIN:
            kept = data[name]
            setattr(state, name, list(kept) if isinstance(kept, list) else kept)
        state.given = tuple(state.given)
        for name in _ORDERED:
            setattr(state, name, dict.fromkeys(data[name]))
        for name in _MAPS:
            setattr(state, name, {key: value for key, value in data[name]})
        for name in _PAIRS:
            setattr(state, name, {key: (one, two) for key, one, two in data[name]})
        state.history = {retry: [(made, dict(failed)) for made, failed in tries] for retry, tries in data["history"]}
        state.earlier = {slot: [(at, kept, was) for at, kept, was in entries] for slot, entries in data["earlier"]}
        state.fans = {atom: Fan.load(fan) for atom, fan in data["fans"]}
        for region in data["regions"]:
            made = state.regions[region["at"][0]] = Region(*region["at"])
            made.queue = [(first, failed) for first, failed in region["queue"]]
            if region["undo"] is not None:
                made.undo = Undo.load(definition, state.task, region["undo"])
        if data["undo"] is not None:
            state.undo = Undo.load(definition, state.task, data["undo"])
        return state

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, State):
            return NotImplemented
        same = self.definition.fingerprint == other.definition.fingerprint
        return same and self.dump() == other.dump()

    __hash__ = None  # type: ignore[assignment]  # mutable: evolve changes it in place


SELDOM = tuple(name for name, kept in vars(State).items() if isinstance(kept, Seldom))
"""The attributes that most states never need; those of all states are its `__slots__`."""
_STATES: dict[str, AtomState] = {**{str(state): state for state in TaskState}, "RETRYING": RetryState.RETRYING}

_PLAIN = (
    "version", "execution", "attempt", "result", "waits", "ready", "parked", "open", "owners", "cause", "reason",
    "defers", "resolves", "given", "lacking", "plain", "timeout",
)  # fmt: skip
_ORDERED = ("running", "reverting", "unknown", "overdue", "lost", "asked", "opening", "spread", "full", "stays")
_MAPS = (
    "revert_result", "waiting", "failures", "stuck", "unresolved", "halted", "outcome", "gates", "verdicts", "counted",
    "dead",
)  # fmt: skip
_PAIRS = ("timers", "progress")
