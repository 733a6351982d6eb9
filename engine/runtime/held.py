"""`Held`: a run in this process's hands, folded, with the values that its tasks may still be handed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from typing import Any
from uuid import UUID, uuid5

from ...codec.compose import unwrap, unwrap_list
from ...codec.records import SCHEMAS, decode_all, encode_facts
from ...codec.values import ENCODING, VALUE_LIMIT
from ...errors import CorruptLog
from ...store.ids import record_ids
from ...store.log import Columns
from ...store.shape import Head, NewRecord
from ..core import records as r
from ..core.compile import Compiled
from ..core.counters import initial
from ..core.decide import DECIDE, Call, Progressed
from ..core.evolve import evolve, fold
from ..core.records import Draft
from ..core.seldom import Seldom
from ..core.state import State

PIECE = 200
"""Records that are decoded at a time when a run is read."""
Which = tuple[int, int | None, int]
"""An atom, the instance of an element of a fan-out, and the execution: what a slot was for may be gone since."""
_NOTED = frozenset((r.TIMER_SET, r.EACH_ELEMENTS, r.RUN_PENDING, r.RUN_RECOVERED, r.TASK_WAITING))
FOREVER = 2**63
"""Microseconds since 1970 that never come."""


class Held:
    """One run: its graph and code, the head of its stream, its folded state and its values.

    Attributes:
        compiled: definition and, where the code is known, the atoms (empty for a run that is only looked at).
        head: where the stream stands in the log; moved by the store when an append is durable.
        state: folded; it runs ahead of `head` while an append is under way.
        values: the encoded value of each record, or None, at the place of its version (and None at place 0).
        live: (slot, kind of call) -> the exception itself, as long as this process has it.
        elements: fan-out -> its elements, encoded. alarms: a heap of (due, timer); some may have gone off since.
        began: of an execution, when its first attempt did, where its policy wants to know; microseconds since 1970.
        failed: of an execution, how many of its attempts have failed, and are made again; one cut short is none of them.
        deadline: until when the run may take, microseconds since 1970; 0 where that is not bounded.
        made: how many calls were made of it since this process has it.
        reports: what tasks say of themselves, for the log; `wake` is called when there is something.
        aborts: atom -> how often in a row the database has broken its transaction off.
        now, until: the clock, and atom -> until when it can be reverted (microseconds since 1970), where that is bounded.
        limit: the most bytes that a result may take when stored.
        created_at, changed_at: microseconds since 1970, of the first and of the last record.
    """

    __slots__ = (
        "__dict__", "alarms", "changed_at", "compiled", "created_at", "deadline", "facts", "head", "inputs", "limit",
        "made", "now", "reports", "state", "values", "wake",
    )  # fmt: skip

    live = Seldom[dict[tuple[int, str], BaseException]](dict)
    aborts = Seldom[dict[int, int]](dict)
    until = Seldom[dict[int, int]](dict)
    elements = Seldom[dict[int, list[bytes]]](dict)
    began = Seldom[dict[Which, int]](dict)
    failed = Seldom[dict[Which, int]](dict)

    def __init__(
        self, compiled: Compiled, head: Head, now: Callable[[], int] | None = None, limit: int = VALUE_LIMIT
    ) -> None:
        self.compiled = compiled
        self.head = head
        self.state: State = initial(compiled.definition)
        self.values: list[bytes | None] = [None]
        self.facts: dict[str, Any] = {}
        self.inputs: dict[str, bytes] = {}
        self.now = now
        self.limit = limit
        self.alarms: list[tuple[int, int]] = []
        self.deadline = 0
        self.reports: list[Progressed] = []
        self.wake: Callable[[], None] | None = None
        self.made = 0
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
        type, facts, value = draft
        state = self.state
        version = state.version + 1
        evolve(state, version, type, facts)
        # A copy of just the bytes: what orjson gives keeps a buffer of 4 KB.
        self.values.append(None if value is None else b"%b" % value)
        if version == 1:
            self.facts = facts
        elif type in _NOTED:
            self._note(type, facts, value)
        return draft

    def _note(self, type: str, facts: dict[str, Any], value: bytes | None) -> None:
        """Keep, besides the state, what calls and timers need."""
        if type == r.TIMER_SET:
            heappush(self.alarms, (facts["due"], facts["timer"]))
            if "atom" not in facts:
                self.deadline = facts["due"]
        elif type == r.EACH_ELEMENTS:
            kept = self.elements[facts["atom"]] = self.elements.get(facts["atom"], []) if facts["first"] else []
            kept += unwrap_list(value or b"[]")
        elif type == r.TASK_WAITING and "due" in facts:  # else the database has cut it short: that uses no policy up
            which = facts["atom"], facts.get("instance"), facts["execution"]
            self.failed[which] = self.failed.get(which, 0) + 1
            if "since" in facts:
                self.began[which] = facts["since"]
        elif type == r.RUN_PENDING:
            self.deadline = 0
        elif type == r.RUN_RECOVERED:
            self.deadline = 0  # it has its time anew
            if value is None:
                return
            self.inputs = {**self.inputs, **unwrap(unwrap(value).get("inputs", b"{}"))}

    @property
    def due(self) -> int | None:
        """When the next timer of the run goes off, microseconds since 1970."""
        while self.alarms and self.alarms[0][1] not in self.state.timers:
            heappop(self.alarms)
        return self.alarms[0][0] if self.alarms else None

    def gone_off(self) -> list[int]:
        """The timers that are due, each once; those of a run that rests stay."""
        found = []
        now = self.now() if self.alarms and self.now is not None else 0
        while (due := self.due) is not None and due <= now:
            found.append(heappop(self.alarms)[1])
        return found

    def left(self) -> float | None:
        """The seconds that the run may still take; None where that is not bounded."""
        return None if not self.deadline or self.now is None else max(self.deadline - self.now(), 0) / 1e6

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
        # None of them leaves a state plain; and to look for them takes a third of the walk.
        none = self.state.plain or _NOTED.isdisjoint(columns.types)
        noted = [] if none else range(len(columns.types))
        for place in (place for place in noted if columns.types[place] in _NOTED):
            here = slice(place, place + 1)
            (facts,) = decode_all(columns.types[here], columns.schemas[here], columns.facts[here])
            self._note(columns.types[place], facts, columns.values[place])
        heapify(self.alarms)

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
        self.elements, self.alarms, self.inputs = fresh.elements, fresh.alarms, fresh.inputs
        self.failed = fresh.failed

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

    def report(self, progressed: Progressed) -> None:
        """A task says how far it is; on any thread."""
        self.reports.append(progressed)
        wake = self.wake  # which another thread may be taking away
        if wake is not None:
            wake()

    def told(self) -> list[Progressed]:
        """What tasks have said since, each once."""
        found = []
        while self.reports:
            found.append(self.reports.pop(0))
        return found

    def slot(self, call: Call) -> int:
        """The slot of the state that a call is about; -1 for what is about a gate."""
        return -1 if call.kind == DECIDE else self.state.slot(call.atom, call.instance)

    def idempotency_key(self, atom: int, execution: int, direction: str, instance: int | None = None) -> str:
        """The same text for every attempt of one execution in one direction, and for no other (a UUID, 36 characters)."""
        name = self.compiled.definition.atoms[atom].name
        place = 0 if instance is None else instance + 1
        return str(uuid5(self.id, f"{name}\0{place}\0{execution}\0{direction}"))
