"""The walk over a value that needs tags: every part looked at, each problem told with the path that leads to it."""

from __future__ import annotations

from collections.abc import Callable
from types import NoneType
from typing import Any, NoReturn

import orjson

from ..errors import NotStorable, ValueTooLarge
from .registry import Entry, Registry
from .shapes import builtin_base
from .tags import LEAVES, UNSAFE, Refused, dump_int, dump_text

MAX_DEPTH = 80
"""How many containers may stand inside each other; at three JSON levels each this is what orjson still writes."""


class Walk:
    """One walk over a value that needs tags: builds the tree that orjson writes, and knows where it stands.

    `trail` leads to the part at hand: an index, a key or field name, or a finished piece of path in a 1-tuple.
    """

    __slots__ = ("inside", "registry", "room", "root", "start", "trail")

    def __init__(self, root: str, room: int, registry: Registry) -> None:
        self.root = root
        self.room = self.start = room
        self.registry = registry
        self.trail: list[int | str | tuple[str]] = []
        self.inside: dict[int, Any] = {}

    def tree(self, value: Any) -> Any:
        kind = type(value)
        if kind is NoneType or kind is bool:
            return value
        builder = _BUILDERS.get(kind)
        if builder is not None:
            return builder(self, value)
        leaf = LEAVES.get(kind)
        if leaf is not None:
            return {leaf[0]: self.leaf(leaf[1], value)}
        entry = self.registry.entries.get(kind)
        if entry is not None:
            return {entry.tag: self.registered(entry, value)}
        self.refuse(value)

    def text(self, value: str) -> Any:
        return {"$str@1": dump_text(value)} if _unsafe(value) else value

    def integer(self, value: int) -> Any:
        return value if -(2**63) <= value < 2**64 else {"$int@1": dump_int(value)}

    def real(self, value: float) -> Any:
        return value if value - value == 0.0 else {"$float@1": repr(value)}

    def leaf(self, dump: Callable[[Any], Any], value: Any) -> Any:
        try:
            form = dump(value)
        except Refused as error:
            self.refuse(value, str(error), "use one of these")
        return form if type(form) is str else self.tree(form)

    def items(self, value: list[Any] | tuple[Any, ...]) -> list[Any]:
        self.enter(value, len(value))
        trail, out = self.trail, []
        trail.append(0)
        for index, item in enumerate(value):
            trail[-1] = index
            out.append(self.tree(item))
        self.leave(value)
        return out

    def elements(self, value: set[Any] | frozenset[Any]) -> list[Any]:
        """In the order of their stored bytes: the order of a set is an accident of its history."""
        self.enter(value, len(value))
        self.trail.append(("{}",))
        out = [self.tree(item) for item in value]
        self.leave(value)
        return sorted(out, key=orjson.dumps)

    def mapping(self, value: dict[Any, Any]) -> dict[str, Any]:
        if not all(type(key) is str and not _unsafe(key) for key in value):
            return {"$dict@1": self.pairs(value)}
        self.enter(value, len(value))
        trail, out = self.trail, {}
        trail.append("")
        for key, item in value.items():
            trail[-1] = key
            out["$" + key if key[:1] == "$" else key] = self.tree(item)
        self.leave(value)
        return out

    def pairs(self, value: dict[Any, Any]) -> list[list[Any]]:
        self.enter(value, len(value))
        trail, out = self.trail, []
        trail.append("")
        for index, (key, item) in enumerate(value.items()):
            trail[-1] = (f".keys()[{index}]",)
            stored = self.tree(key)
            trail[-1] = (f"[{key!r}]",) if _short(key) else (f".values()[{index}]",)
            out.append([stored, self.tree(item)])
        self.leave(value)
        return out

    def registered(self, entry: Entry, value: Any) -> Any:
        try:
            parts = entry.shape.take(value)
        except Exception as error:
            raise NotStorable(
                self.where(), type(value).__qualname__, str(error) or type(error).__name__, "mend it or its dump="
            ) from error
        self.enter(value, 1)
        trail = self.trail
        trail.append(("",))
        if not entry.shape.fields:
            out = self.tree(parts)
        else:
            out = {}
            for name, part in parts.items():
                trail[-1] = name
                out[name] = self.tree(part)
        self.leave(value)
        return out

    def enter(self, value: Any, size: int) -> None:
        self.room -= size
        if self.room < 0:
            raise ValueTooLarge(self.root, self.start - self.room, self.start, at_least=True)
        if id(value) in self.inside:
            self.refuse(value, "it contains itself", "break the cycle")
        if len(self.inside) >= MAX_DEPTH:
            self.refuse(value, f"it stands inside {MAX_DEPTH} other containers", "return something flatter")
        # Held, not only its id: what a dump= has just made must live for as long as its id is on the list.
        self.inside[id(value)] = value

    def leave(self, value: Any) -> None:
        del self.inside[id(value)]
        self.trail.pop()

    def where(self) -> str:
        return self.root + "".join(map(_step, self.trail))

    def refuse(self, value: Any, why: str = "", advice: str = "") -> NoReturn:
        kind = type(value)
        base = None if why else builtin_base(kind)
        if base is not None:
            why = f"a subclass of {base.__name__}, it would come back as something else"
            advice = f"return a plain {base.__name__}, or register it (sagalog.codec.register)"
        raise NotStorable(self.where(), kind.__qualname__, why, advice)


_BUILDERS: dict[type, Callable[[Walk, Any], Any]] = {
    str: Walk.text,
    int: Walk.integer,
    float: Walk.real,
    list: Walk.items,
    dict: Walk.mapping,
    tuple: lambda walk, value: {"$tuple@1": walk.items(value)},
    set: lambda walk, value: {"$set@1": walk.elements(value)},
    frozenset: lambda walk, value: {"$frozenset@1": walk.elements(value)},
}


def _unsafe(text: str) -> bool:
    return "\0" in text if text.isascii() else UNSAFE.search(text) is not None


def _short(key: Any) -> bool:
    """Whether a path can show a key as it is: numbers of many digits have no text at all."""
    return len(key) <= 60 if type(key) is str else type(key) is int and -(2**63) <= key < 2**63


def _step(step: int | str | tuple[str]) -> str:
    if isinstance(step, tuple):
        return step[0]
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if step.isidentifier() and len(step) <= 60 else f"[{step[:60]!r}]"
