"""A record as it is shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self
from uuid import UUID

import attrs
import orjson

from ..codec.records import decode_facts, upcast
from ..engine.core.graph import Definition
from ..engine.runtime.views import moment
from ..errors import CorruptLog
from ..store.shape import StoredRow


@attrs.frozen
class Line:
    """One record as it is shown: `value` is the JSON tree of the stored bytes."""

    position: int
    run_id: UUID
    version: int
    id: UUID
    type: str
    schema: int
    actor: str
    at: datetime
    atom: str | None
    instance: int | None
    execution: int | None
    attempt: int | None
    facts: dict[str, Any]
    value: Any
    hash: str

    def to_json(self) -> dict[str, Any]:
        """CONTRACT's Record."""
        return attrs.asdict(self, recurse=False)

    @classmethod
    def of(cls, row: StoredRow, definition: Definition) -> Self:
        """The row, with its atom's name."""
        facts = upcast(row.type, row.schema, decode_facts(row.facts))
        atom = facts.get("atom")
        return cls(
            position=row.position,
            run_id=row.stream_id,
            version=row.version,
            id=UUID(bytes=row.record_id),
            type=row.type,
            schema=row.schema,
            actor=row.actor,
            at=moment(row.occurred_at),
            atom=None if atom is None else definition.atoms[atom].name,
            instance=facts.get("instance"),
            execution=facts.get("execution"),
            attempt=facts.get("attempt"),
            facts=facts,
            value=stored_tree(row),
            hash=row.hash.hex(),
        )


def stored_tree(row: StoredRow) -> Any:
    """The JSON tree of the value that a row has, None where it has none; CorruptLog where it is no JSON any more."""
    if row.value is None:
        return None
    try:
        return orjson.loads(row.value)
    except ValueError as error:
        run = f"run {row.stream_id} version {row.version}"
        raise CorruptLog(f"{run}: its value is not what was written ({error}); run `sagalog verify`") from error
