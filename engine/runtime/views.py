"""What callers are handed: `Run`, `AtomView`, `Record`. Read-only, decoded when asked for, afresh."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

import attrs

from ...codec.records import decode_facts, upcast
from ...codec.values import decode
from ...errors import Failure, UnknownSource
from ...store.shape import StoredRow
from ..core.graph import Definition, Source
from ..core.groups import has_given
from ..core.inputs import EXECUTE, REVERT
from ..core.state import State
from ..core.states import SETTLED_RUN, RunState, TaskState
from .arguments import GONE, failure_at, provided_by
from .atoms import Atoms, AtomView
from .held import Held

__all__ = ["AtomView", "Atoms", "Record", "Run", "moment"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Run:
    """A run as its log says it is at `version`; a picture, which does not move on with the run.

    `created_at` and `finished_at` are aware datetimes (UTC) of the first record and, in a settled run, of the last.
    """

    def __init__(self, held: Held) -> None:
        self._held = held
        self.id: UUID = held.id
        self.flow: str = held.compiled.definition.name
        self.state: RunState = held.state.run
        self.version: int = held.state.version
        self.created_at: datetime = moment(held.created_at)
        self.finished_at: datetime | None = moment(held.changed_at) if self.state in SETTLED_RUN else None

    @property
    def definition(self) -> Definition:
        """The graph that the run was started with."""
        return self._held.compiled.definition

    def place(self, slot: int) -> tuple[int, int | None]:
        """The atom whose slot it is, and which element of that."""
        return self._held.state.atom_of(slot), self._held.state.instance(slot)

    @property
    def inputs(self) -> dict[str, Any]:
        """{input name: value}."""
        return {name: decode(data) for name, data in self._held.inputs.items()}

    @property
    def tags(self) -> dict[str, Any]:
        """What the caller tagged the run with."""
        tags: dict[str, Any] = decode(self._held.created["tags"])
        return tags

    @property
    def results(self) -> dict[str, Any]:
        """{provided name: value} of the atoms that succeeded and were not reverted.

        What a fan-out or a group provides is a `ResultSet`, in which the members that failed are a Failure.
        """
        held = self._held
        sources = held.compiled.definition.results()
        return {name: provided_by(held, source) for name, source in sources.items() if stands(held.state, source)}

    def fetch(self, name: str) -> Any:
        """What an argument of this name would be handed by the run as it stands, were it asked for at its end.

        The run's input of that name comes first; else what the nearest atom that has succeeded provides.

        Raises:
            UnknownSource: nothing of the name is there; says what there is, or what became of who provides it.
        """
        held = self._held
        if name in held.inputs:
            return decode(held.inputs[name])
        source = held.compiled.definition.results().get(name)
        if source is not None and has_given(held.state, source):
            return provided_by(held, source)
        other = None if source is None else _instead(held, name, source)
        if other is not None:
            return provided_by(held, other)
        raise UnknownSource(_nothing_of(held, name, source))

    @cached_property
    def atoms(self) -> Atoms:
        """{atom name: AtomView} in the order of the definition; element i of a fan-out is "name[i]"."""
        return Atoms(self._held)

    @property
    def failures(self) -> list[Failure]:
        """Of the atoms that failed, of what was to decide about it and could not, then of reverts, each oldest first."""
        held, state = self._held, self._held.state
        forward = [failure_at(held, version, atom, EXECUTE, alive=True) for atom, version in state.failures.items()]
        forward += [_raised(held, node, version) for node, version in state.halted.items()]
        back = [failure_at(held, version, atom, REVERT, alive=True) for atom, version in state.stuck.items()]
        return forward + back

    @property
    def reason(self) -> str | None:
        """Why the run is in this state: what a person gave, or what a person has to say. Failures tell the rest."""
        words = self._held.values[self._held.state.reason]
        if self.asked is not None or words is None:
            return self.asked
        said: str | None = decode(words).get("reason")
        return said

    @property
    def asked(self) -> str | None:
        """What a person has to say before the run can go on; None where nothing is asked."""
        return asked(self._held.state)

    def __repr__(self) -> str:
        return f"<Run {self.id} {self.flow!r} {self.state} at version {self.version}>"


@attrs.frozen
class Record:
    """One row of the log. `at` is the writer's time (UTC), `value` the decoded user data, `facts` what the engine reads."""

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
    hash: str
    _value: bytes | None = attrs.field(repr=False, alias="encoded")

    @property
    def value(self) -> Any:
        """The record's user data, decoded afresh; None where there is none."""
        return None if self._value is None else decode(self._value)

    @classmethod
    def of(cls, row: StoredRow, definition: Definition) -> Record:
        """The row, with its atom's name."""
        facts = upcast(row.type, row.schema, decode_facts(row.facts))
        atom = facts.get("atom")
        return cls(
            row.position, row.stream_id, row.version, UUID(bytes=row.record_id), row.type, row.schema, row.actor,
            moment(row.occurred_at), None if atom is None else definition.atoms[atom].name, facts.get("instance"),
            facts.get("execution"), facts.get("attempt"), facts, row.hash.hex(), row.value,
        )  # fmt: skip


def stands(state: State, source: Source) -> bool:
    """Whether what provides something is among the results; a group without members is when the run has succeeded."""
    empty = source.kind == "group" and not state.definition.flows[source.atom].last
    return state.run is RunState.SUCCESS if empty else has_given(state, source)


def _raised(held: Held, node: int, version: int) -> Failure:
    """What the code raised that was to decide at a node."""
    data = held.values[version]
    failure = GONE if data is None else Failure.from_data(decode(data))
    return attrs.evolve(failure, atom=decides(held.state, node))


def asked(state: State) -> str | None:
    """What a person has to say before a run in this state can go on; None where nothing is asked."""
    if state.run is not RunState.FAILURE:
        return None
    if state.cause == "ask":
        return f"a person has to say what became of {', '.join(repr(state.name(slot)) for slot in state.asked)}"
    if state.halted:
        who = ", ".join(decides(state, node) for node in state.halted)
        return f"a person has to decide: {who} could not; `resume` asks again, `revert` undoes everything that ran"
    return None


def decides(state: State, node: int) -> str:
    """Who was to decide at a node: a retry, or the deciders of a gate."""
    if node < state.atoms:
        return f"retry {state.name(node)!r}"
    gate = state.definition.gate_at[node]
    return f"the deciders before {state.name(gate.first)!r}"


def _instead(held: Held, name: str, source: Source) -> Source | None:
    """Who provides the name where the one that is meant was passed by: the last in the definition that did not fail."""
    if source.kind != "atom" or held.state.task[source.atom] is not TaskState.IGNORED:
        return None
    for spec in reversed(held.compiled.definition.atoms):
        for saved, key in spec.saves:
            if saved == name and held.state.task[spec.index] is TaskState.SUCCESS:
                return Source("atom", spec.index, key)
    return None


def _nothing_of(held: Held, name: str, source: Source | None) -> str:
    definition = held.compiled.definition
    if source is None:
        there = ", ".join(map(repr, (*held.inputs, *definition.provides))) or "nothing"
        return f"run {held.id}: there is no input and no result {name!r}; there are {there}"
    if source.kind == "group":
        found = f"group {definition.flows[source.atom].name!r}, which has not succeeded"
    else:
        found = f"task {definition.atoms[source.atom].name!r}, which is {held.state.task[source.atom]}"
    return f"run {held.id}: {name!r} is provided by {found}; only what succeeded and was not reverted has a result"


def moment(microseconds: int) -> datetime:
    """Microseconds since 1970 as an aware datetime (UTC)."""
    return _EPOCH + timedelta(microseconds=microseconds)
