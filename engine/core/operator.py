"""What a person may do to a run, each a record with who and why, each only where the machine allows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import records as r
from .forward import revert_again
from .going import stuck_again
from .graph import NOBODY
from .groups import behind, spoil
from .inputs import Amend, RetryRevert, Revert, SkipRevert, Suspend
from .parts import Step, of_slot
from .records import Draft
from .scopes import way_back
from .state import PENDING, State
from .states import RunState, TaskState

U, T = RunState, TaskState

AMENDS: dict[TaskState, tuple[TaskState, ...]] = {
    T.UNKNOWN: (T.SUCCESS, T.FAILURE, T.PENDING),
    T.FAILURE: (T.SUCCESS, T.PENDING),
}
"""What a person may say that became of an atom: it succeeded, failed, or never took place (PENDING)."""


def suspend(state: State, input: Suspend) -> Iterator[Step]:
    """Let what runs finish and start nothing new."""
    if state.run is U.PENDING:
        yield Draft(r.RUN_RUNNING, {})
    if state.run in (U.RUNNING, U.WAITING):
        yield Draft(r.RUN_SUSPENDING, input.facts, input.value)


def revert(state: State, input: Revert) -> Iterator[Step]:
    """Have the whole run undone."""
    if state.run is U.PENDING:
        yield Draft(r.RUN_RUNNING, {})
    if state.run is U.SUSPENDING and may_revert(state):
        yield Draft(r.RUN_SUSPENDED, {})
    if state.run is not U.PENDING and may_revert(state):
        yield Draft(r.RUN_REVERTING, {"cause": "operator", **input.facts}, input.value)
        yield from stuck_again(state)


def may_revert(state: State) -> bool:
    """Whether a person may have the run reverted as it is now."""
    if state.run is U.SUSPENDING:
        return not state.running and not state.reverting
    if state.run is U.REVERTED_PARTLY:
        return bool(state.dead) and state.undo is None
    return state.run in (U.PENDING, U.RUNNING, U.WAITING, U.SUSPENDED, U.SUCCESS, U.FAILURE)


def may_suspend(state: State) -> bool:
    """Whether a person may have the run suspended as it is now."""
    return state.run in (U.PENDING, U.RUNNING, U.WAITING)


def reverts_left(state: State) -> list[int]:
    """The atoms that ran and are not reverted, in the order of the definition: what a revert needs the code of."""
    return [
        atom
        for atom, task in enumerate(state.task[: state.atoms])
        if task not in (T.PENDING, T.IGNORED, T.REVERTED)
    ]


def amends(state: State, slot: int, to: str) -> str | None:
    """Why a person may not say so; None where it is possible."""
    task = state.task[slot]
    if state.run not in (U.FAILURE, U.SUSPENDED):
        first = ": suspend it first" if may_suspend(state) else ""
        return f"a run is amended when it rests, as FAILURE or SUSPENDED; it is {state.run}{first}"
    undone = way_back(state, state.atom_of(slot)) is not None
    if undone and (to == T.PENDING or (task is T.FAILURE and state.undo is None)):
        return "it is being undone, and nothing of that is started afresh"
    possible = AMENDS.get(task, ()) if isinstance(task, TaskState) else ()
    if to == T.FAILURE and state.waits[state.atom_of(slot)]:
        return f"what {state.name(slot)!r} waits for is executed anew, and it after that"
    if task is T.FAILURE and _counted(state, slot):
        return f"{state.name(slot)!r} failed as the member of a group that has gone on from that: recover the run"
    whole = state.task[state.atom_of(slot)]
    if slot >= state.atoms and (task is T.FAILURE or whole is not T.RUNNING):
        return f"element {state.name(slot)!r} is {task} in a fan-out that is {whole}: recover the run"
    if slot in state.fans:
        return f"{state.name(slot)!r} is a fan-out: amend its elements, or recover the run"
    if to not in possible:
        can = ", ".join(possible) or "nothing"
        return f"{state.name(slot)!r} is {task}, which can be amended to {can}; found {to!r}"
    return None


def _counted(state: State, slot: int) -> bool:
    """Whether it has been gone on from a failure: it is that of a group's member, and not all behind it is PENDING."""
    if slot >= state.atoms or state.definition.asks[slot] >= NOBODY:
        return False
    return any(state.task[atom] is not PENDING for atom in behind(state, slot) if atom != slot)


def amend(state: State, input: Amend) -> Iterator[Step]:
    """A person says what became of an atom."""
    slot = state.found(input.atom, input.instance)
    if slot is None or amends(state, slot, input.state) is not None:
        return
    execution, attempt = state.execution[slot], state.attempt[slot]
    yield _said(state, slot, "amend", {"state": input.state, **input.facts}, input.value)
    if input.state == T.SUCCESS:
        yield of_slot(state, r.TASK_SUCCESS, slot, execution, attempt, input.result, amended=True)
    elif input.state == T.FAILURE:
        yield of_slot(state, r.TASK_FAILURE, slot, execution, attempt, input.result, amended=True, classes=[])
        if slot < state.atoms:
            yield from spoil(state, slot, state.definition.asks[slot])
    else:
        yield of_slot(state, r.TASK_PENDING, slot, execution, attempt, amended=True)


def settles(state: State, slot: int) -> str | None:
    """Why a person may not settle a revert; None where it is possible."""
    if state.run is not U.FAILURE:
        return f"a revert is settled by a person when the run is FAILURE; it is {state.run}"
    if state.task[slot] not in (T.REVERT_FAILURE, T.REVERT_UNKNOWN):
        return f"{state.name(slot)!r} is {state.task[slot]}; expected REVERT_FAILURE or REVERT_UNKNOWN"
    return None


def retry_revert(state: State, input: RetryRevert) -> Iterator[Step]:
    """Try one revert again; the others that failed wait for a word of their own."""
    slot = state.found(input.atom, input.instance)
    if slot is not None and settles(state, slot) is None:
        yield _said(state, slot, "retry_revert", input.facts, input.value)
        yield Draft(r.RUN_REVERTING if state.undo else r.RUN_RUNNING, {"cause": "operator"})
        yield from revert_again(state, slot)


def skip_revert(state: State, input: SkipRevert) -> Iterator[Step]:
    """Declare one revert to be done with; the run goes on being undone."""
    slot = state.found(input.atom, input.instance)
    if slot is not None and settles(state, slot) is None:
        yield _said(state, slot, "skip_revert", input.facts, input.value)
        yield Draft(r.RUN_REVERTING if state.undo else r.RUN_RUNNING, {"cause": "operator"})
        yield of_slot(state, r.TASK_REVERTED, slot, state.execution[slot], state.attempt[slot], outcome="skipped")


def _said(
    state: State, slot: int, action: str, facts: dict[str, Any], value: bytes | None
) -> Draft:
    told: dict[str, Any] = {"atom": state.atom_of(slot), "action": action, **facts}
    if state.instance(slot) is not None:
        told["instance"] = state.instance(slot)
    return Draft(r.OPERATOR_AMENDED, told, value)
