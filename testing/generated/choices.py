"""`Choose`: whoever makes a case is told by it which of n ways to go; 0 is always the simplest and calmest one."""

from __future__ import annotations

import random
from collections.abc import Callable

Choose = Callable[[int], int]
"""`choose(n)` gives a whole number from 0 to below n, for n above zero. A case shrinks as its choices go to 0."""


def seeded(seed: int) -> Choose:
    """Choices by pseudo-random numbers: the same seed, the same choices, on any machine."""
    number = random.Random(seed).random
    return lambda n: int(number() * n)


def calm(n: int) -> int:
    """Always 0: of it comes the smallest case there is."""
    return 0
