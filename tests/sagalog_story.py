"""What the tests of promises share: tasks that note what is done to them, a clock to move, and a run's log in short."""

from __future__ import annotations

import threading
import time
from collections.abc import Container
from typing import Any

from sagalog import Engine, Run, Task

ALWAYS = range(1, 1_000_000)
"""The calls in which a `Step` fails: all of them."""


class Refused(Exception):
    """What a `Step` raises."""


class Step(Task):
    """Notes "name" when it is executed and "-name" when it is reverted; fails in the calls (from 1) that it is told.

    It takes any argument that `requires` or `rebind` names, keeps what it was handed last in `given`, and gives
    "name n", n being the number of the call.
    """

    def __init__(self, name: str, notes: list[Any] | None = None, fails: Container[int] = (), **options: Any) -> None:
        self.notes = [] if notes is None else notes
        self.fails = fails
        self.calls = 0
        self.given: dict[str, Any] = {}
        self.undone: dict[str, Any] = {}
        super().__init__(name, **options)

    def execute(self, **arguments: Any) -> str:
        self.calls += 1
        self.notes.append(self.name)
        self.given = arguments
        if self.calls in self.fails:
            raise Refused(f"{self.name} {self.calls}")
        return f"{self.name} {self.calls}"

    def revert(self, **arguments: Any) -> None:
        self.notes.append(f"-{self.name}")
        self.undone = arguments


class Hands:
    """A clock for an engine that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = time.time_ns() // 1000

    def now(self) -> int:
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += round(seconds * 1_000_000)


def story(engine: Engine, run: Run) -> list[str]:
    """The run's records behind run.created and run.claimed: "type", or "type atom", and what was answered.

    Element i of a fan-out is told as name[i].
    """
    told = []
    for record in engine.history(run.id):
        if record.type in ("run.created", "run.claimed"):
            continue
        words = [record.type]
        if record.atom is not None:
            words.append(record.atom if record.instance is None else f"{record.atom}[{record.instance}]")
        if record.type == "retry.consulted":
            words.append(record.facts["decision"])
        told.append(" ".join(words))
    return told


def of_type(engine: Engine, run: Run, type: str) -> list[Any]:
    """The run's records of one type, oldest first."""
    return [record for record in engine.history(run.id) if record.type == type]


def lines(text: str) -> list[str]:
    """The lines of a text, as `story` gives them."""
    return [line.strip() for line in text.strip().splitlines()]


def states(run: Run) -> dict[str, str]:
    """{atom name: state}."""
    return {name: str(view.state) for name, view in run.atoms.items()}


class Meeting:
    """Lets several calls meet: each `arrive` returns once `count` have come; AssertionError after ten seconds."""

    def __init__(self, count: int) -> None:
        self._barrier = threading.Barrier(count)

    def arrive(self) -> None:
        try:
            self._barrier.wait(10)
        except threading.BrokenBarrierError as error:
            raise AssertionError("the others did not come: they are not running at the same time") from error
