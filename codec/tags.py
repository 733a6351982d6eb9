"""Built-in types that JSON has no form for, one leaf at a time: what is written under their tag, and how it is read.

Containers are the business of `values.py`, which walks them. A dumped text is plain ASCII that needs no further
care; any other dumped form is walked like a value.
"""

from __future__ import annotations

import base64
import pickle
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

_Moment = TypeVar("_Moment", datetime, time)

UNSAFE = re.compile(r"[\x00\ud800-\udfff]")
"""What no jsonb text can hold: NUL and surrogates that stand alone."""
_ESCAPED = re.compile(r"[\x00\ud800-\udfff\\]")
_ESCAPE = re.compile(r"\\u([0-9a-f]{4})")
# ZoneInfo looks a key up as a file and as a module of the data package `tzdata`; this keeps a stored key a plain name.
_ZONE = re.compile(r"[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+){0,2}")
_BELOW_A_SECOND = re.compile(r"([+-])00:00:00\.(\d{6})$")
# Decimal text of more digits than this is refused by Python's own guard (sys.set_int_max_str_digits at its lowest).
_DECIMAL_BITS = 2_048


class Refused(Exception):
    """A value of a storable type that cannot be kept without loss; says why."""


def load_text(form: Any) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), _text(form))


def dump_text(value: str) -> str:
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", value)


def dump_int(value: int) -> str:
    return str(value) if value.bit_length() <= _DECIMAL_BITS else hex(value)


def load_int(form: Any) -> int:
    return int(_text(form), 16 if "0x" in form[:3] else 10)


def load_float(form: Any) -> float:
    if form not in ("nan", "inf", "-inf"):
        raise ValueError(f"expected nan, inf or -inf, found {form!r}")
    return float(form)


def load_bytes(form: Any) -> bytes:
    return base64.b64decode(_text(form), validate=True)


def _dump_bytes(value: bytes | bytearray) -> str:
    return base64.b64encode(value).decode("ascii")


def _dump_timedelta(value: timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


def _load_timedelta(form: Any) -> timedelta:
    days, seconds, microseconds = form
    return timedelta(days, seconds, microseconds)


def _dump_moment(value: datetime | time) -> Any:
    """ISO 8601 where that says everything, else an object with the wall clock, the zone and the fold."""
    zone = value.tzinfo
    named = None if zone is None else _dump_zone(zone)
    if not named and not value.fold:
        return value.isoformat()
    form: dict[str, Any] = {"local": value.replace(tzinfo=None).isoformat()}
    if zone is not None:
        form |= named or {"offset": _dump_timedelta(_offset(zone))}
    return form | {"fold": 1} if value.fold else form


def _dump_zone(zone: tzinfo) -> dict[str, Any]:
    """How a zone is written; empty for a plain offset, which ISO 8601 carries."""
    if type(zone) is timezone:
        offset = _offset(zone)
        name = zone.tzname(None)
        return {} if name == timezone(offset).tzname(None) else {"offset": _dump_timedelta(offset), "name": name}
    if type(zone) is not ZoneInfo:
        raise Refused(f"its time zone is a {type(zone).__qualname__}; only datetime.timezone and zoneinfo are kept")
    try:
        zone.__reduce__()
    except pickle.PicklingError:
        raise Refused("its ZoneInfo was made from a file, so that no name leads back to it") from None
    if not _ZONE.fullmatch(zone.key):
        raise Refused(f"its time zone has the name {zone.key!r}, which is none of the tz database")
    return {"zone": zone.key}


def _offset(zone: tzinfo) -> timedelta:
    return zone.utcoffset(None) or timedelta(0)


def _load_moment(cls: type[_Moment]) -> Callable[[Any], _Moment]:
    def load(form: Any) -> _Moment:
        if isinstance(form, str):
            moment = cls.fromisoformat(form)
            return moment if moment.tzinfo is not UTC or form.endswith("+00:00") else _exactly(moment, form)
        return cls.fromisoformat(form["local"]).replace(tzinfo=_load_zone(form), fold=form.get("fold", 0))

    return load


def _exactly(moment: _Moment, form: str) -> _Moment:
    """The moment with the offset that is written: of one below a second Python makes UTC."""
    found = _BELOW_A_SECOND.search(form)
    return moment if found is None else moment.replace(tzinfo=timezone(timedelta(microseconds=int(found[1] + found[2]))))


def _load_zone(form: dict[str, Any]) -> tzinfo | None:
    if "zone" in form:
        if not _ZONE.fullmatch(_text(form["zone"])):
            raise ValueError(f"{form['zone']!r} is no name of a time zone")
        return ZoneInfo(form["zone"])
    if "offset" not in form:
        return None
    offset = _load_timedelta(form["offset"])
    return timezone(offset, form["name"]) if "name" in form else timezone(offset)


def _parts(form: Any) -> list[Any]:
    if not isinstance(form, list):
        raise TypeError(f"expected a list, found {type(form).__name__}")
    return form


def _load_dict(form: Any) -> dict[Any, Any]:
    pairs = [(key, item) for key, item in _parts(form)]
    loaded = dict(pairs)
    if len(loaded) != len(pairs):
        raise ValueError("a key stands there twice")
    return loaded


def _load_set(form: Any) -> set[Any]:
    loaded = set(_parts(form))
    if len(loaded) != len(form):
        raise ValueError("an element stands there twice")
    return loaded


def _text(form: Any) -> str:
    if not isinstance(form, str):
        raise TypeError(f"expected a text, found {type(form).__name__}")
    return form


LEAVES: dict[type, tuple[str, Callable[[Any], Any]]] = {
    bytes: ("$bytes@1", _dump_bytes),
    bytearray: ("$bytearray@1", _dump_bytes),
    datetime: ("$datetime@1", _dump_moment),
    date: ("$date@1", date.isoformat),
    time: ("$time@1", _dump_moment),
    timedelta: ("$timedelta@1", _dump_timedelta),
    Decimal: ("$decimal@1", str),
    UUID: ("$uuid@1", str),
}
"""Type -> its tag and what is written under it."""

LOADERS: dict[str, Callable[[Any], Any]] = {
    "$str@1": load_text,
    "$int@1": load_int,
    "$float@1": load_float,
    "$bytes@1": load_bytes,
    "$bytearray@1": lambda form: bytearray(load_bytes(form)),
    "$datetime@1": _load_moment(datetime),
    "$date@1": lambda form: date.fromisoformat(_text(form)),
    "$time@1": _load_moment(time),
    "$timedelta@1": _load_timedelta,
    "$decimal@1": lambda form: Decimal(_text(form)),
    "$uuid@1": lambda form: UUID(_text(form)),
    "$tuple@1": lambda form: tuple(_parts(form)),
    "$set@1": _load_set,
    "$frozenset@1": lambda form: frozenset(_load_set(form)),
    "$dict@1": _load_dict,
}
"""Tag -> how what stands under it is read, its parts being decoded already; wrong forms raise any Exception."""
