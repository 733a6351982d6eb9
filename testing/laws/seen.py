"""`Seen`: what the laws remember of a run, besides its state. Each law is a function of it, a state's slot and facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from ...engine.core.counters import initial
from ...engine.core.graph import Definition
from ...engine.core.state import State
from .shape import Shape

Facts = dict[str, Any]
Key = tuple[int, int | None, int]
"""Atom, element of it or None, execution."""
PERSON = "operator.amended"


class Seen:
    """What has been seen of one run.

    Attributes:
        state: folded from stored bytes alone. shape: what follows from the definition. epoch: of the last owner that wrote.
        claimed: the highest epoch that was given out.
        begun, highest: key -> its attempts so far; (atom, instance) -> the highest execution begun.
        intents: (direction, key, attempt) -> the epoch that wrote it; called: those whose code was called.
        undone: keys that were reverted, or never took place, as a person says; stays: those of which something stays done.
        asked: questions to retries that were answered; passed_on: (to whom, failed) of what was
            deferred, or is the failure of a group.
        tries: retry -> how often it was executed in this life. amended: atoms that a person has put back.
        timers: those that are set -> due; messages: the ids accepted.
        most: task -> how often it may be tried; failed: key -> how many of its attempts failed.
        hears: whether it is told of calls.
        probed: (direction, key) that a probe was asked about since it became unknown; keys: idempotency keys by call.
        returned: (direction, key) of calls whose code has returned; known: those about which a probe was asked after that.
        took: keys that had done something, as far as is known, when their revert began.
        spared, law: atoms that have to be ignored next, and which law says so.
        said: the facts of the record before, where that was a person's.
        listed: fan-out -> (execution, elements of its list so far).
    """

    __slots__ = (
        "amended", "asked", "begun", "called", "claimed", "definition", "epoch", "failed", "hears", "highest", "intents",
        "keys", "known", "law", "listed", "messages", "most", "passed_on", "probed", "returned", "said", "shape", "spared",
        "state", "stays", "timers", "took", "tries", "undone",
    )  # fmt: skip

    def __init__(self, definition: Definition, most: Mapping[str, int] = MappingProxyType({})) -> None:
        self.definition = definition
        self.most = most
        self.shape = Shape(definition)
        self.state: State = initial(definition)
        self.epoch = self.claimed = 0
        self.begun: dict[Key, int] = {}
        self.highest: dict[tuple[int, int | None], int] = {}
        self.intents: dict[tuple[str, Key, int], int] = {}
        self.called: dict[tuple[str, Key, int], None] = {}
        self.undone: set[Key] = set()
        self.stays: set[Key] = set()
        self.took: set[Key] = set()
        self.returned: set[tuple[str, Key]] = set()
        self.known: set[tuple[str, Key]] = set()
        self.asked: set[tuple[int, ...]] = set()
        self.passed_on: set[tuple[int, int]] = set()
        self.tries: dict[int, int] = {}
        self.amended: set[int] = set()
        self.timers: dict[int, int] = {}
        self.messages: set[str] = set()
        self.failed: dict[Key, int] = {}
        self.hears = False
        self.probed: set[tuple[str, Key]] = set()
        self.keys: dict[Any, Any] = {}
        self.spared: set[int] = set()
        self.law = ""
        self.said: Facts | None = None
        self.listed: dict[int, tuple[int, int]] = {}

    def name(self, facts: Facts) -> str:
        """The atom of a record as a reader knows it."""
        instance = facts.get("instance")
        return named(self.definition, facts["atom"], instance)

    def one(self, key: Key) -> str:
        """`charge (execution 2)`."""
        return told(key, self.definition)

    def names(self, atoms: Any) -> str:
        """Some atoms as a reader knows them."""
        return ", ".join(self.definition.atoms[atom].name for atom in sorted(atoms)) or "none"

    def shut(self, atom: int) -> bool:
        """Whether the atom stands in a flow in which nothing may start."""
        return self.closed(self.shape.around[atom])

    def closed(self, retries: Iterable[int]) -> bool:
        """Whether the flow of one of them is being asked about or undone, or was."""
        regions, dead = self.state.regions, self.state.dead
        if not regions and not dead:
            return False
        return any(retry in regions or retry in dead for retry in retries)

    def by_person(self, facts: Facts, action: str) -> bool:
        """Whether the record before is that of a person who says so of this atom."""
        said = self.said
        same = said is not None and (said["atom"], said.get("instance")) == (facts["atom"], facts.get("instance"))
        return same and said is not None and said["action"] == action


def named(definition: Definition, atom: int, instance: int | None = None) -> str:
    """`charge`, `file[2]`."""
    return definition.atoms[atom].name + ("" if instance is None else f"[{instance}]")


def key_of(facts: Facts) -> Key:
    """Which execution a record is about."""
    return facts["atom"], facts.get("instance"), facts["execution"]


def told(key: Key, definition: Definition) -> str:
    """`charge (execution 2)`."""
    return f"{named(definition, key[0], key[1])} (execution {key[2]})"
