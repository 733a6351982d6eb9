"""`Picture`: what a run leaves, apart from what is its own (its id, its keys), so that two runs can be compared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import attrs

from ...codec.values import encode
from ...engine.definition.resultset import ResultSet
from ...engine.runtime.taking import look
from ...engine.runtime.views import Run
from ...errors import Failure, SagalogError
from ...store.io import Operation
from .points import Called
from .watch import Effect, Seen

Impersonal = Callable[[str], str]
Did = tuple[str, str, str]
"""An effect: the call it took place in, what it was, its details."""


@attrs.frozen
class Picture:
    """The end of one run, and its effects, counted.

    results: {provided name: text}. atoms: {name: its state}. effects: by `Did`. outside: what the user's `effects` gave.
    """

    state: str
    results: dict[str, str]
    atoms: dict[str, str]
    effects: Counter[Did]
    outside: Any

    @classmethod
    def of(cls, run: Run, lives: Sequence[Seen], names: Impersonal, outside: Any) -> Picture:
        """The picture of a run that has come to rest, after these lives."""
        atoms = {name: str(view.state) for name, view in run.atoms.items()}
        results = {name: names(text(value)) for name, value in run.results.items()}
        return cls(str(run.state), results, atoms, effects_of(lives, names), outside)


@attrs.frozen
class Unsteady:
    """What differs between two runs that nobody harmed, and so says nothing of crashes."""

    results: frozenset[str] = frozenset()
    details: frozenset[tuple[str, str]] = frozenset()
    outside: bool = False
    ending: bool = False

    @classmethod
    def between(cls, one: Picture, other: Picture) -> Unsteady:
        """What two unharmed runs do not agree in; details: (call, what) whose details differ."""
        results = {n for n in {*one.results, *other.results} if one.results.get(n) != other.results.get(n)}
        differing = {(call, what) for call, what, _ in (one.effects - other.effects) + (other.effects - one.effects)}
        ending = (one.state, one.atoms) != (other.state, other.atoms)
        return cls(frozenset(results), frozenset(differing), one.outside != other.outside, ending)


def effects_of(lives: Iterable[Seen], names: Impersonal) -> Counter[Did]:
    """All effects of some lives, counted."""
    return Counter(
        (whose(effect), effect.what, names(effect.details)) for seen in lives for effect in seen.effects
    )


def without_details(effects: Counter[Did], unsteady: frozenset[tuple[str, str]]) -> Counter[Did]:
    """The same, but for details that differ anyway."""
    kept: Counter[Did] = Counter()
    for (call, what, details), count in effects.items():
        kept[call, what, "" if (call, what) in unsteady else details] += count
    return kept


def whose(effect: Effect) -> str:
    """The call in which an effect took place: `kind atom`; empty where it was none of this run's."""
    return "" if effect.call is None else key_of(effect.call)


def key_of(call: Called) -> str:
    """`kind atom`, by which calls are counted."""
    return f"{call.kind} {call.atom}"


def impersonal(run: UUID, keys: Mapping[str, str]) -> Impersonal:
    """Takes a run's id and its idempotency keys out of a text."""
    named = {str(run): "<run>", run.hex: "<run>", **keys}
    found = re.compile("|".join(map(re.escape, named)))
    return lambda text: found.sub(lambda match: named[match[0]], text)


def keys_of(run: UUID) -> Operation[dict[str, str]]:
    """Every idempotency key that a run has handed out: {key: what it is for}."""
    held = yield from look(run)
    state, found = held.state, {}
    for slot in (*range(state.atoms), *(fan.base + place for fan in state.fans.values() for place in range(fan.count))):
        for execution in range(1, state.execution[slot] + 1):
            for direction in ("execute", "revert"):
                key = held.idempotency_key(state.atom_of(slot), execution, direction, state.instance(slot))
                found[key] = f"<key of {direction} {state.name(slot)} {execution}>"
    return found


def text(value: Any) -> str:
    """A value as text that is the same for equal values; of a failure, its type and message."""
    if isinstance(value, Failure):
        return f"{value.type}: {value.message}"
    if isinstance(value, ResultSet | list | tuple):
        return f"{type(value).__name__}({', '.join(map(text, value))})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {text(each)}" for key, each in value.items()) + "}"
    try:
        return encode(value).decode()
    except SagalogError:
        return repr(value)
