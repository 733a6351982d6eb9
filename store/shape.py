"""The rows of the log, as the store hands them in and out; no flow, no SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

ZERO_HASH = bytes(32)
"""The hash before the first record of every stream."""


class NewRecord(NamedTuple):
    """A record that is to be appended; ids are 16 bytes, bodies the exact bytes that are stored."""

    record_id: bytes
    type: str
    schema: int
    facts: bytes
    value: bytes | None = None
    encoding: str | None = None
    key_id: str | None = None
    meta: bytes | None = None
    causation: bytes | None = None


@dataclass(slots=True)
class Head:
    """What an owner knows of its stream; version 0 and the zero hash: not created yet."""

    stream_id: UUID
    version: int = 0
    hash: bytes = ZERO_HASH
    epoch: int = 0
    owner: UUID | None = None


@dataclass(slots=True)
class Append:
    """The records for one stream, behind `head`; `owner` is who owns the stream afterwards, None releases it.

    `occurred_at` is microseconds since 1970. With `head.version` 0 the stream is created, at epoch `head.epoch`.
    """

    head: Head
    records: Sequence[NewRecord]
    actor: str
    occurred_at: int
    correlation: UUID | None = None
    owner: UUID | None = None
    namespace: str = "default"
    definitions: tuple[tuple[str, bytes], ...] = ()
    claims: tuple[tuple[str, str], ...] = ()
    accepted: tuple[UUID, ...] = field(default=())


class Refusal(NamedTuple):
    """Why nothing was appended to one stream.

    `status` is 'conflict' (somebody appended first), 'fenced' (somebody took the stream over), 'claimed' (`holder` has
    what it claims) or 'rejected' (the data themselves cannot be stored). `version` and `epoch` are those that were found.
    """

    stream_id: UUID
    status: str
    version: int
    epoch: int
    holder: UUID | None
    detail: str


class StoredRow(NamedTuple):
    """A record as it stands in the log; `occurred_at` is microseconds since 1970, as the writer reckoned."""

    position: int
    stream_id: UUID
    version: int
    record_id: bytes
    type: str
    schema: int
    epoch: int
    actor: str
    occurred_at: int
    recorded_at: datetime
    correlation: UUID | None
    causation: bytes | None
    facts: bytes
    value: bytes | None
    encoding: str | None
    key_id: str | None
    salt: bytes | None
    value_digest: bytes | None
    meta: bytes | None
    hash: bytes
