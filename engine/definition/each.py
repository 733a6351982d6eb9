"""`each`: one task for every element of a list that is known only when the run gets there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from ...errors import FlowError
from .arguments import Binding, Call, binding
from .atom import Atom
from .functor import FunctorTask
from .outcome import OutcomePolicy, outcome_policy_of
from .task import Task
from .words import checked_name

ON_EMPTY = ("ok", "policy")


class Each(Atom):
    """A fan-out: an item of a flow that runs `task` once for each element of the list named `over`; made by `each`.

    `into`: the parameter of the task that takes the element. `outcome`: the verdict over all instances; `on_empty`:
    that over no element, "ok" or what the "policy" says. What it provides is the ResultSet of all instances.
    """

    def __init__(
        self, task: Task, over: str, into: str, name: str, provides: str | None, outcome: OutcomePolicy, on_empty: str
    ) -> None:
        self.task = task
        self.over = binding(over, over, False)
        self.into = into
        self.outcome = outcome
        self.on_empty = on_empty
        self.name = name
        self.version, self.priority = task.version, task.priority
        self._inject = task.inject
        plan = task.plan
        self._plan = attrs.evolve(
            plan,
            options=attrs.evolve(plan.options, saves=((provides, None),) if provides else ()),
            execute=_without(into, plan.execute),
            revert=None if plan.revert is None else _without(into, plan.revert),
        )

    def _looked_up(self) -> list[Binding]:
        over = [] if self.over.name in self._inject else [self.over]
        return [*over, *super()._looked_up()]


def each(
    task: Task | Callable[..., Any],
    over: str = "items",
    *,
    into: str | None = None,
    name: str | None = None,
    provides: str | None = None,
    outcome: OutcomePolicy | str | None = None,
    on_empty: str = "ok",
) -> Each:
    """Run `task` once for each element of the list `over`, an input or what an earlier atom provides.

    Args:
        into: the parameter that takes the element; by default the task's first required one.
        name: by default the task's; an instance is named `name[i]`.
        provides: one name for the results of all, in order, as a ResultSet; by default the task's own, if it is one
            name for its whole result.
        outcome: an OutcomePolicy or its text; by default what the task says (`execution_evaluation_state`), else
            SUCCESS_ON_ALL_EVENTS_SUCCESS.
        on_empty: what it is over no element at all: "ok", or "policy": whatever the policy says of 0 and 0.

    Raises:
        FlowError: one of these does not fit the task.
    """
    task = _task(task)
    where = f"each({task.name!r})"
    if on_empty not in ON_EMPTY:
        raise FlowError(f"{where}: on_empty must be 'ok' or 'policy'; found {on_empty!r}")
    policy = outcome if outcome is not None else getattr(task, "execution_evaluation_state", None)
    return Each(
        task,
        checked_name(f"list (over) of {where}", over),
        _into(task, where, into),
        checked_name("task", task.name if name is None else name),
        _provides(task, where, provides),
        OutcomePolicy.SUCCESS_ON_ALL_EVENTS_SUCCESS if policy is None else outcome_policy_of(policy, where),
        on_empty,
    )


def _task(task: object) -> Task:
    if isinstance(task, Task):
        return task
    if callable(task) and not isinstance(task, type | Atom):
        return FunctorTask(task)
    raise FlowError(f"each: expected a task or a function; found {task!r} ({type(task).__name__})")


def _into(task: Task, where: str, into: str | None) -> str:
    call = task.plan.execute
    if into is None:
        for bound in call.bindings:
            if not bound.optional and bound.name not in task.inject:
                return bound.parameter
        raise FlowError(f"{where}: its execute has no required parameter that an element could fill; name one by into=")
    into = checked_name(f"parameter (into) of {where}", into)
    if into in call.given or into == call.signature.context or not call.signature.accepts(into):
        known = ", ".join(bound.parameter for bound in call.bindings) or "nothing"
        raise FlowError(f"{where}: its execute does not take {into!r} (into); it takes {known}")
    if any(bound.parameter == into and bound.name in task.inject for bound in call.bindings):
        raise FlowError(f"{where}: {into!r} is filled by inject and cannot take the element (into) too")
    return into


def _provides(task: Task, where: str, provides: object) -> str | None:
    if isinstance(provides, str):
        return checked_name(f"provides of {where}", provides)
    if provides is not None:
        raise FlowError(f"{where}: provides must be one name, for the results of all; found {provides!r}")
    saves = task.plan.options.saves
    if not saves:
        return None
    if len(saves) == 1 and saves[0][1] is None:
        return saves[0][0]
    parts = ", ".join(repr(saved) for saved, _ in saves)
    raise FlowError(f"{where}: it provides parts of its result ({parts}); name the list of all results by provides=")


def _without(into: str, call: Call) -> Call:
    return attrs.evolve(call, bindings=tuple(bound for bound in call.bindings if bound.parameter != into))
