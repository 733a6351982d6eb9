"""Owning runs: take one over, drive it, let it go. The blocking and the asyncio way, side by side."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from ... import telemetry
from ...errors import LeaseHeld, SagalogError
from ...store import hold
from ..core.decide import Recover, Resume
from ..core.going import may_resume
from ..core.records import Draft
from .aio import Aio
from .app import Sagalog
from .blocking import Blocking
from .desk import Desk
from .drive import Arrival, Message, Turn, drive
from .held import Held
from .taking import claim, take_over

PAUSE = 0.25
"""Seconds between two looks at a lease that is waited for."""


class Owning:
    """What one engine does with the runs that it owns."""

    def __init__(self, desk: Desk, app: Sagalog) -> None:
        self.desk = desk
        self.app = app

    # --- blocking

    def take(self, shell: Blocking, run_id: UUID, steal: bool | None, back: bool = False) -> Held:
        """Become the owner. If the owner may be alive: wait for its lease (`steal` None), raise (False), take (True)."""
        patience = Patience(self.desk, run_id, steal)
        while True:
            try:
                with self._reserved(run_id):
                    return shell.session.perform(lambda: take_over(self.desk, self.app, run_id, bool(steal), back))
            except LeaseHeld as error:
                patience.spend(error)
            time.sleep(PAUSE)

    def begin(self, shell: Blocking, held: Held, drafts: Sequence[Draft]) -> None:
        """Drive a new run from its first record on."""
        with self._reserved(held.id):
            self._drive(shell, held, [Resume()], drafts)
        self._free(held)

    def _drive(self, shell: Blocking, held: Held, first: Sequence[Arrival], drafts: Sequence[Draft]) -> None:
        for _ in self._turns(shell, held, first, drafts):
            pass

    def _turns(
        self, shell: Blocking, held: Held, first: Sequence[Arrival], drafts: Sequence[Draft]
    ) -> Iterator[Turn]:
        """Drive a run that is owned until it rests; it is let go then, and by whatever breaks that off, resumable."""
        with _told(held):
            try:
                yield from shell.turns(held, drive(held, first, shell.capacity, drafts))
            finally:
                if _still_ours(held):
                    with contextlib.suppress(SagalogError):
                        shell.session.perform(lambda: hold.release(held.id, held.head.epoch))

    def go_on(self, shell: Blocking, held: Held, wishes: Sequence[Arrival]) -> None:
        """Go on with a run that was taken over; one that rests, and of which nobody wants anything, stays as it is."""
        for _ in self.go_on_by_turns(shell, held, wishes):
            pass

    def go_on_by_turns(self, shell: Blocking, held: Held, wishes: Sequence[Arrival]) -> Generator[Turn, None, None]:
        """The same, a turn at a time."""
        try:
            posted = shell.session.perform(lambda: hold.inbox([held.id]))
            messages = [Message(row.message_id, row.kind, row.sender, row.body) for row in posted]
            if messages or wanted(held, wishes):
                first = [Recover(), *messages, *wishes]
                yield from self._turns(shell, held, first, [held.fold(claim(self.desk, held.head))])
            else:
                shell.session.perform(lambda: hold.release(held.id, held.head.epoch))
        finally:
            self._free(held)

    def let_go(self, shell: Blocking, held: Held) -> None:
        """Give a run back that was taken over, and do nothing with it."""
        try:
            shell.session.perform(lambda: hold.release(held.id, held.head.epoch))
        finally:
            self._free(held)

    # --- asyncio

    async def atake(self, aio: Aio, run_id: UUID, steal: bool | None) -> Held:
        """`take` on an event loop."""
        patience = Patience(self.desk, run_id, steal)
        while True:
            try:
                with self._reserved(run_id):
                    return await self._atake_over(aio, run_id, bool(steal))
            except LeaseHeld as error:
                patience.spend(error)
            await asyncio.sleep(PAUSE)

    async def _atake_over(self, aio: Aio, run_id: UUID, steal: bool) -> Held:
        """Cancelled half-way it is let come to its end, and what it took is given back."""
        taking = asyncio.ensure_future(aio.perform(lambda: take_over(self.desk, self.app, run_id, steal)))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            await asyncio.wait([taking])
            if not taking.cancelled() and taking.exception() is None:
                await _release(aio, taking.result())
            raise

    async def abegin(self, aio: Aio, held: Held, drafts: Sequence[Draft]) -> None:
        """`begin` on an event loop."""
        with self._reserved(held.id):
            await self._adrive(aio, held, [Resume()], drafts)
        self._free(held)

    async def _adrive(
        self, aio: Aio, held: Held, first: Sequence[Arrival], drafts: Sequence[Draft], patient: bool = True
    ) -> None:
        aio.busy += 1
        try:
            with _told(held):
                try:
                    seen = [arrival.id for arrival in first if isinstance(arrival, Message)]
                    await aio.run(held, drive(held, first, aio.capacity, drafts, patient), seen)
                finally:
                    if _still_ours(held):
                        await _release(aio, held)
        finally:
            aio.busy -= 1

    async def ago_on(self, aio: Aio, held: Held, wishes: Sequence[Arrival], patient: bool = True) -> None:
        """`go_on` on an event loop; not `patient`: until there is nothing to do but to wait."""
        try:
            try:
                messages = (await aio.mailbox.look([held.id])).get(held.id, [])
            except (Exception, asyncio.CancelledError):
                await _release(aio, held)
                raise
            if messages or wanted(held, wishes):
                first = [Recover(), *messages, *wishes]
                await self._adrive(aio, held, first, [held.fold(claim(self.desk, held.head))], patient)
            else:
                await aio.perform(lambda: hold.release(held.id, held.head.epoch))
        finally:
            self._free(held)

    async def alet_go(self, aio: Aio, held: Held) -> None:
        """`let_go` on an event loop, also where this is cancelled."""
        try:
            await _release(aio, held)
        finally:
            self._free(held)

    @contextmanager
    def _reserved(self, run_id: UUID) -> Iterator[None]:
        """Nobody else in this engine takes the run meanwhile, nor afterwards, until it is freed."""
        with self.desk.lock:
            if run_id in self.desk.active:
                raise LeaseHeld(f"run {run_id} is being driven by this very engine; wait for that call to end")
            self.desk.active.add(run_id)
        try:
            yield
        except BaseException:
            self.desk.active.discard(run_id)
            raise

    def _free(self, held: Held) -> None:
        self.desk.active.discard(held.id)


@contextmanager
def _told(held: Held) -> Iterator[None]:
    telemetry.emit("run.taken", run=held.id, epoch=held.head.epoch)
    try:
        yield
    finally:
        telemetry.emit("run.left", run=held.id, state=held.state.run)


class Patience:
    """How long a run that is wanted is waited for: until the lease of its owner must have run out."""

    def __init__(self, desk: Desk, run_id: UUID, steal: bool | None) -> None:
        self._run_id = run_id
        self._steal = steal
        self._until = time.monotonic() + desk.settings.lease + 1

    def spend(self, error: LeaseHeld) -> None:
        """Say that the run is waited for, or raise `error` when there is no waiting (any more)."""
        if self._steal is False or time.monotonic() > self._until:
            raise error
        telemetry.emit("run.awaited", run=self._run_id, error=error)


def wanted(held: Held, wishes: Sequence[Arrival]) -> bool:
    """Whether there is anything to do for a run: it does not rest, or more is asked for than to go on."""
    return may_resume(held.state) or any(not isinstance(wish, Resume) for wish in wishes)


async def _release(aio: Aio, held: Held) -> None:
    """Give the run back, also where this is cancelled; if that fails, its lease will run out with this process."""
    giving = asyncio.ensure_future(aio.perform(lambda: hold.release(held.id, held.head.epoch)))
    with contextlib.suppress(SagalogError):
        try:
            await asyncio.shield(giving)
        except asyncio.CancelledError:
            await asyncio.wait([giving])
            raise


def _still_ours(held: Held) -> bool:
    return held.head.version > 0 and held.head.owner is not None
