"""Two ends compared: of the same run with and without crashes, in two shells, or in the engine and its model."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from ...engine.core.state import State
from ...engine.core.states import RunState, TaskState
from .broken import broken
from .effects import Entry


class End(NamedTuple):
    """What a run came to: its state; by name the (state, execution) of each atom and element; results; effects.

    An effect is what was asked for, and under which key; how often it was is not part of it.
    """

    run: str
    atoms: Mapping[str, tuple[str, int]]
    results: Mapping[str, Any]
    effects: frozenset[tuple[str, str | None]] = frozenset()


def end_of(state: State, results: Mapping[str, Any] | None = None, entries: Iterable[Entry] = ()) -> End:
    """The end that a state is, with what the run gave and what the outside counted.

    How much of what was never begun had been ignored already, when another failure ended the run, is left to the order in
    which questions are answered: it all counts as PENDING there.
    """
    slots = [*range(state.atoms), *(fan.base + place for fan in state.fans.values() for place in range(fan.count))]
    atoms = {state.name(slot): (_task(state, slot), state.execution[slot]) for slot in slots}
    effects = frozenset((entry.what, entry.key) for entry in entries)
    return End(str(state.run), atoms, dict(results or {}), effects)


def _task(state: State, slot: int) -> str:
    task = state.task[slot]
    left = task is TaskState.IGNORED and not state.execution[slot] and state.run is not RunState.SUCCESS
    return str(TaskState.PENDING if left else task)


def same(one: End, other: End, law: str = "crashes change nothing", but: Collection[str] = ()) -> None:
    """LawBroken, by the law given, that tells each difference, unless they are the same. `but`: names left out."""
    found = differences(one, other, but)
    if found:
        broken(law, "; ".join(found[:8]) + (f"; and {len(found) - 8} more" if len(found) > 8 else ""))


def differences(one: End, other: End, but: Collection[str] = ()) -> list[str]:
    """How they differ, a line each."""
    found = [] if one.run == other.run else [f"the run is {one.run}, and {other.run}"]
    for name in dict.fromkeys((*one.atoms, *other.atoms)):
        left, right = one.atoms.get(name), other.atoms.get(name)
        if left != right and name not in but:
            found.append(f"{name} is {_at(left)}, and {_at(right)}")
    for name in dict.fromkeys((*one.results, *other.results)):
        left, right = one.results.get(name, _NONE), other.results.get(name, _NONE)
        if left != right and name not in but:
            found.append(f"the result {name} is {left!r}, and {right!r}")
    if one.effects != other.effects and not but:
        found += [f"only in the first: {_effect(each)}" for each in sorted(one.effects - other.effects, key=str)]
        found += [f"only in the second: {_effect(each)}" for each in sorted(other.effects - one.effects, key=str)]
    return found


def _at(found: tuple[str, int] | None) -> str:
    return "not there" if found is None else f"{found[0]} (execution {found[1]})"


def _effect(effect: tuple[str, str | None]) -> str:
    return effect[0] if effect[1] is None else f"{effect[0]}, key {effect[1]}"


class _Nothing:
    def __repr__(self) -> str:
        return "nothing"


_NONE = _Nothing()


def cheap(points: Iterable[tuple[int, float]], most: float = 2.0) -> None:
    """LawBroken where a transition costs more in a larger flow. `points`: (atoms, cost of a transition, in any unit)."""
    (atoms, cost), *larger = sorted(points)
    for count, found in larger:
        if found > cost * most:
            broken("cost", f"a transition costs {found:.3g} in a flow of {count} atoms, and {cost:.3g} in one of {atoms}")
