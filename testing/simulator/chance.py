"""`Chance`: where all that is left to chance is decided, by one seed, and written down so that it can be had again."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """`chance(n)` is a whole number from 0 to below n; 0 is always the calmest answer.

    With `script` the answers are taken from it, and are 0 behind its end; else they are drawn. `drawn`: all so far.
    """

    __slots__ = ("_left", "_random", "drawn")

    def __init__(self, seed: int = 0, script: Sequence[int] | None = None) -> None:
        self._random = None if script is not None else Random(seed).random
        self._left = None if script is None else list(reversed(script))
        self.drawn: list[int] = []

    def __call__(self, n: int) -> int:
        answer = int(self._random() * n) if self._random is not None else self._scripted(n)
        self.drawn.append(answer)
        return answer

    def _scripted(self, n: int) -> int:
        return min(self._left.pop(), n - 1) if self._left else 0

    def often(self, one_in: int) -> bool:
        """Once in so many times; 0: never."""
        return one_in > 0 and self(one_in) == one_in - 1

    def pick(self, among: Sequence[T]) -> T:
        """One of them; the first is the calmest."""
        return among[self(len(among))]
