"""The engine's own shells on a simulated log: what they record of a case has to fold to what the simulated one records."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from ...engine.core.decide import Resume
from ...engine.core.state import State
from ...engine.runtime.aio import THREADS, Aio, Pool
from ...engine.runtime.app import Sagalog
from ...engine.runtime.blocking import Blocking
from ...engine.runtime.desk import Desk
from ...engine.runtime.drive import Message, drive
from ...engine.runtime.held import Held
from ...engine.runtime.mailbox import Mailbox
from ...engine.runtime.taking import Order, look
from ...engine.runtime.threads import Threads
from ...engine.runtime.writer import Writer
from ...store.io import Operation
from ..clock import FakeClock
from ..generated import Case
from ..laws import broken, difference
from ..log import SimulatedLog
from ..session import SimulatedSession
from .chance import Chance
from .process import SETTINGS
from .scene import RUN, Scene

T = TypeVar("T")
WORKER = UUID(int=1)


class Impatient(Blocking):
    """The blocking shell, which does not wait for a timer: it moves the clock."""

    def _pause(self, held: Held, due: int | None) -> list[Message]:
        move(self.desk, due)
        return []


class ImpatientAio(Aio):
    """The asyncio shell, the same; one call at a time, as the blocking one makes them."""

    capacity = 1

    def seconds(self, due: int) -> float:
        move(self.desk, due)
        return 0.0


def move(desk: Desk, due: int | None) -> None:
    """Move the clock to when a timer is due."""
    clock = desk.clock
    assert isinstance(clock, FakeClock) and due is not None, "a run that waits for nothing"
    clock.advance(max(due - clock.now(), 0) / 1e6)


class Written(SimulatedLog):
    """A log that tells a case's world what transactional tasks have written."""

    def __init__(self, case: Case, clock: FakeClock) -> None:
        super().__init__(clock)
        self.case = case

    def written(self, statements: Sequence[tuple[str, tuple[Any, ...]]]) -> None:
        for _, params in statements:
            self.case.world.committed(params[0])


class SimulatedAsyncSession:
    """What the asyncio shell needs of an `AsyncSession`."""

    def __init__(self, log: SimulatedLog) -> None:
        self.session = SimulatedSession(log)

    async def perform(self, make: Callable[[], Operation[T]]) -> T:
        """As `SimulatedSession.perform`."""
        return self.session.perform(make)

    async def end(self) -> None:
        """Nothing is left of it."""
        self.session.close()


def agree(case: Case, app: Sagalog) -> None:
    """LawBroken unless the simulated, blocking and asyncio shells bring a case to the same state, without a person."""
    case.world.reset()
    scene = Scene(app, case.flow, case.inputs, Chance(script=()), world=case.world, options=case.options, alone=True)
    scene.play()
    # Of several questions at a time, or a timer beside a call, an event loop answers first what it likes.
    chance = scene.onlooker.raced or any(row.type == "timer.set" for row in scene.onlooker.rows)
    for name, shell in (("blocking", _blocking), *(() if chance else (("asyncio", _asyncio),))):
        case.world.reset()
        found = difference(scene.state, _state(case, app, shell))
        if found is not None:
            broken("shells agree", f"the simulated and the {name} shell: {found}")


def _state(case: Case, app: Sagalog, shell: Callable[[Desk, SimulatedLog, Held, Any], None]) -> State:
    """What the log holds when the run rests, folded."""
    clock = FakeClock()
    log = Written(case, clock)
    connect: Any = partial(SimulatedSession, log)  # as good as a session
    desk = Desk(SETTINGS, clock, "a shell", WORKER, connect)
    held, drafts = Order(app, case.flow, case.inputs, run_id=RUN, **case.options).held(desk, owned=True)
    shell(desk, log, held, drafts)
    return log.once(look(RUN)).state


def _blocking(desk: Desk, log: SimulatedLog, held: Held, drafts: Any) -> None:
    session: Any = SimulatedSession(log)
    shell = Impatient(session, desk)
    try:
        shell.run(held, drive(held, [Resume()], shell.capacity, drafts))
    finally:
        shell.close()


def _asyncio(desk: Desk, log: SimulatedLog, held: Held, drafts: Any) -> None:
    async def play() -> None:
        sessions: Any = [SimulatedAsyncSession(log) for _ in range(3)]
        pool = Pool(sessions[2:])
        mailbox = Mailbox(pool.perform, SETTINGS.poll, WORKER)
        aio = ImpatientAio(desk, Writer(sessions[:2]), pool, mailbox, Threads(THREADS, "simulated-task"))
        try:
            await aio.run(held, drive(held, [Resume()], aio.capacity, drafts))
        finally:
            await aio.close()

    asyncio.run(play())
