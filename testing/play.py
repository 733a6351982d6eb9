"""`Play`: the core played by hand, without a log. Given these records, when this comes in, then these records and calls.

Records and calls are told as text: `task.success charge`, `task.running file[2]`, `run.reverted`; `execute charge`, `revert
charge`. Nothing of a flow's own code is run: what became of a call is what the test says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, Self

from ..codec.values import encode
from ..engine.core.compile import Compiled, compile
from ..engine.core.counters import initial
from ..engine.core.decide import (
    DECIDE,
    EXECUTE,
    EXPAND,
    HAPPENED,
    ON_FAILURE,
    PROBE,
    PROBE_REVERT,
    QUESTIONS,
    REVERT,
    Advance,
    Call,
    Consulted,
    Decided,
    Expanded,
    Failed,
    Fired,
    Input,
    Probed,
    Progressed,
    Succeeded,
    decide,
)
from ..engine.core.evolve import evolve
from ..engine.core.records import RUN_CREATED, Draft
from ..engine.core.state import State
from ..errors import UsageError, class_names
from .told import facts_of, match

Happening = Callable[["Play"], Input]


class Recorded(Protocol):
    """A record: a `Draft`, or one that was read from a log (`Run.history`)."""

    @property
    def type(self) -> str: ...
    @property
    def facts(self) -> dict[str, Any]: ...


def compiled(flow: Any) -> Compiled:
    """The flow's graph and code."""
    return compile(flow, lambda value, path: encode(value, path=path))


def succeeds(name: str | None = None, value: Any = None) -> Happening:
    """The call of the atom `name` (`name[i]` for an element; None: the oldest) returns `value`."""
    return lambda play: Succeeded(play.next(name), encode(value))


def fails(name: str | None = None, error: type[BaseException] = Exception, due: int | None = None) -> Happening:
    """The call of `name` raises. `due`: its policy has it tried again then, in microseconds since 1970."""
    return lambda play: Failed(play.next(name), class_names(error), b"{}", due)


def answers(decision: str, name: str | None = None) -> Happening:
    """The retry `name` is asked on a failure, and says RETRY, REVERT or REVERT_ALL."""
    return lambda play: Consulted(play.asked(ON_FAILURE, name), decision)


def probes(answer: str, name: str | None = None, value: Any = None) -> Happening:
    """The probe of `name` says "happened" (with what the call returned), "did_not_happen" or "dont_know"."""
    return lambda play: Probed(play.next(name), answer, encode(value) if answer == HAPPENED else None)


class Play:
    """One run; `capacity` bounds the calls under way, `created` goes into the facts of its first record.

    Attributes:
        records: all of them, from run.created on. calls: those that have not been answered, oldest first.
        state: what the records fold to.
        last, begun: the records and calls of the last `when`, as text.
    """

    def __init__(self, flow: Any, capacity: int = 1, **created: Any) -> None:
        self.definition = compiled(flow).definition
        self.capacity = capacity
        self.state: State = initial(self.definition)
        self.records: list[Draft] = []
        self.calls: list[Call] = []
        self.last: list[str] = []
        self.begun: list[str] = []
        self._fresh: list[Call] = []
        facts = {"definition": self.definition.fingerprint, "flow": self.definition.name, **created}
        self.fold(Draft(RUN_CREATED, facts))

    # --- given, when, then --------------------------------------------------------------------------------------------

    def given(self, *records: Recorded | str) -> Self:
        """Fold records that stand in the log already; what they have begun is under way.

        A text is a record of the atom's present execution and attempt (the first, if it has none), as it is told. Records
        that begin with run.created are a run of their own. Raises CorruptLog where they do not fit, UsageError.
        """
        for record in records:
            if isinstance(record, str):
                self.fold(facts_of(self.state, record))
            elif record.type == RUN_CREATED:
                self.state, self.records = initial(self.definition), []
                self.fold(Draft(record.type, record.facts))
            else:
                self.fold(Draft(record.type, record.facts))
        self.calls = [*self._under_way(EXECUTE, self.state.running), *self._under_way(REVERT, self.state.reverting)]
        return self

    def when(self, *inputs: Input | Happening) -> Self:
        """Feed inputs of the core, or what `succeeds`, `fails`, `answers`, `probes` make; then start what may start."""
        before = len(self.records)
        self._fresh.clear()
        for input in inputs:
            self.take(input(self) if callable(input) else self._answered(input))
        self.go()
        self.last = [self.told(draft) for draft in self.records[before:]]
        self.begun = [f"{call.kind} {self.whose(call)}" for call in self._fresh]
        return self

    def then(self, *records: str, calls: Iterable[str] | None = None) -> Self:
        """AssertionError, unless the last `when` recorded just this, and made just these calls if they are given."""
        match("records", records, self.last)
        if calls is not None:
            match("calls", tuple(calls), self.begun)
        return self

    def _answered(self, input: Input) -> Input:
        """An input that was made by hand: the call it ends is under way no longer."""
        call = getattr(input, "call", None)
        if call in self.calls and not isinstance(input, Progressed):
            self.calls.remove(call)
        return input

    def _under_way(self, kind: str, slots: Iterable[int]) -> list[Call]:
        state = self.state
        return [
            Call(kind, state.atom_of(slot), state.execution[slot], state.attempt[slot], state.instance(slot))
            for slot in slots
        ]

    # --- step by step -------------------------------------------------------------------------------------------------

    def fold(self, draft: Draft) -> None:
        """Take a record into state and records."""
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
                    self._fresh.append(step)
        return [self.told(draft) for draft in self.records[before:]]

    def advance(self) -> list[str]:
        """Start what may start."""
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
        """The oldest call that has not been answered, of all or of the atom `name` (`name[i]` for an element).

        Raises UsageError where there is none.
        """
        names = [self.whose(call) for call in self.calls]
        if not names or (name is not None and name not in names):
            raise UsageError(f"expected a call of {name or 'any atom'} under way, found {', '.join(names) or 'none'}")
        return self.calls.pop(0 if name is None else names.index(name))

    def whose(self, call: Call) -> str:
        """The name of the atom that a call is about; "gate" for deciders."""
        if call.kind == DECIDE:
            return "gate"
        return self.definition.atoms[call.atom].name + ("" if call.instance is None else f"[{call.instance}]")

    def asked(self, kind: str, of: str | None) -> Call:
        """`next`, which has to be of that kind."""
        call = self.next(of)
        if call.kind != kind:
            raise UsageError(f"expected a call {kind}, found {call.kind} {self.whose(call)}")
        return call

    def succeed(self, value: Any = None, of: str | None = None) -> list[str]:
        """A call returns."""
        return [*self.take(Succeeded(self.next(of), encode(value))), *self.advance()]

    def fail(self, *classes: str, of: str | None = None) -> list[str]:
        """A call raises an exception of these classes, nearest first."""
        call = self.next(of)
        return [*self.take(Failed(call, classes or ("ValueError", "Exception"), b"{}")), *self.advance()]

    def answer(self, decision: str, of: str | None = None) -> list[str]:
        """A retry says what is to be done."""
        return [*self.take(Consulted(self.asked(ON_FAILURE, of), decision)), *self.advance()]

    def vote(self, *answers: bool) -> list[str]:
        """The deciders of a gate say whether to go on, in their order."""
        return [*self.take(Decided(self.asked(DECIDE, None), tuple(enumerate(answers)))), *self.advance()]

    def expand(self, count: int, of: str | None = None) -> list[str]:
        """The list of a fan-out has so many elements."""
        chunks = ((count, b"[" + b",".join([b"0"] * count) + b"]"),) if count else ()
        return [*self.take(Expanded(self.asked(EXPAND, of), chunks)), *self.advance()]

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
