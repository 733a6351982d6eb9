"""One call of user code, as named stages: gather the arguments, the pre hook, the code, the post hook, the outcome.

The stages are written once, as a generator that yields a function to be called and takes back what it returned or
raised; `invoke` and `ainvoke` are the two ways to call it.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Generator
from contextvars import ContextVar
from functools import partial
from typing import Any
from uuid import UUID

from ... import telemetry
from ...codec.values import encode
from ...errors import Failure, FlowError, class_names
from ..core.decide import EXECUTE, HAPPENED, PROBE_REVERT, REVERT, Call, Expired, Failed, Probed, Succeeded
from ..definition.context import Context
from ..definition.probes import ProbeAnswer
from ..definition.task import Task
from .arguments import arguments, flow_failures, own_outcome
from .held import Held

Outcome = Succeeded | Failed | Probed | Expired
Stages = Generator[Callable[[], Any], Any, Outcome]
LEAVE = (KeyboardInterrupt, asyncio.CancelledError)
"""What is not a failure of the task: the run stays as it is, resumable, and the exception goes on to the caller."""

CURRENT: ContextVar[UUID | None] = ContextVar("sagalog_run", default=None)
"""The run whose task is executed here."""

_log = logging.getLogger("sagalog.task")


def invoke(stages: Stages, wait: Callable[[Any], Any]) -> Outcome:
    """Run a call's code on this thread; `wait` brings the result of a coroutine."""
    try:
        code = next(stages)
        while True:
            try:
                result = code()
                if inspect.iscoroutine(result):
                    result = wait(result)
            except BaseException as error:
                code = stages.throw(error)
            else:
                code = stages.send(result)
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome


async def ainvoke(stages: Stages) -> Outcome:
    """Run a call's code on this event loop."""
    try:
        code = next(stages)
        while True:
            try:
                result = code()
                if inspect.iscoroutine(result):
                    result = await result
            except GeneratorExit:  # the loop is gone: whoever awaits this is being closed, and the run stays resumable
                raise
            except BaseException as error:
                code = stages.throw(error)
            else:
                code = stages.send(result)
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome


def is_async(held: Held, call: Call) -> bool:
    """Whether the call's code is a coroutine function."""
    plan = held.compiled.atoms[call.atom].plan.call(call.kind)
    return plan is not None and plan.signature.is_async


def stages(held: Held, call: Call, conn: Any = None) -> Stages:
    """The stages of `call`; `conn` is the connection of the transaction around a transactional task's code.

    An exception of the code, of the hooks or of what the result cannot be encoded for becomes the outcome. Those in
    `LEAVE`, and what `conn` says when its transaction is lost, go on to the caller.
    """
    task: Task = held.compiled.atoms[call.atom]
    if telemetry.heard():
        telemetry.emit("call.before", **_facts(held, call))
    outer = CURRENT.get()
    CURRENT.set(held.id)
    try:
        if call.kind == REVERT and held.expired(call.atom):
            return Expired(call)
        function, before, after = task.code(call.kind)
        code = partial(function, **_arguments(held, call, task, conn))
        try:
            if before is not None:
                yield before
            result = yield code
        finally:
            if after is not None:
                yield after
        return _outcome(held, call, result)
    except LEAVE:
        raise
    except BaseException as error:
        if _lost(conn, error):
            raise
        return _failed(held, call, task, error)
    finally:
        CURRENT.set(outer)
        if telemetry.heard():
            telemetry.emit("call.after", **_facts(held, call))


def _arguments(held: Held, call: Call, task: Task, conn: Any) -> dict[str, Any]:
    spec = held.compiled.definition.atoms[call.atom]
    reverting = call.kind in (REVERT, PROBE_REVERT)
    found = arguments(held, call.atom, spec.revert if reverting else spec.execute)
    wants = task.wants(call.kind)
    if "context" in wants:
        found["context"] = _context(held, call, task)
    if "conn" in wants:
        found["conn"] = conn
    if "result" in wants:
        found["result"] = own_outcome(held, call.atom)
    if "flow_failures" in wants:
        found["flow_failures"] = flow_failures(held)
    return found


def _context(held: Held, call: Call, task: Task) -> Context:
    direction = "revert" if call.kind in (REVERT, PROBE_REVERT) else "execute"
    return Context(
        run_id=held.id,
        atom=task.name,
        execution=call.execution,
        attempt=call.attempt,
        idempotency_key=held.idempotency_key(call.atom, call.execution, direction),
        logger=logging.LoggerAdapter(_log, {"run": str(held.id), "atom": task.name, "attempt": call.attempt}),
    )


def _outcome(held: Held, call: Call, result: Any) -> Outcome:
    if call.kind == EXECUTE:
        for name, key in held.compiled.definition.atoms[call.atom].saves:
            if key is not None:
                _check_provided(result, name, key)
    if call.kind in (EXECUTE, REVERT):
        return Succeeded(call, encode(result, path="result", limit=held.limit))
    if not isinstance(result, ProbeAnswer):
        name = held.compiled.definition.atoms[call.atom].name
        raise TypeError(
            f"the probe of task {name!r} must answer happened(value), did_not_happen or dont_know; it returned "
            f"{type(result).__name__}"
        )
    happened = result.answer == HAPPENED
    return Probed(call, result.answer, encode(result.value, path="probe", limit=held.limit) if happened else None)


def _check_provided(result: Any, name: str, key: int | str) -> None:
    """A result lacks what the task is declared to provide: that is its failure, not that of whoever asks for it."""
    if isinstance(result, list | tuple) and type(key) is int and key < len(result):
        return
    if isinstance(result, dict) and type(key) is str and key in result:
        return
    found = f"a {type(result).__name__}"
    if isinstance(result, list | tuple | dict):
        found += f" of {len(result)}"
    raise FlowError(f"the task provides {name!r} as item {key!r} of its result, which is {found}")


def _failed(held: Held, call: Call, task: Task, error: BaseException) -> Failed:
    failure = Failure.of(error, task.name)
    held.live[call.atom, call.kind] = error
    return Failed(call, class_names(type(error)), encode(failure.to_data(), path="failure", limit=None))


def _lost(conn: Any, error: BaseException) -> bool:
    """Whether the database, not the task, broke a transactional call off: it may be tried again."""
    return conn is not None and (conn.broken or getattr(error, "sqlstate", None) in ("40001", "40P01"))


def _facts(held: Held, call: Call) -> dict[str, Any]:
    name = held.compiled.definition.atoms[call.atom].name
    return {"run": held.id, "atom": name, "kind": call.kind, "execution": call.execution, "attempt": call.attempt}

