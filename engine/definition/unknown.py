"""`Unknown`: what a revert is handed as `result` where nobody can tell what, or whether, its task has done."""

from __future__ import annotations

from typing import Final


class UnknownType:
    """The class of `Unknown`, of which there is one. It is false, equal to itself only, and never stored."""

    __slots__ = ()
    _one: UnknownType | None = None

    def __new__(cls) -> UnknownType:
        if cls._one is None:
            cls._one = super().__new__(cls)
        return cls._one

    def __repr__(self) -> str:
        return "Unknown"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "Unknown"


Unknown: Final = UnknownType()
"""The one value of `UnknownType`: test with `result is Unknown`."""
