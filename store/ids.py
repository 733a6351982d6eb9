"""Ids: of runs, of standing streams, of records."""

from __future__ import annotations

import os
from hashlib import sha256
from itertools import count, islice
from uuid import UUID

STANDING = UUID("ff000000-0000-0000-0000-000000000000")
"""Where the ids of standing streams, and their partition, begin; a UUIDv7 gets there in the year 10800."""


def run_id(now_us: int) -> UUID:
    """A new UUIDv7 for a moment in microseconds since 1970 (an estimate of database time), below the millisecond too.

    Raises ValueError for a moment that the range of runs does not hold.
    """
    millis, rest = divmod(now_us, 1000)
    if not 0 <= millis < 0xFF0000000000:
        raise ValueError(f"run id: expected microseconds since 1970, before the year 10800, found {now_us}")
    random = int.from_bytes(os.urandom(8), "big") & 0x3FFFFFFFFFFFFFFF
    return UUID(int=(millis << 80) | 0x7000 << 64 | (rest * 4096 // 1000) << 64 | 0x8000000000000000 | random)


def standing_id(namespace: str, name: str) -> UUID:
    """The id of a standing stream: always the same for its name (UUIDv8, first byte ff, 114 bits of a SHA-256)."""
    space, data = namespace.encode(), bytearray(16)
    data[:] = sha256(len(space).to_bytes(4, "big") + space + name.encode()).digest()[:16]
    data[0], data[6], data[8] = 0xFF, 0x80 | data[6] & 0x0F, 0x80 | data[8] & 0x3F
    return UUID(bytes=bytes(data))


def record_ids(n: int) -> list[bytes]:
    """`n` new record ids of 16 bytes: 66 random bits of this process, then a counter. About 0.1 µs each."""
    prefix, numbers = _source
    return [prefix + number.to_bytes(7, "big") for number in islice(numbers, n)]


def _new_source() -> tuple[bytes, count[int]]:
    # Nine bytes with the marks of a UUIDv8, so that the ids are well-formed uuids.
    data = bytearray(os.urandom(9))
    data[6], data[8] = 0x80 | data[6] & 0x0F, 0x80 | data[8] & 0x3F
    return bytes(data), count()


def _after_fork() -> None:
    global _source
    _source = _new_source()


_source = _new_source()
# A forked child would go on with its parent's prefix and counter.
os.register_at_fork(after_in_child=_after_fork)
