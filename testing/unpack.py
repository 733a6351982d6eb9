"""What the store sends, taken apart again: the counterpart of store/wire.py, for a log that is no server."""

from __future__ import annotations

from functools import lru_cache
from struct import iter_unpack, unpack, unpack_from
from uuid import UUID

import psycopg

_HEADER = 20
"""Bytes before the elements of an array of one dimension; an empty one has 12, and that is all of it."""

identity = lru_cache(maxsize=8192)(lambda data: UUID(bytes=bytes(data)))
"""The UUID of 16 bytes; owners and streams come again with each append."""


def uuid(data: bytes | None) -> UUID | None:
    """One uuid, or null."""
    return None if data is None else identity(data)


def number(data: bytes) -> int:
    """One bigint."""
    value: int = unpack(">q", data)[0]
    return value


def numbers(data: bytes | None) -> list[int]:
    """int[] or bigint[] without nulls; null is as good as empty."""
    if data is None or len(data) <= _HEADER:
        return []
    (size,) = unpack_from(">i", data, _HEADER)
    return [value for _, value in iter_unpack(">iq" if size == 8 else ">ii", data[_HEADER:])]


def blobs(data: bytes | None, count: int) -> list[bytes | None]:
    """The elements of any array as they came; where it is null, so many nulls."""
    if data is None:
        return [None] * count
    found: list[bytes | None] = []
    at, end = _HEADER, len(data)
    while at < end:
        size = int.from_bytes(data[at : at + 4], "big", signed=True)
        at += 4
        if size < 0:
            found.append(None)
        else:
            found.append(data[at : at + size])
            at += size
    return found


def whole(data: bytes | None) -> list[bytes]:
    """The elements of an array that has no nulls; null is as good as empty."""
    return [element for element in blobs(data, 0) if element is not None]


def texts(data: bytes | None, count: int) -> list[str | None]:
    """text[], or so many nulls. Raises psycopg.DataError for a text that PostgreSQL cannot store."""
    return [None if element is None else _text(element) for element in blobs(data, count)]


def text(value: str) -> str:
    """One text. Raises psycopg.DataError for one that PostgreSQL cannot store."""
    if "\0" in value:
        raise psycopg.DataError("invalid byte sequence for encoding \"UTF8\": 0x00")
    return value


@lru_cache(maxsize=1024)
def _text(data: bytes) -> str:
    return text(data.decode())
