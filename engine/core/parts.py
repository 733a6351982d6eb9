"""What several of the deciding rooms need: records and calls by slot, and looks at the state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from . import records as r
from .inputs import Call
from .records import Draft
from .state import State
from .states import TaskState

Step = Draft | Call
T = TaskState


def of_slot(
    state: State, type: str, slot: int, execution: int, attempt: int, value: bytes | None = None, **more: Any
) -> Draft:
    """A record about a slot; `type` as for a task, also where it is a retry."""
    facts: dict[str, Any] = {"atom": slot}
    if slot >= state.atoms:
        facts["atom"] = atom = state.owners[slot - len(state.after)]
        facts["instance"] = slot - state.fans[atom].base
    elif state.definition.atoms[slot].kind == "retry":
        type = r.of_retry(type)
    facts["execution"] = execution
    facts["attempt"] = attempt
    facts.update(more)
    return Draft(type, facts, value)


def call_of(state: State, kind: str, slot: int, execution: int, attempt: int) -> Call:
    """A call about a slot."""
    return Call(kind, state.atom_of(slot), execution, attempt, state.instance(slot))


def named(state: State, slots: Iterable[int]) -> dict[str, Any]:
    """Facts that name several slots."""
    found = list(slots)
    facts: dict[str, Any] = {"atoms": [state.atom_of(slot) for slot in found]}
    if any(slot >= state.atoms for slot in found):
        facts["instances"] = [state.instance(slot) for slot in found]
    return facts


def ignored(state: State, atom: int, cause: str, **more: Any) -> Draft:
    """An atom is passed by."""
    return of_slot(state, r.TASK_IGNORED, atom, state.execution[atom], 0, cause=cause, **more)


def timers_off(state: State) -> Iterator[Draft]:
    """Nothing is waited for any more."""
    for timer in list(state.timers):
        yield Draft(r.TIMER_CANCELLED, {"timer": timer})


def drop(state: State, first: int, last: int) -> Iterator[Step]:
    """What waits, or has not quite begun, among these atoms fails: they are about to be undone."""
    for slot in [slot for slot in state.waiting if first <= state.atom_of(slot) < last]:
        timer = state.waiting[slot]
        if timer in state.timers:
            yield Draft(r.TIMER_CANCELLED, {"timer": timer})
        yield of_slot(state, r.TASK_FAILURE, slot, state.execution[slot], state.attempt[slot], classes=[], given_up=True)
    for atom in [atom for atom in (*state.opening, *state.spread) if first <= atom < last]:
        yield of_slot(state, r.TASK_FAILURE, atom, state.execution[atom], 1, classes=[], given_up=True)


def busy(state: State, first: int, last: int) -> bool:
    """Whether code of these atoms is under way, forward."""
    return any(first <= state.atom_of(slot) < last for slot in state.running)
