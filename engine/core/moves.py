"""The moves of one atom that both halves of `evolve` make."""

from __future__ import annotations

from typing import Any

from ...errors import CorruptLog
from .state import State
from .states import AtomState, TaskState

Facts = dict[str, Any]


def illegal(state: State, slot: int, to: str) -> CorruptLog:
    """The error for a move that the machine does not have."""
    kind = state.spec(slot).kind
    return CorruptLog(f"record {state.version}: {kind} {state.name(slot)!r} is {state.task[slot]} and cannot become {to}")


def leave(state: State, slot: int, allowed: tuple[TaskState, ...], to: AtomState) -> None:
    """Move an atom on the less trodden paths: it is taken out of whatever list it stood in."""
    if state.task[slot] not in allowed:
        raise illegal(state, slot, to)
    for members in (state.running, state.reverting, state.unknown, state.lost, state.asked, state.overdue):
        members.pop(slot, None)
    state.waiting.pop(slot, None)
    state.stuck.pop(slot, None)
    state.opening.pop(slot, None)
    state.spread.pop(slot, None)
    state.full.pop(slot, None)
    state.task[slot] = to
