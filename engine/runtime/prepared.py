"""`Prepared`: what every call of one kind of one atom has in common, worked out at the first of them."""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction, unwrap
from typing import Any

import attrs

from ..core.decide import DECIDE, EXECUTE, EXPAND, ON_FAILURE, PROBE_REVERT, REVERT, Call
from ..core.graph import Argument
from ..definition.coded import Coded
from ..definition.execution import Execution, execution_of
from ..definition.functor import FunctorTask
from ..definition.policy import RetryPolicy
from ..definition.progress import Telling
from .held import Held

PLAIN = Execution()


@attrs.frozen
class Prepared:
    """A function and its hooks, and what they are handed. No tuple: what is read a dozen times a step is read by slot.

    `element`: the parameter that takes the element of a fan-out. `is_async`: the function gives a coroutine. `on_loop`: an
    event loop runs it itself. `apart`: None for most calls; else there is a timeout, an executor or a policy that wants to
    know when the first attempt began, or it is a question without code of its own (the functions of a gate, the list of a
    fan-out). `policy`: asked when the call fails. `teller`: who may say how far it has come, so that the run listens while
    it waits for it. `inside`: it runs in the transaction that appends its outcome.
    """

    function: Callable[..., Any]
    before: Callable[[], Any] | None
    after: Callable[[], Any] | None
    arguments: tuple[Argument, ...] = ()
    wants: tuple[str, ...] = ()
    element: str | None = None
    is_async: bool = False
    on_loop: bool = False
    apart: Execution | None = None
    policy: Any = None
    teller: Telling | None = None
    inside: bool = False


def prepared(held: Held, call: Call) -> Prepared:
    """What is known of such calls."""
    known: Prepared | None = held.compiled.prepared.get((call.atom, call.kind))
    if known is None:
        known = held.compiled.prepared[call.atom, call.kind] = _prepare(held, call)
    return known


def _prepare(held: Held, call: Call) -> Prepared:
    if call.kind in (DECIDE, EXPAND):
        functions = held.compiled.deciders[call.atom] if call.kind == DECIDE else ()
        return Prepared(_nothing, None, None, on_loop=all(map(iscoroutinefunction, functions)), apart=PLAIN)
    atom: Coded = held.compiled.atoms[call.atom]
    spec = held.compiled.definition.atoms[call.atom]
    plan = atom.plan.call(call.kind)
    is_async = plan is not None and plan.signature.is_async
    element = spec.element if plan is not None and spec.element and plan.signature.accepts(spec.element) else None
    execution = _execution(atom, call.kind)
    elsewhere = execution.executor not in (None, "inline")
    timed = execution.policy is not None and not isinstance(execution.policy, RetryPolicy)
    here = execution.executor == "inline" and execution.timeout is None
    return Prepared(
        *atom.code(call.kind),
        arguments={REVERT: spec.revert, PROBE_REVERT: spec.revert, ON_FAILURE: spec.asked}.get(call.kind, spec.execute),
        wants=atom.wants(call.kind),
        element=element,
        is_async=is_async,
        on_loop=(is_async or here) and not elsewhere,
        apart=execution if elsewhere or execution.timeout is not None or timed else None,
        policy=execution.policy,
        teller=atom if call.kind == EXECUTE and isinstance(atom, Telling) and _tells(atom) else None,
        inside=call.kind in (EXECUTE, REVERT) and spec.transactional,
    )


def _execution(atom: Coded, kind: str) -> Execution:
    """What holds of the call: all of it for execute; a revert runs where execute does, and is never given up."""
    if kind == EXECUTE:
        return execution_of(atom)
    if kind == REVERT and atom.executor is not None:
        whole = execution_of(atom)
        return Execution(executor=whole.executor, config=whole.config)
    return PLAIN


def _nothing() -> None:
    """The function of a call that has none of its own."""


def _tells(atom: Coded) -> bool:
    """Whether its code may say how far it has come: a function does by its context, or names `update_progress` itself."""
    if not isinstance(atom, FunctorTask) or "context" in atom.wants(EXECUTE):
        return True
    code = getattr(unwrap(atom.execute), "__code__", None)
    return code is None or "update_progress" in code.co_names
