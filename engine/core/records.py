"""The records of a run's stream as the core makes and reads them: a type, small facts, an opaque value.

`facts` is what `evolve` and `decide` go by; `value` is what a user's code gave (already encoded) and is never looked
into here. The version of a record is its place in the stream, from 1 and without gaps.
"""

from __future__ import annotations

from typing import Any, NamedTuple

RUN_CREATED = "run.created"
RUN_CLAIMED = "run.claimed"
RUN_RUNNING = "run.running"
RUN_WAITING = "run.waiting"
RUN_SUSPENDING = "run.suspending"
RUN_SUSPENDED = "run.suspended"
RUN_REVERTING = "run.reverting"
RUN_SUCCESS = "run.success"
RUN_REVERTED = "run.reverted"
RUN_REVERTED_PARTLY = "run.reverted_partly"
RUN_FAILURE = "run.failure"
RUN_ABANDONED = "run.abandoned"
RUN_RECOVERED = "run.recovered"
RUN_PENDING = "run.pending"

TASK_PENDING = "task.pending"
TASK_RUNNING = "task.running"
TASK_WAITING = "task.waiting"
TASK_SUCCESS = "task.success"
TASK_FAILURE = "task.failure"
TASK_IGNORED = "task.ignored"
TASK_UNKNOWN = "task.unknown"
TASK_REVERTING = "task.reverting"
TASK_REVERTED = "task.reverted"
TASK_REVERT_FAILURE = "task.revert_failure"
TASK_REVERT_UNKNOWN = "task.revert_unknown"
TASK_PROGRESS = "task.progress"

RETRY_CONSULTED = "retry.consulted"
RETRY_RETRYING = "retry.retrying"
RETRY_GIVEN_UP = "retry.given_up"

DECIDER_ANSWERED = "decider.answered"
GROUP_SETTLED = "group.settled"
EACH_ELEMENTS = "each.elements"
EACH_OPENED = "each.opened"

TIMER_SET = "timer.set"
TIMER_FIRED = "timer.fired"
TIMER_CANCELLED = "timer.cancelled"

MESSAGE_ACCEPTED = "message.accepted"
OPERATOR_AMENDED = "operator.amended"


class Draft(NamedTuple):
    """A record that has been decided and not yet appended."""

    type: str
    facts: dict[str, Any]
    value: bytes | None = None


def of_atom(type: str, atom: int, execution: int, attempt: int, value: bytes | None = None, **more: Any) -> Draft:
    """A record about one atom: its index in the definition, its execution and attempt (both from 1)."""
    return Draft(type, {"atom": atom, "execution": execution, "attempt": attempt, **more}, value)


def of_retry(type: str) -> str:
    """The type of a retry's record that says what `type` says of a task."""
    return "retry." + type.partition(".")[2]
