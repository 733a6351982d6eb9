"""Where a task's code runs when it is not the shell's own place: a thread, a process, somebody's `Executor`.

A carrier is asked by a thread that waits for the answer. One engine has one carrier for each executor and
configuration that its tasks name; it makes them when they are first used and closes them with itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol

from ...errors import AttemptTimeout, ProcessDied
from ..definition.execution import Execution, ExecutorConfig
from .parcels import Parcel
from .processes import Processes
from .threads import Crew

Code = Callable[[], Any]
PLENTY = 32
"""Calls that are handed at a time to an executor that does not say how many it takes."""


class Carrier(Protocol):
    """Runs code elsewhere; `width` is how many calls it carries at a time."""

    width: int

    def carry(self, code: Code, timeout: float | None) -> Any:
        """What `code` returns or raises; AttemptTimeout after `timeout` seconds of running, ProcessDied."""

    def close(self) -> None:
        """End what it has made."""


class Carriers:
    """The carriers of one engine, each made when it is first asked for."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ExecutorConfig], Carrier] = {}
        self._lock = threading.Lock()

    def of(self, apart: Execution) -> Carrier | None:
        """Who carries such calls; None: they run where the shell runs any other."""
        if apart.executor is None or apart.executor == "inline":
            return None
        key = (_kind(apart.executor), apart.config or ExecutorConfig())
        found = self._known.get(key)
        if found is None:
            with self._lock:
                found = self._known.get(key) or self._known.setdefault(key, _carrier(*key))
        return found

    def close(self) -> None:
        """Close all that were made; executors that were given as instances are left as they are."""
        with self._lock:
            carriers = list(self._known.values())
            self._known.clear()
        for carrier in carriers:
            carrier.close()


def _kind(executor: Any) -> Any:
    """The two pools of the standard library have counterparts here that outlive a call that hangs or dies."""
    if executor is ThreadPoolExecutor:
        return "thread"
    return "process" if executor is ProcessPoolExecutor else executor


def _carrier(kind: Any, config: ExecutorConfig) -> Carrier:
    most = config.max_workers
    if kind == "thread":
        prefix = config.thread_name_prefix or "sagalog-thread"
        return Crew(most or min(32, (os.cpu_count() or 1) + 4), prefix)
    if kind == "process":
        return Processes(most or os.cpu_count() or 1, config.max_tasks_per_child)
    if isinstance(kind, type):
        return Owned(kind, config)
    return Given(kind, most)


class Given:
    """Somebody else's executor: used, never closed."""

    def __init__(self, executor: Executor, most: int | None = None) -> None:
        self._executor = executor
        self.width = most or _width(executor)

    def carry(self, code: Code, timeout: float | None) -> Any:
        """See `Carrier`; what takes too long is abandoned, for an executor has no way to stop it."""
        return handed(self._executor, code, timeout)

    def close(self) -> None:
        """Nothing: it is not ours."""


class Owned:
    """An executor of a class that a task names: made here, made anew when it is broken, shut down with the engine."""

    def __init__(self, kind: type[Executor], config: ExecutorConfig) -> None:
        self._make: Callable[[], Executor] = partial(kind, **_options(kind, config))
        self._executor: Executor | None = None
        self._lock = threading.Lock()
        self.width = config.max_workers or PLENTY

    def carry(self, code: Code, timeout: float | None) -> Any:
        """See `Carrier`; what takes too long is abandoned."""
        with self._lock:
            executor = self._executor = self._executor or self._make()
        try:
            return handed(executor, code, timeout)
        except ProcessDied:
            with self._lock:
                if self._executor is executor:
                    self._executor = None
            executor.shutdown(wait=False)
            raise

    def close(self) -> None:
        """Shut it down; what runs in it ends by itself."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)


def handed(executor: Executor, code: Code, timeout: float | None) -> Any:
    """Have an executor run `code`.

    Raises:
        AttemptTimeout: it did not end in time, counted from when it was handed over, and is left to itself.
        ProcessDied: the executor is broken.
    """
    try:
        future = executor.submit(Parcel(code))
        try:
            return future.result(timeout)
        except TimeoutError:
            if future.done():  # the code's own
                raise
        except KeyboardInterrupt:  # the run may be gone on with elsewhere only when nothing more can come of this
            if not future.done() and not future.cancel():
                with contextlib.suppress(Exception):
                    future.result(timeout)
            raise
    except BrokenExecutor as error:
        raise ProcessDied(f"{type(executor).__name__} is broken: {error}") from error
    future.cancel()
    raise AttemptTimeout(timeout or 0, "abandoned")


def _width(executor: Executor) -> int:
    found = getattr(executor, "_max_workers", None)
    return found if isinstance(found, int) and found > 0 else PLENTY


def _options(kind: type[Executor], config: ExecutorConfig) -> dict[str, Any]:
    """What of the configuration the class takes."""
    given = {name: value for name in _CONFIG if (value := getattr(config, name))}
    try:
        parameters = inspect.signature(kind).parameters
    except (TypeError, ValueError):
        return given
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return given
    return {name: value for name, value in given.items() if name in parameters}


_CONFIG = ("max_workers", "max_tasks_per_child", "thread_name_prefix")


class Whole:
    """The code of a call with its hooks, as one function for wherever it is carried; a coroutine gets a loop of its own."""

    def __init__(self, before: Code | None, code: Code, after: Code | None) -> None:
        self.before = before
        self.code = code
        self.after = after

    def __call__(self) -> Any:
        try:
            if self.before is not None:
                _settled(self.before())
            return _settled(self.code())
        finally:
            if self.after is not None:
                _settled(self.after())


def _settled(result: Any) -> Any:
    return asyncio.run(result) if inspect.iscoroutine(result) else result


async def in_time(code: Callable[[], Any], seconds: float) -> Any:
    """Await what `code` gives, and cancel it after so many seconds: then AttemptTimeout."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await code()
    except TimeoutError as error:
        if limit.expired():
            raise AttemptTimeout(seconds, "cancelled") from error
        raise
