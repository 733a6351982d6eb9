"""`AtomView`, what a caller is handed of one atom of a run, and `Atoms`, all of them by name; decoded when asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from ...codec.values import decode
from ...errors import Failure
from ..core.inputs import EXECUTE, REVERT
from ..core.state import State
from ..core.states import RetryState, TaskState
from .arguments import failure_at, provided
from .held import Held

_ELEMENT = re.compile(r"(.+)\[(0|[1-9]\d*)\]", re.DOTALL)


@attrs.frozen
class AtomView:
    """One atom of a run. `execution` and `attempt` count from 1 (0: never started); results are decoded values.

    `failure`, of one that is WAITING for its next attempt: that of the last one.
    `outcome` is what a revert came to: reverted, nothing_to_revert (declared so), undeclared (nothing was done, and nobody
    said that nothing has to be), not_revertible, skipped. `progress` is what the task said last, 0 to 1, with `details`.
    `tries`, of a retry: how often its flow has been tried, as far as it remembers. `elements`, of a fan-out whose list
    was read: how many; its result is the `ResultSet` of theirs.
    """

    name: str
    kind: str
    state: TaskState | RetryState
    execution: int
    attempt: int
    result: Any
    failure: Failure | None
    revert_result: Any
    revert_failure: Failure | None
    outcome: str | None = None
    progress: float | None = None
    details: Any = None
    tries: int | None = None
    elements: int | None = None


class Atoms(Mapping[str, AtomView]):
    """{name: AtomView} of a run, in the order of the definition, each fan-out followed by its elements, `name[i]`.

    A view is made, afresh, when it is asked for: nothing is decoded before.
    """

    __slots__ = ("_held", "_places")

    def __init__(self, held: Held) -> None:
        self._held = held
        self._places = {spec.name: spec.index for spec in held.compiled.definition.atoms}

    def __getitem__(self, name: str) -> AtomView:
        return view(self._held, self.slot(name))

    def __iter__(self) -> Iterator[str]:
        fans = self._held.state.fans
        for name, atom in self._places.items():
            yield name
            if atom in fans:
                for instance in range(fans[atom].count):
                    yield f"{name}[{instance}]"

    def __len__(self) -> int:
        return len(self._places) + sum(fan.count for fan in self._held.state.fans.values())

    def slot(self, name: str) -> int:
        """Where the state has an atom, or an element of a fan-out; KeyError where there is none of the name."""
        atom = self._places.get(name)
        if atom is not None:
            return atom
        found = _ELEMENT.fullmatch(name) if isinstance(name, str) else None
        atom = self._places.get(found[1]) if found else None
        fan = self._held.state.fans.get(-1 if atom is None else atom)
        if found is None or fan is None or int(found[2]) >= fan.count:
            raise KeyError(name)
        return fan.base + int(found[2])

    def __repr__(self) -> str:
        return f"<Atoms of run {self._held.id}: {len(self):,}>"


def view(held: Held, slot: int) -> AtomView:
    """The atom, or element of a fan-out, at a slot of the state."""
    state = held.state
    version, undone = state.result[slot], state.revert_result.get(slot, 0)
    stuck, fan = slot in state.stuck, state.fans.get(slot)
    failed = has_failed(state, slot)
    fraction, said = state.progress.get(slot, (None, 0))
    retry = state.spec(slot).kind == "retry"
    return AtomView(
        name=state.name(slot),
        kind=state.spec(slot).kind,
        state=state.task[slot],
        execution=state.execution[slot],
        attempt=state.attempt[slot],
        result=None if failed else _decoded(held.values[version]) if fan is None else provided(held, slot, None),
        failure=failure_at(held, version, slot, EXECUTE) if failed else None,
        revert_result=None if stuck else _decoded(held.values[undone]),
        revert_failure=failure_at(held, undone, slot, REVERT) if stuck else None,
        outcome=state.outcome.get(slot),
        progress=fraction,
        details=_decoded(held.values[said]),
        tries=len(state.history.get(slot, ())) if retry else None,
        elements=None if fan is None else fan.count,
    )


def has_failed(state: State, slot: int) -> bool:
    """Whether what is stored of a slot is a failure: its own, or that of the attempt after which it waits for the next."""
    return slot in state.failures or (state.task[slot] is TaskState.WAITING and state.result[slot] != 0)


def _decoded(data: bytes | None) -> Any:
    return None if data is None else decode(data)
