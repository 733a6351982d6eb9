"""`Process`: a process that drives one run: a shell of its own around the real drive, core, codec and the flow's own code.

It is a generator that stops wherever something may happen to it: with a turn in hand that is not sent yet, with the reply
not yet read, and where it waits. Whoever plays the scene has it go on, makes its calls, or has it die there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

from ...config import Settings
from ...engine.core.decide import Aborted, Call, Failed, Recover, Resume
from ...engine.core.records import Draft
from ...engine.runtime.app import Sagalog
from ...engine.runtime.calls import Outcome, invoke, stages
from ...engine.runtime.desk import Desk
from ...engine.runtime.drive import Arrival, Drive, Message, Turn, drive
from ...engine.runtime.failing import failed
from ...engine.runtime.held import Held
from ...engine.runtime.owning import wanted
from ...engine.runtime.prepared import prepared
from ...engine.runtime.taking import Order, claim, take_over
from ...engine.runtime.transactions import Open, call_inside, seal
from ...errors import SagalogError
from ...store import hold, log
from ..log import SimulatedLog
from ..session import SimulatedSession
from .faults import Died

LEASE = 10.0
SETTINGS = Settings(home=Path("/nowhere"), lease=LEASE, reconnect=0.0)
"""Of a process that is simulated: it has no home, and its database is in memory."""


class Place(Enum):
    """Where a process stands when it is looked at."""

    BEGINS = "it has just begun"
    SENDS = "it is about to append"
    SENT = "it has appended, and the reply is on its way"
    WAITS = "it waits for what it has started"


class Job:
    """A call under way in a process: first it is made, later its outcome arrives."""

    __slots__ = ("call", "name", "open", "outcome", "slow")
    outcome: Outcome | Aborted

    def __init__(self, call: Call, name: str) -> None:
        self.call = call
        self.name = name
        self.slow: bool | None = None  # whether it is made when there is nothing else to do; None: not decided yet
        self.open: Open | None = None


Body = Generator[Place, None, None]


class Process:
    """`number` is its name; `done`: what has come of its calls and is not delivered yet; `frozen`: it stands still.

    `told` is called with its state whenever it has learned that an append is durable.
    """

    def __init__(
        self, number: int, log: SimulatedLog, app: Sagalog, capacity: int, told: Callable[[Process], None]
    ) -> None:
        self.number = number
        self.log = log
        self.app = app
        self.capacity = capacity
        self.told = told
        self.worker = UUID(int=number << 64 | 0x8000 << 48)
        self.session = SimulatedSession(log)
        self.desk = Desk(SETTINGS, log.clock, f"process {number}", self.worker, self._another)
        self.held: Held | None = None
        self.place = Place.BEGINS
        self.turn: Turn | None = None
        self.jobs: list[Job] = []
        self.done: list[Job] = []
        self.messages: list[Message] = []
        self.frozen = self.dead = False
        self.sessions: list[SimulatedSession] = []
        self.body: Body = iter(())  # type: ignore[assignment]  # until `begin` or `take`
        self._runner: asyncio.Runner | None = None

    # --- what it does -------------------------------------------------------------------------------------------------

    def begin(self, order: Order) -> Body:
        """Make a run and drive it."""
        self._enroll()
        self.held, drafts = order.held(self.desk, owned=True)
        yield Place.BEGINS
        yield from self._owning(self.held, [Resume()], drafts)

    def take(self, run: UUID, steal: bool, wishes: Sequence[Arrival]) -> Body:
        """Take a run over and go on with it; `wishes`: what a person wants of it."""
        self._enroll()
        yield Place.BEGINS
        held = self.held = self.session.perform(lambda: take_over(self.desk, self.app, run, steal))
        messages = self.look()
        if messages or wanted(held, wishes):
            first = [Recover(), *messages, *wishes]
            yield from self._owning(held, first, [held.fold(claim(self.desk, held.head))])
        else:
            self._release(held)

    def _enroll(self) -> None:
        self.session.perform(lambda: hold.enroll(hold.Worker(self.worker, "simulated", self.number, "1"), LEASE))

    def _owning(self, held: Held, first: Sequence[Arrival], drafts: Sequence[Draft]) -> Body:
        try:
            yield from self._turns(held, drive(held, first, self.capacity, drafts))
        except Died:
            self.dead = True  # and does nothing more, not even give the run back
            raise
        finally:
            if not self.dead and held.head.version > 0 and held.head.owner is not None:
                with suppress(SagalogError):
                    self._release(held)

    def _turns(self, held: Held, turns: Drive) -> Body:
        turn = next(turns)
        open: Open | None = None
        while True:
            self.turn = turn
            broken: Aborted | Failed | None = None
            if turn.drafts:
                yield Place.SENDS
                broken = self._commit(held, turn, open)
                yield Place.SENT
                if broken is None:
                    self.told(self)
            open = None
            if broken is not None:
                turn = turns.send([broken])
                continue
            if turn.last:
                return
            self.jobs += [Job(call, self._name(call)) for call in turn.calls]
            yield Place.WAITS
            arrived, open = self._delivered()
            turn = turns.send(arrived)

    def _commit(self, held: Held, turn: Turn, open: Open | None) -> Aborted | Failed | None:
        append = self.desk.append(held, turn)
        if open is None:
            refusals = self.session.perform(lambda: log.append([append]))
            broken = None
        else:
            refusals, broken = seal(held, open, append)
        if broken is None:
            self.desk.appended(held, append, refusals)
        return broken

    def _delivered(self) -> tuple[list[Arrival], Open | None]:
        """What has arrived; an outcome with an open transaction comes alone."""
        found: list[Arrival] = [*self.held.told()] if self.held is not None else []
        messages, self.messages = self.messages, []
        if messages or not self.done:
            return [*found, *messages], None
        taken, self.done = self.done[:1], self.done[1:]
        while self.done and taken[0].open is None and self.done[0].open is None:
            taken.append(self.done.pop(0))
        found += [job.outcome for job in taken]
        return found, taken[0].open

    def _release(self, held: Held) -> None:
        self.session.perform(lambda: hold.release(held.id, held.head.epoch))

    def look(self) -> list[Message]:
        """What the inbox has for the run."""
        if self.held is None:
            return []
        run = self.held.id
        rows = self.session.perform(lambda: hold.inbox([run]))
        return [Message(row.message_id, row.kind, row.sender, row.body) for row in rows]

    # --- its calls ----------------------------------------------------------------------------------------------------

    def make(self, job: Job) -> None:
        """Make a call: its code runs now, and its outcome will arrive."""
        held = self.held
        assert held is not None
        known = prepared(held, job.call)
        self.jobs.remove(job)
        if known.inside:
            job.outcome, job.open = call_inside(self._another(), held, job.call, self._wait)
        else:
            job.outcome = invoke(stages(held, job.call, known), self._wait)
        self.done.append(job)

    def fail(self, job: Job, error: Exception) -> None:
        """What executes a call dies, and the process lives on."""
        assert self.held is not None
        job.outcome = failed(self.held, job.call, error)
        self.jobs.remove(job)
        self.done.append(job)

    def _name(self, call: Call) -> str:
        held = self.held
        assert held is not None
        if call.kind == "decide":
            return "the deciders"
        name = held.compiled.definition.atoms[call.atom].name
        return name if call.instance is None else f"{name}[{call.instance}]"

    def _another(self) -> Any:
        self.sessions.append(SimulatedSession(self.log))
        return self.sessions[-1]

    def _wait(self, coroutine: Any) -> Any:
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(coroutine)

    # --- what happens to it -------------------------------------------------------------------------------------------

    def step(self) -> bool:
        """Go on to the next place; False: it has come to its end. Raises what ends it."""
        try:
            self.place = next(self.body)
        except StopIteration:
            return False
        return True

    def ready(self) -> bool:
        """Whether there is something for it to go on with, other than a timer."""
        return self.place is not Place.WAITS or bool(self.done or self.messages or (self.held and self.held.reports))

    def die(self) -> None:
        """It is gone, with all that it had in memory; the database rolls back what it had open."""
        self.dead = True
        self.body.close()
        self.end()

    def end(self) -> None:
        """Nothing of it is left."""
        for session in self.sessions:
            session.close()
        if self._runner is not None:
            self._runner.close()
