"""A batch on its way out: hashes and salts are computed, then each column is packed into one array."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from . import wire
from .chain import SALT_SIZE, link
from .io import Query
from .shape import Append, NewRecord


class Links(NamedTuple):
    """What is computed for the records of one stream: by record, and the hash after the last."""

    salts: list[bytes | None]
    digests: list[bytes | None]
    hashes: list[bytes]


def salts_for(batch: Sequence[Append]) -> Iterator[bytes]:
    """A salt for each value of a batch."""
    random = os.urandom(SALT_SIZE * sum(record.value is not None for item in batch for record in item.records))
    return (random[at : at + SALT_SIZE] for at in range(0, len(random), SALT_SIZE))


def link_stream(item: Append, salts: Iterator[bytes]) -> Links:
    """Salts, digests and hashes of the records for one stream. Raises ValueError for a field that no record can have."""
    head, actor, at = item.head, item.actor, item.occurred_at
    stream, version, epoch, previous = head.stream_id.bytes, head.version, head.epoch, head.hash
    correlation = None if item.correlation is None else item.correlation.bytes
    made = Links([], [], [])
    for record in item.records:
        version += 1
        salt = None if record.value is None else next(salts)
        previous, digest = link(previous, stream, version, record, epoch, actor, at, correlation, salt)
        made.salts.append(salt)
        made.digests.append(digest)
        made.hashes.append(previous)
    return made


def _raw(id: UUID | None) -> bytes | None:
    return None if id is None else id.bytes


def _columns(
    records: Sequence[NewRecord],
    salts: Sequence[bytes | None],
    digests: Sequence[bytes | None],
    hashes: Sequence[bytes],
) -> tuple[wire.Wire | None, ...]:
    ids, types, schemas, facts, values, encodings, keys, metas, causations = zip(*records, strict=True)
    return (
        wire.uuids(ids),
        wire.texts(types),
        wire.ints(schemas),
        wire.blobs(facts),
        wire.blobs(values),
        wire.texts(encodings),
        wire.texts(keys),
        wire.blobs(metas),
        wire.optional_uuids(causations),
        wire.digests(salts, SALT_SIZE),
        wire.digests(digests, 32),
        wire.digests(hashes, 32),
    )


def one(item: Append, made: Links) -> Query:
    """The call for one stream that is there, without claims, definitions or messages."""
    head = item.head
    return Query(
        "append_one",
        (
            wire.uuid(head.stream_id),
            wire.bigint(head.version),
            wire.bigint(head.epoch),
            head.hash,
            wire.uuid(item.owner),
            item.actor,
            wire.time(item.occurred_at),
            wire.uuid(item.correlation),
            *_columns(item.records, *made),
        ),
    )


def many(linked: Sequence[tuple[Append, Links]]) -> Query:
    """The call for many streams, by ascending id."""
    batch, links = zip(*linked, strict=True)
    counts = [len(item.records) for item in batch]
    before = [0]
    for size in counts[:-1]:
        before.append(before[-1] + size)
    heads = [item.head for item in batch]
    definitions = {hash: body for item in batch for hash, body in item.definitions}
    claims = [(line, *claim) for line, item in enumerate(batch, 1) for claim in item.claims]
    accepted = [(line, message.bytes) for line, item in enumerate(batch, 1) for message in item.accepted]
    return Query(
        "append",
        (
            wire.uuids([head.stream_id.bytes for head in heads]),
            wire.bigints([head.version for head in heads]),
            wire.bigints([head.epoch for head in heads]),
            wire.digests([head.hash for head in heads], 32),
            wire.optional_uuids([_raw(item.owner) for item in batch]),
            wire.texts([item.namespace for item in batch]),
            wire.texts([item.actor for item in batch]),
            wire.times([item.occurred_at for item in batch]),
            wire.optional_uuids([_raw(item.correlation) for item in batch]),
            wire.ints(before),
            wire.ints(counts),
            wire.ints([line for line, size in enumerate(counts, 1) for _ in range(size)]),
            *_columns(
                [record for item in batch for record in item.records],
                [salt for made in links for salt in made.salts],
                [digest for made in links for digest in made.digests],
                [hash for made in links for hash in made.hashes],
            ),
            wire.texts(list(definitions)) if definitions else None,
            wire.blobs(list(definitions.values())) if definitions else None,
            wire.ints([claim[0] for claim in claims]) if claims else None,
            wire.texts([claim[1] for claim in claims]) if claims else None,
            wire.texts([claim[2] for claim in claims]) if claims else None,
            wire.ints([line for line, _ in accepted]) if accepted else None,
            wire.uuids([message for _, message in accepted]) if accepted else None,
        ),
    )
