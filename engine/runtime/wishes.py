"""What a person wants of a run, as it is posted into its inbox and as the core takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...codec.compose import unwrap, wrap
from ...codec.values import decode, encode
from ...errors import SagalogError
from ..core.decide import Amend, Input, Reset, Restore, RetryRevert, Revert, SkipRevert, Suspend
from ..core.going import may_reset, may_restore
from ..core.operator import amends, may_revert, may_suspend, settles
from ..core.state import State

BACKWARD = ("revert", "retry_revert", "skip_revert")
"""Wishes for which the code of what ran is enough."""
GOES_ON = ("revert", "retry_revert", "skip_revert", "restore")
"""Wishes after which the run is driven."""


def said(by: str | None, reason: str | None) -> bytes:
    """Who and why, encoded: what is kept of it in a record."""
    return encode({"reason": reason, "by": by}, path="reason")


def body(said: bytes, about: dict[str, Any] | None = None, **parts: bytes) -> bytes:
    """The body of a message: who and why, small facts, and values that are encoded already."""
    return wrap({"said": said, "about": encode(about, path="about"), **parts}) if about is not None else said


def wish(kind: str, data: bytes) -> Input:
    """What the core makes of a message."""
    return _MAKE[kind](*_opened(data))


def _opened(data: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The facts and values of a message; one about the run as a whole says who and why, and nothing else."""
    parts = unwrap(data)
    if "about" not in parts:
        return {}, {"said": data}
    return decode(parts["about"]), parts


def refusal(state: State, kind: str, data: bytes) -> str | None:
    """Why the run, as it is now, cannot do that; None where it can."""
    if kind == "suspend":
        return None if may_suspend(state) else f"the run is {state.run}"
    if kind == "revert":
        return None if may_revert(state) else f"the run is {state.run}"
    if kind == "reset":
        return None if may_reset(state) else f"only a run that is over, and at rest, is reset; it is {state.run}"
    try:
        about, parts = _opened(data)
        whole = "said" in parts
        if kind == "restore":
            since = about.get("since")
            if since is not None and not 0 <= since < state.atoms:
                return "the message names no atom of this run"
            return may_restore(state, since) if whole else "the message lacks who and why"
        slot = state.found(about["atom"], about.get("instance"))
        to = about.get("state", "")
    except (SagalogError, LookupError, AttributeError, TypeError) as error:
        return f"the message cannot be read: {error!r}"
    if slot is None or not whole:
        return "the message names no atom of this run"
    return amends(state, slot, to) if kind == "amend" else settles(state, slot)


_Make = Callable[[dict[str, Any], dict[str, bytes]], Input]
_REASON = {"reason": True}
_MAKE: dict[str, _Make] = {
    "suspend": lambda about, parts: Suspend(_REASON, parts["said"]),
    "revert": lambda about, parts: Revert(_REASON, parts["said"]),
    "reset": lambda about, parts: Reset({}, parts["said"]),
    "restore": lambda about, parts: Restore(
        about.get("since"),
        {"inputs": about["inputs"]} if "inputs" in about else {},
        wrap({name: parts[name] for name in ("said", "inputs") if name in parts}),
    ),
    "amend": lambda about, parts: Amend(
        about["atom"], about.get("instance"), about["state"], parts.get("result"), {}, parts["said"]
    ),
    "retry_revert": lambda about, parts: RetryRevert(about["atom"], about.get("instance"), {}, parts["said"]),
    "skip_revert": lambda about, parts: SkipRevert(about["atom"], about.get("instance"), {}, parts["said"]),
}
KINDS = tuple(_MAKE)
"""The kinds of messages that a run understands."""
