"""How a run goes on after a stop: a new owner, a resume, what is unknown; recovered from a failure, or reset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from . import records as r
from .forward import again, lost, revert_again, undone
from .graph import NOBODY
from .groups import behind
from .inputs import DONT_KNOW, HAPPENED, PROBE, PROBE_REVERT, Call, Probed, Recover, Reset, Restore, Resume
from .parts import Step, call_of, ignored, named, of_slot, timers_off
from .records import Draft
from .resolution import resolve
from .scopes import way_back
from .state import PENDING, State
from .states import RAN, SETTLED_RUN, RunState, TaskState

U, T = RunState, TaskState


def recover(state: State, input: Recover) -> Iterator[Step]:
    """What was under way is unknown now."""
    for slot in list(state.running):
        yield of_slot(state, r.TASK_UNKNOWN, slot, state.execution[slot], state.attempt[slot])
    for slot in list(state.reverting):
        yield of_slot(state, r.TASK_REVERT_UNKNOWN, slot, state.execution[slot], state.attempt[slot])


def may_resume(state: State) -> bool:
    """Whether there is something that a resume would do: the run does not rest, or what stopped it can be tried again."""
    if state.run is U.FAILURE:
        waits = {"ask": state.asked, "never_resolve": state.unresolved}
        return not waits.get(state.cause, False)
    return state.run not in SETTLED_RUN


def resume(state: State, input: Resume) -> Iterator[Step]:
    """Go on: begin, leave a suspension, try what is stuck once more, settle what is unknown."""
    if state.run is U.PENDING:
        yield Draft(r.RUN_RUNNING, {})
        yield from _bounded(state, input.at)
        return
    if state.run is U.SUSPENDING:
        yield Draft(r.RUN_SUSPENDED, {})
    if state.run is U.SUSPENDED or (state.run is U.FAILURE and may_resume(state)):
        yield Draft(r.RUN_REVERTING if state.undo else r.RUN_RUNNING, {"cause": "resumed"})
        yield from stuck_again(state)
    if state.run is U.RUNNING:
        yield from _bounded(state, input.at)
        yield from resolve(state)  # what is unknown then is not executed again just to be reverted
    if state.run in (U.RUNNING, U.REVERTING):
        yield from unknowns(state)


def _bounded(state: State, at: int) -> Iterator[Step]:
    """The timer of a run that may only last so long, where it has none: it begins, now or late, or is recovered."""
    if state.timeout and not any(slot < 0 for slot, _ in state.timers.values()):
        yield Draft(r.TIMER_SET, {"timer": state.version + 1, "due": at + state.timeout})


def stuck_again(state: State) -> Iterator[Step]:
    """Try reverts that failed once more."""
    for slot in list(state.stuck):
        yield from revert_again(state, slot)


def unknowns(state: State) -> Iterator[Step]:
    """Ask what can be asked about what is unknown; stop the run where only a person can tell."""
    by_person = state.undo is not None and state.cause == "operator"
    ask = [slot for slot in state.unknown if state.spec(slot).recovery == "ASK" and not by_person]
    ask += [slot for slot in state.lost if state.spec(slot).revert_recovery == "ASK"]
    if ask:
        yield Draft(r.RUN_FAILURE, {"cause": "ask", **named(state, ask)})
        return
    for slot in list(state.unknown):
        if state.spec(slot).recovery == "PROBE":
            yield call_of(state, PROBE, slot, state.execution[slot], state.attempt[slot])
    yield from lost(state)


def probed(state: State, input: Probed) -> Iterator[Step]:
    """A probe answered."""
    call, answer, value = input
    if not awaited(state, call):
        return
    slot, execution, attempt = state.slot(call.atom, call.instance), call.execution, call.attempt
    if answer == DONT_KNOW:
        yield from unanswered(state, call)
    elif call.kind == PROBE_REVERT:
        if answer == HAPPENED:
            yield of_slot(state, r.TASK_REVERTED, slot, execution, attempt, value, outcome="reverted", probed=True)
        else:
            yield from revert_again(state, slot)
    elif answer == HAPPENED:
        yield of_slot(state, r.TASK_SUCCESS, slot, execution, attempt, value, probed=True)
    elif state.run is U.RUNNING and not undone(state, slot) and not state.waits[call.atom]:
        yield from again(state, slot)  # else in its turn
    elif state.run in (U.RUNNING, U.REVERTING) and way_back(state, state.atom_of(slot)) is not None:
        yield of_slot(state, r.TASK_REVERTING, slot, execution, 1)
        yield of_slot(state, r.TASK_REVERTED, slot, execution, 1, outcome="nothing_to_revert", probed=True)


def awaited(state: State, call: Call) -> bool:
    """Whether the answer of a probe is still wanted: not where a person has settled it meanwhile."""
    slot = state.found(call.atom, call.instance)
    asked = state.unknown if call.kind == PROBE else state.lost
    return slot is not None and slot in asked and state.execution[slot] == call.execution


def unanswered(state: State, call: Call, value: bytes | None = None) -> Iterator[Step]:
    """A probe could not tell (`value`: it raised, described). Forward, and for a revert, a person has to; a person who
    reverts has spoken already.
    """
    settled_by_person = call.kind == PROBE and state.run is U.REVERTING and state.cause == "operator"
    if state.run in (U.RUNNING, U.REVERTING) and awaited(state, call) and not settled_by_person:
        slot = state.slot(call.atom, call.instance)
        yield Draft(r.RUN_FAILURE, {"cause": "ask", **named(state, [slot])}, value)


# --- recovered, reset ---------------------------------------------------------------------------------------------


def may_restore(state: State, since: int | None = None) -> str | None:
    """Why the run cannot be recovered as it is; None where it can."""
    if state.run not in (U.FAILURE, U.REVERTED, U.REVERTED_PARTLY):
        return f"only a run that is FAILURE, REVERTED or REVERTED_PARTLY is recovered; it is {state.run}"
    if state.stuck or state.lost or state.reverting:
        names = ", ".join(repr(state.name(slot)) for slot in (*state.stuck, *state.lost, *state.reverting))
        return f"its reverts must be settled first (retry_revert, skip_revert): {names}"
    if state.asked:
        return f"what became of it must be said first (amend): {', '.join(repr(state.name(slot)) for slot in state.asked)}"
    if state.running or state.reverting:
        return "some of it is still under way"
    atoms, _, _ = _to_do(state, set() if since is None else set(behind(state, since)))
    fans = ", ".join(repr(state.name(atom)) for atom in lasting(state, atoms))
    if fans:
        return f"fan-outs that have done something would be executed anew: {fans}; revert the run first, or restart it"
    return None


def may_reset(state: State) -> bool:
    """Whether a person may have the run reset as it is now: it is over, and nothing of it is under way.

    A fan-out with effects has to be reverted first: what its elements are is known for its last execution only.
    """
    return state.run in SETTLED_RUN and not state.running and not state.reverting and not lasting(state, range(state.atoms))


def lasting(state: State, atoms: Iterable[int]) -> list[int]:
    """The fan-outs among the atoms of which some element has run and was not undone, or not for certain."""
    done = (*RAN, T.REVERT_FAILURE, T.REVERT_UNKNOWN)
    found = []
    for atom in atoms:
        fan = state.fans.get(atom)
        if fan is not None and any(state.task[fan.base + place] in done for place in range(fan.count)):
            found.append(atom)
    return found


def restore(state: State, input: Restore) -> Iterator[Step]:
    """Go on in the same stream from where it failed: each atom by its recovery map, what follows `since` in any case."""
    if may_restore(state, input.since) is not None:
        return
    since = set() if input.since is None else set(behind(state, input.since))
    atoms, fans, skipped = _to_do(state, since)
    yield from timers_off(state)
    facts: dict[str, Any] = {"atoms": atoms, "fans": fans, **input.facts}
    if input.since is not None:
        facts["since"] = input.since
    yield Draft(r.RUN_RECOVERED, facts, input.value)
    for atom in skipped:
        if state.task[atom] is PENDING:
            yield ignored(state, atom, "recovery")
        else:
            yield of_slot(state, r.TASK_SUCCESS, atom, state.execution[atom], state.attempt[atom], skipped=True)
    yield from unknowns(state)


def _to_do(state: State, since: set[int]) -> tuple[list[int], list[int], list[int]]:
    """The atoms that are started afresh, the fan-outs that go on, and the atoms that are passed over."""
    atoms: dict[int, None] = {}
    fans, skipped = [], []
    for atom, task in enumerate(state.task[: state.atoms]):
        answers = dict(state.definition.atoms[atom].recoveries)
        if atom in since and task is not PENDING:
            atoms[atom] = None
        elif task is T.FAILURE and answers.get("FAILURE") == "SKIP":
            skipped.append(atom)
        elif task is T.FAILURE and _has_elements(state, atom) and state.definition.asks[atom] >= NOBODY:
            fans.append(atom)
        elif task in (T.FAILURE, T.REVERTED, T.IGNORED, T.WAITING) or atom in state.opening or (
            task is T.SUCCESS and answers.get("SUCCESS") == "RERUN"
        ):
            atoms[atom] = None
        elif task is PENDING and answers.get("READY") == "SKIP":
            skipped.append(atom)
    for flow in state.definition.flows:
        retry = flow.retry
        if retry is not None and any(atom in atoms or atom in fans for atom in range(flow.first, flow.last)):
            atoms[retry] = None  # what it has tried before no longer counts
    return list(atoms), fans, skipped


def _has_elements(state: State, atom: int) -> bool:
    """Whether it is a fan-out over something; one over nothing reads its list again."""
    return atom in state.fans and state.fans[atom].count > 0


def reset(state: State, input: Reset) -> Iterator[Step]:
    """A settled run is PENDING again."""
    if may_reset(state):
        yield from timers_off(state)
        yield Draft(r.RUN_PENDING, input.facts, input.value)
