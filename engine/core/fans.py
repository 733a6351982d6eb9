"""Fan-outs, folded: one atom whose elements are known only at run time; each has a slot of its own behind all others."""

from __future__ import annotations

from heapq import heappop

from .counters import enqueue, keep, tidy
from .moves import Facts
from .region import Fan, policy_of
from .state import PENDING, State
from .states import RAN, TaskState
from .undo import Undo


def opened(state: State, facts: Facts) -> None:
    """Its list was read: `count` elements, none of them started."""
    atom, count = facts["atom"], facts["count"]
    state.opening.pop(atom, None)
    state.spread[atom] = None
    state.fans[atom] = Fan(len(state.task), count)
    state.task += [PENDING] * count
    state.execution += [0] * count
    state.attempt += [0] * count
    state.result += [0] * count
    state.owners += [atom] * count
    if count:
        enqueue(state, atom)
        tidy(state)
    else:
        state.full[atom] = None


def started(state: State, slot: int) -> None:
    """An element is started afresh."""
    fan = state.fans[state.atom_of(slot)]
    instance = slot - fan.base
    if fan.redo and fan.redo[0] == instance:
        heappop(fan.redo)
    else:
        fan.next = max(fan.next, instance + 1)
    fan.live += 1


def settled_one(state: State, slot: int, ok: bool) -> None:
    """An element succeeded or failed. Where that decides the whole, no more of them is started."""
    atom = state.atom_of(slot)
    fan = state.fans[atom]
    fan.live -= 1
    if ok:
        fan.ok += 1
    else:
        fan.errors += 1
        if policy_of(state.definition.atoms[atom].outcome).lost(fan.errors):
            fan.next, fan.redo = fan.count, []
    complete(state, atom)
    tidy(state)


def complete(state: State, atom: int) -> None:
    """Note whether a fan-out awaits its verdict: nothing of it is under way or may be started."""
    fan = state.fans[atom]
    if not fan.live and not fan.more:
        state.full[atom] = None


def turned(state: State, atom: int, undo: Undo | None) -> None:
    """The fan-out is being reverted: those of its elements that ran, the last first."""
    fan = state.fans[atom]
    fan.left = sum(1 for slot in range(fan.base, fan.base + fan.count) if state.task[slot] in RAN)
    _next(state, atom, fan.count, undo)


def back_at(state: State, slot: int, undo: Undo | None) -> None:
    """An element is being reverted."""
    atom = state.atom_of(slot)
    fan = state.fans[atom]
    if slot - fan.base == fan.back - 1:
        _next(state, atom, fan.back, undo)


def back_one(state: State, slot: int, undo: Undo | None) -> None:
    """An element was reverted."""
    atom = state.atom_of(slot)
    state.fans[atom].left -= 1
    _told(state, atom, undo)


def _next(state: State, atom: int, end: int, undo: Undo | None) -> None:
    """Find the last of the elements before `end` that is still to be reverted: each is looked at once."""
    fan = state.fans[atom]
    while end and state.task[fan.base + end - 1] not in RAN:
        end -= 1
    fan.back = end
    _told(state, atom, undo)


def _told(state: State, atom: int, undo: Undo | None) -> None:
    """The revert keeps count; a probe may have settled an element before it is the fan-out's turn."""
    fan = state.fans[atom]
    if undo is not None and state.task[atom] is TaskState.REVERTING:
        undo.elements(atom, fan.back > 0, fan.left)


def left_so(state: State, atom: int) -> None:
    """The fan-out is done with: whatever of it nobody knows the outcome of stays unknown, and nobody is asked."""
    fan = state.fans[atom]
    for slot in range(fan.base, fan.base + fan.count):
        state.unknown.pop(slot, None)


def once_more(state: State, slot: int, undo: Undo | None) -> None:
    """An earlier execution of the element is to be reverted too."""
    atom = state.atom_of(slot)
    _next(state, atom, max(state.fans[atom].back, slot - state.fans[atom].base + 1), undo)


def again(state: State, atom: int) -> None:
    """A fan-out that failed goes on: what failed of it, or was never started, is started; what succeeded stays."""
    fan = state.fans[atom]
    fan.errors, fan.redo, fan.next = 0, [], fan.count
    for instance in range(fan.count):
        slot = fan.base + instance
        if slot in state.failures or state.task[slot] is PENDING:
            keep(state, slot)
            state.task[slot] = PENDING
            state.failures.pop(slot, None)
            state.result[slot] = 0
            fan.redo.append(instance)
