"""`Region`: the flow of one retry while it is closed: its retry is being asked, or it is being undone; `Fan`: a fan-out.

While a region is there nothing in its flow is started. The run itself goes on: what does not depend on it is run.
"""

from __future__ import annotations

from typing import Any

from ..definition.outcome import OutcomePolicy
from .undo import Undo

ASK, RETRY, REVERT, REVERT_ALL, HALT = "ask", "retry", "revert", "revert_all", "halt"
"""What a region waits for: an answer; to be undone and tried again; to be undone for good, alone or with all; a person."""


class Region:
    """One closed flow.

    `retry`: whose flow it is. `failed`: the atom, or the retry within, whose failure it is asked about. `first`: the retry
    that began to ask outward, whose flow is undone alone where nobody outward has another answer. `queue`: (first,
    failed) of others who ask meanwhile. `undo`: how far it is undone, once that is decided.
    """

    __slots__ = ("failed", "first", "goal", "queue", "retry", "undo")

    def __init__(self, retry: int, failed: int, first: int, goal: str = ASK) -> None:
        self.retry = retry
        self.failed = failed
        self.first = first
        self.goal = goal
        self.queue: list[tuple[int, int]] = []
        self.undo: Undo | None = None

    def dump(self) -> dict[str, Any]:
        """As JSON-able data."""
        undo = self.undo and self.undo.dump()
        queue = [list(entry) for entry in self.queue]
        return {"at": [self.retry, self.failed, self.first, self.goal], "queue": queue, "undo": undo}


class Fan:
    """One opened fan-out: element i has the slot `base + i`.

    `next`: the first that has not been started; `live`: started and not settled; `ok`, `errors`: settled; `left`: how
    many of them are still to be reverted, once that has begun; `back`: behind the one that is next, 0 where all have begun.
    `redo`: such as are started again before those that never were.
    """

    __slots__ = ("back", "base", "count", "errors", "left", "live", "next", "ok", "redo")

    def __init__(self, base: int, count: int) -> None:
        self.base = base
        self.count = count
        self.next = self.live = self.ok = self.errors = self.left = 0
        self.back = count
        self.redo: list[int] = []

    @property
    def more(self) -> bool:
        """Whether there is an element to be started."""
        return self.next < self.count or bool(self.redo)

    def dump(self) -> list[Any]:
        """As JSON-able data."""
        return [self.base, self.count, self.next, self.live, self.ok, self.errors, self.back, self.left, self.redo]

    @classmethod
    def load(cls, data: list[Any]) -> Fan:
        """What `dump` gave."""
        fan = cls(data[0], data[1])
        fan.next, fan.live, fan.ok, fan.errors, fan.back, fan.left = data[2:8]
        fan.redo = list(data[8])
        return fan


def policy_of(outcome: str | None) -> OutcomePolicy:
    """The policy of a group or a fan-out, of which the definition has the name."""
    return OutcomePolicy(str(outcome))
