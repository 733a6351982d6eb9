"""`History`: what a retry has provided so far, and what failed each time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias, overload

from ...errors import ExceptionClass, Failure

Try: TypeAlias = tuple[Any, Mapping[str, Failure]]
"""One try: what the retry provided for it, and the failures by the name of the atom."""


class History(Sequence[Try]):
    """A sequence of tries, oldest first, after TaskFlow's `History`; when asked about a failure, the last is the try
    that failed.

    It looks at `contents` only as far as it is asked, and `len` looks at no try at all.

    Args:
        contents: (what the retry provided, {atom name: Failure}) for each try.
        failure: the retry's own, if its execute failed.
    """

    __slots__ = ("_contents", "_failure")

    def __init__(self, contents: Sequence[Try] = (), failure: Failure | None = None) -> None:
        self._contents = contents
        self._failure = failure

    @property
    def failure(self) -> Failure | None:
        """The retry's own failure, None where it has none."""
        return self._failure

    def __len__(self) -> int:
        return len(self._contents)

    def __iter__(self) -> Iterator[Try]:
        return iter(self._contents)

    @overload
    def __getitem__(self, index: int) -> Try: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Try]: ...
    def __getitem__(self, index: int | slice) -> Try | Sequence[Try]:
        if isinstance(index, slice):
            return [self._contents[place] for place in range(*index.indices(len(self._contents)))]
        return self._contents[index]

    def outcomes_iter(self, index: int | None = None) -> Iterator[tuple[str, Failure]]:
        """(atom name, Failure) of every try, or of the one at `index`; IndexError where there is none."""
        for _, failures in self._tries(index):
            yield from failures.items()

    def provided_iter(self) -> Iterator[Any]:
        """What the retry has provided, oldest first."""
        for provided, _ in self._contents:
            yield provided

    def caused_by(
        self, exception_cls: ExceptionClass | str, index: int | None = None, include_retry: bool = False
    ) -> bool:
        """Whether an exception of this class (or class name), or one derived from it, is among the failures.

        All tries are looked at, or the one at `index`; with `include_retry` the retry's own failure too.
        """
        if any(failure.check(exception_cls) is not None for _, failure in self.outcomes_iter(index)):
            return True
        return include_retry and self._failure is not None and self._failure.check(exception_cls) is not None

    def _tries(self, index: int | None) -> Sequence[Try]:
        return self._contents if index is None else (self._contents[index],)

    def __repr__(self) -> str:
        own = f", failed itself: {self._failure.type}" if self._failure is not None else ""
        return f"<History of {len(self)} {'try' if len(self) == 1 else 'tries'}{own}>"
