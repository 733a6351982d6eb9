"""Runs and records as `--json` shows them: values as they stand in the log, so that no code of the user's is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Self

from ..engine.core import records as r
from ..engine.core.states import TaskState
from ..engine.runtime.atoms import has_failed
from ..engine.runtime.views import moment
from ..errors import CorruptLog, Failure
from ..projections import runs
from .line import stored_tree
from .outcomes import came_to, failure_of, failures_of, results_of
from .seen import Seen

UNDECLARED, NOT_REVERTIBLE = "undeclared", "not_revertible"


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
        "atoms": [atom_of(seen, slot) for slot in slots_of(seen)],
        "failures": failures_of(seen),
    }


def inputs_of(seen: Seen) -> dict[str, Any]:
    """{input name: stored tree}, as the run has them now: those it was created with, and what a recovery has changed."""
    inputs: dict[str, Any] = dict(created_of(seen)["inputs"])
    for row in seen.rows:
        if row.type == r.RUN_RECOVERED:
            inputs |= (stored_tree(row) or {}).get("inputs") or {}
    return {_key(name): tree for name, tree in inputs.items()}


def created_of(seen: Seen) -> dict[str, Any]:
    """The stored tree of what the run was created with: inputs, arguments, tags."""
    tree: dict[str, Any] | None = seen.tree(1)
    return tree or {"inputs": {}, "arguments": {}, "tags": {}}


def slots_of(seen: Seen) -> Iterator[int]:
    """Every atom, in the order of the definition, each fan-out followed by its elements."""
    state = seen.state
    for atom in range(state.atoms):
        yield atom
        fan = state.fans.get(atom)
        if fan is not None:
            yield from range(fan.base, fan.base + fan.count)


def atom_of(seen: Seen, slot: int) -> dict[str, Any]:
    """CONTRACT's AtomView, of an atom or of an element of a fan-out."""
    state, spec = seen.state, seen.state.spec(slot)
    outcome, undone = state.result[slot], state.revert_result.get(slot, 0)
    failed, stuck = has_failed(state, slot), slot in state.stuck
    share, said = state.progress.get(slot, (None, 0))
    fan = state.fans.get(slot)
    return {
        "name": state.name(slot),
        "kind": spec.kind,
        "state": str(state.task[slot]),
        "execution": state.execution[slot],
        "attempt": state.attempt[slot],
        "result": None if failed else came_to(seen, slot),
        "failure": failure_of(seen, outcome, slot) if failed else None,
        "revert_result": None if stuck else seen.tree(undone),
        "revert_failure": failure_of(seen, undone, slot) if stuck else None,
        "progress": share,
        "details": seen.tree(said),
        "outcome": revert_outcome(seen, slot),
        "tries": len(state.history.get(slot, ())) if spec.kind == "retry" else None,
        "elements": None if fan is None else fan.count,
    }


def revert_outcome(seen: Seen, slot: int) -> str | None:
    """What became of the effect of an atom that is REVERTED; None of any other.

    "reverted"; "nothing_to_revert" (declared so, or it never happened); "undeclared": nothing was undone, for nothing
    says how; "not_revertible": it stays; "skipped": a person said that it is to be left out.
    """
    return seen.state.outcome.get(slot) if seen.state.task[slot] is TaskState.REVERTED else None


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
        (state.name(slot), revert_outcome(seen, slot), slot in state.failures) for slot in slots_of(seen)
    )


def _key(name: str) -> str:
    return name[1:] if name.startswith("$$") else name
