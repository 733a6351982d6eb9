"""`Seen`: a run as the log has it, folded from its records without any code of the user's."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import attrs

from ..codec.records import decode_facts, upcast
from ..engine.core import records as r
from ..engine.core.counters import initial
from ..engine.core.evolve import evolve
from ..engine.core.graph import Definition
from ..engine.core.state import State
from ..engine.runtime.taking import unknown
from ..errors import CorruptLog, UnknownRun
from ..projections import base, runs
from ..store import log
from ..store.io import Operation
from ..store.session import Session
from ..store.shape import StoredRow
from .line import Line, stored_tree


@attrs.frozen
class Seen:
    """A run folded from its records: `state` as the engine has it, `row` as the read model of runs has it."""

    rows: list[StoredRow]
    definition: Definition
    state: State
    row: runs.Fields

    @property
    def id(self) -> UUID:
        """The run's id."""
        return self.rows[0].stream_id

    def tree(self, version: int | None) -> Any:
        """The JSON tree of the value of the record at `version`; None where it has none."""
        return stored_tree(self.rows[version - 1]) if version else None

    def lines(self) -> list[Line]:
        """Its records, oldest first."""
        return [Line.of(row, self.definition) for row in self.rows]


def see(session: Session, run: UUID, at: int | None = None) -> Seen:
    """The run as its log says, or said at version `at`; no code of the user's is needed.

    Raises:
        UnknownRun: it is not there, or was not there yet.
    """
    rows = session.perform(lambda: log.read(run))
    if not rows:
        raise unknown(run)
    if at is not None and not 1 <= at <= len(rows):
        raise UnknownRun(f"run {run}: there is no version {at}, the last is {len(rows)}")
    definition = session.perform(lambda: _definition(rows[0]))
    rows = rows[:at]
    state = initial(definition)
    row: runs.Fields | None = None
    for stored in rows:
        evolve(state, stored.version, stored.type, upcast(stored.type, stored.schema, decode_facts(stored.facts)))
        seen = base.Seen(*stored[:3], stored.type, stored.schema, stored.occurred_at, stored.facts)
        row = runs.evolve(row, seen)
    assert row is not None
    return Seen(rows, definition, state, row)


def _definition(created: StoredRow) -> Operation[Definition]:
    """The definition that a run was started with, by its first record."""
    if created.version != 1 or created.type != r.RUN_CREATED:
        found = f"{created.type} at version {created.version}"
        raise CorruptLog(f"stream {created.stream_id} is no run: it begins with {found}; run `sagalog verify`")
    fingerprint = upcast(created.type, created.schema, decode_facts(created.facts))["definition"]
    body = yield from log.definition(fingerprint)
    if body is None:
        raise CorruptLog(f"run {created.stream_id}: its definition {fingerprint} is missing; run `sagalog verify`")
    return Definition.load(body)
