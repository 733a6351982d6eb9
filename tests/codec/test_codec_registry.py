"""Registered classes: versions, upcasters, and registrations that are refused."""

from __future__ import annotations

import enum
import functools
from dataclasses import InitVar, dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import attrs
import pytest

from sagalog.codec import Registry, decode, encode
from sagalog.errors import CorruptLog, UsageError

if TYPE_CHECKING:
    from nowhere import Missing  # type: ignore[import-not-found]  # a name that does not resolve is the point

T = TypeVar("T")


def there_and_back(value: Any, registry: Registry) -> Any:
    return decode(encode(value, registry=registry), registry=registry)


def test_old_versions_are_brought_up_one_by_one() -> None:
    @attrs.define
    class Order:
        cents: int
        currency: str
        lines: tuple[Any, ...]

    registry = Registry()
    registry.register(
        Order,
        name="order",
        version=3,
        upcasters={
            1: lambda parts: {"cents": parts["euros"] * 100, "lines": parts["lines"]},
            2: lambda parts: {**parts, "currency": "EUR"},
        },
    )
    expected = Order(500, "EUR", ((1, 2),))
    lines = b'{"$tuple@1":[{"$tuple@1":[1,2]}]}'
    assert decode(b'{"$order@1":{"euros":5,"lines":' + lines + b"}}", registry=registry) == expected
    assert decode(b'{"$order@2":{"cents":500,"lines":' + lines + b"}}", registry=registry) == expected
    assert there_and_back(expected, registry) == expected


def test_an_old_enum_member_is_brought_up_by_name() -> None:
    registry = Registry()

    @registry.register(version=2, upcasters={1: lambda name: {"GLAD": "HAPPY"}.get(name, name)})
    class Mood(enum.Enum):
        HAPPY = 1

    assert decode(b'{"$Mood@1":"GLAD"}', registry=registry) is Mood.HAPPY


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b'{"$order@4":{}}', "this code knows version 3"),
        (b'{"$order@1":{}}', "no upcasters from 1"),
        (b'{"$order@2":{}}', "KeyError"),
        (b'{"$order@3":{"a":1,"b":2}}', "b"),
        (b'{"$order@3":{}}', "'a'"),
        (b'{"$order@3":7}', "order@3"),
        (b'{"$parcel@1":{}}', "no type of this name"),
        (b'{"$os.system@1":"true"}', "no type of this name"),
        (b'{"$":{}}', "is no tag"),
    ],
)
def test_what_cannot_be_rebuilt_says_why(data: bytes, found: str) -> None:
    @dataclass
    class Order:
        a: Any

    registry = Registry()
    registry.register(Order, name="order", version=3, upcasters={2: lambda parts: {"a": parts["old"]}})
    with pytest.raises(CorruptLog) as caught:
        decode(data, registry=registry)
    assert found in str(caught.value)


def test_a_field_added_with_a_default_needs_no_new_version() -> None:
    @dataclass
    class Order:
        a: int
        b: list[int] = field(default_factory=lambda: [7])

    registry = Registry()
    registry.register(Order)
    assert decode(b'{"$Order@1":{"a":1}}', registry=registry) == Order(1, [7])


def hundredfold(euros: int) -> int:
    return euros * 100


def test_what_a_class_converts_on_its_way_in_is_not_converted_twice() -> None:
    @attrs.frozen
    class Price:
        cents: int = attrs.field(converter=hundredfold)

    @dataclass(frozen=True, slots=True)
    class Total:
        cents: int
        calls: list[int] = field(default_factory=list)
        tax: int = field(init=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "cents", self.cents + 1)
            object.__setattr__(self, "tax", self.cents // 5)

    registry = Registry()
    registry.register(Price)
    registry.register(Total)
    assert there_and_back(Price(5), registry).cents == 500
    total = Total(9)
    object.__setattr__(total, "tax", 99)
    again = there_and_back(total, registry)
    assert (again.cents, again.tax) == (10, 99)


def test_annotations_need_not_resolve_and_do_not_rule() -> None:
    @attrs.define
    class Box(Generic[T]):
        content: T
        other: Missing | None = None

    @dataclass
    class Tray:
        content: Missing

    registry = Registry()
    registry.register(Box)
    registry.register(Tray)
    box: Box[Any] = Box((1, Tray({2})), 3)
    assert there_and_back(box, registry) == box


def test_cached_properties_are_not_in_the_way() -> None:
    @attrs.define(slots=False)
    class Order:
        a: int

        @functools.cached_property
        def double(self) -> int:
            return self.a * 2

    registry = Registry()
    registry.register(Order)
    order = Order(2)
    assert order.double == 4
    assert there_and_back(order, registry) == order


def test_a_named_tuple_comes_back_as_itself() -> None:
    class Pair(NamedTuple):
        a: Any
        b: Any = 2

    registry = Registry()
    registry.register(Pair)
    again = there_and_back(Pair((1,)), registry)
    assert type(again) is Pair
    assert again == Pair((1,), 2)
    assert decode(b'{"$Pair@1":{"a":1}}', registry=registry) == Pair(1, 2)
    with pytest.raises(CorruptLog, match="no field"):
        decode(b'{"$Pair@1":{"a":1,"z":1}}', registry=registry)


def test_any_class_can_be_given_its_own_functions() -> None:
    registry = Registry()
    registry.register(Fraction, dump=Fraction.as_integer_ratio, load=lambda pair: Fraction(*pair))
    assert encode(Fraction(1, 3), registry=registry) == b'{"$Fraction@1":{"$tuple@1":[1,3]}}'
    assert there_and_back({Fraction(1, 3): 1}, registry) == {Fraction(1, 3): 1}


def test_decorator_forms() -> None:
    registry = Registry()

    @registry.register
    @attrs.define
    class Bare:
        a: int

    @registry.register(name="shop.named", version=2)
    @attrs.define
    class Named:
        a: int

    assert encode(Bare(1), registry=registry) == b'{"$Bare@1":{"a":1}}'
    assert encode(Named(1), registry=registry) == b'{"$shop.named@2":{"a":1}}'


def test_the_same_class_made_twice_takes_the_place_of_the_first() -> None:
    def make() -> type[Any]:
        @attrs.define
        class Order:
            a: int

        return Order

    registry = Registry()
    first, second = make(), make()
    registry.register(first)
    registry.register(second)
    assert type(there_and_back(first(1), registry)) is second


class Plain:
    pass


class Pair(NamedTuple):
    a: int


class Other(NamedTuple):
    a: int


class WithInit:
    def __init__(self, other: int) -> None:
        self.a = other


def made(base: type, field_type: Any, **options: Any) -> Any:
    return dataclass(**options)(type("Made", (base,), {"__annotations__": {"a": field_type}}))


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda r: r.register(Plain), "no attrs class, dataclass, enum or named tuple"),
        (lambda r: r.register(dict), "built-in type"),
        (lambda r: r.register(7), "expected a class"),
        (lambda r: r.register(type("E", (ValueError,), {})), "an exception is described"),
        (lambda r: r.register(attrs.define(type("D", (dict,), {}))), "it is a dict"),
        (lambda r: r.register(Plain, dump=repr), "together"),
        (lambda r: r.register(Fraction, name="tuple", dump=str, load=Fraction), "'tuple' cannot be its name"),
        (lambda r: r.register(Fraction, name="a b", dump=str, load=Fraction), "cannot be its name"),
        (lambda r: r.register(Fraction, name="a@1", dump=str, load=Fraction), "cannot be its name"),
        (lambda r: r.register(Fraction, version=0, dump=str, load=Fraction), "its version is 0"),
        (lambda r: r.register(Fraction, version=2, upcasters={2: str}, dump=str, load=str), "upcaster for version 2"),
        (lambda r: r.register(made(WithInit, int, init=False)), "by name"),
        (lambda r: r.register(made(object, int, init=False)), "by name"),
        (lambda r: r.register(made(object, InitVar[int])), "by name"),
    ],
)
def test_a_registration_that_would_lose_something_is_refused(make: Any, found: str) -> None:
    with pytest.raises(UsageError) as caught:
        make(Registry())
    assert found in str(caught.value)


def test_a_name_belongs_to_one_class_and_a_class_has_one_name() -> None:
    registry = Registry()
    registry.register(Pair, name="x")
    with pytest.raises(UsageError, match="taken by"):
        registry.register(Other, name="x")
    registry.register(Fraction, name="fraction", dump=str, load=Fraction)
    with pytest.raises(UsageError, match="registered already"):
        registry.register(Fraction, name="ratio", dump=str, load=Fraction)
