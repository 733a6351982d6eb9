"""The drive of a run: a generator that says what to append and what to call, and takes back what came of it.

It is written once. A blocking shell, an asyncio shell and a simulator interpret the same turns: append the drafts;
when they are durable, make the calls; come back with whatever has arrived. One turn is one commit: the outcome of a
task and the intent of the next travel together, so a linear flow of N tasks costs N + 1 of them.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import NamedTuple
from uuid import UUID

from ..core import records as r
from ..core.decide import (
    EXECUTE,
    PROBE,
    PROBE_REVERT,
    Advance,
    Call,
    Failed,
    Input,
    Probed,
    Revert,
    Suspend,
    decide,
    may_revert,
    may_suspend,
)
from ..core.records import Draft
from ..core.states import RunState
from .held import Held


class Message(NamedTuple):
    """Something the inbox held for this run: a kind ('suspend', 'revert'), who sent it, an encoded body."""

    id: UUID
    kind: str
    sender: str
    body: bytes | None


class Turn(NamedTuple):
    """Append `drafts` (accepting these inbox messages), then make `calls`; `last`: nothing more will come of this run."""

    drafts: list[Draft]
    calls: list[Call]
    accepted: list[UUID]
    last: bool


Arrival = Input | Message
Drive = Generator[Turn, Sequence[Arrival], None]


def drive(held: Held, first: Sequence[Arrival], capacity: int, already: Sequence[Draft] = ()) -> Drive:
    """Drive `held` until it comes to rest, at most `capacity` calls at a time.

    `first` is taken before anything is started; `already` are drafts folded by the caller that travel in the first
    turn (the creation of the run, its claim). After each turn the shell sends what has arrived, at least one outcome
    of the calls under way; after the last only what is left to do when that turn could not be made durable.
    """
    arrived, probing, drafts = first, 0, list(already)
    while True:
        calls: list[Call] = []
        accepted: list[UUID] = []
        for arrival in arrived:
            input: Input | None
            if isinstance(arrival, Message):
                input = None if _too_early(held, arrival) else _accept(held, arrival, drafts, accepted)
            else:
                input = arrival
                if isinstance(arrival, (Probed, Failed)):  # half the time of the union
                    probing -= arrival.call.kind in (PROBE, PROBE_REVERT)
            if input is not None:
                probing += _take(held, input, drafts, calls)
        state = held.state
        if not probing:
            _take(held, Advance(capacity - len(state.running) - len(state.reverting)), drafts, calls)
        last = not (calls or probing or state.running or state.reverting)
        arrived = yield Turn(drafts, calls, accepted, last)
        if last and not arrived:
            return
        drafts = []


def _take(held: Held, input: Input, drafts: list[Draft], calls: list[Call]) -> int:
    """Decide and fold; the number of probes among the new calls."""
    probes = 0
    for step in decide(held.state, input):
        if isinstance(step, Draft):
            drafts.append(held.fold(step))
        else:
            calls.append(step)
            if step.kind != EXECUTE:
                probes += step.kind in (PROBE, PROBE_REVERT)
    return probes


def _too_early(held: Held, message: Message) -> bool:
    """A revert of a run that is only on its way to be suspended: it stays in the inbox for whoever takes the run then."""
    return message.kind == "revert" and held.state.run is RunState.SUSPENDING and not may_revert(held.state)


def _accept(held: Held, message: Message, drafts: list[Draft], accepted: list[UUID]) -> Input | None:
    """Take a message into the stream; what it asks for, or nothing when the run is past it (which the record says)."""
    run = held.state.run
    possible = may_suspend(held.state) if message.kind == "suspend" else may_revert(held.state)
    facts = {"message": message.id.hex, "kind": message.kind, "sender": message.sender}
    if not possible:
        facts["refused"] = str(run)
    drafts.append(held.fold(Draft(r.MESSAGE_ACCEPTED, facts, message.body)))
    accepted.append(message.id)
    if not possible:
        return None
    make = Suspend if message.kind == "suspend" else Revert
    return make({"reason": True}, message.body)
