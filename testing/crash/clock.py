"""`HastyClock`: the machine's time, set forward over whatever a run has to wait for."""

from __future__ import annotations

import time


class HastyClock:
    """A clock that goes as the database's does, `ahead` of it by so many microseconds."""

    __slots__ = ("ahead",)

    def __init__(self, ahead: int = 0) -> None:
        self.ahead = ahead

    def now(self) -> int:
        """Microseconds since 1970."""
        return time.time_ns() // 1000 + self.ahead

    def reach(self, moment: int) -> None:
        """Be at `moment`, microseconds since 1970, or later."""
        self.ahead += max(0, moment - self.now())
