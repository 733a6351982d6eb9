"""`Making`: what all that makes a case has in common: whoever chooses, the names, what there is already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from .behaviour import Code
from .choices import Choose
from .script import FOR_EVER, Broken, Refused, Script
from .world import World

T = TypeVar("T")
Seen = dict[str, bool]
"""The names that an atom may take; whether what is there is a list."""
TROUBLES = (0, 6, 4, 3)
"""Once in how many executes something fails, of the kinds of cases there are; 0: never."""


class Part:
    """What is in a part of a case: its traits, how many atoms, and how deep its flows go in the whole."""

    __slots__ = ("atoms", "depth", "traits")

    def __init__(self) -> None:
        self.traits: set[str] = set()
        self.atoms = 0
        self.depth = 0

    def take(self, other: Part) -> None:
        """Another part becomes a part of this one."""
        self.traits |= other.traits
        self.atoms += other.atoms
        self.depth = max(self.depth, other.depth)


class Making:
    """A case that is being made.

    Attributes:
        inputs, scripts: what it has of them so far.
        part: the part that is being made; of a targeted graph some are left out in the end.
        trouble: once in how many executes something fails; 0: never.
        wild: crashes leave traces: tasks may be skipped whose outcome is unknown.
    """

    def __init__(self, choose: Choose) -> None:
        self.choose = choose
        self.inputs: dict[str, Any] = {}
        self.scripts: dict[str, Script] = {}
        self.world = World(self.scripts)
        self.code = Code(self.world)
        self.part = Part()
        self.trouble = self.pick(TROUBLES)
        self.wild = self.once_in(4)
        self._names: dict[str, int] = {}

    def name(self, kind: str) -> str:
        """A new name."""
        self._names[kind] = number = self._names.get(kind, 0) + 1
        return f"{kind}{number}"

    def pick(self, among: Sequence[T]) -> T:
        """One of them; the first is the calmest."""
        return among[self.choose(len(among))]

    def once_in(self, times: int) -> bool:
        """True once in so many times."""
        return self.choose(times) == times - 1

    def has(self, *traits: str) -> None:
        """Take note that these are in it."""
        self.part.traits.update(traits)

    def input(self, value: Any) -> str:
        """A new input."""
        name = self.name("i")
        self.inputs[name] = value
        return name

    def list_input(self, least: int = 0) -> str:
        """A new input that is a list of numbers, from `least` to four."""
        return self.input([10 * i for i in range(least + self.choose(5 - least))])

    def goes_wrong(self, seldom: int = 1) -> bool:
        """Whether something is to fail here, so much more seldom than an execute."""
        return self.trouble > 0 and self.once_in(self.trouble * seldom)

    def failing(self, script: Script) -> Script:
        """The same, failing in the first execution, in more of them, or always."""
        self.has("failing execute")
        executions = self.pick((1, 1, 2, 3, FOR_EVER))
        error = self.pick((Refused, Broken, KeyError, None, SystemExit))
        if error is None:
            self.has("outcome error")
        return script._replace(executions=executions, error=error)
