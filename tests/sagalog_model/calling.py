"""Calling the code of an atom: its arguments, its hooks, and what its answer means (SEMANTICS §1 and §5)."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from copy import deepcopy
from typing import Any
from uuid import UUID

from sagalog.engine.definition.context import Context
from sagalog.engine.definition.each import Each
from sagalog.engine.definition.history import History
from sagalog.engine.definition.outcome import Outcome
from sagalog.engine.definition.policy import RetryPolicy, policy_of
from sagalog.errors import Failure, OutcomeError

from .tree import Element, Leaf

RUN = UUID(int=0)
LOGGER = logging.getLogger(__name__)


def tried(function: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    """(what it returned, None), or (None, what it raised): any exception is a failure, but for an interrupt."""
    try:
        return function(), None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return None, error


def settled(answer: Any) -> Any:
    """The value of an answer, which code may give at once or as a coroutine."""
    if not inspect.isawaitable(answer):
        return answer

    async def awaited() -> tuple[Any, BaseException | None]:
        try:
            return await answer, None
        except BaseException as error:  # a SystemExit would end the loop
            return None, error

    value, error = asyncio.run(awaited())
    if error is not None:
        raise error
    return value


def call(leaf: Leaf, kind: str, looked_up: dict[str, Any], conn: Any, failures: dict[str, Failure]) -> Any:
    """Call execute, revert or on_failure with its hooks; raises what they raise, and OutcomeError for a false outcome."""
    code, wanted = leaf.code.code(kind), leaf.code.plan.call(kind)
    assert wanted is not None
    given: dict[str, Callable[[], Any]] = {
        "context": lambda: context(leaf, kind),
        "conn": lambda: conn,
        "history": lambda: History(deepcopy(leaf.history), leaf.failure),
        "result": lambda: deepcopy(leaf.value) if leaf.failure is None else leaf.failure,
        "flow_failures": lambda: failures,
    }
    values = looked_up | {name: given[name]() for name in wanted.given}
    into = leaf.atom.into if isinstance(leaf.atom, Each) else None
    if isinstance(leaf, Element) and into is not None and any(bound.parameter == into for bound in wanted.bindings):
        values[into] = deepcopy(leaf.item)
    try:
        if code.before:
            settled(code.before())
        answer = settled(code.function(**values))
    finally:
        if code.after:
            settled(code.after())
    if kind == "execute" and isinstance(answer, Outcome):
        if not answer.succeeded:
            raise OutcomeError(answer.content)
        answer = answer.content
    return deepcopy(answer)


def context(leaf: Leaf, kind: str) -> Context:
    """What the code may know of its call."""
    key = f"{leaf.name} {leaf.execution} {kind}"
    return Context(RUN, leaf.name, leaf.execution, leaf.attempt, key, LOGGER)


def delay(leaf: Leaf, error: BaseException) -> float | None:
    """Seconds until a failed attempt is made again, by the policy of the task; None: it is not."""
    policy = policy_of(leaf.code.retry_policy, leaf.name)
    if not isinstance(policy, RetryPolicy) or isinstance(error, OutcomeError):
        return None
    return policy.delay(leaf.attempt) if leaf.attempt < policy.max_attempts and policy.wants(error) else None
