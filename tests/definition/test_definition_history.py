"""History: what a retry has tried, seen lazily."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from sagalog.engine.definition import History
from sagalog.errors import Failure


def failure(error: BaseException, atom: str) -> Failure:
    return Failure.of(error, atom)


REFUSED = failure(ConnectionRefusedError("down"), "connect")
WRONG = failure(ValueError("7"), "parse")
TRIES: list[tuple[Any, Mapping[str, Failure]]] = [
    ("a", {"connect": REFUSED}),
    ("b", {"connect": REFUSED, "parse": WRONG}),
    ("c", {}),
]


def test_it_is_a_sequence_of_what_was_provided_and_what_failed() -> None:
    history = History(TRIES)
    assert len(history) == 3
    assert history[0] == ("a", {"connect": REFUSED})
    assert history[-1] == ("c", {})
    assert list(history) == TRIES
    assert history[1:] == TRIES[1:]
    assert list(reversed(history)) == TRIES[::-1]
    assert history
    assert not History()
    with pytest.raises(IndexError):
        history[3]


def test_provided_iter_gives_what_was_provided_oldest_first() -> None:
    assert list(History(TRIES).provided_iter()) == ["a", "b", "c"]


def test_outcomes_iter_gives_the_failures_of_all_tries_or_of_one() -> None:
    history = History(TRIES)
    assert list(history.outcomes_iter()) == [("connect", REFUSED), ("connect", REFUSED), ("parse", WRONG)]
    assert list(history.outcomes_iter(index=1)) == [("connect", REFUSED), ("parse", WRONG)]
    assert list(history.outcomes_iter(-1)) == []
    with pytest.raises(IndexError):
        list(history.outcomes_iter(3))


def test_caused_by_matches_classes_and_what_is_derived_from_them() -> None:
    history = History(TRIES)
    assert history.caused_by(ConnectionError)
    assert history.caused_by("ConnectionRefusedError")
    assert not history.caused_by(KeyError)
    assert history.caused_by(ValueError, index=1)
    assert not history.caused_by(ValueError, index=0)
    with pytest.raises(IndexError):
        history.caused_by(ValueError, index=5)


def test_the_own_failure_of_the_retry_counts_only_when_asked_for() -> None:
    own = failure(KeyError("values"), "again")
    history = History(TRIES, failure=own)
    assert history.failure is own
    assert own not in [found for _, found in history.outcomes_iter()]
    assert not history.caused_by(KeyError)
    assert history.caused_by(KeyError, include_retry=True)
    assert not History(TRIES).caused_by(KeyError, include_retry=True)
    assert History(TRIES).failure is None


class Counted(Sequence[Any]):
    """As the runtime's: every look at a try costs."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.looks: list[int] = []

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: Any) -> Any:
        if not -self.size <= index < self.size:
            raise IndexError(index)
        self.looks.append(index)
        return (index, {"t": WRONG})


def test_it_looks_only_as_far_as_it_is_asked() -> None:
    tries = Counted(1_000_000)
    history = History(tries)
    assert (len(history), bool(history), repr(history)) == (1_000_000, True, "<History of 1000000 tries>")
    assert tries.looks == []
    assert history[-1][0] == -1
    assert next(history.outcomes_iter())[0] == "t"
    assert history.caused_by(ValueError)
    assert next(history.provided_iter()) == 0
    assert len(history[2:5]) == 3
    assert tries.looks == [-1, 0, 0, 0, 2, 3, 4]


def test_its_repr_tells_of_a_failure_of_its_own() -> None:
    history = History(TRIES[:1], failure=failure(KeyError("x"), "r"))
    assert repr(history) == "<History of 1 try, failed itself: KeyError>"
