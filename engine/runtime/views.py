"""What callers are handed: `Run`, `AtomView`, `Record`. Read-only, decoded when asked for, afresh."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import attrs

from ...codec.records import decode_facts, upcast
from ...codec.values import decode
from ...errors import Failure
from ...store.shape import StoredRow
from ..core.decide import EXECUTE, REVERT
from ..core.graph import Definition
from ..core.states import SETTLED_RUN, RunState, TaskState
from .arguments import failure_at, provided
from .held import Held

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@attrs.frozen
class AtomView:
    """One atom of a run. `execution` and `attempt` count from 1 (0: never started); results are decoded values.

    `outcome` is what a revert came to: reverted, nothing_to_revert (declared so), undeclared (nothing was done, and nobody
    said that nothing has to be), not_revertible.
    """

    name: str
    kind: str
    state: TaskState
    execution: int
    attempt: int
    result: Any
    failure: Failure | None
    revert_result: Any
    revert_failure: Failure | None
    outcome: str | None = None
    progress: float | None = None


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
        """{provided name: value} of the atoms that succeeded and were not reverted."""
        held = self._held
        return {
            name: provided(held, source.atom, source.key)
            for name, source in held.compiled.definition.results().items()
            if held.state.task[source.atom] is TaskState.SUCCESS
        }

    @property
    def atoms(self) -> dict[str, AtomView]:
        """{atom name: AtomView} in the order of the definition."""
        return {spec.name: self._atom(spec.index) for spec in self._held.compiled.definition.atoms}

    @property
    def failures(self) -> list[Failure]:
        """Of the atoms that failed, then of the reverts that did, each oldest first."""
        held, state = self._held, self._held.state
        forward = [failure_at(held, version, atom, EXECUTE, alive=True) for atom, version in state.failures.items()]
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
        held, state = self._held, self._held.state
        if state.run is not RunState.FAILURE or state.cause != "ask":
            return None
        names = [f"{held.compiled.definition.atoms[atom].name!r}" for atom in state.asked]
        return f"a person has to say what became of {', '.join(names)}"

    def _atom(self, atom: int) -> AtomView:
        held, state = self._held, self._held.state
        spec, task, version = held.compiled.definition.atoms[atom], state.task[atom], state.result[atom]
        failed = atom in state.failures
        undone = state.revert_result.get(atom, 0)
        stuck = atom in state.stuck
        return AtomView(
            name=spec.name,
            kind=spec.kind,
            state=task,
            execution=state.execution[atom],
            attempt=state.attempt[atom],
            result=None if failed else _decoded(held.values[version]),
            failure=failure_at(held, version, atom, EXECUTE) if failed else None,
            revert_result=None if stuck else _decoded(held.values[undone]),
            revert_failure=failure_at(held, undone, atom, REVERT) if stuck else None,
            outcome=state.outcome.get(atom),
        )

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


def _decoded(data: bytes | None) -> Any:
    return None if data is None else decode(data)


def moment(microseconds: int) -> datetime:
    """Microseconds since 1970 as an aware datetime (UTC)."""
    return _EPOCH + timedelta(microseconds=microseconds)
