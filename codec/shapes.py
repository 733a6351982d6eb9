"""How a user's class is taken apart into storable parts and put together again, exactly.

attrs classes, dataclasses and named tuples by their fields, enums by the name of the member (flags by their number),
anything else by a pair of functions that the user gives.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from enum import Enum, Flag
from functools import cached_property
from types import NoneType
from typing import Any

import attrs
from cattrs import Converter
from cattrs.fns import identity
from cattrs.gen import make_dict_structure_fn_from_attrs, make_dict_unstructure_fn_from_attrs, override

from ..errors import UsageError, qualified_name
from .tags import LEAVES

CONTAINERS: tuple[type, ...] = (list, tuple, dict, set, frozenset)
BUILTIN: tuple[type, ...] = (NoneType, bool, int, float, str, *CONTAINERS, *LEAVES)
"""The types that are stored without being registered."""

_converter = Converter(detailed_validation=False)
_ABSENT = object()


@attrs.frozen
class Shape:
    """`take` gives the parts of a value, `put` makes an equal value of equal parts; `fields`: the parts are a dict by
    field name, which a path to a part then shows."""

    take: Callable[[Any], Any]
    put: Callable[[Any], Any]
    fields: bool = False


def shape_of(cls: type) -> Shape:
    """The shape of a class by its kind; UsageError where no kind fits or something of it would be lost."""
    if issubclass(cls, Flag):
        return Shape(lambda member: member.value, cls)
    if issubclass(cls, Enum):
        return Shape(lambda member: member.name, lambda name: cls[name])
    if issubclass(cls, tuple) and hasattr(cls, "_fields") and hasattr(cls, "_field_defaults"):
        return _named_tuple(cls)
    if issubclass(cls, BaseException):
        raise _unfit(cls, "an exception is described (sagalog.Failure), never stored")
    if base := builtin_base(cls):
        raise _unfit(cls, f"it is a {base.__name__}, whose own content its fields do not show; give dump= and load=")
    if dataclasses.is_dataclass(cls) or attrs.has(cls):
        return _fields(cls)
    raise _unfit(
        cls,
        "it is no attrs class, dataclass, enum or named tuple; put the register decorator above theirs, "
        "or give dump= and load=",
    )


def builtin_base(cls: type) -> type | None:
    """The built-in storable type that `cls` is a subclass of, if any."""
    return next((base for base in cls.__mro__[1:] if base in BUILTIN), None)


def _named_tuple(cls: Any) -> Shape:
    names: tuple[str, ...] = cls._fields
    defaults: dict[str, Any] = cls._field_defaults

    def put(parts: Mapping[str, Any]) -> Any:
        if unknown := parts.keys() - set(names):
            raise ValueError(f"it has no field {sorted(unknown)}")
        return cls._make([parts[name] if name in parts else defaults[name] for name in names])

    def take(value: Any) -> dict[str, Any]:
        _nothing_else(value, frozenset())
        return dict(zip(names, value, strict=True))

    return Shape(take, put, fields=True)


def _fields(cls: type) -> Shape:
    """Field by field, without regard to annotations: the type that is there is stored, not one that is declared."""
    shadow = _shadow(cls)
    names = [field.name for field in shadow]
    late = [field.name for field in shadow if not field.init]
    _check_init(cls, shadow)
    variables = {parameter.__name__: object for parameter in getattr(cls, "__parameters__", ())}
    hooks: dict[str, Any] = {name: override(unstruct_hook=identity, struct_hook=_as_is) for name in names}
    taker: Callable[[Any], dict[str, Any]] = make_dict_unstructure_fn_from_attrs(
        shadow,
        cls,
        _converter,
        variables,
        _cattrs_include_init_false=True,
        **hooks,
    )
    putter: Callable[[Mapping[str, Any], type], Any] = make_dict_structure_fn_from_attrs(
        shadow,
        cls,
        _converter,
        variables,
        _cattrs_forbid_extra_keys=True,
        **hooks,
    )
    known = frozenset(names) | {
        name for base in cls.__mro__ for name, item in vars(base).items() if isinstance(item, cached_property)
    }

    def take(value: Any) -> dict[str, Any]:
        _nothing_else(value, known)
        return taker(value)

    def put(parts: Mapping[str, Any]) -> Any:
        value = putter({name: part for name, part in parts.items() if name not in late}, cls)
        # The class's own __init__ may convert a part a second time; what was stored is what comes back.
        for name, part in parts.items():
            if getattr(value, name, _ABSENT) is not part:
                object.__setattr__(value, name, part)
        return value

    return Shape(take, put, fields=True)


def _shadow(cls: type) -> list[attrs.Attribute[Any]]:
    """The fields of a class as cattrs reads them, all by keyword and without the annotations, which may not resolve."""
    fields: dict[str, Any] = {}
    if dataclasses.is_dataclass(cls):
        for field in dataclasses.fields(cls):
            given = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
            fields[field.name] = _shadow_field(field.name, field.init, given)
    else:
        for attribute in attrs.fields(cls):
            given = attribute.default is not attrs.NOTHING
            fields[attribute.name] = _shadow_field(attribute.alias or attribute.name, attribute.init, given)
    return list(attrs.fields(attrs.make_class("Shadow", fields)))


def _shadow_field(alias: str, init: bool, given: bool) -> Any:
    return attrs.field(default=None if given else attrs.NOTHING, init=init, kw_only=True, alias=alias)


def _check_init(cls: Any, shadow: list[attrs.Attribute[Any]]) -> None:
    given = {field.alias or field.name: None for field in shadow if field.init}
    try:
        if cls.__init__ is object.__init__ and given:
            raise TypeError("it has no __init__ of its own")
        inspect.signature(cls.__init__).bind(None, **given)
    except TypeError as error:
        raise _unfit(cls, f"its __init__ does not take its fields by name ({error}); give dump= and load=") from None


def _nothing_else(value: Any, known: frozenset[str]) -> None:
    """An attribute that is no field would be lost in silence; attrs' own caches and cached properties may be."""
    here = getattr(value, "__dict__", None)
    if here and not here.keys() <= known:
        extra = sorted(name for name in here.keys() - known if not name.startswith("_attrs_cached"))
        if extra:
            raise ValueError(f"its attribute {extra[0]!r} is no field, and would be lost")


def _as_is(part: Any, _: Any) -> Any:
    return part


def _unfit(cls: type, why: str) -> UsageError:
    return UsageError(f"register: {qualified_name(cls)} cannot be stored: {why}")
