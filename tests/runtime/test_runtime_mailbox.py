"""The poller of an event loop: it hands each message to the run that it is for, once, and nothing else to anybody."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sagalog.engine.runtime.mailbox import Mailbox
from sagalog.errors import StoreUnavailable
from sagalog.store import hold
from sagalog.store.io import Operation

WORKER = uuid4()


def on_a_loop(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Run an async test on a loop of its own, for a minute at most."""

    @functools.wraps(test)
    def run() -> None:
        asyncio.run(asyncio.wait_for(test(), 60))

    return run


class Inbox:
    """What stands in an inbox; counts the polls, and has them fail as often as it is told."""

    def __init__(self) -> None:
        self.rows: list[hold.Message] = []
        self.queries: list[tuple[str, object]] = []
        self.failures = 0

    async def perform(self, make: Callable[[], Operation[Any]]) -> Any:
        operation = make()
        query = next(operation)
        self.queries.append((query.name, query.params[0]))
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("gone fishing")
        rows = [tuple(row) for row in self.rows]
        try:
            operation.send(rows)
        except StopIteration as done:
            return done.value

    def post(self, run: UUID) -> UUID:
        message = uuid4()
        self.rows.append(hold.Message(message, run, "event", b"{}", "somebody", datetime.now(UTC)))
        return message

    async def polled(self, times: int = 2) -> None:
        """Wait until so many polls more have begun: all but the last have then been dealt with."""
        upto = len(self.queries) + times
        while len(self.queries) < upto:
            await asyncio.sleep(0.001)


@on_a_loop
async def test_a_message_is_handed_out_once_to_its_run() -> None:
    inbox, woken = Inbox(), list[UUID]()
    mailbox = Mailbox(inbox.perform, 0.001, WORKER)
    mine, other = uuid4(), uuid4()
    for run in (mine, other):
        mailbox.watch(run, lambda run=run: woken.append(run))  # type: ignore[misc]  # bound as it is made
    first = inbox.post(mine)
    await inbox.polled()
    assert woken == [mine] and mailbox.has(mine) and not mailbox.has(other)
    assert [message.id for message in mailbox.take(mine)] == [first]
    await inbox.polled()  # it stands in the inbox until its acceptance is durable
    assert woken == [mine] and mailbox.take(mine) == []
    second = inbox.post(mine)
    await inbox.polled()
    assert [message.id for message in mailbox.take(mine)] == [second]
    await mailbox.close()


@on_a_loop
async def test_a_poll_names_the_worker_and_no_run() -> None:
    inbox = Inbox()
    mailbox = Mailbox(inbox.perform, 0.001, WORKER)
    for _ in range(500):
        mailbox.watch(uuid4(), lambda: None)
    await inbox.polled(3)
    assert set(inbox.queries) == {("inbox_of", WORKER.bytes)}
    await mailbox.close()


@on_a_loop
async def test_what_another_shell_of_the_worker_drives_is_left_to_it() -> None:
    inbox, woken = Inbox(), list[str]()
    mailbox = Mailbox(inbox.perform, 0.001, WORKER)
    mailbox.watch(uuid4(), lambda: woken.append("mine"))
    elsewhere = uuid4()
    waiting = inbox.post(elsewhere)
    await inbox.polled()
    assert woken == [] and not mailbox.has(elsewhere)
    mailbox.watch(elsewhere, lambda: woken.append("later"))
    await inbox.polled()
    assert woken == ["later"] and [message.id for message in mailbox.take(elsewhere)] == [waiting]
    await mailbox.close()


@on_a_loop
async def test_what_was_seen_before_is_not_handed_out() -> None:
    inbox, run = Inbox(), uuid4()
    mailbox = Mailbox(inbox.perform, 0.001, WORKER)
    known, new = inbox.post(run), inbox.post(run)
    mailbox.watch(run, lambda: None, [known])
    await inbox.polled()
    assert [message.id for message in mailbox.take(run)] == [new]
    await mailbox.close()


@on_a_loop
async def test_polling_goes_on_when_the_database_is_away_and_ends_with_the_last_run() -> None:
    inbox, run = Inbox(), uuid4()
    mailbox = Mailbox(inbox.perform, 0.001, WORKER)
    inbox.failures = 2
    mailbox.watch(run, lambda: None)
    message = inbox.post(run)
    await inbox.polled(4)
    assert [found.id for found in mailbox.take(run)] == [message]
    mailbox.forget(run)
    polls = -1
    while polls != len(inbox.queries):
        polls = len(inbox.queries)
        await asyncio.sleep(0.02)
    inbox.post(run)
    await asyncio.sleep(0.02)
    assert len(inbox.queries) == polls
    await mailbox.close()
