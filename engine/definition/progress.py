"""How far a task has come: what it says while it runs, and who is told."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from math import isfinite
from numbers import Real
from typing import Any, Final, TypeAlias

from ...errors import UsageError

UPDATE_PROGRESS: Final = "update_progress"
"""The event that a task's notifier tells: details {"progress": fraction, "details": what the task gave}."""
ANY: Final = "*"

Listener: TypeAlias = Callable[[str, dict[str, Any]], Any]
Report: TypeAlias = Callable[[float, Any], Any]


class Notifier:
    """Who is told what one task says of itself, after TaskFlow's; of this process, and of no record.

    `register(event, callback)`: call `callback(event, details)` from now on, event "update_progress" or "*" for any.
    A callback that raises keeps nobody else from being told, and never disturbs the task.
    """

    __slots__ = ("_listeners",)

    def __init__(self) -> None:
        self._listeners: tuple[tuple[str, Listener], ...] = ()

    def register(self, event: str, callback: Listener) -> None:
        """Tell `callback` of `event`; UsageError where it is told already, or there is no such event."""
        _known(event)
        if not callable(callback):
            raise UsageError(f"notifier: a callback takes (event, details); found {callback!r}, which cannot be called")
        if (event, callback) in self._listeners:
            raise UsageError(f"notifier: {callback!r} is told of {event!r} already; deregister it first")
        # A new tuple each time: whoever is just being told goes through the old one.
        self._listeners = (*self._listeners, (event, callback))

    def deregister(self, event: str, callback: Listener) -> bool:
        """Tell it no more; whether it had been told. UsageError where there is no such event."""
        _known(event)
        left = tuple(each for each in self._listeners if each != (event, callback))
        found = len(left) < len(self._listeners)
        self._listeners = left
        return found

    def notify(self, event: str, details: dict[str, Any] | None = None) -> None:
        """Tell everybody who asked for `event`, in the order they came, each with details of its own."""
        if event == ANY:
            raise UsageError(f"notifier: {ANY!r} is for registering; notify of {UPDATE_PROGRESS!r}")
        _known(event)
        for asked, callback in self._listeners:
            if asked in (event, ANY):
                try:
                    callback(event, dict(details or {}))
                except Exception as error:
                    _trouble(f"notifier: {callback!r} raised {type(error).__name__}: {error}")

    def __reduce__(self) -> tuple[type[Notifier], tuple[()]]:
        """A worker process has nobody to tell: what it says is passed on to where the task was registered."""
        return Notifier, ()


class Telling:
    """What a task tells of itself while it runs."""

    def update_progress(self, fraction: float, details: Any = None) -> None:
        """Say, from within execute or revert, how far it has come: 0 to 1, and anything storable besides.

        Raises:
            UsageError: another number, or outside of a call.
        """
        update(fraction, details, self)

    @property
    def notifier(self) -> Notifier:
        """Where to register who is told what the task says of itself, in this process: see `Notifier`."""
        found: Notifier = self.__dict__.setdefault("_notifier", Notifier())
        return found


class Reporting:
    """One call's way to tell how far it has come: from when it is made until `close`, in the context it is made in.

    `task`: whose listeners are told. A thread or coroutine that outlives it and still reports is told that it is over.
    """

    __slots__ = ("_outer", "closed", "task")

    def __init__(self, task: Telling | None) -> None:
        self.task = task
        self.closed = False
        self._outer = _current.get()
        _current.set(self)

    def report(self, fraction: float, details: Any) -> Any:
        """Take one report."""
        raise NotImplementedError

    def close(self) -> None:
        """The call is over."""
        self.closed = True
        # What is ended from elsewhere, a generator thrown away, is no longer in the context that it began in.
        if _current.get() is self:
            _current.set(self._outer)


class _Passing(Reporting):
    __slots__ = ("_report",)

    def __init__(self, report: Report, task: Telling | None) -> None:
        super().__init__(task)
        self._report = report

    def report(self, fraction: float, details: Any) -> Any:
        return self._report(fraction, details)


_current: ContextVar[Reporting | None] = ContextVar("sagalog_reporting", default=None)


@contextmanager
def reporting(report: Report, task: Telling | None = None) -> Iterator[Reporting]:
    """Within the block, progress goes to the listeners of `task`, and to `report(fraction, details)`."""
    way = _Passing(report, task)
    try:
        yield way
    finally:
        way.close()


def update(fraction: float, details: Any = None, task: Telling | None = None) -> None:
    """Say how far the call under way has come, 0 to 1. `task`: that says so, where it is known.

    Raises:
        UsageError: no number from 0 to 1, or no call is under way here.
    """
    done = _fraction(fraction)
    way = _current.get()
    if way is None or way.closed:
        found = "the call is over (it was given up, or has returned)" if way else "no task is being called here"
        raise UsageError(
            f"update_progress({fraction!r}): {found}; call it within execute or revert, on the thread or in the "
            "coroutine that the engine calls them in"
        )
    teller = way.task if task is None else task
    if teller is not None:
        teller.notifier.notify(UPDATE_PROGRESS, {"progress": done, "details": details})
    way.report(done, details)


def _fraction(fraction: object) -> float:
    if not isinstance(fraction, bool) and isinstance(fraction, Real):
        done = float(fraction)
        if isfinite(done) and 0 <= done <= 1:
            return done
    raise UsageError(f"update_progress({fraction!r}): expected a number from 0 (nothing done) to 1 (all of it)")


def _known(event: str) -> None:
    if event not in (UPDATE_PROGRESS, ANY):
        raise UsageError(f"notifier: a task tells of {UPDATE_PROGRESS!r} ({ANY!r}: of anything); found {event!r}")


def _trouble(text: str) -> None:
    # This room has no log; and where warnings are made errors, they are not made the task's.
    with suppress(RuntimeWarning):
        warnings.warn(text, RuntimeWarning, stacklevel=4)
