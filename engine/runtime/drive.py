"""The drive of a run: a generator that says what to append and what to call, and takes back what came of it.

It is written once. A blocking shell, an asyncio shell and a simulator interpret the same turns: append the drafts;
when they are durable, make the calls; come back with whatever has arrived, or when the next timer is due. One turn is
one commit: the outcome of a task and the intent of the next travel together, so a linear flow of N tasks costs N + 1.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import NamedTuple
from uuid import UUID

from ...errors import SagalogError
from ..core import records as r
from ..core.decide import (
    EXECUTE,
    PROBE,
    PROBE_REVERT,
    QUESTIONS,
    Advance,
    Call,
    Fired,
    Input,
    Progressed,
    Resume,
    decide,
    may_revert,
)
from ..core.records import Draft
from ..core.states import RunState
from .held import Held
from .wishes import KINDS, refusal, wish


class Message(NamedTuple):
    """Something the inbox held for this run: a kind ('suspend', 'revert', …), who sent it, an encoded body."""

    id: UUID
    kind: str
    sender: str
    body: bytes | None


class Turn(NamedTuple):
    """Append `drafts` (accepting these inbox messages), then make `calls`; `last`: nothing more will come of this run.

    `due`: when its next timer goes off, in microseconds since 1970, if it has one.
    """

    drafts: list[Draft]
    calls: list[Call]
    accepted: list[UUID]
    last: bool
    due: int | None = None


Arrival = Input | Message
Drive = Generator[Turn, Sequence[Arrival], None]
WAITS = (RunState.RUNNING, RunState.WAITING)


def drive(
    held: Held, first: Sequence[Arrival], capacity: int, already: Sequence[Draft] = (), patient: bool = True
) -> Drive:
    """Drive `held` until it comes to rest, at most `capacity` calls at a time.

    `first` is taken before anything is started; `already` are drafts folded by the caller that travel in the first
    turn (the creation of the run, its claim). After each turn the shell sends what has arrived: at least one outcome
    of the calls under way, or nothing, when a timer is due; after the last only what is left to do when that turn could
    not be made durable. A drive that is not `patient` is at its end where only timers are left.
    """
    drafts, asked, whole = list(already), _Asked(), Advance(capacity)
    arrived: Sequence[Arrival] = [_timed(held, arrival) for arrival in first]
    while True:
        calls: list[Call] = []
        accepted: list[UUID] = []
        for arrival in arrived:
            input: Input | None
            if isinstance(arrival, Message):
                input = None if _too_early(held, arrival) else _accept(held, arrival, drafts, accepted)
            else:
                input = arrival
                if asked.open and not isinstance(arrival, Progressed):
                    asked.answered(arrival)
            if input is not None:
                _take(held, input, drafts, calls, asked)
        state = held.state
        if held.alarms and state.run in WAITS:
            for timer in held.gone_off():
                _take(held, Fired(timer), drafts, calls, asked)
        if not asked.probing:
            busy = state.running or state.reverting
            advance = Advance(capacity - len(state.running) - len(state.reverting)) if busy else whole
            _take(held, advance, drafts, calls, asked)
        due = held.due if held.alarms and state.run in WAITS else None
        idle = not (calls or asked.open or state.running or state.reverting)
        last = idle and (due is None or not patient)
        held.made += len(calls)
        if last and due is None and state.run in WAITS:
            raise SagalogError(
                f"run {held.id}: there is nothing to do and it is not over; this is a fault of sagalog, nothing was written"
            )
        arrived = yield Turn(drafts, calls, accepted, last, due)
        if held.state is not state:  # the turn was rolled back, so that none of its calls was made
            asked.withdrawn(calls)
        if last and not arrived:
            return
        drafts = []


class _Asked:
    """The questions under way. They have no records, so that `decide` asks them until they are answered: once is enough."""

    __slots__ = ("open", "probing")

    def __init__(self) -> None:
        self.open: set[Call] = set()
        self.probing = 0

    def new(self, call: Call) -> bool:
        if call in self.open:
            return False
        self.open.add(call)
        self.probing += call.kind in (PROBE, PROBE_REVERT)
        return True

    def answered(self, arrival: Input) -> None:
        self.withdrawn([getattr(arrival, "call", None)])

    def withdrawn(self, calls: Sequence[Call | None]) -> None:
        """Those of the calls that are questions are under way no longer: they may be asked again."""
        for call in calls:
            if call is not None and call in self.open:
                self.open.discard(call)
                self.probing -= call.kind in (PROBE, PROBE_REVERT)


def _timed(held: Held, arrival: Arrival) -> Arrival:
    """A run that goes on is told when that is."""
    return Resume(held.now()) if isinstance(arrival, Resume) and held.now is not None else arrival


def _take(held: Held, input: Input, drafts: list[Draft], calls: list[Call], asked: _Asked) -> None:
    """Decide and fold."""
    for step in decide(held.state, input):
        if isinstance(step, Draft):
            drafts.append(held.fold(step))
        elif step.kind == EXECUTE or step.kind not in QUESTIONS or asked.new(step):
            calls.append(step)


def _too_early(held: Held, message: Message) -> bool:
    """A revert of a run that is only on its way to be suspended: it stays in the inbox for whoever takes the run then."""
    return message.kind == "revert" and held.state.run is RunState.SUSPENDING and not may_revert(held.state)


def _accept(held: Held, message: Message, drafts: list[Draft], accepted: list[UUID]) -> Input | None:
    """Take a message into the stream; what it asks for, or nothing when the run cannot (which the record says)."""
    facts = {"message": message.id.hex, "kind": message.kind, "sender": message.sender}
    known = message.kind in KINDS and message.body is not None
    why = refusal(held.state, message.kind, message.body or b"") if known else "this code does not know what it asks for"
    if why is not None:
        facts["refused"] = str(held.state.run)
    drafts.append(held.fold(Draft(r.MESSAGE_ACCEPTED, facts, message.body)))
    accepted.append(message.id)
    return wish(message.kind, message.body) if why is None and message.body is not None else None
