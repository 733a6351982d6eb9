"""What cannot be kept is refused where it stands, by path and type, and never as another error."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import enum
import io
import sys
import zoneinfo
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import pytest
from sagalog_values import REGISTRY, Basket, Line

from sagalog.codec import MAX_DEPTH, VALUE_LIMIT, encode
from sagalog.errors import NotStorable, ValueTooLarge


class Name(str):
    pass


class Pair(NamedTuple):
    a: int


class Mood(enum.StrEnum):
    GOOD = "good"


@dataclass
class Loose:
    a: int


@attrs.define
class Unset:
    a: int = attrs.field(init=False)


class Zone(dt.tzinfo):
    def utcoffset(self, _: dt.datetime | None) -> dt.timedelta:
        return dt.timedelta(hours=1)

    def tzname(self, _: dt.datetime | None) -> str:
        return "X"

    def dst(self, _: dt.datetime | None) -> None:
        return None


def refusal(value: Any, **options: Any) -> NotStorable:
    with pytest.raises(NotStorable) as caught:
        encode(value, registry=REGISTRY, **options)
    return caught.value


def test_the_message_names_path_type_and_a_way_out() -> None:
    error = refusal({"items": [0, 1, 2, {"price": Fraction(1, 3), "x": object()}]})
    assert (error.path, error.type) == ("result.items[3].x", "object")
    assert str(error).startswith("result.items[3].x: object is not storable; register it ")


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (object(), "inputs.order"),
        ([(), ({1, ("a", object)},)], "inputs.order[1][0]{}[1]"),
        ({"a b": {"c": object()}}, "inputs.order['a b'].c"),
        ({1: object()}, "inputs.order[1]"),
        ({"a\0": object()}, "inputs.order['a\\x00']"),
        ({dt.date(2024, 1, 1): object()}, "inputs.order.values()[0]"),
        ({10**5000: object()}, "inputs.order.values()[0]"),
        ({1: 2, "x" * 99: object()}, "inputs.order.values()[1]"),
        ({"a": 1, object(): 1}, "inputs.order.keys()[1]"),
        (Line("a", [object()]), "inputs.order.price[0]"),
        (Basket({"k": Line(None, object())}), "inputs.order.lines.k.price"),
    ],
)
def test_the_path_leads_to_the_place(value: Any, path: str) -> None:
    assert refusal(value, path="inputs.order").path == path


@pytest.mark.parametrize(
    ("value", "type_", "why"),
    [
        (Name("a"), "Name", "a subclass of str"),
        (Pair(1), "Pair", "a subclass of tuple"),
        (collections.OrderedDict(a=1), "OrderedDict", "a subclass of dict"),
        (collections.Counter("a"), "Counter", "a subclass of dict"),
        (collections.defaultdict(list), "defaultdict", "a subclass of dict"),
        (Mood.GOOD, "Mood", "a subclass of str"),
        (type("Big", (int,), {})(5), "Big", "a subclass of int"),
        (type("Cents", (decimal.Decimal,), {})(5), "Cents", "a subclass of Decimal"),
        (type("Stamp", (dt.datetime,), {})(2024, 1, 1), "Stamp", "a subclass of datetime"),
        (type("Things", (list,), {})([1]), "Things", "a subclass of list"),
        (Loose(1), "Loose", ""),
        (Unset(), "Unset", ""),
        (memoryview(b"a"), "memoryview", ""),
        (range(3), "range", ""),
        (1j, "complex", ""),
        (Path("."), "PosixPath", ""),
        (len, "builtin_function_or_method", ""),
        ((item for item in "ab"), "generator", ""),
        (ValueError("a"), "ValueError", ""),
        (io.BytesIO(), "BytesIO", ""),
        (int, "type", ""),
        (dt.UTC, "timezone", ""),
        (..., "ellipsis", ""),
        ({"a": 1}.keys(), "dict_keys", ""),
        (dt.datetime(2024, 1, 1, tzinfo=Zone()), "datetime", "its time zone is a Zone"),
        (dt.time(1, tzinfo=Zone()), "time", "its time zone is a Zone"),
    ],
)
def test_a_type_that_would_not_come_back_is_refused(value: Any, type_: str, why: str) -> None:
    for wrapped in (value, [value], {"a": value}, (value,), {2: value}):
        error = refusal(wrapped)
        assert error.type == type_
        assert error.why.startswith(why)


def test_a_subclass_as_key_is_refused_although_it_equals_a_plain_text() -> None:
    assert refusal({Name("a"): 1}).type == "Name"


def test_a_zone_without_a_name_to_find_it_by_is_refused(tmp_path: Path) -> None:
    source = next(Path(folder, "Europe/Berlin") for folder in zoneinfo.TZPATH if Path(folder, "Europe/Berlin").exists())
    with source.open("rb") as file:
        zone = zoneinfo.ZoneInfo.from_file(file, key="Europe/Berlin")
    assert "made from a file" in refusal([dt.datetime(2024, 1, 1, tzinfo=zone)]).why


def test_an_attribute_that_is_no_field_is_not_lost_in_silence() -> None:
    basket = Basket([])
    basket.extra = 1  # type: ignore[attr-defined]  # the very mistake that is tested
    error = refusal([basket])
    assert (error.path, error.type) == ("result[0]", "Basket")
    assert "'extra'" in error.why


def test_a_field_that_was_never_set_is_refused() -> None:
    basket = Basket([])
    del basket.lines
    assert "'lines'" in refusal(basket).why


def cycles() -> list[tuple[Any, str]]:
    plain: list[Any] = [0]
    plain.append(plain)
    through: dict[Any, Any] = {"a": ({"b": 1},)}
    through["a"][0]["c"] = through
    basket = Basket([])
    basket.lines.append(basket)
    mixed: dict[Any, Any] = {}
    mixed[1] = [mixed]
    return [
        (plain, "result[1]"),
        (through, "result.a[0].c"),
        (basket, "result.lines[0]"),
        (mixed, "result[1][0]"),
    ]


@pytest.mark.parametrize(("value", "path"), cycles(), ids=["list", "dict", "registered", "keys"])
def test_a_cycle_is_refused_where_it_closes(value: Any, path: str) -> None:
    error = refusal(value)
    assert error.path == path
    assert error.why == "it contains itself"


def test_the_same_part_twice_is_no_cycle() -> None:
    part = [1, (2,)]
    assert encode([part, part, {"a": part}]) == encode([[1, (2,)], [1, (2,)], {"a": [1, (2,)]}])


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: {"a": v}, lambda v: (v,), lambda v: {1: v}])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 400, 100_000])
def test_too_deep_nesting_is_refused_at_the_first_level_too_many(wrap: Any, depth: int) -> None:
    value: Any = 1
    for _ in range(depth):
        value = wrap(value)
    error = refusal(value)
    assert f"inside {MAX_DEPTH} other containers" in error.why


def test_a_dump_that_never_ends_is_refused() -> None:
    registry = type(REGISTRY)()
    endless = type("Endless", (), {})
    registry.register(endless, dump=lambda _: endless(), load=lambda _: endless())
    with pytest.raises(NotStorable, match="other containers"):
        encode(endless(), registry=registry)


def test_a_stack_that_is_nearly_full_is_reported_as_that() -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH):
        value = (value,)

    def fill(left: int) -> None:
        if left:
            fill(left - 1)
        else:
            encode(value)

    used = 0
    frame = sys._getframe()
    while frame.f_back is not None:
        used, frame = used + 1, frame.f_back
    with pytest.raises(NotStorable, match="call stack"):
        fill(sys.getrecursionlimit() - used - 60)


def test_a_value_above_the_limit_is_refused_with_both_sizes() -> None:
    with pytest.raises(ValueTooLarge) as caught:
        encode({"text": "x" * 100}, path="result", limit=100)
    error = caught.value
    assert (error.path, error.size, error.limit) == ("result", 111, 100)
    assert "takes 111 bytes" in str(error)
    assert "SAGALOG_VALUE_LIMIT" in str(error)


@pytest.mark.parametrize("value", ["x" * 98, ("x" * 84,), {"k": "y" * 92}])
def test_the_limit_itself_is_still_taken(value: Any) -> None:
    size = len(encode(value))
    assert encode(value, limit=size)
    with pytest.raises(ValueTooLarge):
        encode(value, limit=size - 1)


def test_the_default_limit_is_a_mebibyte_and_can_be_lifted() -> None:
    assert VALUE_LIMIT == 1_048_576
    text = "x" * VALUE_LIMIT
    with pytest.raises(ValueTooLarge):
        encode(text)
    assert len(encode(text, limit=None)) == VALUE_LIMIT + 2


@pytest.mark.parametrize("leaf", ["x", (1,)])
def test_parts_that_are_shared_over_and_over_are_counted_and_not_written_out(leaf: Any) -> None:
    value: Any = [leaf]
    for _ in range(60):
        value = [value, value]
    with pytest.raises(ValueTooLarge, match="at least"):
        encode(value)
