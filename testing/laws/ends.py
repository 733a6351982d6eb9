"""The laws of the end: what leaves it, what state it is, and that nothing is left open; and that it is reached."""

from __future__ import annotations

from ...engine.core.state import State
from ...engine.core.states import RAN, RunState, TaskState
from .broken import broken
from .seen import Facts, Seen
from .shape import NOBODY

T, U = TaskState, RunState
ENDED = (U.SUCCESS, U.REVERTED, U.REVERTED_PARTLY, U.ABANDONED)
LEAVES = ("run.reverting", "run.recovered", "run.pending", "run.claimed", "message.accepted", "timer.cancelled")
"""What may be recorded of a run that is over: somebody takes it up, or wants something else of it."""
AT_REST = (*ENDED, U.FAILURE, U.SUSPENDED, U.PENDING)


def over(seen: Seen, type: str) -> None:
    """A record about a run that is over."""
    if type not in LEAVES:
        broken("nothing after the end", f"{type} of a run that is {seen.state.run}")


def ended(seen: Seen) -> None:
    """The run has come to its end."""
    state = seen.state
    _nothing_open(seen)
    tasks = state.task[: state.atoms]
    if state.run is U.SUCCESS:
        for atom, task in enumerate(tasks):
            if task not in (T.SUCCESS, T.IGNORED, T.FAILURE, T.REVERTED) or (
                task is T.FAILURE and seen.shape.who[atom] >= -1
            ):
                broken("end state", f"the run is SUCCESS, and {seen.names([atom])} is {task}")
        for retry in state.dead:
            if seen.shape.heard(seen.definition.atoms[retry].flow) == NOBODY:
                broken("end state", f"the run is SUCCESS, and the flow of {seen.names([retry])} was undone")
        return
    if state.run is U.ABANDONED:
        return
    scope = state.cause == "scope"
    for atom, task in enumerate(tasks):
        if task not in (T.PENDING, T.REVERTED, T.IGNORED) and not (scope and task in RAN):
            broken("end state", f"the run is {state.run}, and {seen.names([atom])} is {task}")
    if not scope:
        _all_undone(seen)
    stays = _stays(seen)
    if state.run is U.REVERTED and stays:
        broken("end state", f"the run is REVERTED, and what {', '.join(stays)} did stays done")
    if state.run is U.REVERTED_PARTLY and not stays:
        broken("end state", "the run is REVERTED_PARTLY, and nothing of it stays done")


def _all_undone(seen: Seen) -> None:
    """Each execution of a task that was begun is reverted, or there was nothing to revert, or it never took place."""
    for key in seen.begun.keys() - seen.undone:
        spec = seen.definition.atoms[key[0]]
        if spec.kind != "retry" and (key[1] is None or spec.compensation == "revert"):
            broken("end state", f"the run is {seen.state.run}, and {seen.one(key)} was never reverted")


def _stays(seen: Seen) -> list[str]:
    """What is not undone: it could not be, a person said so, or it stands outside of what was to be."""
    state = seen.state
    found = [seen.one(key) for key in sorted(seen.stays, key=str)]
    return found + [state.name(atom) for atom in range(state.atoms) if state.task[atom] in RAN]


def _nothing_open(seen: Seen) -> None:
    state = seen.state
    for what in (
        "running", "reverting", "unknown", "lost", "stuck", "waiting", "opening", "timers", "regions", "overdue", "halted",
    ):  # fmt: skip
        if getattr(state, what):
            broken("end state", f"the run is {state.run}, and something of it is still open: {what} {_names(state, what)}")
    if seen.timers:
        broken("end state", f"the run is {state.run}, and its timers {sorted(seen.timers)} are still set")


def _names(state: State, what: str) -> str:
    return ", ".join(str(slot) if what == "timers" else state.name(slot) for slot in getattr(state, what))


def suspended(seen: Seen, facts: Facts) -> None:
    """The run rests, since a person wants it to."""
    state = seen.state
    under_way = [state.name(slot) for slot in (*state.running, *state.reverting)]
    if under_way:
        broken("end state", f"the run is SUSPENDED, and under way is {', '.join(under_way)}")


def anew(seen: Seen, facts: Facts) -> None:
    """The run is recovered or reset: what was tried before does not count."""
    seen.asked.clear()
    seen.passed_on.clear()
    if "atoms" not in facts:
        seen.tries.clear()
        seen.stays.clear()
        for kept in (seen.intents, seen.called):  # a revert that was not brought to its end is begun from the first attempt
            for intent in [intent for intent in kept if intent[0] == "revert" and intent[1] not in seen.undone]:
                kept.pop(intent)
        return
    for atom in facts["atoms"]:
        seen.tries.pop(atom, None)


def stuck(state: State) -> str | None:
    """Why a run whose drive has ended should have gone on; None where it rests rightly: it is over, or waits."""
    if state.run in AT_REST:
        return None
    if state.run in (U.RUNNING, U.WAITING) and state.timers and not state.running and not state.reverting:
        return None
    under_way = [state.name(slot) for slot in (*state.running, *state.reverting)]
    return f"the run is {state.run}, and nobody goes on with it; under way: {', '.join(under_way) or 'nothing'}"
