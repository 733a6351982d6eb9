"""Worker processes of our own, one call at a time each.

`concurrent.futures.ProcessPoolExecutor` breaks as a whole when one of its processes dies, and has no way to stop one
call. Here each worker has a pipe to itself: a worker that dies fails the call it had, a call that takes too long is ended
together with its worker, and neither is noticed by the others.

Workers are spawned, never forked: this process has threads. A worker leads a process group, so that what its code has
started ends with it, and ends by itself when this process is gone.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from ...errors import AttemptTimeout, Failure, FlowError, ProcessDied
from ..definition.progress import update
from .parcels import packed, unpacked
from .serving import PROGRESS, RESULT, serve

START = 60.0
"""Seconds that a worker may take to begin: it imports what the program imports."""
_spawn = multiprocessing.get_context("spawn")
_starting = threading.Lock()  # the bookkeeping of multiprocessing is not made for several threads
_numbers = itertools.count()
_workers: weakref.WeakSet[Worker] = weakref.WeakSet()


class FailedThere(Exception):
    """What code raised in another process: described there, and rebuilt as far as it could be."""

    def __init__(self, failure: Failure, error: BaseException) -> None:
        super().__init__(failure, error)
        self.failure = failure
        self.error = error


class Processes:
    """Up to `width` workers, started as they are needed, each replaced after `most` calls."""

    def __init__(self, width: int, most: int | None = None) -> None:
        self.width = width
        self._most = most
        self._room = threading.Semaphore(width)
        self._idle: list[Worker] = []
        self._all: weakref.WeakSet[Worker] = weakref.WeakSet()
        self._closed = False

    def carry(self, code: Callable[[], Any], timeout: float | None) -> Any:
        """What `code` returns in a worker.

        Raises:
            FailedThere: what it raised. AttemptTimeout: it ran for longer than `timeout` seconds; its worker is ended.
            ProcessDied: the worker was. FlowError: the code, or an argument, cannot be taken to another process.
        """
        try:
            parcel = packed(code)
        except Exception as error:
            raise FlowError(
                f"the code or its arguments cannot be taken to another process: {type(error).__name__}: {error}"
            ) from error
        with self._room:
            worker = self._free()
            try:
                answer = worker.ask(parcel, timeout)
            except BaseException:
                worker.end()
                raise
            if self._closed or (self._most is not None and worker.calls >= self._most):
                worker.retire()
            else:
                self._idle.append(worker)
        return _opened(answer)

    def _free(self) -> Worker:
        while self._idle:
            with contextlib.suppress(IndexError):
                worker = self._idle.pop()
                if worker.alive:
                    return worker
                worker.end()
        worker = Worker()
        self._all.add(worker)
        return worker

    def close(self) -> None:
        """End the workers; a call that is under way fails."""
        self._closed = True
        for worker in list(self._all):
            worker.end()


class Worker:
    """One process, spawned here; for one caller at a time."""

    def __init__(self) -> None:
        self.calls = 0
        self._pipe, theirs = _spawn.Pipe()
        self._process = _spawn.Process(target=serve, args=(theirs,), name=f"sagalog-process-{next(_numbers)}")
        with _starting:
            self._process.start()
        theirs.close()
        self._finally = weakref.finalize(self, _end, self._process, self._pipe)
        _workers.add(self)
        try:
            if self._receive(time.monotonic() + START) is None:
                raise ProcessDied(f"a worker process was not ready {START:g} s after it was started")
        except BaseException:
            self.end()
            raise

    @property
    def alive(self) -> bool:
        """Whether it waits for a call."""
        return not wait([self._process.sentinel], 0)

    def ask(self, parcel: bytes, timeout: float | None) -> bytes:
        """The answer to one call, packed; AttemptTimeout, ProcessDied, and then this worker is to be ended."""
        self.calls += 1
        try:
            self._pipe.send_bytes(parcel)
        except OSError:
            raise self._died() from None
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            answer = self._receive(until)
            if answer is None:
                raise AttemptTimeout(timeout or 0, "terminated")
            if answer[:1] != PROGRESS:
                return answer
            update(*unpacked(answer[1:]))

    def _receive(self, until: float | None) -> bytes | None:
        """The next message; None: it has not come in time."""
        left = None if until is None else max(0.0, until - time.monotonic())
        try:
            return self._pipe.recv_bytes() if self._pipe.poll(left) else None
        except (EOFError, OSError):
            raise self._died() from None

    def _died(self) -> ProcessDied:
        _kill(self._process)  # what its code has started; and itself, should it only have closed the pipe
        with _starting:
            self._process.join(5)
            code = self._process.exitcode
        how = "it has ended" if code is None else f"exit code {code}"
        if code is not None and code < 0:
            how = f"signal {-code}, {_signal(-code)}"
        what = f"while it ran the task ({how})" if self.calls else (
            f"before it could begin ({how}); a script that is the main program needs `if __name__ == \"__main__\":` around "
            "what it starts"
        )
        return ProcessDied(f"the worker process {self._process.pid} died {what}", code)

    def retire(self) -> None:
        """Let it end by itself: it has nothing to do."""
        self._finally.detach()
        self._pipe.close()
        with _starting:
            self._process.join(5)
        _end(self._process, self._pipe)

    def end(self) -> None:
        """End it, and what its code has started."""
        self._finally()


def _end(process: SpawnProcess, pipe: Connection) -> None:
    with contextlib.suppress(OSError):
        pipe.close()
    if process.pid is not None and process.exitcode is None:
        _kill(process)
        with _starting:
            process.join(5)


def _kill(process: SpawnProcess) -> None:
    if process.pid is None:
        return
    with contextlib.suppress(OSError):  # there is no such group when it has died before it could make one
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        process.kill()


@atexit.register
def _end_all() -> None:
    """Registered after multiprocessing's own, so called before it, which would wait for these without an end."""
    for worker in list(_workers):
        worker.end()


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "of no name"


def _opened(answer: bytes) -> Any:
    kind, body = answer[:1], answer[1:]
    if kind == RESULT:
        return unpacked(body)
    data, blob = unpacked(body)
    error: BaseException = unpacked(blob)
    if isinstance(error, KeyboardInterrupt):
        raise error
    raise FailedThere(Failure.from_data(data), error)
