"""Five thousand generated cases under faults: no law is broken, and the cases are what they are meant to be."""

from __future__ import annotations

import pytest

from sagalog.testing.generated import Histogram, make
from sagalog.testing.simulator import Chance, trial
from sagalog.testing.simulator.soak import some

BLOCK = 250
FIRST_HALF = range(0, 2500, BLOCK)


@pytest.mark.parametrize("first", FIRST_HALF)
def test_no_law_is_broken_whatever_crashes(first: int) -> None:
    found = some(first, BLOCK)
    assert found.broken == ()
    assert found.seeds == BLOCK and found.crashes >= 5 * BLOCK
    assert found.compared >= BLOCK / 5, "too few ends are compared with calm ones"
    assert found.shells == len(range(first + -first % 20, first + BLOCK, 20))


def test_the_cases_are_large_nested_and_crash_often(capsys: pytest.CaptureFixture[str]) -> None:
    seen = Histogram()
    for seed in range(5_000, 5_100):  # which the tests below do not run
        case = make(Chance(seed))
        seen.add(case, crashes=trial(seed).crashes)
    print(seen)
    assert seen.mean("atoms") >= 12
    assert seen.share("nested retry") >= 0.3
    assert seen.mean("crashes") >= 5
    assert "crashes" in capsys.readouterr().out
