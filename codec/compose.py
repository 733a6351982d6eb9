"""Objects made of values that are encoded already, and taken apart again: no value is decoded or encoded for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from ..errors import CorruptLog, NotStorable


def wrap(parts: Mapping[str, bytes], *, path: str = "value") -> bytes:
    """The stored form of the dict {name: value} from the stored forms of its values.

    Raises:
        NotStorable: a name that no key of a JSON object can be kept as (no text, or one with NUL or a lone surrogate).
    """
    return b"{" + b",".join(_key(name, path) + b":" + data for name, data in parts.items()) + b"}"


def unwrap(data: bytes) -> dict[str, bytes]:
    """The stored forms of the values of a stored dict with text keys, by key: what `wrap` was given.

    Raises:
        CorruptLog: it is no such dict.
    """
    try:
        node = orjson.loads(data)
    except ValueError:
        node = None
    if type(node) is not dict:
        raise CorruptLog(f"stored value: expected an object, found {data[:40]!r}; run `sagalog verify`")
    return {name[1:] if name.startswith("$$") else name: orjson.dumps(value) for name, value in node.items()}


def _key(name: str, path: str) -> bytes:
    if type(name) is not str:
        raise NotStorable(path, type(name).__qualname__, f"the name {name!r} is no text", "use text for names")
    try:
        data = orjson.dumps("$" + name if name.startswith("$") else name)
    except TypeError:
        data = b"\\u0000"
    if b"\\u0000" in data:
        raise NotStorable(path, "str", f"the name {name!r} has a character that JSON cannot keep", "use another name")
    return data


def wrap_list(parts: Sequence[bytes]) -> bytes:
    """The stored form of a list from the stored forms of its elements."""
    return b"[" + b",".join(parts) + b"]"


def unwrap_list(data: bytes) -> list[bytes]:
    """The stored forms of the elements of a stored list: what `wrap_list` was given. CorruptLog: it is none."""
    try:
        node = orjson.loads(data)
    except ValueError:
        node = None
    if type(node) is not list:
        raise CorruptLog(f"stored value: expected a list, found {data[:40]!r}; run `sagalog verify`")
    # Copies of just the bytes: what orjson gives keeps a buffer of 4 KB.
    return [b"%b" % orjson.dumps(element) for element in node]
