"""Threads for plain functions of one event loop.

`ThreadPoolExecutor` behind `run_in_executor` makes two futures and wakes the loop for every call. Here a call is one
future, and results that come while the loop is busy share one wake-up: for a function that does little that is half
of the cost of a step. And a call that is cancelled has either not begun, and never will, or is waited for.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any


class Job:
    """One call. Whoever takes `function` out of its list (which is atomic) either runs it or keeps it from running."""

    __slots__ = ("error", "function", "future", "result")

    def __init__(self, function: Callable[[], Any], future: asyncio.Future[Any]) -> None:
        self.function = [function]
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None


class Threads:
    """Up to `most` threads, started as they are needed. They do not keep the process from ending."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._done: deque[Job] = deque()
        self._threads: list[threading.Thread] = []
        self._open = 0
        self._woken = False

    async def call(self, function: Callable[[], Any]) -> Any:
        """What `function` returns or raises, called on one of the threads.

        Cancelled, it raises that only when the function has ended, or cannot begin any more.
        """
        job = self.submit(function)
        try:
            return await asyncio.shield(job.future)
        except asyncio.CancelledError:
            await self.settled(job)
            raise

    def submit(self, function: Callable[[], Any]) -> Job:
        """Have `function` called; `job.future` is of what it returns or raises."""
        job = Job(function, self._loop.create_future())
        self._open += 1
        if self._open > len(self._threads) < self._most:
            thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._jobs.put(job)
        return job

    async def settled(self, job: Job) -> bool:
        """Keep a job from beginning, or wait for its end; whether it has run."""
        try:
            job.function.pop()
        except IndexError:
            await asyncio.wait([job.future])
            return True
        return False

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                function = job.function.pop()
            except IndexError:  # withdrawn
                function = None
            if function is not None:
                try:
                    job.result = function()
                except BaseException as error:
                    job.error = error
            del function
            self._done.append(job)
            if not self._woken:
                # Set before the wake-up is asked for, cleared before results are taken: none is left lying.
                self._woken = True
                try:
                    self._loop.call_soon_threadsafe(self._deliver)
                except RuntimeError:  # the loop is closed: nobody waits any more
                    return

    def _deliver(self) -> None:
        self._woken = False
        done = self._done
        while done:
            job = done.popleft()
            self._open -= 1
            future, error = job.future, job.error
            if future.cancelled():
                continue
            if error is None:
                future.set_result(job.result)
            elif isinstance(error, StopIteration):  # which a future does not take
                future.set_exception(RuntimeError(f"a task's code raised {error!r}"))
            else:
                future.set_exception(error)

    def close(self) -> None:
        """Begin nothing any more; the threads end when what they do is done."""
        while not self._jobs.empty():
            self._jobs.get()
        for _ in self._threads:
            self._jobs.put(None)
