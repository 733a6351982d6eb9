"""The final-row floor: a bare writer with the real columns, the real append functions and the real hash, and no engine.

Two records a step (outcome of this one, start of the next) in one commit, bodies encoded beforehand: no codec, no
core, no drive. What the engine has to do on top of this is what is measured beside it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import psycopg

from sagalog.engine.core import records as r
from sagalog.store import log
from sagalog.store.ids import record_ids, run_id
from sagalog.store.io import aask, ask
from sagalog.store.shape import Append, Head, NewRecord

FACTS = b'{"atom":7,"execution":1,"attempt":1}'
VALUE = b'{"step":1,"ok":true,"note":"xxxxxxxxxxxxxxxxxxxx"}'
ACTOR = "engine"
OWNER = uuid4()


def step() -> bytes:
    """A task that does nothing."""
    return VALUE


async def astep() -> bytes:
    """The same on an event loop."""
    return VALUE


def stream() -> Head:
    """The head of a new stream."""
    return Head(run_id(time.time_ns() // 1000), epoch=1, owner=OWNER)


def begin(head: Head) -> Append:
    """The run, and the start of its first step."""
    return _append(head, r.RUN_CREATED, r.TASK_RUNNING, VALUE, OWNER)


def outcome(head: Head, value: bytes, last: bool) -> Append:
    """The outcome of a step, and the start of the next or the end of the run."""
    return _append(head, r.TASK_SUCCESS, r.RUN_SUCCESS if last else r.TASK_RUNNING, value, None if last else OWNER)


def _append(head: Head, first: str, second: str, value: bytes, owner: UUID | None) -> Append:
    one, two = record_ids(2)
    pair = (NewRecord(one, first, 1, FACTS, value, "json@1"), NewRecord(two, second, 1, FACTS))
    return Append(head, pair, ACTOR, time.time_ns() // 1000, owner=owner)


def blocking(url: str, steps: int) -> float:
    """One run, one commit a step; steps/s. Writes 2 x (steps + 1) records."""
    with psycopg.connect(url, autocommit=True) as conn:
        cursor, head = psycopg.RawCursor(conn), stream()
        _write(cursor, begin(stream()))  # the statements are prepared, by a stream of their own
        _write(cursor, begin(warm := stream()))
        _write(cursor, outcome(warm, VALUE, True))
        began = time.perf_counter()
        _write(cursor, begin(head))
        for left in range(steps, 0, -1):
            _write(cursor, outcome(head, step(), left == 1))
        return steps / (time.perf_counter() - began)


def _write(cursor: psycopg.RawCursor[Any], append: Append) -> None:
    operation = log.append([append])
    query = next(operation)
    try:
        while True:
            query = operation.send(ask(cursor, query))
    except StopIteration as done:
        assert not done.value, done.value


class GroupCommit:
    """Flushes whatever has queued when the previous commit has returned; one flush a connection at a time."""

    def __init__(self, connections: Sequence[psycopg.AsyncConnection[Any]]) -> None:
        self.idle = [psycopg.AsyncRawCursor(conn) for conn in connections]
        self.queue: list[tuple[Append, asyncio.Future[None]]] = []
        self.flushes: set[asyncio.Task[None]] = set()
        self.due = False

    def append(self, append: Append) -> asyncio.Future[None]:
        """Done when it is durable."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self.queue.append((append, done))
        if self.idle and not self.due:
            self.due = True
            loop.call_soon(self._start)
        return done

    def _start(self) -> None:
        self.due = False
        if self.idle:
            task = asyncio.get_running_loop().create_task(self._flush(self.idle.pop()))
            self.flushes.add(task)
            task.add_done_callback(self.flushes.discard)

    async def _flush(self, cursor: psycopg.AsyncRawCursor[Any]) -> None:
        while self.queue:
            batch, self.queue = self.queue, []
            operation = log.append([append for append, _ in batch])
            query = next(operation)
            try:
                while True:
                    query = operation.send(await aask(cursor, query))
            except StopIteration as done:
                assert not done.value, done.value
            for _, future in batch:
                future.set_result(None)
        self.idle.append(cursor)


async def _drive(writer: GroupCommit, steps: int, pool: ThreadPoolExecutor | None) -> None:
    head, loop = stream(), asyncio.get_running_loop()
    await writer.append(begin(head))
    for left in range(steps, 0, -1):
        value = await (astep() if pool is None else loop.run_in_executor(pool, step))
        await writer.append(outcome(head, value, left == 1))


async def _many(url: str, runs: int, steps: int, threads: int, flushes: int) -> float:
    connections = [await psycopg.AsyncConnection.connect(url, autocommit=True) for _ in range(flushes)]
    pool = ThreadPoolExecutor(threads) if threads else None
    try:
        writer = GroupCommit(connections)
        await asyncio.gather(*(_drive(writer, 2, pool) for _ in range(WARM)))
        began = time.perf_counter()
        await asyncio.gather(*(_drive(writer, steps, pool) for _ in range(runs)))
        return runs * steps / (time.perf_counter() - began)
    finally:
        if pool is not None:
            pool.shutdown()
        for connection in connections:
            await connection.close()


WARM = 8
"""Runs of two steps before the clock starts: connections are made, statements prepared, threads there."""


def many(url: str, runs: int, steps: int, threads: int = 0, flushes: int = 2) -> float:
    """`runs` at once behind one group-committing writer; steps/s.

    With `threads`, steps are plain functions in a pool of so many. Writes 2 x (steps + 1) records a run, and the warm-up.
    """
    return asyncio.run(_many(url, runs, steps, threads, flushes))


def many_records(runs: int, steps: int) -> int:
    """How many records `many` writes."""
    return runs * 2 * (steps + 1) + WARM * 2 * 3


def blocking_records(steps: int) -> int:
    """How many records `blocking` writes."""
    return 2 * (steps + 1) + 2 + 4
