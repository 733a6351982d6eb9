"""Values to stored bytes and back, without loss.

Stored is UTF-8 JSON that casts to jsonb. None, bool, str, list, dict with text keys, and the numbers that JSON keeps
exactly stand there as themselves. Everything else is an object with one key, its tag: `{"$tuple@1": [1, 2]}`. A
user's own key that starts with `$` gets a second one in front, so a tag is never mistaken. Only exact types are
stored: a subclass would come back as its base, which is a silent change, so it is refused unless registered.
"""

from __future__ import annotations

import sys
from types import NoneType
from typing import Any, NamedTuple, cast

import attrs
import orjson

from ..config import Settings
from ..errors import CorruptLog, NotStorable, ValueTooLarge
from .registry import Registry, registry
from .walk import MAX_DEPTH, Walk

ENCODING = "json@1"
"""The name of this encoding, as records bear it."""
VALUE_LIMIT: int = cast(int, attrs.fields_dict(Settings)["value_limit"].default)
"""Bytes that one stored value may have unless `encode` is told otherwise."""

# What needs no look inside. bool and None are their own exact types, float may be NaN.
_ATOMS = frozenset({str, int, bool, NoneType})
_NESTED = frozenset({dict, list})
_DOLLAR, _BACKSLASH = b"$\\"


def encode(
    value: Any, *, path: str = "result", limit: int | None = VALUE_LIMIT, registry: Registry = registry
) -> bytes:
    """The stored form of a value.

    `path` is how errors call the value, `limit` the most bytes it may take (None: any number). Raises NotStorable
    naming path and type of what cannot be kept, ValueTooLarge naming path, size and limit.
    """
    room = sys.maxsize if limit is None else limit
    if _plain(value, MAX_DEPTH, room) >= 0:
        try:
            data = orjson.dumps(value)
        except TypeError:  # a number or a text that JSON cannot take
            data = b""
        # A key that starts with $ needs its escape, a NUL its tag; a text that only looks so costs no more than time.
        # Looking for one byte first is eight times quicker than looking for two.
        if data and (_DOLLAR not in data or b'"$' not in data) and (_BACKSLASH not in data or b"\\u0000" not in data):
            if len(data) > room:
                raise ValueTooLarge(path, len(data), room)
            return data
    walk = Walk(path, room, registry)
    try:
        data = orjson.dumps(walk.tree(value))
    except RecursionError:
        raise NotStorable(
            walk.where(), type(value).__qualname__, "the call stack is exhausted", "call with less on the stack"
        ) from None
    if len(data) > room:
        raise ValueTooLarge(path, len(data), room)
    return data


def decode(data: bytes, *, registry: Registry = registry) -> Any:
    """The value of stored bytes, made afresh by each call. Raises CorruptLog; runs nothing but registered classes."""
    try:
        node = orjson.loads(data)
    except ValueError as error:
        raise CorruptLog(f"stored value: expected JSON, found {data[:40]!r} ({error}); run `sagalog verify`") from error
    if _DOLLAR in data and b'"$' in data and type(node) in _NESTED:
        return _resolve(node, registry, 3 * MAX_DEPTH + 2)
    return node


class Encoded(NamedTuple):
    """A value in its stored form; `get` hands out a fresh one each time, so nobody sees another's changes."""

    data: bytes

    def get(self) -> Any:
        return decode(self.data)


def _plain(value: Any, depth: int, room: int) -> int:
    """Whether orjson alone keeps a value: what is left of `room`, in items, or a number below 0."""
    kind = type(value)
    if kind in _ATOMS:
        return room
    if kind is dict:
        room -= len(value)
        if room < 0 or not depth:
            return -1
        for key, item in value.items():
            if type(key) is not str:
                return -1
            if type(item) not in _ATOMS:
                room = _plain(item, depth - 1, room)
                if room < 0:
                    return -1
        return room
    if kind is list:
        room -= len(value)
        if room < 0 or not depth:
            return -1
        for item in value:
            if type(item) not in _ATOMS:
                room = _plain(item, depth - 1, room)
                if room < 0:
                    return -1
        return room
    # NaN and the infinities differ from themselves by more than nothing.
    return room if kind is float and value - value == 0.0 else -1


def _resolve(node: Any, registry: Registry, depth: int) -> Any:
    """Tags replaced by what they stand for, innermost first; plain lists and objects stay the ones orjson made."""
    if not depth:
        raise CorruptLog("stored value: nests deeper than any that was stored; run `sagalog verify`")
    if type(node) is list:
        for index, item in enumerate(node):
            if type(item) in _NESTED:
                node[index] = _resolve(item, registry, depth - 1)
        return node
    escaped = False
    for key, item in node.items():
        if type(item) in _NESTED:
            item = node[key] = _resolve(item, registry, depth - 1)
        if key[:1] == "$":
            if key[1:2] != "$":
                if len(node) != 1:
                    raise CorruptLog(f"stored value: {key[:60]!r} is not alone in its object; run `sagalog verify`")
                return registry.load(key, item)
            escaped = True
    return {key[1:] if key[:1] == "$" else key: item for key, item in node.items()} if escaped else node
