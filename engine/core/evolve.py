"""`evolve(state, version, type, facts)`: fold one record into the state; `fold`: many.

It reads the facts and nothing else: no value, no clock. It changes the state in place, which is what keeps a
transition's cost independent of the size of the flow, and refuses a record that the machine does not allow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop
from typing import Any

from ...errors import CorruptLog
from . import records as r
from .state import State, begin_undo, reach, settle
from .states import RAN, RunState, TaskState, origins, run_origins

Facts = dict[str, Any]
T = TaskState

_TO_RUNNING, _TO_SUCCESS, _TO_FAILURE = origins(T.RUNNING), origins(T.SUCCESS), origins(T.FAILURE)
_TO_REVERTING, _TO_REVERTED = origins(T.REVERTING), origins(T.REVERTED)
PENDING, RUNNING, SUCCESS = T.PENDING, T.RUNNING, T.SUCCESS


def evolve(state: State, version: int, type: str, facts: Facts) -> None:
    """Fold the record at `version` into `state`; raises what `fold` does."""
    fold(state, (version,), (type,), (facts,))


def fold(state: State, versions: Sequence[int], types: Sequence[str], facts: Sequence[Facts]) -> None:
    """Fold many records, in order. The two moves that most of a log is made of are made right here.

    Raises:
        CorruptLog: a version does not follow, a type is not known, or the machine has no such move.
    """
    task, execution, attempt, result = state.task, state.execution, state.attempt, state.result
    running, ready, rank = state.running, state.ready, state.rank
    for version, type, fact in zip(versions, types, facts, strict=True):
        if version != state.version + 1:
            raise CorruptLog(f"record {version} ({type}) does not follow version {state.version}: one is missing or double")
        state.version = version
        if type == r.TASK_RUNNING:
            atom = fact["atom"]
            if task[atom] is not PENDING:
                _start_again(state, atom)
            task[atom] = RUNNING
            execution[atom] = fact["execution"]
            attempt[atom] = fact["attempt"]
            running[atom] = None
            if ready and ready[0] == rank[atom]:
                heappop(ready)
        elif type == r.TASK_SUCCESS:
            atom = fact["atom"]
            if task[atom] is RUNNING:
                del running[atom]
            else:
                _leave(state, atom, _TO_SUCCESS, SUCCESS)
            task[atom] = SUCCESS
            result[atom] = version
            state.open -= 1
            settle(state, atom)
        else:
            handler = _HANDLERS.get(type)
            if handler is None:
                raise CorruptLog(f"record {version}: this code does not know the type {type!r}; newer code has written it")
            handler(state, fact)


def _illegal(state: State, atom: int, to: str) -> CorruptLog:
    name = state.definition.atoms[atom].name
    return CorruptLog(f"record {state.version}: task {name!r} is {state.task[atom]} and cannot become {to}")


def _start_again(state: State, atom: int) -> None:
    """An atom that is not PENDING is started: another attempt."""
    if state.task[atom] not in _TO_RUNNING:
        raise _illegal(state, atom, "RUNNING")
    state.unknown.pop(atom, None)
    state.waiting.pop(atom, None)


def _leave(state: State, atom: int, allowed: tuple[TaskState, ...], to: TaskState) -> None:
    """Move an atom on the less trodden paths: it is taken out of whatever list it stood in."""
    if state.task[atom] not in allowed:
        raise _illegal(state, atom, to)
    for members in (state.running, state.reverting, state.unknown, state.waiting, state.lost, state.asked):
        members.pop(atom, None)
    state.stuck.pop(atom, None)
    state.task[atom] = to


def _task_failure(state: State, facts: Facts) -> None:
    atom = facts["atom"]
    _leave(state, atom, _TO_FAILURE, T.FAILURE)
    state.result[atom] = state.version
    state.failures[atom] = state.version


def _task_unknown(state: State, facts: Facts) -> None:
    atom = facts["atom"]
    _leave(state, atom, origins(T.UNKNOWN), T.UNKNOWN)
    state.unknown[atom] = None


def _task_waiting(state: State, facts: Facts) -> None:
    atom = facts["atom"]
    _leave(state, atom, origins(T.WAITING), T.WAITING)
    state.waiting[atom] = None


def _task_ignored(state: State, facts: Facts) -> None:
    atom = facts["atom"]
    _leave(state, atom, origins(T.IGNORED), T.IGNORED)
    state.open -= 1
    settle(state, atom)


def _task_reverting(state: State, facts: Facts) -> None:
    atom = facts["atom"]
    _leave(state, atom, _TO_REVERTING, T.REVERTING)
    state.attempt[atom] = facts["attempt"]
    state.reverting[atom] = None
    ready = state.undo.ready if state.undo is not None else []
    while ready and state.task[-ready[0][1]] not in RAN:
        heappop(ready)


def _task_reverted(state: State, facts: Facts) -> None:
    atom = facts["atom"]
    _leave(state, atom, _TO_REVERTED, T.REVERTED)
    state.revert_result[atom] = state.version
    state.outcome[atom] = "undeclared" if facts.get("undeclared") else facts["outcome"]
    if state.undo is not None and not state.undo.waits[atom]:
        reach(state, state.undo, atom)


def _task_revert_failure(state: State, facts: Facts) -> None:
    atom = facts["atom"]
    _leave(state, atom, origins(T.REVERT_FAILURE), T.REVERT_FAILURE)
    state.revert_result[atom] = state.version
    state.stuck[atom] = state.version


def _task_revert_unknown(state: State, facts: Facts) -> None:
    atom = facts["atom"]
    _leave(state, atom, origins(T.REVERT_UNKNOWN), T.REVERT_UNKNOWN)
    state.lost[atom] = None


def _run_to(to: RunState) -> Callable[[State, Facts], None]:
    allowed = run_origins(to)

    def move(state: State, facts: Facts) -> None:
        if state.run not in allowed:
            raise CorruptLog(f"record {state.version}: the run is {state.run} and cannot become {to}")
        state.run = to
        state.cause = facts.get("cause", "")
        if "reason" in facts:
            state.reason = state.version
        elif to is RunState.RUNNING:
            state.reason = 0

    return move


_to_run_reverting, _to_run_failure = _run_to(RunState.REVERTING), _run_to(RunState.FAILURE)


def _run_reverting(state: State, facts: Facts) -> None:
    _to_run_reverting(state, facts)
    state.asked.clear()
    if state.undo is None:
        begin_undo(state)


def _run_failure(state: State, facts: Facts) -> None:
    _to_run_failure(state, facts)
    if facts.get("cause") == "ask":
        state.asked.update(dict.fromkeys(facts["atoms"]))


def _nothing(state: State, facts: Facts) -> None:
    """A record that is about the run and does not change what may happen next."""


_HANDLERS: dict[str, Callable[[State, Facts], None]] = {
    r.RUN_CREATED: _nothing,
    r.RUN_CLAIMED: _nothing,
    r.MESSAGE_ACCEPTED: _nothing,
    r.RUN_RUNNING: _run_to(RunState.RUNNING),
    r.RUN_WAITING: _run_to(RunState.WAITING),
    r.RUN_SUSPENDING: _run_to(RunState.SUSPENDING),
    r.RUN_SUSPENDED: _run_to(RunState.SUSPENDED),
    r.RUN_REVERTING: _run_reverting,
    r.RUN_SUCCESS: _run_to(RunState.SUCCESS),
    r.RUN_REVERTED: _run_to(RunState.REVERTED),
    r.RUN_REVERTED_PARTLY: _run_to(RunState.REVERTED_PARTLY),
    r.RUN_FAILURE: _run_failure,
    r.RUN_ABANDONED: _run_to(RunState.ABANDONED),
    r.TASK_WAITING: _task_waiting,
    r.TASK_FAILURE: _task_failure,
    r.TASK_IGNORED: _task_ignored,
    r.TASK_UNKNOWN: _task_unknown,
    r.TASK_REVERTING: _task_reverting,
    r.TASK_REVERTED: _task_reverted,
    r.TASK_REVERT_FAILURE: _task_revert_failure,
    r.TASK_REVERT_UNKNOWN: _task_revert_unknown,
}

RECORD_TYPES = (*_HANDLERS, r.TASK_RUNNING, r.TASK_SUCCESS)
"""Every record type that this code can fold."""
