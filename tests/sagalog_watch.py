"""What must hold of every run, record by record and between the turns, told naively: everything is looked at each time."""

from __future__ import annotations

from typing import Any

from sagalog.engine.core.graph import Definition
from sagalog.engine.core.records import Draft
from sagalog.engine.core.state import State
from sagalog.engine.core.states import RAN, RunState, TaskState

T, U = TaskState, RunState
ENDED = (U.SUCCESS, U.REVERTED, U.REVERTED_PARTLY, U.ABANDONED)
LEAVES_AN_END = ("run.reverting", "run.recovered", "run.pending", "run.claimed", "message.accepted")
PASSED = (T.SUCCESS, T.IGNORED, T.FAILURE, T.REVERTED)
"""States of an atom with which what comes behind it may start: FAILURE and REVERTED only within a group."""


LISTS = (
    ("running", T.RUNNING), ("reverting", T.REVERTING), ("waiting", T.WAITING), ("unknown", T.UNKNOWN),
    ("lost", T.REVERT_UNKNOWN), ("stuck", T.REVERT_FAILURE),
)  # fmt: skip
"""Which list of a state holds the slots in which state."""


class Watch:
    """Looks on. `before` and `after`: of each atom, the atoms that it waits for and that wait for it, however far."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        count = len(definition.atoms)
        self.behind: list[set[int]] = []
        for start in range(count):
            walk, seen = [start], set[int]()
            while walk:
                for node in definition.after[walk.pop()]:
                    if node not in seen:
                        seen.add(node)
                        walk.append(node)
            self.behind.append({node for node in seen if node < count})
        self.ahead = [{a for a in range(count) if atom in self.behind[a]} for atom in range(count)]
        self.retries = [self.around(atom) for atom in range(count)]
        self.started: set[tuple[Any, ...]] = set()
        self.reverted: set[tuple[Any, ...]] = set()
        self.answered: set[tuple[int, ...]] = set()
        self.amended: set[int] = set()

    def around(self, atom: int) -> list[int]:
        """The retries of the flows that an atom stands in; a retry's own is not among them."""
        flows, spec = self.definition.flows, self.definition.atoms[atom]
        found = []
        flow: int | None = spec.flow
        while flow is not None:
            retry = flows[flow].retry
            if retry is not None and retry != atom:
                found.append(retry)
            flow = flows[flow].parent
        return found

    def shut(self, state: State, atom: int) -> bool:
        """Whether the atom stands in a flow in which nothing may start."""
        return any(retry in state.regions or retry in state.dead for retry in self.retries[atom])

    def before(self, state: State, draft: Draft) -> None:
        """The record is about to be folded."""
        facts = draft.facts
        if state.run in ENDED:
            assert draft.type in LEAVES_AN_END, f"{draft.type} behind the end"
        if draft.type == "run.reverting":
            assert state.resolves or facts["cause"] != "failure", "failures of this run are not to be resolved"
        kind, _, what = draft.type.partition(".")
        if kind in ("task", "retry") and "atom" in facts and what in _LOOKS:
            _LOOKS[what](self, state, facts, state.slot(facts["atom"], facts.get("instance")))

    def running(self, state: State, facts: Any, slot: int) -> None:
        atom, key = facts["atom"], _key(facts)
        assert state.run is U.RUNNING, f"started in a run that is {state.run}"
        assert not self.shut(state, atom), f"{state.name(slot)} is started in a flow that is closed"
        assert state.undo is None and key not in self.reverted
        again = (*key, facts["attempt"])
        assert again not in self.started, f"{state.name(slot)}: {again} is started twice"
        assert facts["attempt"] == 1 or (*key, facts["attempt"] - 1) in self.started
        self.started |= {again, key}
        assert facts["execution"] >= state.execution[slot]
        if state.task[slot] is T.WAITING:
            assert state.waiting[slot] not in state.timers, "started before its timer went off"
        if state.task[slot] is T.UNKNOWN:
            assert state.spec(slot).recovery != "ASK", "of what nobody knows a person was to be asked"
        if slot < state.atoms and state.task[slot] is T.PENDING and slot not in self.amended:
            self.spoiled(state, slot)
        for other in self.ahead[atom]:
            found = state.task[other]
            assert found in PASSED, f"{state.name(slot)} is started, and {state.name(other)} is {found}"
            if state.task[other] is T.FAILURE:
                assert self.definition.asks[other] < -1, "started behind a failure"
            if state.task[other] is T.REVERTED:
                given_up = other in state.dead or any(retry in state.dead for retry in self.retries[other])
                assert given_up, "started behind what was undone"

    def spoiled(self, state: State, atom: int) -> None:
        """Nothing is begun of a member of a group that has failed."""
        flows = self.definition.flows
        flow: int | None = self.definition.atoms[atom].flow
        if flows[flow].retry == atom:
            flow = flows[flow].parent
        inner = None
        while flow is not None:
            if flows[flow].outcome is not None and inner is not None:
                for other in range(flows[inner].first, flows[inner].last):
                    failed = state.task[other] is T.FAILURE and self.definition.asks[other] == -2 - flow
                    assert not failed, f"{state.name(atom)} is begun, and {state.name(other)} of the same member has failed"
            inner, flow = flow, flows[flow].parent

    def reverting(self, state: State, facts: Any, slot: int) -> None:
        atom, key = facts["atom"], _key(facts)
        assert key not in self.reverted, f"{state.name(slot)} is reverted again"
        assert key in self.started, f"{state.name(slot)} never started"
        assert facts["execution"] == state.execution[slot]
        assert state.undo is not None or any(
            region.undo is not None and state.span(retry)[0] <= atom < state.span(retry)[1]
            for retry, region in state.regions.items()
        ), "reverted without need"
        if slot < state.atoms:
            for other in self.behind[atom]:
                assert state.task[other] in (T.PENDING, T.IGNORED, T.REVERTED), (
                    f"{state.name(slot)} is reverted, and {state.name(other)} behind it is {state.task[other]}"
                )
        else:
            begun = state.task[atom] is T.REVERTING or state.task[slot] is T.UNKNOWN
            assert begun, "an element is reverted, and its fan-out is not"

    def undone(self, state: State, facts: Any, slot: int) -> None:
        key = _key(facts)
        assert key not in self.reverted, f"{state.name(slot)} is reverted twice"
        assert key in self.started, f"{state.name(slot)} never started"
        self.reverted.add(key)
        if slot in state.fans and state.spec(slot).compensation == "revert":
            fan = state.fans[slot]
            assert not any(state.task[at] in RAN or at in state.reverting for at in range(fan.base, fan.base + fan.count))

    def retrying(self, state: State, facts: Any, slot: int) -> None:
        assert state.undo is None, "a RETRY overrides that all is undone"
        for retry in self.retries[slot]:
            assert retry not in state.dead, "a RETRY within what is undone for good"
            region = state.regions.get(retry)
            assert region is None or region.undo is None, "a RETRY within what is being undone"

    def consulted(self, state: State, facts: Any, slot: int) -> None:
        assert state.resolves, "failures of this run are not to be resolved"
        if facts["done"] == "raised" or facts["failed"] is None:
            return
        failed = facts["failed"]
        question = (slot, facts["execution"], failed, state.failures.get(failed, 0), state.execution[failed])
        assert question not in self.answered, f"{state.name(slot)} is asked again about {state.name(failed)}"
        self.answered.add(question)

    def after(self, state: State, draft: Draft) -> None:
        """The record was folded."""
        if draft.type == "retry.retrying":
            first, last = state.span(draft.facts["atom"])
            for atom in range(first + 1, last):
                assert state.task[atom] is T.PENDING and not state.done[atom] and not state.result[atom], state.name(atom)
                assert atom not in state.history, f"{state.name(atom)} remembers what it has tried"
                assert not any(atom in kept for kept in _kept(state)), state.name(atom)
            assert not any(first <= state.atom_of(slot) < last for kept in _kept(state) for slot in kept)
        if draft.type.endswith(".pending"):
            self.amended.add(draft.facts.get("atom", -1))
        if draft.type == "run.recovered":
            self.answered.clear()
        if state.run in ENDED:
            self.ended(state)

    def ended(self, state: State) -> None:
        """The run is over: nothing of it is left open."""
        left = (state.running, state.reverting, state.unknown, state.lost, state.stuck, state.waiting, state.opening,
                state.timers, state.regions, state.overdue, state.halted)  # fmt: skip
        assert not any(left), f"it is {state.run}, and something is open"
        tasks = set(state.task[: state.atoms])
        if state.run is U.SUCCESS:
            assert tasks <= {T.SUCCESS, T.IGNORED, T.FAILURE, T.REVERTED}
            assert not any(state.task[a] is T.FAILURE and self.definition.asks[a] >= -1 for a in range(state.atoms))
        if state.run is not U.SUCCESS and state.cause != "scope":
            assert tasks <= {T.PENDING, T.REVERTED, T.IGNORED}
        undone = (outcome for slot, outcome in state.outcome.items() if state.task[slot] is T.REVERTED)
        stays = any(outcome in ("not_revertible", "skipped") for outcome in undone)
        assert stays <= (state.run is not U.REVERTED), "it is REVERTED, and something stays done"

    def between(self, state: State, capacity: int) -> None:
        """Between two turns."""
        assert len(state.running) + len(state.reverting) <= capacity
        self.counted(state)
        if state.run is not U.RUNNING or state.undo is not None:
            return
        order = self.definition.order
        if state.ready:
            top = order[state.ready[0]]
            assert self.startable(state, top), f"{state.name(top)} is next, and may not start"
        heap = sorted(order[entry] for entry in state.ready)
        for atom in range(state.atoms):
            if self.startable(state, atom) and not (state.halted or state.asked or state.stuck):
                assert atom in heap, f"{state.name(atom)} may start, and is not in the heap"
        if not state.plain:
            assert heap == [atom for atom in range(state.atoms) if state.queued[atom]]

    def startable(self, state: State, atom: int) -> bool:
        if state.waits[atom] or self.shut(state, atom):
            return False
        return state.task[atom] is T.PENDING or (
            state.task[atom] is T.RUNNING and atom in state.fans and state.fans[atom].more
        )

    def counted(self, state: State) -> None:
        """The counters are what can be counted."""
        waits = list(self.definition.fan_in)
        for node, successors in enumerate(state.after):
            for other in successors:
                waits[other] -= state.done[node]
        assert waits == state.waits, "the counters of what is waited for are wrong"
        assert state.open == state.atoms - sum(state.done[: state.atoms])
        for name, task in LISTS:
            slots = {slot for slot in range(len(state.task)) if state.task[slot] is task and not self.fan(state, slot)}
            slots -= set(self.stale(state))
            if name == "unknown":  # a fan-out that is not reverted element by element leaves them so
                slots = {slot for slot in slots if state.task[state.atom_of(slot)] is not T.REVERTED}
            assert slots == set(getattr(state, name)), f"{name}: {slots}, {getattr(state, name)}"
        assert set(state.spread) == {atom for atom in state.fans if state.task[atom] is T.RUNNING}
        for atom, fan in state.fans.items():
            own = state.task[fan.base : fan.base + fan.count]
            if state.task[atom] is T.RUNNING:
                done = (T.PENDING, T.SUCCESS, T.FAILURE)
                assert fan.live == sum(task not in done for task in own), f"{state.name(atom)}: live is {fan.live}"
                assert fan.ok == own.count(T.SUCCESS) and fan.errors == own.count(T.FAILURE), state.name(atom)
            if state.task[atom] is T.REVERTING:
                left = sum(task not in (T.PENDING, T.REVERTED) for task in own)
                assert fan.left == left, f"{state.name(atom)}: left is {fan.left}"

    def fan(self, state: State, slot: int) -> bool:
        """Whether the slot is that of a fan-out itself, which stands in no list."""
        return slot < state.atoms and self.definition.atoms[slot].over is not None

    def stale(self, state: State) -> list[int]:
        """Slots that belong to no fan-out any more, and nodes that are no atoms."""
        live = {slot for fan in state.fans.values() for slot in range(fan.base, fan.base + fan.count)}
        return [slot for slot in range(state.atoms, len(state.task)) if slot not in live]


def _key(facts: Any) -> tuple[Any, ...]:
    return facts["atom"], facts.get("instance"), facts["execution"]


def _kept(state: State) -> list[Any]:
    return [
        state.running, state.reverting, state.unknown, state.waiting, state.overdue, state.lost, state.failures,
        state.stuck, state.unresolved, state.asked, state.halted, state.outcome, state.progress, state.revert_result,
        state.opening, state.spread, state.full, state.fans, state.dead,
    ]  # fmt: skip


_LOOKS = {
    "running": Watch.running,
    "reverting": Watch.reverting,
    "reverted": Watch.undone,
    "retrying": Watch.retrying,
    "consulted": Watch.consulted,
}
