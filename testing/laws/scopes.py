"""The laws of retries: who is asked, what the answer means, what a RETRY leaves behind."""

from __future__ import annotations

from typing import Any

from ...engine.core.state import State
from ...engine.core.states import TaskState
from .broken import broken
from .seen import Facts, Seen
from .shape import NOBODY

T = TaskState
AT_REST = (T.PENDING, T.REVERTED, T.IGNORED)


def consulted(seen: Seen, facts: Facts, slot: int) -> None:
    """A retry was asked about a failure, and answered."""
    state, done = seen.state, facts["done"]
    name = seen.names([slot])
    if not state.resolves:
        broken("never resolve", f"{name} was asked about a failure")
    if facts["tries"] != seen.tries.get(slot, 0):
        broken("history", f"{name} was shown {facts['tries']} tries, and has made {seen.tries.get(slot, 0)}")
    if facts["execution"] != state.execution[slot]:
        broken("right retry", f"{name} answered as execution {facts['execution']}, and is at {state.execution[slot]}")
    if done == "raised":
        return
    _means(seen, facts, slot, name)
    if facts["failed"] is None or done == "overruled":
        return
    _rightly(seen, slot, facts["failed"], name)
    failed = facts["failed"]
    question = (slot, facts["execution"], failed, state.failures.get(failed, 0), state.execution[failed])
    if question in seen.asked:
        broken("right retry", f"{name} was asked about {seen.names([failed])} again")
    seen.asked.add(question)
    if done == "deferred":
        seen.passed_on.add((facts["to"], failed))


def remembered(seen: Seen, facts: Facts, slot: int) -> None:
    """A retry has passed the question on: whoever is asked next is told that it has given up."""
    if facts["done"] == "deferred":
        tries = seen.state.history.get(facts["to"])
        if tries and slot not in tries[-1][1]:
            to, inner = seen.names([facts["to"]]), seen.names([slot])
            broken("history", f"{to} is asked next, and is not told that {inner} gave up")


def _rightly(seen: Seen, retry: int, failed: int, name: str) -> None:
    """The retry is the one to be asked: the nearest, one outward of such as gave up, or that of a group that failed."""
    shape, state = seen.shape, seen.state
    if (shape.who[failed] == retry and state.task[failed] is T.FAILURE) or (retry, failed) in seen.passed_on:
        return
    who = shape.who[failed]
    nearest = seen.names([who]) if who >= 0 else "nobody" if who == NOBODY else "a group"
    broken("right retry", f"{name} was asked about {seen.names([failed])}, of which {nearest} is to be asked")


def _means(seen: Seen, facts: Facts, retry: int, name: str) -> None:
    """What is done about it, by the text: RETRY, passed outward, undone alone, or all."""
    state, decision = seen.state, facts["decision"]
    region, out = state.regions.get(retry), seen.shape.outward[seen.definition.atoms[retry].flow]
    expected: dict[str, Any]
    if region is None or region.goal != "ask" or state.undo is not None or _decided_outside(seen, retry):
        expected = {"done": "overruled"}
    elif decision == "RETRY":
        expected = {"done": "retry"}
    elif decision == "REVERT_ALL":
        expected = {"done": "revert_all"}
    elif out >= 0:
        expected = {"done": "deferred", "to": out}
    elif out < NOBODY:
        expected = {"done": "revert", "scope": retry if state.defers else region.first}
    elif state.defers:
        expected = {"done": "revert_all"}
    else:
        expected = {"done": "revert", "scope": region.first}
    found = {what: facts.get(what) for what in expected}
    if found != expected:
        broken("retry's answer", f"{name} answered {decision}: expected {_said(expected)}, found {_said(found)}")


def _said(facts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items())


def _decided_outside(seen: Seen, retry: int) -> bool:
    """Whether all is about to be undone, or a flow around the retry's is, or was for good."""
    state = seen.state
    if any(region.goal == "revert_all" for region in state.regions.values()):
        return True
    around = seen.shape.around[retry]
    return any(
        outer in state.dead or (outer in state.regions and state.regions[outer].undo is not None) for outer in around
    )


def retrying(seen: Seen, facts: Facts, slot: int) -> None:
    """The flow of a retry is about to be tried again."""
    state, name = seen.state, seen.names([slot])
    region = state.regions.get(slot)
    if region is None or region.goal != "retry":
        broken("retry's answer", f"the flow of {name} is tried again, and {name} has not said RETRY")
    if state.undo is not None:
        broken("retry scope", f"the flow of {name} is tried again, and the whole run is being undone")
    for outer in seen.shape.around[slot]:
        around = state.regions.get(outer)
        if outer in state.dead or (around is not None and around.undo is not None):
            broken("retry scope", f"the flow of {name} is tried again, and that of {seen.names([outer])} is undone")
    _all_back(seen, slot, 1, "is tried again")


def given_up(seen: Seen, facts: Facts, slot: int) -> None:
    """The flow of a retry is undone for good."""
    _all_back(seen, slot, 0, "is given up")


def _all_back(seen: Seen, retry: int, but: int, what: str) -> None:
    """Nothing of the flow is left as it ran."""
    state = seen.state
    first, last = seen.shape.of_retry(retry)
    for atom in range(first + but, last):
        if state.task[atom] not in AT_REST:
            detail = f"the flow of {seen.names([retry])} {what}, and {seen.names([atom])} in it is {state.task[atom]}"
            broken("retry scope", detail)


def forgot(seen: Seen, facts: Facts, slot: int) -> None:
    """RETRYING was folded: nothing of the flow counts any more."""
    state = seen.state
    first, last = seen.shape.of_retry(slot)
    again = f"the flow of {seen.names([slot])} is tried again"
    for atom in range(first + 1, last):
        if atom in state.history:
            broken("history", f"{again}, and {seen.names([atom])} remembers its tries")
        if state.task[atom] is not T.PENDING or state.done[atom] or state.result[atom]:
            broken("retry scope", f"{again}, and {seen.names([atom])} is not as if it had never run")
        seen.tries.pop(atom, None)
        seen.asked -= {question for question in seen.asked if question[0] == atom}
    own = seen.definition.atoms[slot].flow
    for flow in state.verdicts:
        low, high = seen.shape.span[flow]
        if flow != own and first <= low and high <= last:
            name = seen.definition.flows[flow].name
            broken("retry scope", f"{again}, and the verdict over group {name} in it still stands")
    for kept in _kept(state):
        for other in kept:
            if first < (atom := state.atom_of(other)) < last:
                broken("retry scope", f"{again}, and {seen.names([atom])} is still counted")
    seen.passed_on = {(to, failed) for to, failed in seen.passed_on if not first <= failed < last}


def _kept(state: State) -> list[Any]:
    return [kept for kept in (
        state.running, state.reverting, state.unknown, state.waiting, state.overdue, state.lost, state.failures,
        state.stuck, state.unresolved, state.asked, state.halted, state.outcome, state.progress, state.revert_result,
        state.opening, state.spread, state.full, state.fans, state.dead,
    ) if kept]  # fmt: skip


def round_about(seen: Seen, facts: Facts) -> None:
    """The run begins to be undone: for a failure only where nobody is asked about it, or somebody said REVERT_ALL."""
    state, shape = seen.state, seen.shape
    if facts["cause"] != "failure":
        return
    if not state.resolves:
        broken("never resolve", "the run is undone for a failure")
    if any(region.goal == "revert_all" for region in state.regions.values()):
        return
    if any(slot < state.atoms and shape.who[slot] == NOBODY for slot in state.failures):
        return
    flows = seen.definition.flows
    if any(not ok and flows[flow].retry is None and shape.outward[flow] == NOBODY for flow, ok in state.verdicts.items()):
        return
    names = seen.names(slot for slot in state.failures if slot < state.atoms)
    broken("right retry", f"the run is undone for failures of which somebody is to be asked: {names}")
