"""The core played by hand, without a log: feed inputs, fold what is decided, look at records and calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sagalog.codec.values import encode
from sagalog.engine.core.compile import Compiled, compile
from sagalog.engine.core.decide import Advance, Call, Failed, Input, Succeeded, decide
from sagalog.engine.core.evolve import evolve
from sagalog.engine.core.records import Draft
from sagalog.engine.core.state import State, initial


def compiled(flow: Any) -> Compiled:
    """The flow's graph and code."""
    return compile(flow, lambda value, path: encode(value, path=path))


class Play:
    """One run; `capacity` bounds the calls under way."""

    def __init__(self, flow: Any, capacity: int = 1) -> None:
        self.definition = compiled(flow).definition
        self.capacity = capacity
        self.state: State = initial(self.definition)
        self.records: list[Draft] = []
        self.calls: list[Call] = []
        self.fold(Draft("run.created", {"definition": self.definition.fingerprint, "flow": self.definition.name}))

    def fold(self, draft: Draft) -> None:
        evolve(self.state, self.state.version + 1, draft.type, draft.facts)
        self.records.append(draft)

    def take(self, *inputs: Input) -> list[str]:
        """Feed the inputs; the records that came of them, as text."""
        before = len(self.records)
        for input in inputs:
            for step in decide(self.state, input):
                if isinstance(step, Call):
                    self.calls.append(step)
                else:
                    self.fold(step)
        return [self.told(draft) for draft in self.records[before:]]

    def advance(self) -> list[str]:
        under_way = len(self.state.running) + len(self.state.reverting)
        return self.take(Advance(self.capacity - under_way))

    def told(self, draft: Draft) -> str:
        """`task.success charge`, `run.reverted`."""
        atom = draft.facts.get("atom")
        return draft.type if atom is None else f"{draft.type} {self.definition.atoms[atom].name}"

    def next(self) -> Call:
        """The oldest call that has not been answered."""
        return self.calls.pop(0)

    def succeed(self, value: Any = None) -> list[str]:
        return [*self.take(Succeeded(self.next(), encode(value))), *self.advance()]

    def fail(self, *classes: str) -> list[str]:
        return [*self.take(Failed(self.next(), classes or ("ValueError", "Exception"), b"{}")), *self.advance()]

    def refold(self) -> State:
        """A fresh fold of all records so far."""
        state = initial(self.definition)
        for version, draft in enumerate(self.records, 1):
            evolve(state, version, draft.type, draft.facts)
        return state


def starts(told: Sequence[str]) -> list[str]:
    """The names of the atoms started, of what was told."""
    return [line.split()[1] for line in told if line.startswith("task.running")]
