"""Every kind of value that the codec stores, as hypothesis strategies, and a comparison that lets nothing pass."""

from __future__ import annotations

import datetime as dt
import enum
import struct
import zoneinfo
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple
from uuid import UUID

import attrs
from hypothesis import strategies as st

from sagalog.codec import Registry

REGISTRY = Registry()
register = REGISTRY.register


@register
class Color(enum.Enum):
    RED = "r"
    BLUE = ("b", 2)


@register(name="shop.level")
class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@register
class Right(enum.Flag):
    READ = 1
    WRITE = 2


@register(name="shop.line", version=2, upcasters={1: lambda parts: {**parts, "note": None}})
@attrs.frozen
class Line:
    sku: Any
    price: Any
    _note: Any = attrs.field(default=None, alias="note_text")


@register
@dataclass
class Basket:
    lines: Any
    owner: Any = "nobody"
    size: Any = field(init=False, default=0)


@register
class Point(NamedTuple):
    x: Any
    y: Any = 0


register(Fraction, name="fraction", dump=Fraction.as_integer_ratio, load=lambda pair: Fraction(*pair))

# What JSON, orjson or Postgres would trip over is drawn far more often than chance would have it.
TEXTS = st.one_of(
    st.text(max_size=8),
    st.text(st.sampled_from('$@\\"u0\x00\ud800\udc00\ud83d\ude00é€😀 a'), max_size=8),
    st.sampled_from(["", "$", "$$", "$tuple@1", "$$tuple@1", "\\u0000", "\\\\u0000", "\x00", "__class__"]),
)
INTEGERS = st.one_of(
    st.integers(),
    st.sampled_from([2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, -(10**650)]),
)
FLOATS = st.one_of(
    st.floats(), st.sampled_from([-0.0, 5e-324, 1.7976931348623157e308, 1e16, 1e22, 0.1, float("inf"), float("nan")])
)
ZONES = st.one_of(
    st.none(),
    st.just(dt.UTC),
    st.builds(dt.timezone, st.timedeltas(dt.timedelta(hours=-23), dt.timedelta(hours=23))),
    st.builds(dt.timezone, st.timedeltas(dt.timedelta(hours=-23), dt.timedelta(hours=23)), TEXTS),
    st.sampled_from(["Europe/Berlin", "America/Argentina/Ushuaia", "UTC", "Etc/GMT+5"]).map(zoneinfo.ZoneInfo),
)
FOLDS = st.sampled_from([0, 1])
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    INTEGERS,
    FLOATS,
    TEXTS,
    st.binary(max_size=20),
    st.builds(lambda moment, zone, fold: moment.replace(tzinfo=zone, fold=fold), st.datetimes(), ZONES, FOLDS),
    st.builds(lambda moment, zone, fold: moment.replace(tzinfo=zone, fold=fold), st.times(), ZONES, FOLDS),
    st.dates(),
    st.timedeltas(),
    st.decimals(),
    st.sampled_from([Decimal("-0"), Decimal("1.20"), Decimal("sNaN7"), Decimal("1E+999999"), Decimal("-Infinity")]),
    st.uuids(),
    st.sampled_from([*Color, *Level, *Right, Right.READ | Right.WRITE, Right(0)]),
    st.fractions(),
)


# Composites, because hypothesis spells a strategy out in its warnings, and these would fill pages.
@st.composite
def leaves(draw: st.DrawFn) -> Any:
    return draw(_LEAVES)


@st.composite
def keys(draw: st.DrawFn) -> Any:
    # A signaling NaN has no hash.
    hashable = leaves().filter(lambda leaf: not (isinstance(leaf, Decimal) and leaf.is_snan()))
    return draw(st.recursive(hashable, _hashable, max_leaves=4))


def _hashable(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=3).map(tuple), st.frozensets(inner, max_size=3), st.builds(Line, inner, inner, inner)
    )


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(TEXTS, inner, max_size=4),
        st.dictionaries(KEYS, inner, max_size=3),
        st.sets(KEYS, max_size=4),
        st.frozensets(KEYS, max_size=4),
        st.builds(Line, inner, inner, inner),
        st.builds(Basket, inner, inner),
        st.builds(Point, inner, inner),
        st.binary(max_size=9).map(bytearray),
    )


KEYS = keys()
VALUES = st.recursive(leaves(), _nested, max_leaves=12)


def form(value: Any) -> Any:
    """A picture of a value in which two differ if type, order or a single bit of them does."""
    kind = type(value)
    match value:
        case float():
            return kind, "nan" if value != value else struct.pack(">d", value)
        case enum.Enum():
            return kind, id(value)
        case tuple() | list():
            return kind, [form(item) for item in value]
        case dict():
            return kind, [(form(key), form(item)) for key, item in value.items()]
        case set() | frozenset():
            return kind, sorted(repr(form(item)) for item in value)
        case dt.datetime() | dt.time():
            return kind, value.replace(tzinfo=None, fold=0).isoformat(), value.fold, _zone(value.tzinfo)
        case Line() | Basket():
            return kind, [(name, form(getattr(value, name))) for name in _names(value)]
        case (
            int() | str() | bytes() | bytearray() | Decimal() | UUID() | Fraction() | dt.date() | dt.timedelta() | None
        ):
            return kind, repr(value) if not isinstance(value, int) else hex(value)
    raise AssertionError(f"no picture of a {kind}")


def _names(value: Any) -> list[str]:
    return [attribute.name for attribute in attrs.fields(kind)] if attrs.has(kind := type(value)) else [*vars(value)]


def _zone(zone: dt.tzinfo | None) -> Any:
    if isinstance(zone, zoneinfo.ZoneInfo):
        return type(zone), zone.key
    return type(zone), None if zone is None else (zone.utcoffset(None), zone.tzname(None))
