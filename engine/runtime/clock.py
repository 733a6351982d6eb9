"""The clock is an argument: microseconds since 1970, as the database would tell them."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What the engine needs of time."""

    def now(self) -> int:
        """Microseconds since 1970, by the database's clock as well as it is known here."""
        ...


class SystemClock:
    """This machine's clock, moved by its distance from the database's (`offset`, microseconds)."""

    __slots__ = ("offset",)

    def __init__(self, offset: int = 0) -> None:
        self.offset = offset

    def now(self) -> int:
        return time.time_ns() // 1000 + self.offset
