"""What `ResultSet.filter` understands: how an element is looked into, and the comparisons at the end of the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ...errors import Failure, UsageError

MISSING: Final = object()
"""What a way into an element leads to where the element has nothing there."""
_SCALARS = (str, bytes, bytearray, int, float, complex, bool)
_UNCOMPARABLE = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError)


def _exact(found: Any, wanted: Any) -> bool:
    return bool(found == wanted)


def _contains(found: Any, wanted: Any) -> bool:
    return wanted in found


def _icontains(found: Any, wanted: Any) -> bool:
    return wanted.casefold() in found.casefold()


def _startswith(found: Any, wanted: Any) -> bool:
    return bool(found.startswith(wanted))


def _endswith(found: Any, wanted: Any) -> bool:
    return bool(found.endswith(wanted))


def _greater(found: Any, wanted: Any) -> bool:
    return bool(found > wanted)


def _greater_or_equal(found: Any, wanted: Any) -> bool:
    return bool(found >= wanted)


def _less(found: Any, wanted: Any) -> bool:
    return bool(found < wanted)


def _less_or_equal(found: Any, wanted: Any) -> bool:
    return bool(found <= wanted)


def _in(found: Any, wanted: Any) -> bool:
    return found in wanted


def _isnull(found: Any, wanted: Any) -> bool:
    return (found is None) is bool(wanted)


LOOKUPS: dict[str, Callable[[Any, Any], bool]] = {
    "exact": _exact,
    "contains": _contains,
    "icontains": _icontains,
    "startswith": _startswith,
    "endswith": _endswith,
    "gt": _greater,
    "gte": _greater_or_equal,
    "lt": _less,
    "lte": _less_or_equal,
    "in": _in,
    "isnull": _isnull,
}
"""Lookup -> (what was found, what was asked for) -> whether it matches."""


class Lookup:
    """One keyword of a filter, `customer__name__startswith="A"`: a way into the element, and a comparison.

    `name` is the last part of the way where it might as well be a lookup misspelt: `astray` says whether it is.

    Raises:
        UsageError: a part of the keyword is empty.
    """

    __slots__ = ("_lost", "_met", "_said", "compare", "path", "wanted")

    def __init__(self, said: str, wanted: Any) -> None:
        *path, last = said.split("__")
        self.compare = LOOKUPS.get(last, _exact)
        self.path = path if last in LOOKUPS else [*path, last]
        if not all(self.path):
            raise UsageError(
                f"filter {said!r}: a part of it is empty; write it as name__gt, two underscores between its parts"
            )
        self.wanted = wanted
        self._said = said
        self._met = last in LOOKUPS
        self._lost = False

    def matches(self, element: Any) -> bool:
        """Whether the element matches; what cannot be compared (nothing there, another type) does not."""
        found = element
        for place, part in enumerate(self.path, 1):
            inside = look(found, part)
            if inside is MISSING:
                self._lost = self._lost or (place == len(self.path) and isinstance(found, _SCALARS))
                # A dict without the key, and None, have nothing there, as far as `isnull` is concerned.
                return self.compare is _isnull and (found is None or isinstance(found, Mapping)) and bool(self.wanted)
            found = inside
        self._met = True
        try:
            return self.compare(found, self.wanted)
        except _UNCOMPARABLE:
            return False

    def check(self) -> None:
        """After all elements were looked at: the last part is a lookup, or something that was found in one of them.

        Raises:
            UsageError: it was looked for in text or numbers, which have no parts, so it was meant as a lookup.
        """
        if self._lost and not self._met:
            raise UsageError(
                f"filter {self._said!r}: there is no lookup {self.path[-1]!r}; there are {', '.join(LOOKUPS)}"
            )


def look(thing: Any, part: str) -> Any:
    """What `thing` has under `part`: a key of a dict, an index of a sequence, an attribute; MISSING where nothing."""
    if isinstance(thing, Mapping):
        if part in thing:
            return thing[part]
        return thing.get(int(part), MISSING) if part.isdecimal() else MISSING
    if thing is None or isinstance(thing, _SCALARS):
        return MISSING
    if part.isdecimal():
        within = isinstance(thing, Sequence) and int(part) < len(thing)
        return thing[int(part)] if within else MISSING
    found = MISSING if part.startswith("_") else getattr(thing, part, MISSING)
    # A method is not something that a value has.
    return MISSING if callable(found) and not isinstance(found, type) else found


def failed(element: Any) -> bool:
    """Whether an element is the Failure of its instance."""
    return isinstance(element, Failure)
