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
from ...codec.values import decode, encode
from ...errors import FlowError, OutcomeError
from ..core.decide import (
    DECIDE,
    EXECUTE,
    EXPAND,
    HAPPENED,
    ON_FAILURE,
    PROBE_REVERT,
    REVERT,
    Call,
    Consulted,
    Decided,
    Expanded,
    Expired,
    Failed,
    Probed,
    Succeeded,
)
from ..definition.coded import Code
from ..definition.context import Context
from ..definition.outcome import Outcome as Told
from ..definition.probes import ProbeAnswer
from .arguments import arguments, flow_failures, own_outcome
from .carriers import Carriers, Whole, in_time
from .failing import failed, name_of
from .held import Held
from .prepared import PLAIN, Prepared
from .progress import Recorder
from .questions import consulted, deciding, expand, history
from .threads import call_within

Outcome = Succeeded | Failed | Probed | Expired | Consulted | Decided | Expanded
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


def stages(held: Held, call: Call, known: Prepared, conn: Any = None, carriers: Carriers | None = None) -> Stages:
    """The stages of `call`, of which `known` is what was prepared of such calls.

    `conn` is the connection of the transaction around a transactional task's code.

    An exception of the code, of the hooks or of what the result cannot be encoded for becomes the outcome. Those in
    `LEAVE`, and what `conn` says when its transaction is lost, go on to the caller.
    """
    if telemetry.heard():
        telemetry.emit("call.before", **_facts(held, call))
    recorder: Recorder | None = None
    try:
        if call.kind == REVERT and held.expired(call.atom):
            return Expired(call)
        code, before, after = known.function, known.before, known.after
        if known.arguments or known.wants or known.element:
            code = partial(code, **_arguments(held, call, known, conn))
        if known.apart is not None or held.deadline:
            if call.kind == DECIDE:
                return (yield from deciding(held, call))
            if call.kind == EXPAND:
                return expand(held, call)
            if conn is None:
                code, before, after = _apart(held, call, known, code, carriers)
        if known.teller is not None:
            recorder = Recorder(held, call, known.teller)
        try:
            if before is not None:
                yield before
            result = yield code
        finally:
            if after is not None:
                yield after
        if recorder is not None:
            recorder.end()
        return _outcome(held, call, result)
    except LEAVE:
        raise
    except BaseException as error:
        if _lost(conn, error):
            raise
        return failed(held, call, error)
    finally:
        if recorder is not None:
            recorder.close()
        if telemetry.heard():
            telemetry.emit("call.after", **_facts(held, call))


def _apart(held: Held, call: Call, known: Prepared, code: Callable[[], Any], carriers: Carriers | None) -> Code:
    """The code and hooks of a call that has an executor or a timeout, or whose run has; the time of its beginning is noted.

    What is carried elsewhere takes its hooks along: what they set up may be the thread's, or the process's.
    """
    apart = known.apart or PLAIN
    if known.policy is not None and held.now is not None:
        held.began.setdefault((call.atom, call.instance, call.execution), held.now())
    seconds = apart.timeout
    if held.deadline and call.kind == EXECUTE:
        left = held.left()
        seconds = left if seconds is None or left is None else min(seconds, left)
    carrier = None if carriers is None else carriers.of(apart)
    if carrier is not None:
        return Code(partial(carrier.carry, Whole(known.before, code, known.after), seconds), None, None)
    if seconds is not None and known.is_async:
        code = partial(in_time, code, seconds)
    elif seconds is not None and not known.on_loop:  # a loop that calls a plain function itself cannot leave it
        code = partial(call_within, seconds, code)
    return Code(code, known.before, known.after)


def _arguments(held: Held, call: Call, known: Prepared, conn: Any) -> dict[str, Any]:
    found = arguments(held, call.atom, known.arguments)
    if known.element is not None and call.instance is not None:
        found[known.element] = decode(held.elements[call.atom][call.instance])
    wants = known.wants
    if "context" in wants:
        found["context"] = _context(held, call)
    if "conn" in wants:
        found["conn"] = conn
    if "history" in wants:
        found["history"] = history(held, call.atom)
    if "result" in wants:
        found["result"] = own_outcome(held, held.state.slot(call.atom, call.instance))
    if "flow_failures" in wants:
        found["flow_failures"] = flow_failures(held)
    return found


def _context(held: Held, call: Call) -> Context:
    name = name_of(held, call) or ""
    direction = "revert" if call.kind in (REVERT, PROBE_REVERT) else "execute"
    return Context(
        run_id=held.id,
        atom=name,
        execution=call.execution,
        attempt=call.attempt,
        idempotency_key=held.idempotency_key(call.atom, call.execution, direction, call.instance),
        logger=logging.LoggerAdapter(_log, {"run": str(held.id), "atom": name, "attempt": call.attempt}),
    )


def _outcome(held: Held, call: Call, result: Any) -> Outcome:
    if call.kind == EXECUTE:
        if type(result) is Told:
            if not result.succeeded:
                return failed(held, call, OutcomeError(result.content))
            result = result.content
        for name, key in held.compiled.definition.atoms[call.atom].saves:
            if key is not None:
                _check_provided(result, name, key)
        return Succeeded(call, encode(result, path="result", limit=held.limit))
    if call.kind == REVERT:
        return Succeeded(call, encode(result, path="result", limit=held.limit))
    if call.kind == ON_FAILURE:
        return consulted(held, call, result)
    if not isinstance(result, ProbeAnswer):
        raise TypeError(
            f"the probe of task {name_of(held, call)!r} must answer happened(value), did_not_happen or dont_know; it "
            f"returned {type(result).__name__}"
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


def _lost(conn: Any, error: BaseException) -> bool:
    """Whether the database, not the task, broke a transactional call off: it may be tried again."""
    return conn is not None and (conn.broken or getattr(error, "sqlstate", None) in ("40001", "40P01"))


def _facts(held: Held, call: Call) -> dict[str, Any]:
    name = name_of(held, call)
    return {"run": held.id, "atom": name, "kind": call.kind, "execution": call.execution, "attempt": call.attempt}
