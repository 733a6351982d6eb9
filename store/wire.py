"""Binary arrays, packed by hand.

psycopg packs a list element by element in Python, with a dumper looked up for each. A batch has a dozen arrays of
thousands of elements, and all that needs is one join of what is bytes already. The layout is that of PostgreSQL's
`array_recv`: dimensions, whether there are nulls, element type, then for each dimension its length and lower bound,
then the elements, each behind its length (-1: null).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from struct import Struct, pack
from typing import TypeVar, cast
from uuid import UUID

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

_T = TypeVar("_T")

EPOCH_SHIFT = 946_684_800_000_000
"""Microseconds from 1970, where ours begin, to 2000, where PostgreSQL's do."""

_header = Struct(">iiIii").pack
_length = Struct(">i").pack
_NULL = b"\xff\xff\xff\xff"
_LENGTHS = tuple(_length(n) for n in range(4096))
_INT4, _INT8, _TEXT, _BYTEA, _UUID, _TIMESTAMPTZ = 23, 20, 25, 17, 2950, 1184


class Wire(bytes):
    """A parameter in its final binary form; each subclass is one type."""

    __slots__ = ()


class WireUuid(Wire):
    __slots__ = ()


class WireInt(Wire):
    __slots__ = ()


class WireTime(Wire):
    __slots__ = ()


class Uuids(Wire):
    __slots__ = ()


class Ints(Wire):
    __slots__ = ()


class Bigints(Wire):
    __slots__ = ()


class Times(Wire):
    __slots__ = ()


class Texts(Wire):
    __slots__ = ()


class Blobs(Wire):
    __slots__ = ()


class _WireDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Wire) -> Buffer | None:
        return obj


# Array types have numbers of their own.
for _kind, _oid in (
    (WireUuid, _UUID),
    (WireInt, _INT8),
    (WireTime, _TIMESTAMPTZ),
    (Uuids, 2951),
    (Ints, 1007),
    (Bigints, 1016),
    (Times, 1185),
    (Texts, 1009),
    (Blobs, 1001),
):
    psycopg.adapters.register_dumper(_kind, type(f"{_kind.__name__}Dumper", (_WireDumper,), {"oid": _oid}))


def bigint(value: int) -> WireInt:
    """One bigint. psycopg would send the smallest type that fits, and prepare the query for each of them."""
    return WireInt(pack(">q", value))


def time(micros: int) -> WireTime:
    """One timestamptz from microseconds since 1970."""
    return WireTime(pack(">q", micros - EPOCH_SHIFT))


def micros(data: bytes) -> int:
    """Microseconds since 1970 from what `timestamptz_send` returns."""
    return int.from_bytes(data, "big", signed=True) + EPOCH_SHIFT


def uuid(value: UUID | None) -> WireUuid | None:
    """One uuid, or null."""
    return None if value is None else WireUuid(value.bytes)


def uuids(values: Sequence[bytes]) -> Uuids:
    """uuid[] from ids of 16 bytes each; raises ValueError where one has another size."""
    return Uuids(_fixed(values, 16, _UUID))


def optional_uuids(values: Sequence[bytes | None]) -> Uuids | None:
    """uuid[] with nulls; null when there is nothing else in it."""
    return Uuids(_fixed(values, 16, _UUID)) if any(values) else None


def digests(values: Sequence[bytes | None], size: int) -> Blobs | None:
    """bytea[] of `size` bytes each, and nulls; null when there is nothing else in it."""
    return Blobs(_fixed(values, size, _BYTEA)) if any(values) else None


def ints(values: Sequence[int]) -> Ints:
    """int[] of numbers that come again and again: places, counts, schema versions."""
    return Ints(_head(len(values), 0, _INT4) + _elements(_int_element, values))


def bigints(values: Sequence[int]) -> Bigints:
    """bigint[]."""
    return Bigints(_head(len(values), 0, _INT8) + _longs(values))


def times(values: Sequence[int]) -> Times:
    """timestamptz[] from microseconds since 1970."""
    return Times(_head(len(values), 0, _TIMESTAMPTZ) + _longs([value - EPOCH_SHIFT for value in values]))


def texts(values: Sequence[str | None]) -> Texts | None:
    """text[] of texts that come again and again (types, actors, encodings); null when it would hold nulls only."""
    if None not in values:
        return Texts(_head(len(values), 0, _TEXT) + _elements(_text_element, values))
    if values.count(None) == len(values):
        return None
    return Texts(_head(len(values), 1, _TEXT) + _elements(_text_element, values))


def blobs(values: Sequence[bytes | None]) -> Blobs | None:
    """bytea[]; null when it would hold nulls only."""
    if None not in values:
        return Blobs(_head(len(values), 0, _BYTEA) + b"".join(_with_lengths(values)))
    if values.count(None) == len(values):
        return None
    return Blobs(_head(len(values), 1, _BYTEA) + b"".join(_with_lengths(values)))


def _head(count: int, nulls: int, oid: int) -> bytes:
    return _header(1, nulls, oid, count, 1) if count else pack(">iiI", 0, 0, oid)


def _fixed(values: Sequence[bytes | None], size: int, oid: int) -> bytes:
    """An array whose elements have `size` bytes or are null: one join, if there are no nulls."""
    present = values if None not in values else [value for value in values if value is not None]
    if set(map(len, cast("Sequence[bytes]", present))) - {size}:
        wrong = next(len(value) for value in values if value is not None and len(value) != size)
        raise ValueError(f"id or digest: expected {size} bytes, found {wrong}")
    length = _LENGTHS[size]
    if present is values:
        return _head(len(values), 0, oid) + length.join((b"", *cast("Sequence[bytes]", values)))
    return _head(len(values), 1, oid) + b"".join([_NULL if value is None else length + value for value in values])


def _elements(element: Callable[[_T], bytes], values: Sequence[_T]) -> bytes:
    # Often they are all the same, and counting is much faster than looking each one up.
    if values and values.count(values[0]) == len(values):
        return element(values[0]) * len(values)
    return b"".join([element(value) for value in values])


def _longs(values: Sequence[int]) -> bytes:
    flat = [8] * (2 * len(values))
    flat[1::2] = values
    return pack(">" + "iq" * len(values), *flat)


def _with_lengths(values: Sequence[bytes | None]) -> Iterable[bytes]:
    parts: list[bytes] = []
    add = parts.append
    for value in values:
        if value is None:
            add(_NULL)
        else:
            size = len(value)
            add(_LENGTHS[size] if size < 4096 else _length(size))
            add(value)
    return parts


@lru_cache(maxsize=8192)
def _int_element(value: int) -> bytes:
    return pack(">ii", 4, value)


@lru_cache(maxsize=1024)
def _text_element(value: str | None) -> bytes:
    if value is None:
        return _NULL
    data = value.encode()
    return _length(len(data)) + data
