"""`Durable`: a record as it is stored, as whoever watches a log hands it over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ...codec.records import SCHEMAS, decode_all, encode_facts
from ...engine.core.records import Draft
from ...errors import SagalogError
from .broken import broken


class Durable(NamedTuple):
    """One stored record: its place in the stream, type and schema number, the stored bytes of its facts, its epoch."""

    version: int
    type: str
    schema: int
    facts: bytes
    epoch: int = 1


def durable(drafts: Iterable[Draft], first: int = 1, epoch: int = 1) -> list[Durable]:
    """Drafts as they would be stored from version `first` on."""
    return [
        Durable(version, draft.type, SCHEMAS[draft.type], encode_facts(draft.facts), epoch)
        for version, draft in enumerate(drafts, first)
    ]


def decoded(rows: Sequence[Durable]) -> list[dict[str, Any]]:
    """The facts of the rows, from their bytes. LawBroken where they cannot be read."""
    try:
        return decode_all([row.type for row in rows], [row.schema for row in rows], [row.facts for row in rows])
    except SagalogError as error:
        broken("foldable", f"records {rows[0].version} to {rows[-1].version}: {error}")
