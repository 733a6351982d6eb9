"""volnux's spelling of tasks: `EventBase` with a `process` that answers (bool, content), and the decorator `event`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from inspect import isawaitable
from typing import Any, ClassVar, Unpack, overload

from ...errors import FlowError
from .coded import unwritten
from .functor import FunctorTask, TaskOptions
from .outcome import Outcome, OutcomePolicy, outcome_policy_of
from .plan import Function, Functions
from .task import Task


class EventBase(Task):
    """A task whose code is `process(…)`, which answers (True, result) or (False, what went wrong).

    A false answer is a failure that no RetryPolicy tries again; an exception is one that it may. All else is as for
    `Task`, the parameters of `process` being those of execute. `execution_evaluation_state`: the OutcomePolicy of its
    fan-out, unless `each` is told another.
    """

    execution_evaluation_state: OutcomePolicy | str = OutcomePolicy.SUCCESS_ON_ALL_EVENTS_SUCCESS
    _methods: ClassVar[tuple[str, ...]] = (*Task._methods, "process")

    def _functions(self) -> Functions:
        if "process" not in self._overridden:
            raise FlowError(f"{type(self).__name__} has no process; define what it does, to answer (True, result)")
        return self._with_undoing(self.process)

    @unwritten
    def process(self, *args: Any, **kwargs: Any) -> Any:
        """Do it; returns (True, result) or (False, what went wrong)."""
        raise NotImplementedError

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Calls `process`; what it answers as an `Outcome` (awaitable, if `process` is a coroutine function)."""
        return _judged(self.name, self.process, *args, **kwargs)


class FunctorEvent(FunctorTask):
    """What `event` makes of a function."""

    execution_evaluation_state: OutcomePolicy | str = OutcomePolicy.SUCCESS_ON_ALL_EVENTS_SUCCESS

    def _function(self, kind: str) -> Function:
        found = super()._function(kind)
        return partial(_judged, self.name, found) if kind == "execute" else found


@overload
def event(function: Function, /) -> FunctorEvent: ...
@overload
def event(
    *, execution_evaluation_state: OutcomePolicy | str | None = None, **options: Unpack[TaskOptions]
) -> Callable[[Function], FunctorEvent]: ...
def event(
    function: Function | None = None,
    /,
    *,
    execution_evaluation_state: OutcomePolicy | str | None = None,
    **options: Unpack[TaskOptions],
) -> FunctorEvent | Callable[[Function], FunctorEvent]:
    """Make a task of a function that answers (True, result) or (False, what went wrong): `@event()` or `@event`.

    It takes the options of `task`, and the OutcomePolicy of a fan-out of the event.
    """
    if function is not None and not callable(function):
        raise FlowError(f"@event takes its options by keyword, as in @event(provides='…'); found {function!r}")

    def made(process: Function) -> FunctorEvent:
        task = FunctorEvent(process, **options)
        if execution_evaluation_state is not None:
            task.execution_evaluation_state = outcome_policy_of(execution_evaluation_state, f"event {task.name!r}")
        return task

    return made if function is None else made(function)


def _judged(name: str, process: Function, /, *args: Any, **kwargs: Any) -> Any:
    answer = process(*args, **kwargs)
    return _judged_later(name, answer) if isawaitable(answer) else _outcome(name, answer)


async def _judged_later(name: str, answer: Awaitable[Any]) -> Outcome:
    return _outcome(name, await answer)


def _outcome(name: str, answer: object) -> Outcome:
    if isinstance(answer, Outcome):
        return answer
    if isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[0], bool):
        return Outcome(*answer)
    raise TypeError(
        f"event {name!r}: process must answer (True, result) or (False, what went wrong); it answered {answer!r:.100} "
        f"({type(answer).__name__})"
    )
