"""The hash chain: each record's hash covers every field its writer vouches for, and the hash before it.

The bytes are laid down in docs/log-format.md, so that a verifier can be written in another language, and pinned
by golden vectors. They are frozen by the first release: another layout takes another `FORMAT`.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from struct import Struct, error

from .shape import ZERO_HASH, NewRecord, StoredRow

__all__ = ["FORMAT", "SALT_SIZE", "ZERO_HASH", "digest", "link", "relink"]

FORMAT = 1
"""The first byte that is hashed: the layout of all that follows."""
SALT_SIZE = 16
"""Random bytes that are kept beside a value, and erased with it."""

# Each field is a four-byte length and then so many bytes; these are the lengths that never differ.
_ABSENT = b"\xff\xff\xff\xff"
_ID = b"\x00\x00\x00\x10"
_DIGEST = b"\x00\x00\x00\x20"
_START = bytes([FORMAT]) + _ID
_length = Struct(">I").pack
_version = Struct(">Iq4s").pack  # the version, then the length of the record id
_number = Struct(">Iq").pack
_two_numbers = Struct(">IqIq").pack


def link(
    previous: bytes,
    stream: bytes,
    version: int,
    record: NewRecord,
    epoch: int,
    actor: str,
    occurred_at: int,
    correlation: bytes | None,
    salt: bytes | None,
) -> tuple[bytes, bytes | None]:
    """The hash of a record that is to follow `previous`, and the digest of its value (None where it has no value).

    `previous` is 32 bytes (`ZERO_HASH` for version 1), ids are 16, `occurred_at` is microseconds since 1970. `salt` is
    16 random bytes, wanted with a value and not looked at without. Raises ValueError for a field of the wrong size.
    """
    value = record.value
    value_digest = None if value is None else digest(salt, value)
    hashed = _layout(
        previous,
        stream,
        version,
        record.record_id,
        record.type,
        record.schema,
        epoch,
        actor,
        occurred_at,
        correlation,
        record.causation,
        record.facts,
        record.meta,
        record.encoding,
        record.key_id,
        value_digest,
    )
    return sha256(hashed).digest(), value_digest


def relink(row: StoredRow, previous: bytes) -> bytes:
    """The hash that a stored record should have if it follows `previous`; its value is not looked at, only the digest.

    Raises ValueError where a stored field has a size that no writer gives it.
    """
    correlation = row.correlation
    hashed = _layout(
        previous,
        row.stream_id.bytes,
        row.version,
        row.record_id,
        row.type,
        row.schema,
        row.epoch,
        row.actor,
        row.occurred_at,
        None if correlation is None else correlation.bytes,
        row.causation,
        row.facts,
        row.meta,
        row.encoding,
        row.key_id,
        row.value_digest,
    )
    return sha256(hashed).digest()


def digest(salt: bytes | None, value: bytes) -> bytes:
    """SHA-256 of salt and stored value; 32 bytes. Raises ValueError for a salt that is missing or not 16 bytes."""
    if salt is None or len(salt) != SALT_SIZE:
        found = "none" if salt is None else f"{len(salt)} bytes"
        raise ValueError(f"salt of a value: expected {SALT_SIZE} random bytes, found {found}")
    return sha256(salt + value).digest()


def _layout(
    previous: bytes,
    stream: bytes,
    version: int,
    record_id: bytes,
    type: str,
    schema: int,
    epoch: int,
    actor: str,
    occurred_at: int,
    correlation: bytes | None,
    causation: bytes | None,
    facts: bytes,
    meta: bytes | None,
    encoding: str | None,
    key_id: str | None,
    value_digest: bytes | None,
) -> bytes:
    # One function, one join: this runs once for every record that is written, and takes about 2 µs.
    if len(stream) != 16 or len(record_id) != 16 or len(previous) != 32:
        raise ValueError(
            f"hash of a record: expected a stream and a record id of 16 bytes and a previous hash of 32, "
            f"found {len(stream)}, {len(record_id)} and {len(previous)}"
        )
    try:
        return b"".join(
            (
                _START,
                stream,
                _version(8, version, _ID),
                record_id,
                _text(type),
                _two_numbers(8, schema, 8, epoch),
                _text(actor),
                _number(8, occurred_at),
                _ABSENT if correlation is None else _fixed(correlation, _ID, 16),
                _ABSENT if causation is None else _fixed(causation, _ID, 16),
                _length(len(facts)),
                facts,
                _ABSENT if meta is None else _length(len(meta)) + meta,
                _ABSENT if encoding is None else _text(encoding),
                _ABSENT if key_id is None else _text(key_id),
                _ABSENT if value_digest is None else _fixed(value_digest, _DIGEST, 32),
                _DIGEST,
                previous,
            )
        )
    except error as wrong:
        raise ValueError(f"hash of a record: a number or a length is out of range: {wrong}") from wrong


@lru_cache(maxsize=1024)
def _text(text: str) -> bytes:
    """Types, actors, encodings and key ids are few and come again with each record."""
    data = text.encode()
    return _length(len(data)) + data


def _fixed(data: bytes, length: bytes, size: int) -> bytes:
    if len(data) != size:
        raise ValueError(f"hash of a record: expected an id or digest of {size} bytes, found {len(data)}")
    return length + data
