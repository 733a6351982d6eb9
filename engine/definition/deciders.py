"""Deciders: functions on the links of a graph flow that say, from what went before, whether an item runs at all."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import attrs

from ...errors import FlowError
from .signature import signature_of
from .words import checked_name


class Depth(StrEnum):
    """How much is ignored when a decider says no, after TaskFlow's `Depth`; the widest first.

    ALL: the item and everything that waits for it, however far; FLOW: that, within the item's own flow; NEIGHBORS: the
    item and what directly waits for it; ATOM: the item alone.
    """

    ALL = "ALL"
    FLOW = "FLOW"
    NEIGHBORS = "NEIGHBORS"
    ATOM = "ATOM"


@attrs.frozen(eq=False)
class Decider:
    """The decider of one link: `function(history={source: result}) -> bool`, plain or async, by `name` and `version`."""

    function: Callable[..., Any]
    name: str
    version: str
    depth: Depth


def decider_of(where: str, function: object, depth: object) -> Decider:
    """The decider of a link that is made with these, of which one is not None; `where` names the link in errors.

    Raises:
        FlowError: it cannot be called with `history`, there is a depth without a decider, or no such depth.
    """
    if function is None:
        raise FlowError(f"{where}: decider_depth {depth!r} is given without a decider; give decider= too")
    if not callable(function) or isinstance(function, type):
        raise FlowError(f"{where}: decider must be a function (history) -> bool; found {function!r}")
    name = checked_name("decider", getattr(function, "__name__", type(function).__name__))
    signature = signature_of(function, f"decider {name!r} of {where}")
    strange = [parameter for parameter in signature.required if parameter != "history"]
    if strange or signature.positional or not signature.accepts("history"):
        takes = ", ".join(signature.required + signature.optional) or "nothing"
        raise FlowError(f"{where}: decider {name!r} is called with history=…, and nothing else; it takes {takes}")
    version = getattr(function, "version", "1.0")
    return Decider(function, name, checked_name(f"version of decider {name!r}", version), _depth(where, depth))


def _depth(where: str, depth: object) -> Depth:
    if depth is None:
        return Depth.ALL
    if isinstance(depth, str) and depth.upper() in Depth.__members__:
        return Depth[depth.upper()]
    possible = ", ".join(map(repr, Depth.__members__))
    raise FlowError(f"{where}: decider_depth must be one of {possible}; found {depth!r}")
