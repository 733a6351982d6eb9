"""`ResultSet`: a lazy view of what the members of a group came to."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagalog.engine.definition.resultset import ResultSet
from sagalog.errors import Failure, UsageError

BROKEN = Failure.of(ConnectionError("no line"), "call[1]")
ORDERS: list[Any] = [
    {"id": 1, "price": 5, "name": "Ann Lee", "customer": {"city": "Oslo"}, "lines": [{"sku": "a"}], "note": None},
    {"id": 2, "price": 12.5, "name": "bob", "customer": {"city": "Bergen"}, "lines": [{"sku": "b"}], "note": "gift"},
    {"id": 3, "price": "dear", "name": "Anna", "customer": None, "lines": []},
    BROKEN,
]


def ids(found: ResultSet) -> list[Any]:
    return ["broken" if isinstance(element, Failure) else element["id"] for element in found]


@pytest.fixture
def orders() -> ResultSet:
    return ResultSet.of(ORDERS)


def test_a_resultset_reads_as_the_list_of_its_elements(orders: ResultSet) -> None:
    assert len(orders) == 4
    assert orders[0] is ORDERS[0] and orders[-1] is BROKEN
    assert list(orders) == ORDERS and list(reversed(orders)) == ORDERS[::-1]
    assert orders == ORDERS and orders == tuple(ORDERS) and orders == ResultSet.of(ORDERS)
    assert orders != ORDERS[:3] and orders != [*ORDERS[:3], None] and orders != "text"
    assert BROKEN in orders and orders.index(ORDERS[1]) == 1 and orders.count(BROKEN) == 1


@given(st.lists(st.integers()), st.slices(12), st.slices(12))
def test_slices_of_slices_are_those_of_the_list(elements: list[int], one: slice, other: slice) -> None:
    sliced = ResultSet.of(elements)[one][other]
    assert isinstance(sliced, ResultSet)
    assert list(sliced) == elements[one][other]


def test_an_element_is_fetched_when_it_is_asked_for_and_never_kept() -> None:
    fetched: list[int] = []

    def get(place: int) -> list[int]:
        fetched.append(place)
        return [place]

    view = ResultSet(100_000, get)
    part = view[10:20:3]
    assert len(part) == 4 and not fetched
    part[1].append("mutated")
    assert part[1] == [13] and fetched == [13, 13]
    assert view.first() == [0] and fetched == [13, 13, 0]


def test_failures_are_told_apart_without_fetching_where_the_engine_knows_them() -> None:
    fetched: list[int] = []
    view = ResultSet(5, lambda place: fetched.append(place) or place, lambda place: place in (1, 3))
    assert list(view.failures) == [1, 3] and list(view.successes) == [0, 2, 4]
    assert fetched == [1, 3, 0, 2, 4]
    assert list(view[2:].failures) == [3]


def test_successes_and_failures_part_the_elements(orders: ResultSet) -> None:
    assert list(orders.failures) == [BROKEN]
    assert list(orders.successes) == ORDERS[:3]
    assert orders.successes.failures == []


@pytest.mark.parametrize(
    ("lookups", "wanted"),
    [
        ({"price__gt": 5}, [2]),
        ({"price__gte": 5}, [1, 2]),
        ({"price__lt": 12.5}, [1]),
        ({"price__lte": 12.5}, [1, 2]),
        ({"price": 5}, [1]),
        ({"price__exact": "dear"}, [3]),
        ({"price__in": [5, "dear"]}, [1, 3]),
        ({"name__contains": "nn"}, [1, 3]),
        ({"name__contains": 7}, []),
        ({"name__icontains": "ANN"}, [1, 3]),
        ({"price__icontains": "DE"}, [3]),
        ({"name__startswith": "Ann"}, [1, 3]),
        ({"name__endswith": "b"}, [2]),
        ({"name__startswith": ("A", "b")}, [1, 2, 3]),
        ({"note__isnull": True}, [1, 3]),
        ({"note__isnull": False}, [2]),
        ({"customer__isnull": True}, [3]),
        ({"customer__city": "Oslo"}, [1]),
        ({"customer__city__startswith": "B"}, [2]),
        ({"customer__city__in": ("Oslo", "Bergen")}, [1, 2]),
        ({"customer__city__isnull": True}, [3]),
        ({"lines__0__sku": "b"}, [2]),
        ({"lines__0__sku__gt": "a"}, [2]),
        ({"lines__7__sku": "b"}, []),
        ({"nowhere__gt": 1}, []),
        ({"nowhere": 1}, []),
        ({"lines__contains": {"sku": "a"}}, [1]),
        ({"message__contains": "line"}, ["broken"]),
        ({"atom": "call[1]"}, ["broken"]),
        ({"name__startswith": "Ann", "price__gt": 1}, [1]),
        ({}, [1, 2, 3, "broken"]),
    ],
)
def test_filter_and_exclude_part_the_elements_by_their_lookups(
    orders: ResultSet, lookups: dict[str, Any], wanted: list[Any]
) -> None:
    assert ids(orders.filter(**lookups)) == wanted
    assert ids(orders.exclude(**lookups)) == [each for each in (1, 2, 3, "broken") if each not in wanted]


def test_lookups_without_a_way_are_about_the_element_itself() -> None:
    numbers = ResultSet.of([1, 5, None, "seven", 9])
    assert numbers.filter(gt=1) == [5, 9]
    assert numbers.filter(exact="seven") == ["seven"]
    assert numbers.filter(isnull=True) == [None]
    assert numbers.filter(**{"in": [1, None]}) == [1, None]
    assert numbers.filter(contains="eve") == ["seven"]


def test_attributes_are_looked_into_and_methods_and_private_ones_are_not() -> None:
    @dataclass
    class Parcel:
        weight: int
        _secret: int = 7

        def label(self) -> str:
            return "x"

    parcels = ResultSet.of([Parcel(1), Parcel(3)])
    assert parcels.filter(weight__gt=2) == [Parcel(3)]
    assert parcels.filter(_secret=7) == []
    assert parcels.filter(label__isnull=False) == []


def test_keys_that_are_numbers_are_found() -> None:
    assert ResultSet.of([{7: "a"}, {"7": "b"}, {8: "a"}]).filter(**{"7__in": ["a", "b"]}) == [{7: "a"}, {"7": "b"}]


def test_filters_chain_and_keep_the_order(orders: ResultSet) -> None:
    assert ids(orders.filter(name__icontains="ann").exclude(price="dear")) == [1]
    assert orders.filter(price__gt=100).first() is None
    assert ids(orders.filter(price__gte=5)[::-1]) == [2, 1]


@pytest.mark.parametrize("lookup", ["price__gtx", "name__startwith", "price__range", "customer__city__regex"])
def test_an_unknown_lookup_is_an_error_that_names_those_there_are(orders: ResultSet, lookup: str) -> None:
    with pytest.raises(UsageError) as refused:
        orders.filter(**{lookup: 1})
    assert repr(lookup) in str(refused.value) and lookup.rpartition("__")[2] in str(refused.value)
    assert all(name in str(refused.value) for name in ("icontains", "startswith", "isnull", "gte"))


def test_an_unknown_lookup_is_found_behind_one_that_nothing_matches(orders: ResultSet) -> None:
    with pytest.raises(UsageError, match="price__gtx"):
        orders.exclude(name="nobody", price__gtx=1)


@pytest.mark.parametrize("lookup", ["__gt", "price____gt", "price__"])
def test_an_empty_part_of_a_lookup_is_an_error(orders: ResultSet, lookup: str) -> None:
    with pytest.raises(UsageError, match="empty"):
        orders.filter(**{lookup: 1})


def test_it_cannot_be_changed_or_hashed(orders: ResultSet) -> None:
    with pytest.raises(TypeError):
        orders[0] = 1  # type: ignore[index]
    with pytest.raises(TypeError):
        hash(orders)
    with pytest.raises(IndexError, match="no element 4: the ResultSet has 4"):
        orders[4]


def test_its_repr_is_short_however_many_there_are() -> None:
    assert repr(ResultSet(100_000, lambda place: place)) == "<ResultSet of 100,000: [0, 1, 2, …]>"
    assert repr(ResultSet.of(["x" * 1000])) < "~" and len(repr(ResultSet.of(["x" * 1000] * 9))) < 200
    assert repr(ResultSet.of([])) == "<ResultSet of 0: []>"


def test_a_worker_process_is_handed_the_elements(orders: ResultSet) -> None:
    assert pickle.loads(pickle.dumps(orders[1:])) == ORDERS[1:]
