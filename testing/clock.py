"""`FakeClock`: time that passes when it is told to."""

from __future__ import annotations

from datetime import timedelta

from ..errors import UsageError

START = 1_767_225_600_000_000
"""Where a fake clock begins unless told otherwise, in microseconds since 1970: the first moment of 2026, UTC."""


class FakeClock:
    """A clock that stands still: `now()` is what it was until somebody calls `advance`. It never goes back."""

    __slots__ = ("_now",)

    def __init__(self, start: int = START) -> None:
        self._now = start

    def now(self) -> int:
        """Microseconds since 1970."""
        return self._now

    def advance(self, by: float | timedelta) -> int:
        """Let time pass, seconds or a timedelta; returns the new `now()`. Raises UsageError for less than nothing."""
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        if not 0 <= seconds < float("inf"):
            raise UsageError(f"FakeClock.advance: expected seconds, zero or more, found {by!r}; time does not go back")
        self._now += by // timedelta(microseconds=1) if isinstance(by, timedelta) else round(by * 1e6)
        return self._now
