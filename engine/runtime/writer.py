"""Group commit: one writer for many runs. It flushes whatever has queued when the previous commit returns.

There is no timer: under load the batch grows by itself, alone a record goes out at once. Two flushes may overlap; a
run waits for its own append, so no stream is ever in both. Nothing is acknowledged before it is committed (law 4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ...store import log
from ...store.session import AsyncSession
from ...store.shape import Append, Refusal

BATCH = 128
"""Appends in one flush, at most: with many runs in step with each other, one flush of them all would have this process
and the server wait for each other in turn. With two that alternate both are at work.
"""


class Writer:
    """Appends for the coroutines of one event loop, through the given sessions (one flush each at a time)."""

    def __init__(self, sessions: Sequence[AsyncSession]) -> None:
        self._sessions = sessions
        self._idle = list(sessions)
        self._queue: list[tuple[Append, asyncio.Future[list[Refusal]]]] = []
        self._flushes: set[asyncio.Task[None]] = set()
        self._due = False
        self._sending: dict[AsyncSession, list[tuple[Append, asyncio.Future[list[Refusal]]]]] = {}

    def append(self, append: Append) -> asyncio.Future[list[Refusal]]:
        """A future of the refusals, done when the append is durable or refused; it raises what the store raises."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[list[Refusal]] = loop.create_future()
        self._queue.append((append, done))
        if self._idle and not self._due:
            self._due = True
            loop.call_soon(self._start)
        return done

    async def withdraw(self, append: Append) -> None:
        """Take back an append that nobody waits for any more, or, if it has gone out already, see how it ends."""
        self._queue = [entry for entry in self._queue if entry[0] is not append]
        while any(entry[0] is append for batch in self._sending.values() for entry in batch):
            await asyncio.sleep(0.005)

    def _start(self) -> None:
        self._due = False
        if self._queue and self._idle:
            task = asyncio.get_running_loop().create_task(self._flush(self._idle.pop()))
            self._flushes.add(task)
            task.add_done_callback(self._flushes.discard)

    async def _flush(self, session: AsyncSession) -> None:
        try:
            while self._queue:
                batch, self._queue = self._queue[:BATCH], self._queue[BATCH:]
                self._sending[session] = batch
                await self._send(session, batch)
        finally:
            self._sending.pop(session, None)
            self._idle.append(session)

    async def _send(self, session: AsyncSession, batch: list[tuple[Append, asyncio.Future[list[Refusal]]]]) -> None:
        appends = [append for append, _ in batch]
        try:
            refusals = await session.perform(lambda: log.append(appends))
        except BaseException as error:
            for _, done in batch:
                if not done.done():
                    done.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for _, done in batch:
            if not done.done():
                done.set_result(refusals)

    async def close(self) -> None:
        """Wait for the flushes under way, then close the sessions."""
        await asyncio.gather(*self._flushes, return_exceptions=True)
        for session in self._sessions:
            await session.end()
