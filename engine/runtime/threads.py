"""Threads for plain functions of one event loop.

`ThreadPoolExecutor` behind `run_in_executor` makes two futures and wakes the loop for every call. Here a call is one
future, and results that come while the loop is busy share one wake-up: for a function that does little that is half
of the cost of a step.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

Job = tuple[Callable[[], Any], asyncio.Future[Any]]
Done = tuple[asyncio.Future[Any], Any, BaseException | None]


class Threads:
    """Up to `most` threads, started as they are needed. They do not keep the process from ending."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._done: deque[Done] = deque()
        self._threads: list[threading.Thread] = []
        self._open = 0
        self._woken = False

    def run(self, function: Callable[[], Any]) -> asyncio.Future[Any]:
        """A future of what `function` returns or raises, called on one of the threads."""
        future = self._loop.create_future()
        self._open += 1
        if self._open > len(self._threads) < self._most:
            thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._jobs.put((function, future))
        return future

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            function, future = job
            try:
                self._done.append((future, function(), None))
            except BaseException as error:
                self._done.append((future, None, error))
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
            future, result, error = done.popleft()
            self._open -= 1
            if future.cancelled():
                continue
            if error is None:
                future.set_result(result)
            elif isinstance(error, StopIteration):  # which a future does not take
                future.set_exception(RuntimeError(f"a task's code raised {error!r}"))
            else:
                future.set_exception(error)

    def close(self) -> None:
        """Let the threads end when what they do is done."""
        for _ in self._threads:
            self._jobs.put(None)
