"""`Watch`: looks on while a run is recorded, and raises LawBroken when something does not hold.

It is told what is *durable*, as stored bytes and in commit order, and keeps a state of its own, folded from those alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from ...engine.core.counters import initial
from ...engine.core.evolve import evolve
from ...engine.core.graph import Definition
from ...engine.core.inputs import Call
from ...engine.core.state import State
from . import calls, counters, ends
from .alike import difference
from .broken import LawBroken, broken
from .durable import Durable, decoded
from .records import record, written
from .seen import Seen


class Watch:
    """Looks on at one run. `every`: what takes long (all counted anew, snapshots) is done once in so many turns.

    `most`: task name -> how often its RetryPolicy has it tried in all, where that is to be judged.
    """

    def __init__(self, definition: Definition, every: int = 8, most: Mapping[str, int] = MappingProxyType({})) -> None:
        self.seen = Seen(definition, most)
        self.every = every
        self.records = 0
        self._rows: list[Durable] = []
        self._turn = 0
        self._fault: LawBroken | None = None

    @property
    def definition(self) -> Definition:
        """The graph of the run."""
        return self.seen.definition

    @property
    def state(self) -> State:
        """What is durable, folded."""
        return self.seen.state

    # --- what is told -------------------------------------------------------------------------------------------------

    def committed(self, rows: Sequence[Durable], now: int | None = None) -> None:
        """The records of one append are durable. `now`: when, microseconds since 1970, where timers are to be judged."""
        self._go_on()
        try:
            for row, facts in zip(rows, decoded(rows), strict=True):
                written(self.seen, row, facts)
                record(self.seen, row.version, row.type, facts, now)
                self._rows.append(row)
                self.records += 1
            if self.seen.spared:
                broken(self.seen.law, f"not passed by, and should have been: {self.seen.names(self.seen.spared)}")
        except LawBroken as fault:
            self._fault = fault
            raise

    def calling(self, call: Call, key: str | None = None, epoch: int | None = None) -> None:
        """User code is about to be called, with that idempotency key. `epoch`: that of the owner who calls it."""
        self._go_on()
        calls.called(self.seen, call, key, epoch)

    def returned(self, call: Call) -> None:
        """The code of a call has returned: from here on a probe that is asked about it knows."""
        calls.returned(self.seen, call)

    def claimed(self, epoch: int) -> None:
        """The run has been given to a new owner: from here on nobody of an older epoch may write."""
        if epoch <= max(self.seen.epoch, self.seen.claimed):
            broken("one writer", f"epoch {epoch} is given out, and {max(self.seen.epoch, self.seen.claimed)} was before")
        self.seen.claimed = epoch

    def accepted(self, messages: Iterable[str]) -> None:
        """These messages (the hex of their ids) have left the inbox with the append before."""
        for message in messages:
            if message not in self.seen.messages:
                broken("messages once", f"message {message} has left the inbox, and no record says that it was accepted")

    def fired(self, timer: int, now: int) -> None:
        """An owner is told that a timer is due."""
        due = self.seen.timers.get(timer)
        if due is not None and now < due:
            broken("timers", f"timer {timer} is said to be due {due - now} microseconds early")

    def live(self, state: State, whole: bool | None = None) -> None:
        """The state in the hands of an owner who has just been told that its append is durable.

        `whole`: lay it down and take it up again too; None: once in so many times.
        """
        self._go_on()
        own = self.seen.state
        if state.version > own.version:
            detail = f"an owner was told that version {state.version} is durable; the log ends at {own.version}"
            broken("acknowledged", detail)
        if state.version < own.version:
            own = self.upto(state.version)
        found = difference(state, own)
        if found is not None:
            broken("fold equals live", f"at version {state.version}, live and folded: {found}")
        if whole or (whole is None and self._now()):
            self.snapshot(state)

    def snapshot(self, state: State | None = None) -> None:
        """Lay a state down and take it up again."""
        state = self.seen.state if state is None else state
        again = State.load(self.definition, json.loads(json.dumps(state.dump())))
        found = difference(state, again)
        if found is not None:
            broken("snapshot", f"at version {state.version}, laid down and taken up: {found}")

    def between(self, capacity: int | None = None, whole: bool | None = None) -> None:
        """Between two turns. `whole`: count everything anew; None: once in so many times, which is the cheap form."""
        self._go_on()
        seen = self.seen
        self._turn += 1
        counters.at_most(seen, capacity)
        counters.top(seen)
        if whole or (whole is None and self._now()):
            counters.counted(seen)
            counters.heap(seen)
            counters.remembered(seen)

    def rests(self, state: State | None = None) -> None:
        """Nobody drives the run any more: it has come to its end, or waits for a time or a person."""
        self._go_on()
        why = ends.stuck(self.seen.state if state is None else state)
        if why is not None:
            broken("progress", why)

    def ended(self) -> None:
        """Nothing more comes: all that must hold of the end, counted in full."""
        if self.seen.state.run in ends.ENDED:
            ends.ended(self.seen)
        self.between(whole=True)
        self.snapshot()

    def upto(self, version: int) -> State:
        """A fresh fold of the first `version` records."""
        state = initial(self.definition)
        rows = self._rows[:version]
        for row, facts in zip(rows, decoded(rows) if rows else (), strict=True):
            evolve(state, row.version, row.type, facts)
        return state

    def _go_on(self) -> None:
        """Once a law is broken nothing that comes after it says more."""
        if self._fault is not None:
            raise self._fault

    def _now(self) -> bool:
        return self._turn % self.every == 0
