"""The laws of effects: what the outside counted, held against what the log says was begun."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple, Protocol

from ...engine.core.graph import Definition
from .broken import broken
from .durable import Durable, decoded
from .seen import Key, key_of, named, told

EXECUTE, REVERT = "execute", "revert"
KeyOf = Callable[[str, int, int | None, int], str]
"""The idempotency key of (direction, atom, instance, execution)."""


class Entry(Protocol):
    """A call that the outside counted: `what` is "execute charge" or "revert file[2]"; a Ledger's entries are such."""

    @property
    def what(self) -> str: ...
    @property
    def key(self) -> str | None: ...


class Called(NamedTuple):
    """An `Entry` made by hand."""

    what: str
    key: str | None = None


class _Begun:
    """What the log says of one execution and direction: its attempts, and whether its own code brought it to its end."""

    __slots__ = ("attempts", "done")

    def __init__(self) -> None:
        self.attempts = 0
        self.done = False


def allowed(
    definition: Definition,
    rows: Sequence[Durable],
    entries: Iterable[Entry],
    keys: KeyOf | None = None,
    committed: Iterable[str] | None = None,
    mute: Collection[int] = (),
) -> None:
    """LawBroken unless each call has an intent of its own and what succeeded was called.

    `keys`: under which key the outside knows an execution; without, calls are told apart by `what` alone. `committed`: the
    keys under which transactional tasks have written, as often as it stands there. `mute`: atoms whose code tells the
    outside nothing.
    """
    begun = _begun(rows)
    known = {_id(definition, keys, *each): each for each in begun}
    calls = Counter((entry.what, entry.key if keys else None) for entry in entries)
    attempts: Counter[tuple[str, str | None]] = Counter()
    for (direction, key), found in begun.items():
        attempts[_id(definition, keys, direction, key)] += found.attempts
    for id, count in calls.items():
        if count > attempts[id]:
            whose = told(known[id][1], definition) if id in known else f"key {id[1]}"
            detail = f"{id[0]}, {whose}: {count} calls, and the log has the intent of {attempts[id]}"
            broken("calls allowed by recovery", detail)
    for (direction, key), found in begun.items():
        wanted = found.done and key[0] not in mute and _has_code(definition, direction, key)
        if wanted and not calls[_id(definition, keys, direction, key)]:
            broken("calls allowed by recovery", f"{direction} of {told(key, definition)} succeeded, and was never called")
    if committed is not None and keys is not None:
        _written(definition, begun, keys, Counter(committed))


def _id(definition: Definition, keys: KeyOf | None, direction: str, key: Key) -> tuple[str, str | None]:
    atom, instance, execution = key
    return f"{direction} {named(definition, atom, instance)}", keys and keys(direction, atom, instance, execution)


def _begun(rows: Sequence[Durable]) -> dict[tuple[str, Key], _Begun]:
    found: dict[tuple[str, Key], _Begun] = {}
    wanted = [row for row in rows if row.type.startswith(("task.", "retry."))]
    for row, facts in zip(wanted, decoded(wanted) if wanted else (), strict=True):
        what = row.type.partition(".")[2]
        if what in ("running", "reverting"):
            direction = EXECUTE if what == "running" else REVERT
            found.setdefault((direction, key_of(facts)), _Begun()).attempts += 1
        elif what == "success":
            by_itself = not any(facts.get(other) for other in ("skipped", "probed", "amended"))
            found.setdefault((EXECUTE, key_of(facts)), _Begun()).done = by_itself
        elif what == "reverted":
            by_itself = facts["outcome"] == "reverted" and not facts.get("probed")
            found.setdefault((REVERT, key_of(facts)), _Begun()).done = by_itself
    return found


def _has_code(definition: Definition, direction: str, key: Key) -> bool:
    """Whether there is code that is sure to have been called: not for retries, nor for a fan-out as a whole."""
    spec = definition.atoms[key[0]]
    if spec.kind == "retry" or (spec.over is not None and key[1] is None):
        return False
    return direction == EXECUTE or spec.reverts


def _written(
    definition: Definition, begun: dict[tuple[str, Key], _Begun], keys: KeyOf, committed: Counter[str]
) -> None:
    """What transactional tasks have written is there once where their success is recorded, and nowhere else."""
    expected: Counter[str] = Counter()
    whose: dict[str, str] = {}
    for (direction, key), found in begun.items():
        spec = definition.atoms[key[0]]
        if spec.transactional and (spec.over is None or key[1] is not None):
            id = keys(direction, *key)
            whose[id] = told(key, definition)
            # A revert need not take the connection.
            expected[id] += found.done and (direction == EXECUTE or id in committed)
    for id in {**expected, **committed}:
        if expected[id] != committed[id]:
            name = whose.get(id, f"key {id}")
            outcome = "its success is recorded" if expected[id] else "the log has no success of it"
            broken("transactional", f"{name} has written {committed[id]} times, and {outcome}")
