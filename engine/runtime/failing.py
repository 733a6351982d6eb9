"""What became of a call whose code did not return: its failure, described, and when its policy has it tried again."""

from __future__ import annotations

import logging
from typing import Any

import attrs

from ...codec.values import encode
from ...errors import AttemptTimeout, Failure, ProcessDied, class_names
from ..core.decide import DECIDE, EXECUTE, Call, Failed
from . import policies
from .held import Held
from .prepared import prepared
from .processes import FailedThere

_log = logging.getLogger("sagalog.task")


def name_of(held: Held, call: Call) -> str | None:
    """The atom that is called, an element of a fan-out as `name[i]`; None: a gate, which has no name."""
    if call.kind == DECIDE:
        return None
    name = held.compiled.definition.atoms[call.atom].name
    return name if call.instance is None else f"{name}[{call.instance}]"


def failed(held: Held, call: Call, error: BaseException) -> Failed:
    """The outcome of a call whose code raised `error`. The exception itself is kept for as long as the run is held."""
    name = name_of(held, call)
    if isinstance(error, FailedThere):
        failure, error = attrs.evolve(error.failure, atom=name), error.error
    else:
        failure = Failure.of(error, name)
    if call.kind != DECIDE:
        held.live[held.state.slot(call.atom, call.instance), call.kind] = error
    facts = _ended(error)
    due, now = _due(held, call, error, facts)
    value = encode(failure.to_data(), path="failure", limit=None)
    return Failed(call, failure.bases, value, due, facts or None, due is not None and due <= now)


def _due(held: Held, call: Call, error: BaseException, facts: dict[str, Any]) -> tuple[int | None, int]:
    """When the call is due again, if its policy says so, and the time now; what the record is to say goes into `facts`."""
    policy = prepared(held, call).policy if call.kind == EXECUTE else None
    if policy is None or held.now is None:
        return None, 0
    now = held.now()
    which = call.atom, call.instance, call.execution
    began = held.began.get(which)
    try:
        # What a crash cut short is no attempt that failed: it must not use the policy up.
        due = policies.again(policy, held.failed.get(which, 0) + 1, error, began or now, now)
    except Exception as wrong:  # a strategy is user code: what it raises is no answer, and takes no run with it
        facts["policy_raised"] = class_names(type(wrong))[0]
        _log.error("the retry policy of task %r raised; there is no other attempt", name_of(held, call), exc_info=wrong)
        return None, now
    if due is not None and began is not None:
        facts["since"] = began
    return due, now


def _ended(error: BaseException) -> dict[str, Any]:
    """What the record says of how the attempt was ended."""
    if isinstance(error, AttemptTimeout):
        return {"timed_out": error.seconds, error.ending: True}
    return {"died": True} if isinstance(error, ProcessDied) else {}
