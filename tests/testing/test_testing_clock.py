"""The fake clock stands still, goes on when told, and never back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sagalog.engine.runtime.clock import Clock
from sagalog.errors import UsageError
from sagalog.testing import FakeClock


def test_it_is_a_clock_of_the_engine_and_stands_still() -> None:
    clock: Clock = FakeClock(5)
    assert [clock.now(), clock.now()] == [5, 5]


def test_it_goes_on_by_seconds_and_timedeltas() -> None:
    clock = FakeClock(0)
    assert clock.advance(0.000_001) == 1
    assert clock.advance(2) == 2_000_001
    assert clock.advance(timedelta(days=400, microseconds=1)) == 2_000_002 + 400 * 86_400 * 10**6
    assert clock.advance(0) == clock.now()


@pytest.mark.parametrize("by", [-1, -0.5, timedelta(seconds=-1), float("nan"), float("inf")])
def test_it_does_not_go_back(by: float | timedelta) -> None:
    clock = FakeClock(7)
    with pytest.raises(UsageError, match="does not go back"):
        clock.advance(by)
    assert clock.now() == 7
