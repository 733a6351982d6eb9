"""The states of a run, of a task and of a retry, and the moves between them.

A *task* is born PENDING. When everything before it has settled it is started: its intent (RUNNING) is in the
log before its code runs. It ends as SUCCESS or FAILURE. It may have to wait in between (WAITING: its policy's
backoff, an event, a pool), and a task that a decider or a missing provider rules out is IGNORED.

If its process dies while it runs, nobody knows what it did. That is a state of its own, UNKNOWN, and the task's
`recovery` says what becomes of it: it runs again, it is settled by a probe or by a person, or it is reverted as it is.

Going back is the same story told backwards. What ran (SUCCESS, FAILURE or UNKNOWN) is REVERTING, and then
REVERTED. A revert that raises is a REVERT_FAILURE, one cut short by a crash a REVERT_UNKNOWN; from both a revert
can be started again, and a person may declare them done. What was reverted can be started afresh (PENDING) by a
retry controller, what succeeded by a rule, what failed by a recovery. A *retry* lives as a task does; when it has
decided to have its flow tried again it is RETRYING, once everything in the flow is undone, and then RUNNING.

A person may settle what the engine cannot: an UNKNOWN task succeeded, failed, or never took place (PENDING), a FAILURE
was none after all.

A *run* is RUNNING as long as something can still be started, WAITING when only timers or messages can move it.
SUSPENDING lets running tasks finish, SUSPENDED is the rest after that. A failure that no controller resolves makes
it REVERTING, and so does a person, even long after SUCCESS. REVERTED says that each task that ran was undone, or has
nothing to undo, because it says so or because nobody declared anything (its outcome then says "undeclared");
REVERTED_PARTLY that something irreversible had run, that a person skipped a revert, or that only the flow of one retry
was to be undone: a person may still have the rest reverted. FAILURE is the state in which
the engine will do no more by itself: a revert failed, or an answer is needed.

The tables below are the whole machine; `evolve` refuses a record that makes any other move, and the diagrams of
the documentation are generated from here.
"""

from __future__ import annotations

from enum import StrEnum


class TaskState(StrEnum):
    """Where one task of a run stands."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    IGNORED = "IGNORED"
    UNKNOWN = "UNKNOWN"
    REVERTING = "REVERTING"
    REVERTED = "REVERTED"
    REVERT_FAILURE = "REVERT_FAILURE"
    REVERT_UNKNOWN = "REVERT_UNKNOWN"


class RetryState(StrEnum):
    """Where one retry controller of a run stands: as a task, and RETRYING."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    IGNORED = "IGNORED"
    UNKNOWN = "UNKNOWN"
    RETRYING = "RETRYING"
    REVERTING = "REVERTING"
    REVERTED = "REVERTED"
    REVERT_FAILURE = "REVERT_FAILURE"
    REVERT_UNKNOWN = "REVERT_UNKNOWN"


class RunState(StrEnum):
    """Where a run stands."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    SUSPENDING = "SUSPENDING"
    SUSPENDED = "SUSPENDED"
    REVERTING = "REVERTING"
    SUCCESS = "SUCCESS"
    REVERTED = "REVERTED"
    REVERTED_PARTLY = "REVERTED_PARTLY"
    FAILURE = "FAILURE"
    ABANDONED = "ABANDONED"


AtomState = TaskState | RetryState
T, R, U = TaskState, RetryState, RunState

TASK_MOVES: dict[TaskState, tuple[TaskState, ...]] = {
    T.PENDING: (T.RUNNING, T.IGNORED),
    T.RUNNING: (T.SUCCESS, T.FAILURE, T.WAITING, T.UNKNOWN),
    T.WAITING: (T.RUNNING, T.FAILURE),
    T.UNKNOWN: (T.RUNNING, T.SUCCESS, T.FAILURE, T.REVERTING, T.PENDING),
    T.SUCCESS: (T.REVERTING, T.PENDING),
    T.FAILURE: (T.REVERTING, T.PENDING, T.SUCCESS),
    T.REVERTING: (T.REVERTED, T.REVERT_FAILURE, T.REVERT_UNKNOWN),
    T.REVERT_FAILURE: (T.REVERTING, T.REVERTED),
    T.REVERT_UNKNOWN: (T.REVERTING, T.REVERTED, T.REVERT_FAILURE),
    T.REVERTED: (T.PENDING,),
    T.IGNORED: (T.PENDING,),
}

RETRY_MOVES: dict[RetryState, tuple[RetryState, ...]] = {
    **{R(state): tuple(R(to) for to in moves) for state, moves in TASK_MOVES.items()},
    R.SUCCESS: (R.RETRYING, R.REVERTING, R.PENDING),
    R.RETRYING: (R.RUNNING,),
}

RUN_MOVES: dict[RunState, tuple[RunState, ...]] = {
    U.PENDING: (U.RUNNING,),
    U.RUNNING: (
        U.WAITING, U.SUSPENDING, U.REVERTING, U.SUCCESS, U.REVERTED, U.REVERTED_PARTLY, U.FAILURE, U.ABANDONED
    ),
    U.WAITING: (U.RUNNING, U.SUSPENDING, U.REVERTING, U.ABANDONED),
    U.SUSPENDING: (U.SUSPENDED,),
    U.SUSPENDED: (U.RUNNING, U.REVERTING, U.ABANDONED),
    U.REVERTING: (U.WAITING, U.REVERTED, U.REVERTED_PARTLY, U.FAILURE),
    U.SUCCESS: (U.REVERTING, U.PENDING),
    U.FAILURE: (U.RUNNING, U.REVERTING, U.ABANDONED, U.PENDING),
    U.REVERTED: (U.RUNNING, U.PENDING),
    U.REVERTED_PARTLY: (U.RUNNING, U.REVERTING, U.PENDING),
    U.ABANDONED: (U.PENDING,),
}

STAYS = ("not_revertible", "skipped")
"""Outcomes of a revert after which something has stayed done; the worst first."""
SETTLED_RUN = (U.SUCCESS, U.REVERTED, U.REVERTED_PARTLY, U.FAILURE, U.ABANDONED)
"""Run states in which nothing happens any more unless a person asks for it."""

RAN = (T.SUCCESS, T.FAILURE, T.UNKNOWN)
"""Task states that a revert of their scope has to undo."""


def origins(to: TaskState) -> tuple[TaskState, ...]:
    """The task states from which `to` can be reached in one move."""
    return tuple(state for state, moves in TASK_MOVES.items() if to in moves)


def run_origins(to: RunState) -> tuple[RunState, ...]:
    """The run states from which `to` can be reached in one move."""
    return tuple(state for state, moves in RUN_MOVES.items() if to in moves)
