"""The asyncio shell: thousands of runs on one event loop behind one group-committing writer.

`async def` tasks run on the loop, plain functions in a thread pool, transactional ones there too, each on a connection
of its own for as long as its transaction lasts.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from ...errors import UsageError
from ...store.io import Operation
from ...store.session import AsyncSession, Session
from ..core.decide import Aborted, Call, Failed
from ..definition.execution import Execution
from .calls import CURRENT, Outcome, ainvoke, invoke_for, stages
from .carriers import Carrier
from .clock import SystemClock
from .desk import Desk, announce
from .drive import Arrival, Drive, Turn
from .held import Held
from .mailbox import Mailbox
from .prepared import Prepared, prepared
from .threads import Threads
from .transactions import Open, call_inside, seal
from .writer import Writer

FLUSHES = 2
"""Flushes that may overlap."""
SIDE = 4
"""Connections for taking runs over and reading them."""
THREADS = 16
"""Plain functions that run at the same time."""

TRANSACTIONS = 8
"""Transactional calls that are open at the same time, each on a connection of its own."""

LONGEST = 3600.0
"""Seconds that a timer is waited for at a time: clocks are set right."""

T = TypeVar("T")
Arrived = tuple[Outcome | Aborted, Open | None]


class Aio:
    """Interprets the turns of many runs on one event loop; `capacity` bounds the calls of one run under way."""

    capacity = 256

    def __init__(self, desk: Desk, writer: Writer, pool: Pool, mailbox: Mailbox, threads: Threads) -> None:
        self.desk = desk
        self.writer = writer
        self.perform = pool.perform
        self.pool = pool
        self.mailbox = mailbox
        self.threads = threads
        self.carriers = desk.carriers
        self.loop = asyncio.get_running_loop()
        # A transaction that is open holds row locks until its append is sealed. So each has a thread to itself from its
        # beginning to its end: with more of them than threads, all threads could wait for the locks of one that waits for
        # a thread.
        self.slots = asyncio.Semaphore(TRANSACTIONS)
        self.inside = Threads(TRANSACTIONS, "sagalog-transaction")
        self.spare: list[Session] = []
        self.lanes: dict[Carrier, Threads] = {}
        self.sessions: Sequence[AsyncSession] = ()
        self.flights: set[Flight] = set()
        self.busy = 0  # runs that are owned here: `close` waits until they have been let go
        self.closed = False

    async def run(self, held: Held, drive: Drive, seen: Iterable[UUID] = ()) -> None:
        """Drive the run until it rests; raises what the blocking shell raises. `seen`: messages the drive has already."""
        turn = next(drive)
        flight = Flight(self, held, asyncio.current_task())
        self.flights.add(flight)
        self.mailbox.watch(held.id, flight.wake, seen)
        held.wake = flight.wake_from_anywhere
        open: Open | None = None
        outer = CURRENT.get()
        CURRENT.set(held.id)
        try:
            while True:
                broken = await self._commit(held, turn, open)
                open = None
                if broken is not None:
                    turn = drive.send([broken])
                elif turn.last:
                    return
                elif self.closed:
                    raise left(held)
                else:
                    arrived, open = await flight.next(turn.calls, turn.due)
                    turn = drive.send(arrived)
        except asyncio.CancelledError:
            if flight.is_broken_off():
                raise left(held) from None
            raise
        finally:
            CURRENT.set(outer)
            held.wake = None
            self.mailbox.forget(held.id)
            self.flights.discard(flight)
            await flight.land()

    async def call(self, held: Held, call: Call, known: Prepared) -> Arrived:
        """Run one call's code where it belongs."""
        if known.inside:
            return await self._call_inside(held, call)
        if known.on_loop:
            return await ainvoke(stages(held, call, known)), None
        threads = self.threads if known.apart is None else self._lane(known.apart)
        made = stages(held, call, known, carriers=self.carriers)
        return await threads.call(partial(invoke_for, held.id, made, self._wait)), None

    def _lane(self, apart: Execution) -> Threads:
        """The threads that wait for what a carrier carries: what waits there keeps no other call waiting."""
        carrier = self.carriers.of(apart)
        if carrier is None:
            return self.threads
        lane = self.lanes.get(carrier)
        if lane is None:
            lane = self.lanes[carrier] = Threads(carrier.width, "sagalog-carrier")
        return lane

    async def _call_inside(self, held: Held, call: Call) -> Arrived:
        await self.slots.acquire()
        session = self.spare.pop() if self.spare else self.desk.session()
        job = self.inside.submit(partial(call_inside, session, held, call, self._wait))
        open: Open | None = None
        try:
            outcome, open = await asyncio.shield(job.future)
            return outcome, open
        except asyncio.CancelledError:
            if await self.inside.settled(job):
                session.close()  # rolls back what the code has written
            raise
        finally:
            if open is None:
                self._give_back(session)

    def _give_back(self, session: Session) -> None:
        self.spare.append(session)
        if self.closed:  # perhaps by another thread, which may have been through with the spare ones
            session.end()
        self.slots.release()

    async def _commit(self, held: Held, turn: Turn, open: Open | None) -> Aborted | Failed | None:
        if not turn.drafts:
            return None
        append = self.desk.append(held, turn)
        announce("append.before", held, turn)
        broken = None
        if open is None:
            try:
                refusals = await self.writer.append(append)
            except asyncio.CancelledError:
                await self.writer.withdraw(append)  # the run may be let go only when nothing more can come of it
                raise
        else:
            job = self.inside.submit(partial(seal, held, open, append))
            try:
                refusals, broken = await asyncio.shield(job.future)
            except asyncio.CancelledError:
                if not await self.inside.settled(job):
                    open.session.close()  # rolls back what the code has written
                raise
            finally:
                self._give_back(open.session)
        if broken is None:
            self.desk.appended(held, append, refusals)
            announce("append.after", held, turn)
        return broken

    def _wait(self, coroutine: Any) -> Any:
        """Have the loop run a coroutine, from a thread. What it raises is raised there, and never ends the loop."""
        result, error = asyncio.run_coroutine_threadsafe(_caught(coroutine), self.loop).result()
        if error is not None:
            raise error
        return result

    def seconds(self, due: int) -> float:
        """How long to wait for a moment; by a clock that is not the system's no longer than until the next look."""
        left = max((due - self.desk.clock.now()) / 1e6, 0)
        return min(left, LONGEST if isinstance(self.desk.clock, SystemClock) else self.desk.settings.poll)

    def abandon_transaction(self, open: Open) -> None:
        """Roll an open transaction back: its run has left this process."""
        open.session.close()
        self._give_back(open.session)

    async def close(self) -> None:
        """Break off the runs that are under way, finish the flushes and give the connections back."""
        self._break_off()
        while self.busy:
            await asyncio.sleep(0.005)
        await self.mailbox.close()
        await self.writer.close()
        await self.pool.close()
        self.abandon()

    def abandon(self) -> None:
        """Give back what can be given back without the loop, which may be gone."""
        self._break_off()
        self.mailbox.leave()
        self.threads.close()
        self.inside.close()
        for lane in self.lanes.values():
            lane.close()
        for session in self.spare:
            session.end()
        for connected in self.sessions:
            # Closing a connection waits for nothing, so it needs no loop either.
            with contextlib.suppress(StopIteration):
                connected.end().send(None)

    def _break_off(self) -> None:
        self.closed = True
        for flight in list(self.flights):
            with contextlib.suppress(RuntimeError):  # the loop is gone, and all that was under way with it
                self.loop.call_soon_threadsafe(flight.break_off)


def left(held: Held) -> UsageError:
    """The error for a run that is broken off because its engine was closed."""
    return UsageError(f"run {held.id}: its engine was closed; the run stays as it is: resume it with another engine")


async def _caught(coroutine: Any) -> tuple[Any, BaseException | None]:
    try:
        return await coroutine, None
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # a SystemExit would end the loop
        return None, error


def open_aio(desk: Desk, url: str) -> Aio:
    """The shell of the running loop; connections are opened when they are first used."""
    sessions = [AsyncSession(url, desk.settings) for _ in range(FLUSHES + SIDE)]
    pool = Pool(sessions[FLUSHES:])
    mailbox = Mailbox(pool.perform, desk.settings.poll, desk.worker)
    threads = Threads(THREADS, "sagalog-task")
    aio = Aio(desk, Writer(sessions[:FLUSHES]), pool, mailbox, threads)
    aio.sessions = sessions
    return aio


class Pool:
    """A few sessions for what is not an append: taking runs over, reading them."""

    def __init__(self, sessions: list[AsyncSession]) -> None:
        self._sessions = sessions
        self._free: asyncio.LifoQueue[AsyncSession] = asyncio.LifoQueue()
        for session in sessions:
            self._free.put_nowait(session)

    async def perform(self, make: Callable[[], Operation[T]]) -> T:
        """Perform an operation on a session that is free."""
        session = await self._free.get()
        try:
            return await session.perform(make)
        finally:
            self._free.put_nowait(session)

    async def close(self) -> None:
        """Close all of them."""
        for session in self._sessions:
            await session.end()


class Flight:
    """The calls of one run that are under way, and what has landed since the drive was last asked."""

    __slots__ = ("_alone", "_broken", "_held", "_landed", "_pending", "_rung", "_shell", "_task", "_tasks", "_waiter")

    def __init__(self, shell: Aio, held: Held, task: asyncio.Task[Any] | None = None) -> None:
        """`task` is the one that drives the run."""
        self._shell = shell
        self._held = held
        self._task = task
        self._tasks: set[asyncio.Task[None]] = set()
        self._landed: list[Arrived | BaseException] = []
        self._pending: list[Call] = []
        self._waiter: asyncio.Future[None] | None = None  # an Event would be most of what a flight takes
        self._rung = False
        self._alone = False  # whether the task runs a call itself, as it is the only one
        self._broken = False

    def break_off(self) -> None:
        """The engine is being closed: wait no longer, neither for a call nor for anything else."""
        self.wake()
        if self._alone and self._task is not None:
            self._broken = True
            self._task.cancel()

    def is_broken_off(self) -> bool:
        """Whether the cancellation that has come is that of `break_off`, and of nobody else."""
        return self._broken and self._task is not None and not self._task.uncancel()

    def wake(self) -> None:
        """Something is there for the run, such as a message: whoever waits is to look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def wake_from_anywhere(self) -> None:
        """The same, from another thread."""
        with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more
            self._shell.loop.call_soon_threadsafe(self.wake)

    async def next(self, calls: list[Call], due: int | None = None) -> tuple[list[Arrival], Open | None]:
        """Start `calls`, then wait for outcomes, messages, or the time `due`.

        An outcome with an open transaction comes alone.
        """
        mailbox, held = self._shell.mailbox, self._held
        if self._pending:
            calls, self._pending = [*self._pending, *calls], []
        if not self._landed and mailbox.has(held.id):
            self._pending = calls
            return [*mailbox.take(held.id)], None  # before anything else begins
        if len(calls) == 1 and due is None and not self._tasks and not self._landed:
            known = prepared(held, calls[0])
            if known.teller is None:
                self._alone = True
                try:
                    landed = await self._shell.call(held, calls[0], known)
                finally:
                    self._alone = False
                if landed[1] is None and not held.reports and not mailbox.has(held.id):
                    return [landed[0]], None
                self._landed.append(landed)
                return self._deliver()
        for call in calls:
            task = asyncio.create_task(self._fly(call))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if not self._landed:
            await self._wait(due)
        return self._deliver()

    async def _wait(self, due: int | None) -> None:
        mailbox, held = self._shell.mailbox, self._held
        self._rung = False
        alarm = None if due is None else self._shell.loop.call_later(self._shell.seconds(due), self._ring)
        while not (self._landed or held.reports or self._rung or mailbox.has(held.id) or self._shell.closed):
            self._waiter = self._shell.loop.create_future()
            await self._waiter
        if alarm is not None:
            alarm.cancel()

    def _ring(self) -> None:
        self._rung = True
        self.wake()

    async def _fly(self, call: Call) -> None:
        try:
            self._landed.append(await self._shell.call(self._held, call, prepared(self._held, call)))
        except BaseException as error:
            self._landed.append(error)
        self.wake()

    def _deliver(self) -> tuple[list[Arrival], Open | None]:
        arrived: list[Arrival] = [*self._held.told()] if self._held.reports else []
        if arrived and self._landed:
            first = self._landed[0]
            if not isinstance(first, BaseException) and first[1] is not None:
                return arrived, None
        while self._landed:
            landed = self._landed[0]
            if isinstance(landed, BaseException):
                raise landed
            outcome, open = landed
            if open is not None and arrived:
                break
            self._landed.pop(0)
            arrived.append(outcome)
            if open is not None:
                return arrived, open
        return [*arrived, *self._shell.mailbox.take(self._held.id)], None

    async def land(self) -> None:
        """Break off what is still under way: the run has left this process."""
        if not self._tasks and not self._landed:
            return
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for landed in self._landed:
            if not isinstance(landed, BaseException) and landed[1] is not None:
                self._shell.abandon_transaction(landed[1])
