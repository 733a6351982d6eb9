"""Threads for plain functions: `Threads` for those of one event loop, `Crew` for callers that wait.

`ThreadPoolExecutor` behind `run_in_executor` makes two futures and wakes the loop for every call. Here a call is one
future, and results that come while the loop is busy share one wake-up: for a function that does little that is half
of the cost of a step. And a call that is cancelled has either not begun, and never will, or is waited for.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from ...errors import AttemptTimeout


class Job:
    """One call. Whoever takes `function` out of its list (which is atomic) either runs it or keeps it from running."""

    __slots__ = ("ended", "error", "function", "future", "result")

    def __init__(self, function: Callable[[], Any], future: asyncio.Future[Any]) -> None:
        self.function = [function]
        self.future = future
        self.ended = False
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
            return await job.future
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
            if not job.ended:
                if job.future.cancelled():  # together with whoever waited for it: its end is to be heard of all the same
                    job.future = self._loop.create_future()
                    job.future.add_done_callback(asyncio.Future.exception)  # which nobody else will ask for
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
            job.ended = True
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


class Crew:
    """Up to `width` threads for callers that wait, kept for the next call, and replaced when one hangs."""

    def __init__(self, width: int, name: str) -> None:
        self.width = width
        self._name = name
        self._room = threading.Semaphore(width)
        self._idle: list[Hand] = []
        self._count = 0
        self._closed = False

    def carry(self, function: Callable[[], Any], timeout: float | None) -> Any:
        """What `function` returns or raises, called on one of the threads, in the caller's context.

        Raises:
            AttemptTimeout: it ran for longer than `timeout` seconds, and still does; its thread ends with it.
        """
        with self._room:
            hand = self._free()
            try:
                return hand.call(function, timeout)
            finally:
                if hand.free:
                    self._back(hand)

    def _free(self) -> Hand:
        try:
            return self._idle.pop()
        except IndexError:
            self._count += 1
            return Hand(f"{self._name}-{self._count - 1}")

    def _back(self, hand: Hand) -> None:
        if self._closed:
            hand.dismiss()
        else:
            self._idle.append(hand)

    def close(self) -> None:
        """Let the threads end; one that is at work ends with its call."""
        self._closed = True
        while self._idle:
            self._idle.pop().dismiss()


class Hand:
    """One thread, for one caller at a time. It does not keep the process from ending."""

    __slots__ = ("_answers", "_jobs", "free")

    def __init__(self, name: str) -> None:
        self.free = True
        self._jobs: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self._answers: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        threading.Thread(target=_serve, args=(self._jobs, self._answers), name=name, daemon=True).start()

    def call(self, function: Callable[[], Any], timeout: float | None) -> Any:
        """What `function` returns or raises; AttemptTimeout: it is still at it, and this thread is not `free` any more."""
        self.free = False
        self._jobs.put(partial(copy_context().run, function))
        try:
            result, error = self._answers.get(timeout=timeout)
        except Empty:
            self.dismiss()
            raise AttemptTimeout(timeout or 0, "abandoned") from None
        except BaseException:
            self.dismiss()
            # An interrupt: the run may be gone on with elsewhere only when nothing more can come of this call.
            with suppress(Empty):
                self._answers.get(timeout=timeout)
            raise
        self.free = True
        if error is not None:
            raise error
        return result

    def dismiss(self) -> None:
        """Have the thread end when it has done what it does."""
        self._jobs.put(None)


def _serve(jobs: SimpleQueue[Callable[[], Any] | None], answers: SimpleQueue[tuple[Any, BaseException | None]]) -> None:
    while (function := jobs.get()) is not None:
        try:
            answer: tuple[Any, BaseException | None] = (function(), None)
        except BaseException as error:
            answer = (None, error)
        del function
        answers.put(answer)
        del answer


def call_within(seconds: float, function: Callable[[], Any]) -> Any:
    """What `function` returns or raises, on a thread of its own; AttemptTimeout when it takes longer: it is abandoned."""
    hand = Hand("sagalog-timed")
    try:
        return hand.call(function, seconds)
    finally:
        hand.dismiss()
