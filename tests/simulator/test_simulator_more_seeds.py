"""The other half of the five thousand, in a file of its own, so that two processes can share them."""

from __future__ import annotations

import pytest

from sagalog.testing.simulator.soak import some

BLOCK = 250


@pytest.mark.parametrize("first", range(2500, 5000, BLOCK))
def test_no_law_is_broken_whatever_crashes(first: int) -> None:
    found = some(first, BLOCK)
    assert found.broken == ()
    assert found.seeds == BLOCK and found.crashes >= 5 * BLOCK
