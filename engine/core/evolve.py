"""`evolve(state, version, type, facts)`: fold one record into the state; `fold`: many.

It reads the facts and nothing else: no value, no clock. It changes the state in place, which is what keeps a
transition's cost independent of the size of the flow, and refuses a record that the machine does not allow.

Here are the moves of tasks and runs; what retries, groups, fan-outs and persons do to them is in `scopes`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush

from ...errors import CorruptLog
from . import fans, scopes
from . import records as r
from .counters import come_back, settle, settled, tidy, undo_of, unplain
from .moves import Facts, illegal, leave
from .records import TASK_RUNNING, TASK_SUCCESS
from .state import State
from .states import STAYS, RetryState, RunState, TaskState, origins, run_origins

T = TaskState

_TO_RUNNING, _TO_SUCCESS, _TO_FAILURE = origins(T.RUNNING), origins(T.SUCCESS), origins(T.FAILURE)
_TO_REVERTING, _TO_REVERTED = origins(T.REVERTING), origins(T.REVERTED)
PENDING, RUNNING, SUCCESS = T.PENDING, T.RUNNING, T.SUCCESS


def evolve(state: State, version: int, type: str, facts: Facts) -> None:
    """Fold the record at `version` into `state`; raises what `fold` does.

    The two moves of a plain flow are made here as they are there: what prepares for many is too much for one.
    """
    if version != state.version + 1:
        raise _gap(version, type, state.version)
    state.version = version
    if state.plain and type == TASK_RUNNING and state.task[atom := facts["atom"]] is PENDING:
        state.task[atom] = RUNNING
        state.execution[atom] = facts["execution"]
        state.attempt[atom] = facts["attempt"]
        state.running[atom] = None
        if state.ready and state.ready[0] == state.rank[atom]:
            heappop(state.ready)
    elif state.plain and type == TASK_SUCCESS and state.task[atom := facts["atom"]] is RUNNING:
        del state.running[atom]
        state.task[atom] = SUCCESS
        state.result[atom] = version
        state.done[atom] = 1
        state.open -= 1
        waits = state.waits
        for node in state.after[atom]:
            waits[node] = left = waits[node] - 1
            if left:
                continue
            if node < state.atoms:
                heappush(state.ready, state.rank[node])
            else:
                settle(state, node)
    else:
        _move(state, type, facts)


def fold(state: State, versions: Sequence[int], types: Sequence[str], facts: Sequence[Facts]) -> None:
    """Fold many records, in order. The two moves that most of a plain flow's log is made of are made right here.

    Raises:
        CorruptLog: a version does not follow, a type is not known, or the machine has no such move.
    """
    task, execution, attempt, result = state.task, state.execution, state.attempt, state.result
    running, rank, after, atoms = state.running, state.rank, state.after, state.atoms
    plain, ready, waits, done, at = state.plain, state.ready, state.waits, state.done, state.version
    for version, type, fact in zip(versions, types, facts, strict=True):
        at += 1
        if version != at:
            raise _gap(version, type, at - 1)
        if plain and type == TASK_RUNNING and task[atom := fact["atom"]] is PENDING:
            task[atom] = RUNNING
            execution[atom] = fact["execution"]
            attempt[atom] = fact["attempt"]
            running[atom] = None
            if ready and ready[0] == rank[atom]:
                heappop(ready)
        elif plain and type == TASK_SUCCESS and task[atom := fact["atom"]] is RUNNING:
            del running[atom]
            task[atom] = SUCCESS
            result[atom] = version
            done[atom] = 1
            state.open -= 1
            for node in after[atom]:  # none of it has begun
                waits[node] = left = waits[node] - 1
                if left:
                    continue
                if node < atoms:
                    heappush(ready, rank[node])
                else:
                    settle(state, node)
        else:
            state.version = version
            _move(state, type, fact)
            plain, ready, waits, done = state.plain, state.ready, state.waits, state.done
    state.version = at


def _move(state: State, type: str, facts: Facts) -> None:
    """Any other move; `state` is at the version of the record."""
    handler = _HANDLERS.get(type)
    if handler is None:
        raise CorruptLog(f"record {state.version}: this code does not know the type {type!r}; newer code has written it")
    if state.plain and type not in _STILL_PLAIN:
        unplain(state)
    handler(state, facts)


def _gap(version: int, type: str, last: int) -> CorruptLog:
    return CorruptLog(f"record {version} ({type}) does not follow version {last}: one is missing or double")


def _slot(state: State, facts: Facts) -> int:
    """The slot that a record is about."""
    return state.slot(facts["atom"], facts.get("instance"))


def _start_again(state: State, slot: int) -> None:
    """What is not PENDING is started: another attempt."""
    if state.task[slot] not in _TO_RUNNING:
        raise illegal(state, slot, "RUNNING")
    state.result[slot] = 0  # what it waited after has told of an attempt before
    state.unknown.pop(slot, None)
    state.waiting.pop(slot, None)
    state.overdue.pop(slot, None)


def _task_running(state: State, facts: Facts) -> None:
    slot = _slot(state, facts)
    if state.task[slot] is not PENDING and state.task[slot] is not RetryState.RETRYING:
        _start_again(state, slot)
    elif slot >= state.atoms:
        fans.started(state, slot)
    state.task[slot] = RUNNING
    state.execution[slot] = facts["execution"]
    state.attempt[slot] = facts["attempt"]
    if slot < state.atoms and state.definition.atoms[slot].over is not None:
        state.opening[slot] = None
    else:
        state.running[slot] = None
    if slot < state.atoms and state.ready and state.ready[0] == state.rank[slot]:
        heappop(state.ready)
        state.queued[slot] = 0
    tidy(state)


def _task_success(state: State, facts: Facts) -> None:
    slot = _slot(state, facts)
    if state.task[slot] is T.FAILURE:
        scopes.absolve(state, slot)
    leave(state, slot, _TO_SUCCESS, SUCCESS)
    state.result[slot] = state.version
    state.failures.pop(slot, None)
    if slot >= state.atoms:
        fans.settled_one(state, slot, ok=True)
        return
    if state.definition.atoms[slot].kind == "retry":
        state.history.setdefault(slot, []).append((state.version, {}))
    settled(state, slot)
    tidy(state)


def _task_failure(state: State, facts: Facts) -> None:
    slot = _slot(state, facts)
    given_up = facts.get("given_up") and state.task[slot] is T.WAITING  # what it failed of is told where it began to wait
    leave(state, slot, _TO_FAILURE, T.FAILURE)
    if not given_up:
        state.result[slot] = state.version
    state.failures[slot] = state.result[slot]
    if slot >= state.atoms:
        fans.settled_one(state, slot, ok=False)
    else:
        scopes.failed(state, slot)


def _task_unknown(state: State, facts: Facts) -> None:
    slot = _slot(state, facts)
    leave(state, slot, origins(T.UNKNOWN), T.UNKNOWN)
    state.unknown[slot] = None


def _task_waiting(state: State, facts: Facts) -> None:
    slot = _slot(state, facts)
    leave(state, slot, origins(T.WAITING), T.WAITING)
    state.waiting[slot] = 0
    state.overdue[slot] = None
    if "due" in facts:
        state.result[slot] = state.version


def _timer_set(state: State, facts: Facts) -> None:
    timer = facts["timer"]
    slot = -1 if "atom" not in facts else _slot(state, facts)
    state.timers[timer] = (slot, facts["due"])
    if slot >= 0:
        state.waiting[slot] = timer
        state.overdue.pop(slot, None)


def _timer_fired(state: State, facts: Facts) -> None:
    slot, _ = state.timers.pop(facts["timer"])
    if slot >= 0 and slot in state.waiting:
        state.waiting[slot] = 0
        state.overdue[slot] = None


def _timer_cancelled(state: State, facts: Facts) -> None:
    state.timers.pop(facts["timer"])


def _task_ignored(state: State, facts: Facts) -> None:
    atom = facts["atom"]
    leave(state, atom, origins(T.IGNORED), T.IGNORED)
    state.lacking = True
    settled(state, atom)
    tidy(state)


def _task_progress(state: State, facts: Facts) -> None:
    state.progress[_slot(state, facts)] = (facts["progress"], state.version)


def _task_reverting(state: State, facts: Facts) -> None:
    slot = _slot(state, facts)
    leave(state, slot, _TO_REVERTING, T.REVERTING)
    state.attempt[slot] = facts["attempt"]
    undo = scopes.way_back(state, state.atom_of(slot))
    if slot in state.fans:
        fans.turned(state, slot, undo)
    else:
        state.reverting[slot] = None
        state.unresolved.pop(slot, None)
    if slot >= state.atoms:
        fans.back_at(state, slot, undo)
    if undo is not None:
        undo.begun()


def _task_reverted(state: State, facts: Facts) -> None:
    slot = _slot(state, facts)
    leave(state, slot, _TO_REVERTED, T.REVERTED)
    state.revert_result[slot] = state.version
    state.outcome[slot] = "undeclared" if facts.get("undeclared") else facts["outcome"]
    if state.verdicts:
        scopes.unmade(state, state.atom_of(slot))
    if facts["outcome"] in STAYS:
        state.stays[facts["atom"]] = None
    if slot >= state.atoms:
        undo = scopes.way_back(state, facts["atom"])
        if come_back(state, slot):
            fans.once_more(state, slot, undo)
        else:
            fans.back_one(state, slot, undo)
        return
    come_back(state, slot)
    if slot in state.fans:
        fans.left_so(state, slot)
    undo = scopes.way_back(state, slot)
    if undo is not None:
        undo.done(slot)


def _task_revert_failure(state: State, facts: Facts) -> None:
    slot = _slot(state, facts)
    leave(state, slot, origins(T.REVERT_FAILURE), T.REVERT_FAILURE)
    state.revert_result[slot] = state.version
    state.stuck[slot] = state.version


def _task_revert_unknown(state: State, facts: Facts) -> None:
    slot = _slot(state, facts)
    leave(state, slot, origins(T.REVERT_UNKNOWN), T.REVERT_UNKNOWN)
    state.lost[slot] = None


def _run_to(to: RunState) -> Callable[[State, Facts], None]:
    allowed = run_origins(to)
    alone = to in (RunState.REVERTED, RunState.REVERTED_PARTLY)  # from RUNNING: only the flow of one retry was undone

    def move(state: State, facts: Facts) -> None:
        if state.run not in allowed or (alone and state.run is RunState.RUNNING and not state.dead):
            raise CorruptLog(f"record {state.version}: the run is {state.run} and cannot become {to}")
        state.run = to
        state.cause = facts.get("cause", "")
        if "reason" in facts:
            state.reason = state.version
        elif to is RunState.RUNNING:
            state.reason = 0

    return move


_to_run_reverting, _to_run_failure, _to_run_running = (
    _run_to(state) for state in (RunState.REVERTING, RunState.FAILURE, RunState.RUNNING)
)


def _run_created(state: State, facts: Facts) -> None:
    state.defers = facts.get("defer_reverts", True)
    state.resolves = not facts.get("never_resolve", False)
    state.timeout = facts.get("timeout", 0)
    state.given = tuple(facts.get("given", ()))


def _run_running(state: State, facts: Facts) -> None:
    _to_run_running(state, facts)
    scopes.ask_again(state)


def _run_reverting(state: State, facts: Facts) -> None:
    _to_run_reverting(state, facts)
    state.asked.clear()
    state.halted.clear()
    if state.undo is None:
        state.regions.clear()
        state.dead.clear()
        state.unresolved.clear()
        roots = [node for node, waits in enumerate(state.definition.fan_in) if not waits]
        state.undo = undo_of(state, roots, 0, state.atoms)


def _run_failure(state: State, facts: Facts) -> None:
    _to_run_failure(state, facts)
    if facts.get("cause") == "ask":
        state.asked.update(dict.fromkeys(scopes.slots(state, facts)))


def _nothing(state: State, facts: Facts) -> None:
    """A record that is about the run and does not change what may happen next."""


_OF_ATOMS: dict[str, Callable[[State, Facts], None]] = {
    r.TASK_PENDING: scopes.put_back,
    r.TASK_RUNNING: _task_running,
    r.TASK_WAITING: _task_waiting,
    r.TASK_SUCCESS: _task_success,
    r.TASK_FAILURE: _task_failure,
    r.TASK_IGNORED: _task_ignored,
    r.TASK_UNKNOWN: _task_unknown,
    r.TASK_REVERTING: _task_reverting,
    r.TASK_REVERTED: _task_reverted,
    r.TASK_REVERT_FAILURE: _task_revert_failure,
    r.TASK_REVERT_UNKNOWN: _task_revert_unknown,
}

_HANDLERS: dict[str, Callable[[State, Facts], None]] = {
    **_OF_ATOMS,
    **{r.of_retry(type): handler for type, handler in _OF_ATOMS.items()},
    r.TASK_PROGRESS: _task_progress,
    r.RETRY_CONSULTED: scopes.consulted,
    r.RETRY_RETRYING: scopes.retrying,
    r.RETRY_GIVEN_UP: scopes.given_up,
    r.DECIDER_ANSWERED: scopes.answered,
    r.GROUP_SETTLED: scopes.group_settled,
    r.EACH_ELEMENTS: _nothing,
    r.EACH_OPENED: fans.opened,
    r.TIMER_SET: _timer_set,
    r.TIMER_FIRED: _timer_fired,
    r.TIMER_CANCELLED: _timer_cancelled,
    r.RUN_CREATED: _run_created,
    r.RUN_CLAIMED: _nothing,
    r.MESSAGE_ACCEPTED: _nothing,
    r.OPERATOR_AMENDED: _nothing,
    r.RUN_RUNNING: _run_running,
    r.RUN_WAITING: _run_to(RunState.WAITING),
    r.RUN_SUSPENDING: _run_to(RunState.SUSPENDING),
    r.RUN_SUSPENDED: _run_to(RunState.SUSPENDED),
    r.RUN_REVERTING: _run_reverting,
    r.RUN_SUCCESS: _run_to(RunState.SUCCESS),
    r.RUN_REVERTED: _run_to(RunState.REVERTED),
    r.RUN_REVERTED_PARTLY: _run_to(RunState.REVERTED_PARTLY),
    r.RUN_FAILURE: _run_failure,
    r.RUN_ABANDONED: _run_to(RunState.ABANDONED),
    r.RUN_RECOVERED: scopes.recovered,
    r.RUN_PENDING: scopes.reset,
}

_STILL_PLAIN = frozenset((
    r.RUN_CREATED, r.RUN_CLAIMED, r.RUN_RUNNING, r.RUN_SUSPENDING, r.RUN_SUSPENDED, r.RUN_SUCCESS, r.MESSAGE_ACCEPTED,
    r.TASK_PROGRESS,
))  # fmt: skip

RECORD_TYPES = tuple(_HANDLERS)
"""Every record type that this code can fold."""
