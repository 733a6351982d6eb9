"""What a task declares about crashes and compensation, checked as a whole once all of its functions are known."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import attrs

from ...errors import FlowError, MissingArgument
from .execution import execution_of
from .retry import Retry
from .task import Task
from .words import USUAL, Compensation, Recovery, word


@attrs.frozen
class Declarations:
    """An atom's declarations as they are stored; `revertible_for` in microseconds.

    `recovery` is the answer for a call that was cut short; `recoveries`: (state, answer) for the other states in which
    a recovered run may find the task, where it is not the usual one (`words.USUAL`), in order of the state.
    """

    recovery: str
    revert_recovery: str
    compensation: str
    revertible_for: int | None
    recoveries: tuple[tuple[str, str], ...] = ()


def declarations_of(task: Task | Retry) -> Declarations:
    """The declarations of a task or retry; how it is to be called is checked too, but is no part of a definition.

    Raises:
        FlowError: they contradict each other, or the functions the atom has; it names the atom, both sides, and what
        would do.
    """
    plan = task.plan
    for call in (plan.execute, plan.revert, plan.on_failure):
        if call is not None and call.unfilled:
            raise MissingArgument(
                f"{task._kind} {task.name!r}: {', '.join(call.unfilled)} stands in ignore_list and has no default, "
                "so nothing could fill it"
            )
    execution_of(task)
    if isinstance(task, Retry):
        return _of_retry(task)
    answers = _answers(task)
    recovery, revert_recovery = _recovery(task, answers["ACTIVE"])
    compensation = _compensation(task)
    window = task.revertible_for
    if window is None:
        return Declarations(recovery, revert_recovery, compensation, None, _unusual(answers))
    if compensation != "revert":
        raise FlowError(f"task {task.name!r}: revertible_for is for a task with a revert; this one is {compensation}")
    if not isinstance(window, timedelta) or window <= timedelta(0):
        raise FlowError(f"task {task.name!r}: revertible_for must be a timedelta above zero; found {window!r}")
    kept = window // timedelta(microseconds=1)
    return Declarations(recovery, revert_recovery, compensation, kept, _unusual(answers))


def _of_retry(retry: Retry) -> Declarations:
    if retry.transactional:
        raise FlowError(f"retry {retry.name!r}: a retry cannot be transactional; let a task of its flow do the writing")
    return Declarations(retry.recovery.value, retry.revert_recovery.value, retry.compensation.value, None)


def _answers(task: Task) -> Mapping[str, Recovery]:
    """What becomes of the task in each state that a crash or a failed run may have left it in."""
    declared = task.recovery
    if not isinstance(declared, Mapping):
        answer = word(Recovery, declared, task.name, "recovery")
        return USUAL if answer is Recovery.RERUN else {**USUAL, "ACTIVE": answer}
    strange = [state for state in declared if state not in USUAL]
    if strange:
        raise FlowError(
            f"task {task.name!r}: recovery has {', '.join(map(repr, strange))}; a map may have {', '.join(USUAL)}"
        )
    answers = dict(USUAL)
    for state, given in declared.items():
        among = None if state == "ACTIVE" else (Recovery.RERUN, Recovery.SKIP)
        answers[state] = word(Recovery, given, task.name, f"recovery for {state!s}", among)
    return answers


def _unusual(answers: Mapping[str, Recovery]) -> tuple[tuple[str, str], ...]:
    if answers is USUAL:
        return ()
    others = (state for state in sorted(answers) if state != "ACTIVE" and answers[state] is not USUAL[state])
    return tuple((state, answers[state].value) for state in others)


def _recovery(task: Task, recovery: Recovery) -> tuple[str, str]:
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
