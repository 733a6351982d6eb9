"""`ResultSet`: what the instances of a fan-out, or the members of a group, came to, as a view."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from reprlib import Repr
from typing import Any, overload

from .lookups import Lookup, failed

_SHOWN = 3
"""Elements that a repr shows."""
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 40


def as_data(value: Any) -> Any:
    """A value with each ResultSet in it as a list, so that it can be stored; one without any is itself."""
    if isinstance(value, ResultSet):
        return [as_data(one) for one in value]
    if type(value) is dict and any(isinstance(one, ResultSet | dict | list | tuple) for one in value.values()):
        return {key: as_data(one) for key, one in value.items()}
    if type(value) in (list, tuple) and any(isinstance(one, ResultSet | dict | list | tuple) for one in value):
        return type(value)(as_data(one) for one in value)
    return value


class ResultSet(Sequence[Any]):
    """The outcomes of a group, in order: values, and a `Failure` for each member that failed.

    An immutable view: an element is fetched when it is asked for, afresh each time, and nothing is kept. It equals
    any list, tuple or other ResultSet with equal elements. Made by the engine: `count` elements, of which `get(i)`
    gives the i-th; `failed(i)`, where it is given, tells without fetching it whether that is a Failure.

    `filter` and `exclude` take lookups by keyword, all of which must hold: a way into the element, of keys, attributes
    and indices, and what is found there compared: `filter(gt=3)`, `filter(price__gt=3, customer__name="Ann")`,
    `filter(lines__0__status__in=["new", "paid"])`. The comparisons are exact (also where none is named), contains,
    icontains, startswith, endswith, gt, gte, lt, lte, in, isnull. An element that a lookup cannot be applied to (it has
    no such part, or of another type) does not match; a dict without the key is null there.
    """

    __slots__ = ("_failed", "_get", "_places")

    def __init__(
        self, count: int, get: Callable[[int], Any], failed: Callable[[int], bool] | None = None
    ) -> None:
        self._get = get
        self._failed = failed
        self._places: Sequence[int] = range(count)

    @classmethod
    def of(cls, elements: Iterable[Any]) -> ResultSet:
        """One over elements that are there already."""
        kept = tuple(elements)
        return cls(len(kept), kept.__getitem__)

    @property
    def successes(self) -> ResultSet:
        """The elements that are values."""
        return self._chosen(place for place in self._places if not self._has_failed(place))

    @property
    def failures(self) -> ResultSet:
        """The elements that are a Failure."""
        return self._chosen(place for place in self._places if self._has_failed(place))

    def filter(self, **lookups: Any) -> ResultSet:
        """The elements that match all lookups.

        Raises:
            UsageError: there is no such lookup.
        """
        return self._matching(lookups, True)

    def exclude(self, **lookups: Any) -> ResultSet:
        """The elements that `filter` with the same lookups leaves out; UsageError as there."""
        return self._matching(lookups, False)

    def first(self) -> Any:
        """The first element, None where there is none."""
        return self._get(self._places[0]) if self._places else None

    def _matching(self, lookups: dict[str, Any], wanted: bool) -> ResultSet:
        asked = [Lookup(name, value) for name, value in lookups.items()]

        def matches(element: Any) -> bool:
            # Each one is asked, also where an earlier one has answered no: so a misspelt one is found.
            return all([lookup.matches(element) for lookup in asked])

        chosen = self._chosen(place for place in self._places if matches(self._get(place)) is wanted)
        for lookup in asked:
            lookup.check()
        return chosen

    def _has_failed(self, place: int) -> bool:
        return failed(self._get(place)) if self._failed is None else self._failed(place)

    def _chosen(self, places: Iterable[int]) -> ResultSet:
        return self._over(array("q", places))

    def _over(self, places: Sequence[int]) -> ResultSet:
        view = ResultSet(0, self._get, self._failed)
        view._places = places
        return view

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> ResultSet: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return self._over(self._places[place])
        try:
            found = self._places[place]
        except IndexError:
            raise IndexError(f"there is no element {place}: the ResultSet has {len(self)}") from None
        return self._get(found)

    def __iter__(self) -> Iterator[Any]:
        return map(self._get, self._places)

    def __reversed__(self) -> Iterator[Any]:
        return map(self._get, reversed(self._places))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, list | tuple | ResultSet):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # equal to lists, which have none either

    def __repr__(self) -> str:
        shown = ", ".join(_SHORT.repr(element) for element in self[:_SHOWN])
        return f"<ResultSet of {len(self):,}: [{shown}{', …' if len(self) > _SHOWN else ''}]>"

    def __reduce__(self) -> tuple[Callable[[Iterable[Any]], ResultSet], tuple[list[Any]]]:
        """For a worker process: the elements themselves, for the view reaches into this one."""
        return ResultSet.of, (list(self),)
