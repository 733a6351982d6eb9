"""The blocking shell: tasks run on the caller's thread, one connection, one round trip and one commit per transition."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from ...errors import SagalogError
from ...store import hold, log
from ...store.session import Session
from ..core.decide import Aborted, Call, Failed
from .calls import CURRENT, Outcome, invoke, stages
from .desk import Desk, announce
from .drive import Drive, Message, Turn
from .held import Held
from .prepared import prepared
from .transactions import Open, call_inside, seal


class Blocking:
    """Interprets the turns of one run at a time; `async def` tasks run on a private loop, one after the other."""

    capacity = 1

    def __init__(self, session: Session, desk: Desk) -> None:
        self.session = session
        self.desk = desk
        self.carriers = desk.carriers
        self._runner: asyncio.Runner | None = None
        self._running = self._closed = False
        self.inside = False  # whether a transaction is open on the session
        self.stepped: set[UUID] = set()  # runs that this thread goes on with by steps
        self._look = 0.0

    def run(self, held: Held, drive: Drive) -> None:
        """Drive the run until it rests.

        Raises:
            Fenced, Conflict: the run is not this process's any more; nothing was written. StoreUnavailable.
            KeyboardInterrupt and CancelledError of a task's code: the run stays resumable.
        """
        for _ in self.turns(held, drive):
            pass

    def turns(self, held: Held, drive: Drive) -> Iterator[Turn]:
        """The same; of a run that is gone on with by steps each turn is given, when it is durable."""
        queue: deque[Call] = deque()
        open: Open | None = None
        by_steps = held.id in self.stepped
        self._look = time.monotonic() + self.desk.settings.poll
        turn = next(drive)
        outer = CURRENT.get()
        CURRENT.set(held.id)
        try:
            while True:
                broken = self._commit(held, turn, open)
                open = None
                if broken is not None:
                    turn = drive.send([broken])
                    continue
                if by_steps:
                    CURRENT.set(outer)  # something else may be done between two of them
                    yield turn
                    outer = CURRENT.get()
                    CURRENT.set(held.id)
                if turn.last:
                    return
                queue.extend(turn.calls)
                messages = self._messages(held)
                if messages or not queue:
                    turn = drive.send(messages or self._pause(held, turn.due))
                    continue
                outcome, open = self._call(held, queue.popleft())
                # What was asked for meanwhile is heard before anything new is started; inside a transaction, right after.
                arrived = [*held.told(), outcome]
                turn = drive.send(arrived if open else [*arrived, *self._messages(held)])
        except SagalogError:
            raise
        except BaseException:
            # An interrupt comes when it likes: no transaction may be left open on a connection that is used again.
            self.session.close()
            raise
        finally:
            if CURRENT.get() == held.id:
                CURRENT.set(outer)

    def _pause(self, held: Held, due: int | None) -> list[Message]:
        """Wait for the next timer, or until it is time to look into the inbox again."""
        until = self._look - time.monotonic()
        if due is not None:
            until = min(until, (due - self.desk.clock.now()) / 1e6)
        time.sleep(max(until, 0.001))
        return self._messages(held)

    def _call(self, held: Held, call: Call) -> tuple[Outcome | Aborted, Open | None]:
        known = prepared(held, call)
        if known.inside:
            self.inside = True
            try:
                return call_inside(self.session, held, call, self._wait)
            finally:
                self.inside = False
        return invoke(stages(held, call, known, carriers=self.carriers), self._wait), None

    def _commit(self, held: Held, turn: Turn, open: Open | None) -> Aborted | Failed | None:
        """Make the turn durable, through the transaction that is open around `open`'s outcome if there is one."""
        if not turn.drafts:
            return None
        append = self.desk.append(held, turn)
        announce("append.before", held, turn)
        broken = None
        if open is None:
            refusals = self.session.perform(lambda: log.append([append]))
        else:
            refusals, broken = seal(held, open, append)
        if broken is None:
            self.desk.appended(held, append, refusals)
            announce("append.after", held, turn)
        return broken

    def _messages(self, held: Held) -> list[Message]:
        now = time.monotonic()
        if now < self._look:
            return []
        self._look = now + self.desk.settings.poll
        posted = self.session.perform(lambda: hold.inbox([held.id]))
        return [Message(row.message_id, row.kind, row.sender, row.body) for row in posted]

    def _wait(self, coroutine: Any) -> Any:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._run(coroutine)
        # The caller is itself on a loop, which is blocked meanwhile (a notebook's, say): another thread has none.
        with ThreadPoolExecutor(1) as other:
            return other.submit(asyncio.run, coroutine).result()

    def _run(self, coroutine: Any) -> Any:
        self._running = True  # before `_closed` is looked at, as `close` does it the other way about
        runner = self._runner
        if runner is None or self._closed:
            runner = self._runner = asyncio.Runner()
        try:
            return runner.run(coroutine)
        finally:
            self._running = False
            if self._closed:
                runner.close()

    def close(self) -> None:
        """End the private loop, if there is one. While it is at work, on another thread, it ends with what it does."""
        self._closed = True
        if not self._running and self._runner is not None:
            self._runner.close()
            self._runner = None
