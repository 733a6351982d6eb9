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
    """Polls every `every` seconds for all that `worker` owns; there is no poller without a run that is watched.

    A poll costs one query without the runs' ids: it is as cheap for 10,000 runs that wait as for one.
    """

    def __init__(self, perform: Perform, every: float, worker: UUID) -> None:
        self._perform = perform
        self._every = every
        self._worker = worker
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
                found = _by_run(await self._perform(lambda: hold.inbox_of(self._worker)))
            except SagalogError as error:
                if self._wake:
                    _log.warning("the inbox cannot be read just now: %s", error)
                continue
            for run, messages in found.items():
                if run not in self._wake:
                    continue  # another shell of this worker has it, which looks for itself
                # A message stays in the inbox until its acceptance is durable; it is handed out once all the same.
                new = [message for message in messages if message.id not in self._seen[run]]
                if new:
                    self._seen[run].update(message.id for message in new)
                    self._found.setdefault(run, []).extend(new)
                    self._wake[run]()

    async def look(self, runs: list[UUID]) -> dict[UUID, list[Message]]:
        """What waits for these runs, now, whoever owns them."""
        return _by_run(await self._perform(lambda: hold.inbox(runs)))

    def leave(self) -> None:
        """Look for nothing any more, from any thread."""
        self._wake.clear()

    async def close(self) -> None:
        """End the poller."""
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)


def _by_run(rows: Iterable[hold.Message]) -> dict[UUID, list[Message]]:
    found: dict[UUID, list[Message]] = {}
    for row in rows:
        found.setdefault(row.stream_id, []).append(Message(row.message_id, row.kind, row.sender, row.body))
    return found
