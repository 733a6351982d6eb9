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
from typing import Any, NamedTuple
from uuid import UUID

from ... import telemetry
from ...codec.values import encode
from ...errors import Failure, FlowError, class_names
from ..core.decide import EXECUTE, HAPPENED, PROBE_REVERT, REVERT, Call, Expired, Failed, Probed, Succeeded
from ..core.graph import Argument
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


def invoke_for(run: UUID, stages: Stages, wait: Callable[[Any], Any]) -> Outcome:
    """`invoke` on a thread of a pool, which has to be told whose task it executes."""
    CURRENT.set(run)
    return invoke(stages, wait)


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


class Prepared(NamedTuple):
    """What every call of one kind of one atom has in common: its function and hooks, and what they are handed."""

    function: Callable[..., Any]
    before: Callable[[], Any] | None
    after: Callable[[], Any] | None
    arguments: tuple[Argument, ...]
    wants: tuple[str, ...]
    is_async: bool


def prepared(held: Held, call: Call) -> Prepared:
    """Worked out at the first such call of a flow. Raises FlowError: the task has no such function."""
    known: Prepared | None = held.compiled.prepared.get((call.atom, call.kind))
    if known is None:
        task: Task = held.compiled.atoms[call.atom]
        spec = held.compiled.definition.atoms[call.atom]
        plan = task.plan.call(call.kind)
        wanted = spec.revert if call.kind in (REVERT, PROBE_REVERT) else spec.execute
        is_async = plan is not None and plan.signature.is_async
        known = Prepared(*task.code(call.kind), wanted, task.wants(call.kind), is_async)
        held.compiled.prepared[call.atom, call.kind] = known
    return known


def is_async(held: Held, call: Call) -> bool:
    """Whether the call's code is a coroutine function."""
    known = held.compiled.prepared.get((call.atom, call.kind))
    if known is not None:
        return bool(known.is_async)
    plan = held.compiled.atoms[call.atom].plan.call(call.kind)
    return plan is not None and plan.signature.is_async


def stages(held: Held, call: Call, conn: Any = None) -> Stages:
    """The stages of `call`; `conn` is the connection of the transaction around a transactional task's code.

    An exception of the code, of the hooks or of what the result cannot be encoded for becomes the outcome. Those in
    `LEAVE`, and what `conn` says when its transaction is lost, go on to the caller.
    """
    if telemetry.heard():
        telemetry.emit("call.before", **_facts(held, call))
    try:
        if call.kind == REVERT and held.expired(call.atom):
            return Expired(call)
        known = prepared(held, call)
        code, before, after = known.function, known.before, known.after
        if known.arguments or known.wants:
            code = partial(code, **_arguments(held, call, known, conn))
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
        return _failed(held, call, error)
    finally:
        if telemetry.heard():
            telemetry.emit("call.after", **_facts(held, call))


def _arguments(held: Held, call: Call, known: Prepared, conn: Any) -> dict[str, Any]:
    found = arguments(held, call.atom, known.arguments)
    wants = known.wants
    if "context" in wants:
        found["context"] = _context(held, call)
    if "conn" in wants:
        found["conn"] = conn
    if "result" in wants:
        found["result"] = own_outcome(held, call.atom)
    if "flow_failures" in wants:
        found["flow_failures"] = flow_failures(held)
    return found


def _context(held: Held, call: Call) -> Context:
    name = held.compiled.definition.atoms[call.atom].name
    direction = "revert" if call.kind in (REVERT, PROBE_REVERT) else "execute"
    return Context(
        run_id=held.id,
        atom=name,
        execution=call.execution,
        attempt=call.attempt,
        idempotency_key=held.idempotency_key(call.atom, call.execution, direction),
        logger=logging.LoggerAdapter(_log, {"run": str(held.id), "atom": name, "attempt": call.attempt}),
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


def _failed(held: Held, call: Call, error: BaseException) -> Failed:
    failure = Failure.of(error, held.compiled.definition.atoms[call.atom].name)
    held.live[call.atom, call.kind] = error
    return Failed(call, class_names(type(error)), encode(failure.to_data(), path="failure", limit=None))


def _lost(conn: Any, error: BaseException) -> bool:
    """Whether the database, not the task, broke a transactional call off: it may be tried again."""
    return conn is not None and (conn.broken or getattr(error, "sqlstate", None) in ("40001", "40P01"))


def _facts(held: Held, call: Call) -> dict[str, Any]:
    name = held.compiled.definition.atoms[call.atom].name
    return {"run": held.id, "atom": name, "kind": call.kind, "execution": call.execution, "attempt": call.attempt}

