"""Runs and records as `--json` shows them: values as they stand in the log, so that no code of the user's is needed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Self
from uuid import UUID

import attrs
import orjson

from ..codec.records import decode_facts, upcast
from ..codec.values import decode, encode
from ..engine.core import records as r
from ..engine.core.evolve import evolve
from ..engine.core.graph import Definition
from ..engine.core.specs import Source
from ..engine.core.state import State, initial
from ..engine.core.states import TaskState
from ..engine.runtime.taking import unknown
from ..engine.runtime.views import moment
from ..errors import CorruptLog, Failure, UnknownRun
from ..projections import base, runs
from ..store import log
from ..store.io import Operation
from ..store.session import Session
from ..store.shape import StoredRow
from .line import Line, stored_tree

_TUPLE = "$tuple@1"
_MISSING = object()
UNDECLARED, NOT_REVERTIBLE = "undeclared", "not_revertible"
# The database broke the transaction off: the record says by which SQLSTATE, there was no exception of the task's.
_ROLLED_BACK = {"type": "", "bases": [], "message": "rolled back by the database", "traceback": "", "causes": []}


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


def listed(row: runs.Row) -> dict[str, Any]:
    """A row of `list`, from the read model."""
    failure = failure_in(row)
    return {
        "id": row.run_id,
        "flow": row.flow,
        "state": str(row.state),
        "version": row.version,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "reason": row.reason,
        "failure": None if failure is None else failure.to_data(),
    }


def failure_in(row: runs.Row) -> Failure | None:
    """What failed; one damaged record does not keep all runs from being listed: `verify` is there to name it."""
    try:
        return row.failure
    except CorruptLog:
        return None


def summary(seen: Seen) -> dict[str, Any]:
    """A row of `list`, from the run's own records."""
    row = seen.row
    said = seen.tree(row["reason_version"])
    return {
        "id": seen.id,
        "flow": row["flow"],
        "state": row["state"],
        "version": row["version"],
        "created_at": moment(row["created_at"]),
        "updated_at": moment(row["updated_at"]),
        "reason": said.get("reason") if isinstance(said, dict) else None,
        "failure": seen.tree(row["revert_failure_version"] or row["failure_version"]),
    }


def picture(seen: Seen) -> dict[str, Any]:
    """What `show` shows: the row of `list`, and all there is to know of the run as it stands."""
    definition = seen.definition
    return {
        **summary(seen),
        "definition": definition.fingerprint,
        "inputs": inputs_of(seen),
        "results": results_of(seen),
        "atoms": [atom_of(seen, index) for index in range(len(definition.atoms))],
        "failures": failures_of(seen),
    }


def inputs_of(seen: Seen) -> dict[str, Any]:
    """{input name: stored tree}."""
    return {_key(name): tree for name, tree in created_of(seen)["inputs"].items()}


def created_of(seen: Seen) -> dict[str, Any]:
    """The stored tree of what the run was created with: inputs, arguments, tags."""
    tree: dict[str, Any] | None = seen.tree(1)
    return tree or {"inputs": {}, "arguments": {}, "tags": {}}


def results_of(seen: Seen) -> dict[str, Any]:
    """{provided name: stored tree}, of what has succeeded and was not reverted; without what a result does not have."""
    found = {
        name: _result(seen, source)
        for name, source in seen.definition.results().items()
        if seen.state.task[source.atom] is TaskState.SUCCESS
    }
    return {name: tree for name, tree in found.items() if tree is not _MISSING}


def atom_of(seen: Seen, atom: int) -> dict[str, Any]:
    """CONTRACT's AtomView."""
    state, spec = seen.state, seen.definition.atoms[atom]
    outcome, undone = state.result[atom], state.revert_result.get(atom, 0)
    failed, stuck = atom in state.failures, atom in state.stuck
    return {
        "name": spec.name,
        "kind": spec.kind,
        "state": str(state.task[atom]),
        "execution": state.execution[atom],
        "attempt": state.attempt[atom],
        "result": None if failed else seen.tree(outcome),
        "failure": failure_of(seen, outcome, atom) if failed else None,
        "revert_result": None if stuck else seen.tree(undone),
        "revert_failure": failure_of(seen, undone, atom) if stuck else None,
        "progress": None,
        "outcome": revert_outcome(seen, atom),
    }


def revert_outcome(seen: Seen, atom: int) -> str | None:
    """What became of the effect of an atom that is REVERTED; None of any other.

    "reverted"; "nothing_to_revert" (declared so, or it never happened); "undeclared": nothing was undone, for nothing
    says how; "not_revertible": it stays.
    """
    return seen.state.outcome.get(atom) if seen.state.task[atom] is TaskState.REVERTED else None


class Stayed(NamedTuple):
    """The atoms of a reverted run whose effect stayed: those that cannot be undone, those that declare no revert.

    What failed without declaring a revert is not among them: as far as anybody knows it had no effect.
    """

    lasting: list[str]
    undeclared: list[str]

    @classmethod
    def of(cls, atoms: Iterable[tuple[str, str | None, bool]]) -> Self:
        """Of (name, outcome of its revert, whether it had failed) for each atom."""
        found = cls([], [])
        for name, outcome, failed in atoms:
            if outcome == NOT_REVERTIBLE:
                found.lasting.append(name)
            elif outcome == UNDECLARED and not failed:
                found.undeclared.append(name)
        return found


def stayed(seen: Seen) -> Stayed:
    """What stayed of what this run did."""
    state = seen.state
    return Stayed.of(
        (spec.name, revert_outcome(seen, spec.index), spec.index in state.failures) for spec in seen.definition.atoms
    )


def failures_of(seen: Seen) -> list[dict[str, Any]]:
    """Of the atoms that failed, then of the reverts that did, each oldest first."""
    state = seen.state
    return [failure_of(seen, version, atom) for atom, version in (*state.failures.items(), *state.stuck.items())]


def failure_of(seen: Seen, version: int, atom: int) -> dict[str, Any]:
    """The failure that the record at `version` describes."""
    told: dict[str, Any] = seen.tree(version) or _ROLLED_BACK
    return {**told, "atom": seen.definition.atoms[atom].name}


def _result(seen: Seen, source: Source) -> Any:
    """What an atom provides, as it is stored: all of its result, or one item; `_MISSING` where there is no such item."""
    tree, key = seen.tree(seen.state.result[source.atom]), source.key
    if key is None or tree is None:
        return tree
    items = tree.get(_TUPLE) if isinstance(tree, dict) and isinstance(key, int) else tree
    if isinstance(items, list) and isinstance(key, int):
        return items[key] if 0 <= key < len(items) else _MISSING
    if isinstance(items, dict) and isinstance(key, str) and (escaped := f"${key}" if key[:1] == "$" else key) in items:
        return items[escaped]
    try:
        # Something that takes its class, if it is known here, to look into; which is the user's code.
        return orjson.loads(encode(decode(orjson.dumps(tree))[key], limit=None))
    except Exception:
        return _MISSING


def _key(name: str) -> str:
    return name[1:] if name.startswith("$$") else name
