"""`Held`: a run in this process's hands, folded, with the values that its tasks may still be handed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid5

from ...codec.compose import unwrap
from ...codec.records import SCHEMAS, decode_all, encode_facts
from ...codec.values import ENCODING, VALUE_LIMIT
from ...errors import CorruptLog
from ...store.ids import record_ids
from ...store.log import Columns
from ...store.shape import Head, NewRecord
from ..core import records as r
from ..core.compile import Compiled
from ..core.evolve import evolve, fold
from ..core.records import Draft
from ..core.state import State, initial

PIECE = 200
"""Records that are decoded at a time when a run is read."""
FOREVER = 2**63
"""Microseconds since 1970 that never come."""


class Held:
    """One run: its graph and code, the head of its stream, its folded state and its values.

    Attributes:
        compiled: definition and, where the code is known, the atoms (empty for a run that is only looked at).
        head: where the stream stands in the log; moved by the store when an append is durable.
        state: folded; it runs ahead of `head` while an append is under way.
        values: the encoded value of each record, or None, at the place of its version (and None at place 0).
        live: (atom, kind of call) -> the exception itself, as long as this process has it.
        aborts: atom -> how often in a row the database has broken its transaction off.
        now, until: the clock, and atom -> until when it can be reverted (microseconds since 1970), where that is bounded.
        limit: the most bytes that a result may take when stored.
        created_at, changed_at: microseconds since 1970, of the first and of the last record.
    """

    __slots__ = (
        "aborts", "changed_at", "compiled", "created_at", "facts", "head", "inputs", "limit", "live", "now",
        "state", "until", "values",
    )  # fmt: skip

    def __init__(
        self, compiled: Compiled, head: Head, now: Callable[[], int] | None = None, limit: int = VALUE_LIMIT
    ) -> None:
        self.compiled = compiled
        self.head = head
        self.state: State = initial(compiled.definition)
        self.values: list[bytes | None] = [None]
        self.live: dict[tuple[int, str], BaseException] = {}
        self.facts: dict[str, Any] = {}
        self.inputs: dict[str, bytes] = {}
        self.aborts: dict[int, int] = {}
        self.now = now
        self.limit = limit
        self.until: dict[int, int] = {}
        self.created_at = self.changed_at = 0

    @property
    def id(self) -> UUID:
        """The run's id, which is its stream's."""
        return self.head.stream_id

    def create(self, facts: dict[str, Any], inputs: dict[str, bytes], value: bytes) -> Draft:
        """The first record. `value` holds the inputs, `inputs` the same one by one, encoded."""
        self.inputs = inputs
        return self.fold(Draft(r.RUN_CREATED, facts, value))

    def fold(self, draft: Draft) -> Draft:
        """Fold a record that was just decided, as it will be folded when it is read back."""
        version = self.state.version + 1
        evolve(self.state, version, draft.type, draft.facts)
        # A copy of just the bytes: what orjson gives keeps a buffer of 4 KB.
        self.values.append(None if draft.value is None else b"%b" % draft.value)
        if version == 1:
            self.facts = draft.facts
        return draft

    def load(self, columns: Columns) -> None:
        """Fold what the log holds. The caller moves `head`.

        Raises:
            CorruptLog: the records do not make a run of this definition.
        """
        if columns.types[:1] != (r.RUN_CREATED,):
            raise CorruptLog(f"run {self.id}: its stream does not begin with a {r.RUN_CREATED} record")
        # In pieces: many dicts that live at the same time are work for the garbage collector.
        for start in range(0, len(columns.types), PIECE):
            self._fold(columns, slice(start, start + PIECE))
        self.values += columns.values
        self.created_at, self.changed_at = columns.at(0), columns.at(-1)
        self.inputs = unwrap(self.created["inputs"])

    def _fold(self, columns: Columns, piece: slice) -> None:
        types = columns.types[piece]
        facts = decode_all(types, columns.schemas[piece], columns.facts[piece])
        if not self.facts:
            self.facts = facts[0]
        fold(self.state, columns.versions[piece], types, facts)
        if self.compiled.definition.bounded:
            for place, (type, fact) in enumerate(zip(types, facts, strict=True), piece.start):
                if type == r.TASK_SUCCESS:
                    self.succeeded(fact["atom"], columns.at(place))

    def succeeded(self, atom: int, at: int) -> None:
        """Note until when the atom can be reverted, if that is bounded; `at` is the time of its success."""
        lasts = self.compiled.definition.atoms[atom].revertible_for
        if lasts is not None:
            self.until[atom] = at + lasts

    def expired(self, atom: int) -> bool:
        """Whether the time in which the atom can be reverted has passed."""
        return self.now is not None and self.now() > self.until.get(atom, FOREVER)

    def reload(self, columns: Columns) -> None:
        """Fold anew: what was folded last did not become durable. Whoever reads meanwhile sees one or the other."""
        fresh = Held(self.compiled, self.head, self.now, self.limit)
        fresh.load(columns)
        self.state, self.values = fresh.state, fresh.values

    @property
    def created(self) -> dict[str, bytes]:
        """What the run was created with: inputs, arguments and tags, each a dict, encoded."""
        return unwrap(self.values[1] or b"{}")

    def rows(self, drafts: Sequence[Draft]) -> list[NewRecord]:
        """The drafts as rows that can be appended, in order."""
        return [
            NewRecord(
                record_id, type, SCHEMAS.get(type, 1), encode_facts(facts), value, None if value is None else ENCODING
            )
            for record_id, (type, facts, value) in zip(record_ids(len(drafts)), drafts, strict=True)
        ]

    def idempotency_key(self, atom: int, execution: int, direction: str) -> str:
        """The same text for every attempt of one execution in one direction, and for no other (a UUID, 36 characters)."""
        name = self.compiled.definition.atoms[atom].name
        return str(uuid5(self.id, f"{name}\0{0}\0{execution}\0{direction}"))
