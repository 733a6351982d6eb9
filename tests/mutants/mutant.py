"""`Mutant`: a bug that is planted on purpose, as data: a text of one file, and what stands there instead."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Mutant(NamedTuple):
    """`name` is unique; `what` tells in one sentence what is broken; `file` is from the root of the repository.

    `old` occurs in it exactly once, and `new` stands there instead. Nothing on disk is changed: see `patching`.
    """

    name: str
    what: str
    file: str
    old: str
    new: str

    @property
    def module(self) -> str:
        """The module that is broken."""
        return ".".join(["sagalog", *Path(self.file).with_suffix("").parts])

    def broken(self, source: str) -> str:
        """The source with the bug in it. Raises ValueError where the text to be replaced is not there just once."""
        found = source.count(self.old)
        if found != 1:
            raise ValueError(
                f"mutant {self.name!r}: {self.file} has the text that it replaces {found} times, expected once; the code "
                f"has changed: give the mutant the text as it is now: {self.old!r}"
            )
        return source.replace(self.old, self.new)
