"""Shrinking: of what chance has answered as much as possible is left out or made 0, as long as the same law is broken."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from .faults import ALL, Faults
from .simulate import Broken, trial

Try = Callable[[Sequence[int]], Broken | None]


def shrunk(broken: Broken, faults: Faults = ALL, seconds: float = 20.0) -> Broken:
    """The same law, broken in a smaller case with less going wrong; what was found after so many seconds at most."""
    until = time.monotonic() + seconds
    best = broken

    def smaller(script: Sequence[int]) -> Broken | None:
        try:
            trial(broken.seed, faults, script)
        except Broken as found:
            same = found.law == broken.law and _size(found) < _size(best)
            return found if same else None
        return None

    while time.monotonic() < until:
        found = _round(best, smaller, until)
        if found is None:
            break
        best = found
    return best


def _size(broken: Broken) -> tuple[int, int, int]:
    return len(broken.story), len(broken.drawn), sum(broken.drawn)


def _round(best: Broken, smaller: Try, until: float) -> Broken | None:
    """One walk over the script with windows that get smaller: each is left out, then made 0. None: nothing helped."""
    helped = None
    width = max(len(best.drawn) // 2, 1)
    while width:
        start = 0
        while start < len(best.drawn) and time.monotonic() < until:
            script = best.drawn
            window = script[start : start + width]
            without = [*script[:start], *script[start + width :]]
            calmer = [*script[:start], *[0] * len(window), *script[start + width :]]
            found = smaller(without) or (smaller(calmer) if any(window) else None)
            if found is None:
                start += width
            else:
                best = helped = found
        width //= 2
    return helped
