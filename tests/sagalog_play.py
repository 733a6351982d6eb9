"""The core played by hand, without a log: feed inputs, fold what is decided, look at records and calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sagalog.codec.values import encode
from sagalog.engine.core.compile import Compiled, compile
from sagalog.engine.core.counters import initial
from sagalog.engine.core.decide import (
    DECIDE,
    EXPAND,
    ON_FAILURE,
    PROBE,
    PROBE_REVERT,
    QUESTIONS,
    Advance,
    Call,
    Consulted,
    Decided,
    Expanded,
    Failed,
    Fired,
    Input,
    Succeeded,
    decide,
)
from sagalog.engine.core.evolve import evolve
from sagalog.engine.core.records import Draft
from sagalog.engine.core.state import State


def compiled(flow: Any) -> Compiled:
    """The flow's graph and code."""
    return compile(flow, lambda value, path: encode(value, path=path))


class Play:
    """One run; `capacity` bounds the calls under way, `created` goes into its first record."""

    def __init__(self, flow: Any, capacity: int = 1, **created: Any) -> None:
        self.definition = compiled(flow).definition
        self.capacity = capacity
        self.state: State = initial(self.definition)
        self.records: list[Draft] = []
        self.calls: list[Call] = []
        facts = {"definition": self.definition.fingerprint, "flow": self.definition.name, **created}
        self.fold(Draft("run.created", facts))

    def fold(self, draft: Draft) -> None:
        evolve(self.state, self.state.version + 1, draft.type, draft.facts)
        self.records.append(draft)

    def take(self, *inputs: Input) -> list[str]:
        """Feed the inputs; the records that came of them, as text. A question that is open is not asked twice."""
        before = len(self.records)
        for input in inputs:
            for step in decide(self.state, input):
                if not isinstance(step, Call):
                    self.fold(step)
                elif step.kind not in QUESTIONS or step not in self.calls:
                    self.calls.append(step)
        return [self.told(draft) for draft in self.records[before:]]

    def advance(self) -> list[str]:
        under_way = len(self.state.running) + len(self.state.reverting)
        return self.take(Advance(self.capacity - under_way))

    def go(self) -> list[str]:
        """Start what may start, as the drive does: not while probes are out."""
        return [] if any(call.kind in (PROBE, PROBE_REVERT) for call in self.calls) else self.advance()

    def told(self, draft: Draft) -> str:
        """`task.success charge`, `task.success file[2]`, `run.reverted`."""
        atom, instance = draft.facts.get("atom"), draft.facts.get("instance")
        if atom is None:
            return draft.type
        return f"{draft.type} {self.definition.atoms[atom].name}" + ("" if instance is None else f"[{instance}]")

    def all_told(self) -> list[str]:
        """Everything behind run.created."""
        return [self.told(draft) for draft in self.records[1:]]

    def next(self, name: str | None = None) -> Call:
        """The oldest call that has not been answered, of all or of the atom `name` (`name[i]` for an element)."""
        names = [self.whose(call) for call in self.calls]
        return self.calls.pop(0 if name is None else names.index(name))

    def whose(self, call: Call) -> str:
        """The name of the atom that a call is about; "gate" for deciders."""
        if call.kind == DECIDE:
            return "gate"
        return self.definition.atoms[call.atom].name + ("" if call.instance is None else f"[{call.instance}]")

    def succeed(self, value: Any = None, of: str | None = None) -> list[str]:
        return [*self.take(Succeeded(self.next(of), encode(value))), *self.advance()]

    def fail(self, *classes: str, of: str | None = None) -> list[str]:
        call = self.next(of)
        return [*self.take(Failed(call, classes or ("ValueError", "Exception"), b"{}")), *self.advance()]

    def _asked(self, kind: str, of: str | None) -> Call:
        call = self.next(of)
        assert call.kind == kind, f"expected a call {kind}, found {call}"
        return call

    def answer(self, decision: str, of: str | None = None) -> list[str]:
        """A retry says what is to be done."""
        return [*self.take(Consulted(self._asked(ON_FAILURE, of), decision)), *self.advance()]

    def vote(self, *answers: bool) -> list[str]:
        """The deciders of a gate say whether to go on, in their order."""
        return [*self.take(Decided(self._asked(DECIDE, None), tuple(enumerate(answers)))), *self.advance()]

    def expand(self, count: int, of: str | None = None) -> list[str]:
        """The list of a fan-out has so many elements."""
        chunks = ((count, b"[" + b",".join([b"0"] * count) + b"]"),) if count else ()
        return [*self.take(Expanded(self._asked(EXPAND, of), chunks)), *self.advance()]

    def wait(self, due: int = 1, of: str | None = None) -> list[str]:
        """A call fails, and its policy has it tried again later."""
        return [*self.take(Failed(self.next(of), ("ValueError",), b"{}", due)), *self.advance()]

    def fire(self) -> list[str]:
        """The timer that was set last goes off."""
        return [*self.take(Fired(max(self.state.timers))), *self.advance()]

    def refold(self) -> State:
        """A fresh fold of all records so far."""
        state = initial(self.definition)
        for version, draft in enumerate(self.records, 1):
            evolve(state, version, draft.type, draft.facts)
        return state


def starts(told: Sequence[str]) -> list[str]:
    """The names of the atoms started, of what was told."""
    return [line.split()[1] for line in told if line.startswith(("task.running", "retry.running"))]
