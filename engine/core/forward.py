"""What may be begun now: forward, while the run goes on, and backward, while it is being undone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import records as r
from .counters import heard, next_execution
from .graph import NOBODY
from .groups import full, gates, lacking, openings, pass_by, settling, spoil, without
from .inputs import EXECUTE, ON_FAILURE, PROBE_REVERT, REVERT, Call
from .parts import Step, busy, call_of, drop, ignored, named, of_slot, timers_off
from .records import Draft, of_atom
from .region import ASK, HALT, RETRY, Fan, Region
from .resolution import resolve
from .state import State
from .states import RAN, STAYS, RunState, TaskState
from .undo import Undo

U, T = RunState, TaskState


def forward(state: State, limit: int) -> Iterator[Step]:
    """Begin what may be begun while there are less than `limit` calls under way."""
    return _plainly(state, limit) if state.plain else _rounds(state, limit)


def _plainly(state: State, limit: int) -> Iterator[Step]:
    """Where tasks have just succeeded, and nothing else has happened: start those whose turn it is."""
    order, ready, execution, running = state.definition.order, state.ready, state.execution, state.running
    while ready and len(running) < limit:
        atom = order[ready[0]]
        number = execution[atom] + 1
        yield of_atom(r.TASK_RUNNING, atom, number, 1)
        yield Call(EXECUTE, atom, number, 1)
    if not state.open:
        yield Draft(r.RUN_SUCCESS, {})


def _rounds(state: State, limit: int) -> Iterator[Step]:
    """All else: what one round decides may let more begin."""
    yield from _round(state, limit)
    while state.run is U.RUNNING and (state.full or state.regions or "due" in state.gates.values()):
        before = state.version
        yield from _round(state, limit)
        if state.version == before:
            break


def _round(state: State, limit: int) -> Iterator[Step]:
    """Nothing is begun while a group is to be judged, in the next round: that might have to undo it."""
    yield from _beside(state, limit)
    if state.run is not U.RUNNING or _stopped(state):
        return
    for slot in [*state.unknown, *state.overdue]:
        if settling(state):
            return
        if _free(state, limit) and not undone(state, slot) and not state.waits[state.atom_of(slot)]:
            yield from again(state, slot)
    order, ready = state.definition.order, state.ready
    while ready and len(state.running) + len(state.reverting) + len(state.opening) < limit:
        if settling(state):
            return
        yield from _start(state, order[ready[0]])
    if not state.running and not state.reverting:
        yield from _end(state)


def _free(state: State, limit: int) -> bool:
    return len(state.running) + len(state.reverting) < limit


def _start(state: State, atom: int) -> Iterator[Step]:
    """Start the atom that is next: an element of it, if it is a fan-out, or the reading of its list."""
    spec = state.definition.atoms[atom]
    if state.task[atom] is T.RUNNING:
        fan = state.fans[atom]
        slot = fan.base + (fan.redo[0] if fan.redo else fan.next)
        execution = next_execution(state, slot) if state.execution[slot] else state.execution[atom]
        yield of_slot(state, r.TASK_RUNNING, slot, execution, 1)
        yield call_of(state, EXECUTE, slot, execution, 1)
        return
    execution = next_execution(state, atom)
    more: dict[str, Any] = {}
    if state.lacking:
        over = () if spec.over is None else (spec.over,)
        defaulted, missing = lacking(state, (*over, *spec.execute))
        if missing is not None:
            yield ignored(state, atom, "provider", missing=missing.name)
            yield from without(state, atom, "provider")
            return
        if defaulted:
            more = {"defaulted": defaulted}
    yield of_slot(state, r.TASK_RUNNING, atom, execution, 1, **more)
    if spec.over is None:
        yield Call(EXECUTE, atom, execution, 1)
    else:
        yield from openings(state)


def again(state: State, slot: int) -> Iterator[Step]:
    """What nobody knows the outcome of, or whose wait is over: run it once more, or pass it by."""
    execution, attempt = state.execution[slot], state.attempt[slot]
    if state.task[slot] is T.UNKNOWN and state.spec(slot).recovery == "SKIP":
        yield of_slot(state, r.TASK_SUCCESS, slot, execution, attempt, skipped=True)
        return
    yield of_slot(state, r.TASK_RUNNING, slot, execution, attempt + 1)
    yield call_of(state, EXECUTE, slot, execution, attempt + 1)


def undone(state: State, slot: int) -> bool:
    """Whether the slot stands in something that is being undone, or of which somebody is being asked."""
    if state.undo is not None:
        return True
    atom = state.atom_of(slot)
    return any(first <= atom < last for first, last in map(state.span, state.regions))


def _beside(state: State, limit: int) -> Iterator[Step]:
    """Whatever is to be seen to before anything is started: failures, verdicts, questions, flows that are undone."""
    yield from resolve(state)
    if state.lost and state.run is U.RUNNING and not _stopped(state):
        yield from lost(state)
    if state.run is U.RUNNING and not _stopped(state):
        yield from full(state)
        yield from gates(state, limit)
        yield from openings(state)
        yield from _regions(state, limit)
        yield from resolve(state)
    if state.run is not U.RUNNING:
        yield from backward(state, limit)
    elif _stopped(state) and not state.running and not state.reverting:
        yield _failure(state)


def _stopped(state: State) -> bool:
    """Whether a person is needed, so that nothing more is begun."""
    return bool(state.stuck or state.asked or state.halted or (state.unresolved and not state.resolves))


def _failure(state: State) -> Draft:
    if state.stuck:
        return Draft(r.RUN_FAILURE, {"cause": "revert_failure", **named(state, state.stuck)})
    if state.asked:
        return Draft(r.RUN_FAILURE, {"cause": "ask", **named(state, state.asked)})
    if state.halted:
        retries = [node for node in state.halted if node < state.atoms]
        facts = {"cause": "raised", "atoms": retries, "gates": [node for node in state.halted if node >= state.atoms]}
        return Draft(r.RUN_FAILURE, facts)
    return Draft(r.RUN_FAILURE, {"cause": "never_resolve", "atoms": list(state.unresolved)})


def _regions(state: State, limit: int) -> Iterator[Step]:
    """Ask the retries that are to be asked, and go on undoing their flows."""
    for retry, region in list(state.regions.items()):
        if state.regions.get(retry) is not region or _enclosed(state, retry):
            continue
        if region.goal == ASK:
            yield Call(ON_FAILURE, retry, state.execution[retry], state.attempt[retry])
        elif region.undo is not None:
            yield from _undo_flow(state, region, region.undo, limit)
            if state.run is not U.RUNNING:
                return


def _enclosed(state: State, retry: int) -> bool:
    spans = (state.span(other) for other in state.regions if other != retry)
    return any(first < retry < last for first, last in spans)


def _undo_flow(state: State, region: Region, undo: Undo, limit: int) -> Iterator[Step]:
    """Undo the flow of one retry, while the rest of the run goes on; then try it again, or leave it so."""
    retry = region.retry
    first, last = state.span(retry)
    if busy(state, first, last):
        return
    yield from drop(state, first, last)
    yield from reverts(state, undo, limit)
    if undo.ready or undo.fans or any(first <= state.atom_of(slot) < last for slot in (*state.reverting, *state.lost)):
        return
    if region.goal == RETRY:
        if not _free(state, limit):
            return
        execution = next_execution(state, retry)
        yield of_atom(r.RETRY_RETRYING, retry, state.execution[retry], state.attempt[retry])
        yield of_slot(state, r.TASK_RUNNING, retry, execution, 1)
        yield Call(EXECUTE, retry, execution, 1)
        return
    yield Draft(r.RETRY_GIVEN_UP, {"atom": retry, "execution": state.execution[retry], "failed": region.failed})
    who = heard(state, retry)
    if who < NOBODY:
        yield from pass_by(state, range(first, last), "given_up")
        yield from spoil(state, retry, who)


def reverts(state: State, undo: Undo, limit: int) -> Iterator[Step]:
    """Begin the reverts whose turn it is, in one order; a fan-out in its turn has its elements reverted, the last first."""
    while True:
        if undo.over:
            atom = next(iter(undo.over))
            outcome = _outcome(state, state.fans[atom])
            yield of_slot(state, r.TASK_REVERTED, atom, state.execution[atom], 1, outcome=outcome)
        elif undo.ready and _free(state, limit):
            atom = -undo.ready[0][1]
            yield from _revert_element(state, atom) if atom in undo.fans else _revert_one(state, atom)
        else:
            return


def _revert_element(state: State, atom: int) -> list[Step]:
    """The start of the revert of the last element that is still to be reverted."""
    fan = state.fans[atom]
    slot = fan.base + fan.back - 1
    begin = of_slot(state, r.TASK_REVERTING, slot, state.execution[slot], 1)
    return [begin, call_of(state, REVERT, slot, state.execution[slot], 1)]


def _outcome(state: State, fan: Fan) -> str:
    """What the revert of a fan-out came to: the worst of what those of its elements did."""
    found = {state.outcome.get(slot) for slot in range(fan.base, fan.base + fan.count)}
    return next((outcome for outcome in STAYS if outcome in found), "reverted")


def _revert_one(state: State, atom: int) -> list[Step]:
    """The start of one atom's revert, and its end too where no code is to be run for it."""
    spec, execution = state.definition.atoms[atom], state.execution[atom]
    begin = of_slot(state, r.TASK_REVERTING, atom, execution, 1)
    opened = spec.over is None or atom in state.fans
    if spec.compensation == "revert" and opened:
        return [begin] if spec.over is not None else [begin, Call(REVERT, atom, execution, 1)]
    if spec.compensation == "irreversible" and opened and _took_place(state, atom):
        return [begin, of_slot(state, r.TASK_REVERTED, atom, execution, 1, outcome="not_revertible")]
    nothing = of_slot(state, r.TASK_REVERTED, atom, execution, 1, outcome="nothing_to_revert")
    if spec.compensation == "undeclared" and opened:
        nothing.facts["undeclared"] = True
    return [begin, nothing]


def _took_place(state: State, atom: int) -> bool:
    """Whether the atom has done something, as far as is known; a fan-out that failed, where one of its elements has."""
    fan = state.fans.get(atom)
    slots = range(atom, atom + 1) if fan is None else range(fan.base, fan.base + fan.count)
    return any(state.task[slot] in (T.SUCCESS, T.UNKNOWN) for slot in slots)


def backward(state: State, limit: int) -> Iterator[Step]:
    """Go on undoing the whole run."""
    undo = state.undo
    if state.running or undo is None:
        return
    if state.stuck or state.asked:
        if not state.reverting:
            yield _failure(state)
        return
    if state.lost:
        yield from lost(state)
        return
    if state.waiting or state.opening or state.spread:
        yield from drop(state, 0, state.atoms)
    yield from reverts(state, undo, limit)
    if not undo.ready and not undo.fans and not state.reverting and not state.unknown:
        yield from timers_off(state)
        if state.stays:
            now = [slot for slot, outcome in state.outcome.items() if outcome in STAYS]
            before = [atom for atom in state.stays if atom not in map(state.atom_of, now)]
            yield Draft(r.RUN_REVERTED_PARTLY, named(state, [*before, *now]))
        else:
            yield Draft(r.RUN_REVERTED, {})


def lost(state: State) -> Iterator[Step]:
    """Reverts that were cut short: ask what can be asked, stop where only a person can tell, begin the others again."""
    ask = [slot for slot in state.lost if state.spec(slot).revert_recovery == "ASK"]
    if ask:
        yield Draft(r.RUN_FAILURE, {"cause": "ask", **named(state, ask)})
        return
    for slot in list(state.lost):
        if state.spec(slot).revert_recovery == "PROBE":
            yield call_of(state, PROBE_REVERT, slot, state.execution[slot], state.attempt[slot])
        else:
            yield from revert_again(state, slot)


def revert_again(state: State, slot: int) -> Iterator[Step]:
    """Begin another attempt of a revert."""
    execution, attempt = state.execution[slot], state.attempt[slot] + 1
    yield of_slot(state, r.TASK_REVERTING, slot, execution, attempt)
    yield call_of(state, REVERT, slot, execution, attempt)


def _alone(state: State) -> bool:
    """Whether a flow was undone alone that is no member of a group: the run has failed, though all may be settled."""
    return any(heard(state, retry) == NOBODY for retry in state.dead)


def _end(state: State) -> Iterator[Step]:
    """The run is over, or waits for timers only."""
    if state.unknown or state.overdue:
        return
    if not state.open and not state.gates and not state.regions and not _alone(state):
        yield from timers_off(state)
        yield Draft(r.RUN_SUCCESS, {})
        return
    if state.ready or state.opening or state.full or "due" in state.gates.values():
        return
    if any(region.goal != HALT for region in state.regions.values()):
        return
    if state.waiting:
        yield Draft(r.RUN_WAITING, {})
    elif state.dead:
        yield from timers_off(state)
        stays = [atom for atom in range(state.atoms) if state.task[atom] in RAN or atom in state.stays]
        yield Draft(r.RUN_REVERTED_PARTLY, {"cause": "scope", "atoms": stays}) if stays else Draft(r.RUN_REVERTED, {})
