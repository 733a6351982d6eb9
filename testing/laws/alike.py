"""Whether two states are the same, part by part, order included; which part is not."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from ...engine.core.state import State

_SHARED = {"definition", "after", "rank", "atoms", "__dict__"}
_OBJECTS = ("undo", "regions", "fans")
_ALWAYS = tuple(name for name in State.__slots__ if name not in _SHARED | set(_OBJECTS))
_all = attrgetter(*_ALWAYS)


def difference(one: State, other: State) -> str | None:
    """The first part in which they differ, told with both; None where they are equal."""
    if _all(one) != _all(other):
        return _told(one, other, next(name for name in _ALWAYS if getattr(one, name) != getattr(other, name)))
    for name in ("running", "reverting"):
        if not _same(getattr(one, name), getattr(other, name)):
            return _told(one, other, name)
    few, fewer = vars(one), vars(other)  # what few states have is kept there once it was looked at, and may be empty
    for name in few if few.keys() == fewer.keys() else sorted({*few, *fewer}):
        if name not in _OBJECTS and not _same(few.get(name), fewer.get(name)):
            return _told(one, other, name)
    for name in _OBJECTS:
        if _dumped(one, name) != _dumped(other, name):
            return _told(one, other, name)
    return None


def _kept(state: State, name: str) -> Any:
    """A part of the state, without making it."""
    return getattr(state, name) if name in State.__slots__ else vars(state).get(name)


def _same(one: Any, other: Any) -> bool:
    if not one or not other:
        return not one and not other
    return bool(one == other) and (len(one) == 1 or list(one) == list(other))


def _dumped(state: State, name: str) -> Any:
    kept = _kept(state, name)
    if not kept:
        return None
    if name == "undo":
        return kept.dump()
    return [(key, each.dump()) for key, each in kept.items()]


def _told(one: State, other: State, name: str) -> str:
    if name in ("task", "execution", "attempt", "result"):
        pairs = zip(getattr(one, name), getattr(other, name), strict=False)
        for slot, (left, right) in enumerate(pairs):
            if left != right:
                whose = one.name(slot) if slot < one.atoms or slot >= len(one.after) else f"node {slot}"
                return f"{name} of {whose}: {left} and {right}"
    if name in _OBJECTS:
        return f"{name}: {_dumped(one, name)} and {_dumped(other, name)}"
    return f"{name}: {_kept(one, name)} and {_kept(other, name)}"
