"""The inboxes of all runs of one event loop, looked into by one poller."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from uuid import UUID

from ...errors import SagalogError
from ...store import hold
from ...store.io import Operation
from .drive import Message

Perform = Callable[[Callable[[], Operation[Any]]], Awaitable[Any]]

_log = logging.getLogger("sagalog.inbox")


class Mailbox:
    """Polls every `every` seconds, in one query, for the runs that are watched; there is no poller without a run."""

    def __init__(self, perform: Perform, every: float) -> None:
        self._perform = perform
        self._every = every
        self._wake: dict[UUID, Callable[[], None]] = {}
        self._found: dict[UUID, list[Message]] = {}
        self._seen: dict[UUID, set[UUID]] = {}
        self._poller: asyncio.Task[None] | None = None

    def watch(self, run: UUID, wake: Callable[[], None], seen: Iterable[UUID] = ()) -> None:
        """Look for messages to `run` from now on, but for those `seen`; `wake` is called when there are some."""
        self._wake[run] = wake
        self._seen[run] = set(seen)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())

    def forget(self, run: UUID) -> None:
        """Stop looking; what was found and not taken stays in the inbox of the log."""
        self._wake.pop(run, None)
        self._found.pop(run, None)
        self._seen.pop(run, None)

    def has(self, run: UUID) -> bool:
        """Whether there is something to take."""
        return run in self._found

    def take(self, run: UUID) -> list[Message]:
        """The messages found for `run`, oldest first."""
        return self._found.pop(run, []) if self._found else []

    async def _poll(self) -> None:
        while self._wake:
            await asyncio.sleep(self._every)
            try:
                found = await self.look(list(self._wake))
            except SagalogError as error:
                _log.warning("the inbox cannot be read just now: %s", error)
                continue
            for run, messages in found.items():
                # A message stays in the inbox until its acceptance is durable; it is handed out once all the same.
                new = [message for message in messages if message.id not in self._seen.get(run, ())]
                if new and run in self._wake:
                    self._seen[run].update(message.id for message in new)
                    self._found.setdefault(run, []).extend(new)
                    self._wake[run]()

    async def look(self, runs: list[UUID]) -> dict[UUID, list[Message]]:
        """What waits for these runs, now."""
        found: dict[UUID, list[Message]] = {}
        for row in await self._perform(lambda: hold.inbox(runs)):
            found.setdefault(row.stream_id, []).append(Message(row.message_id, row.kind, row.sender, row.body))
        return found

    async def close(self) -> None:
        """End the poller."""
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)
