"""What a task declares about crashes and compensation, checked as a whole once all of its functions are known."""

from __future__ import annotations

from datetime import timedelta

import attrs

from ...errors import FlowError, MissingArgument
from .task import Task
from .words import Compensation, Recovery, word


@attrs.frozen
class Declarations:
    """A task's declarations as they are stored; `revertible_for` in microseconds."""

    recovery: str
    revert_recovery: str
    compensation: str
    revertible_for: int | None


def declarations_of(task: Task) -> Declarations:
    """The declarations of a task.

    Raises:
        FlowError: they contradict each other, or the functions the task has; it names the task, both sides, and what
        would do.
    """
    plan = task.plan
    for call in (plan.execute, plan.revert):
        if call is not None and call.unfilled:
            raise MissingArgument(
                f"task {task.name!r}: {', '.join(call.unfilled)} stands in ignore_list and has no default, so nothing "
                "could fill it"
            )
    recovery, revert_recovery = _recovery(task)
    compensation = _compensation(task)
    window = task.revertible_for
    if window is None:
        return Declarations(recovery, revert_recovery, compensation, None)
    if compensation != "revert":
        raise FlowError(f"task {task.name!r}: revertible_for is for a task with a revert; this one is {compensation}")
    if not isinstance(window, timedelta) or window <= timedelta(0):
        raise FlowError(f"task {task.name!r}: revertible_for must be a timedelta above zero; found {window!r}")
    return Declarations(recovery, revert_recovery, compensation, window // timedelta(microseconds=1))


def _recovery(task: Task) -> tuple[str, str]:
    recovery = word(Recovery, task.recovery, task.name, "recovery")
    back = word(Recovery, task.revert_recovery, task.name, "revert_recovery")
    if back is Recovery.SKIP:
        raise FlowError(
            f"task {task.name!r}: revert_recovery cannot be SKIP: a revert that is passed by unseen is a person's "
            "decision; use ASK"
        )
    if task.transactional:
        if (recovery, back) != (Recovery.RERUN, Recovery.RERUN):
            raise FlowError(
                f"task {task.name!r} is transactional: its outcome is never unknown, so recovery and revert_recovery "
                f"must be left alone (RERUN); found {recovery} and {back}"
            )
        if "conn" not in task.wants("execute"):
            raise FlowError(
                f"task {task.name!r} is transactional but its execute does not take 'conn': what it writes through any "
                "other connection is not part of the transaction"
            )
    for asked, function, parameter in ((recovery, "probe", "recovery"), (back, "probe_revert", "revert_recovery")):
        if asked is Recovery.PROBE and task.plan.call(function) is None:
            raise FlowError(f"task {task.name!r}: {parameter} is PROBE but it has no {function}; define one")
    return recovery.value, back.value


def _compensation(task: Task) -> str:
    if task.compensation is None:
        return (Compensation.REVERT if task.has_revert else Compensation.UNDECLARED).value
    declared = word(Compensation, task.compensation, task.name, "compensation")
    if declared is Compensation.REVERT and not task.has_revert:
        raise FlowError(f"task {task.name!r}: compensation is 'revert' but it has no revert; define one")
    if declared is not Compensation.REVERT and task.has_revert:
        raise FlowError(
            f"task {task.name!r}: compensation is {str(declared)!r} but it has a revert; drop one of the two"
        )
    return declared.value
