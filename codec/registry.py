"""The closed registry of the user types that values may contain.

What is stored names a type by its registered name and version, never by a module; only what has been registered is
ever rebuilt. A class whose fields change gets a new version and an upcaster for each older one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

import attrs

from ..errors import CorruptLog, UsageError, qualified_name
from .shapes import BUILTIN, Shape, shape_of
from .tags import LOADERS

_Class = TypeVar("_Class", bound=type)
Upcaster = Callable[[Any], Any]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
_TAG = re.compile(r"\$([^@]+)@([0-9]+)")
_RESERVED = {tag[1:].partition("@")[0] for tag in LOADERS}


@attrs.frozen
class Entry:
    """One registered class: `tag` is the key its values are stored under, "$name@version"."""

    cls: type
    name: str
    version: int
    shape: Shape
    tag: str


class Registry:
    """Which classes values may contain, by class for encoding and by tag for decoding."""

    def __init__(self) -> None:
        self.entries: dict[type, Entry] = {}
        self.loaders: dict[str, Callable[[Any], Any]] = dict(LOADERS)
        self._names: dict[str, Entry] = {}

    @overload
    def register(self, cls: _Class) -> _Class: ...

    @overload
    def register(
        self,
        cls: None = None,
        *,
        name: str | None = None,
        version: int = 1,
        upcasters: Mapping[int, Upcaster] | None = None,
    ) -> Callable[[_Class], _Class]: ...

    @overload
    def register(
        self,
        cls: _Class,
        *,
        name: str | None = None,
        version: int = 1,
        upcasters: Mapping[int, Upcaster] | None = None,
        dump: Callable[[Any], Any] | None = None,
        load: Callable[[Any], Any] | None = None,
    ) -> _Class: ...

    def register(
        self,
        cls: type | None = None,
        *,
        name: str | None = None,
        version: int = 1,
        upcasters: Mapping[int, Upcaster] | None = None,
        dump: Callable[[Any], Any] | None = None,
        load: Callable[[Any], Any] | None = None,
    ) -> Any:
        """Make a class storable; a decorator, with or without arguments, or a plain call.

        `name` (default: the class's own) and `version` are what is stored, so neither module nor class name is.
        `upcasters` maps an old version to a function from its parts to those of the next version (a dict by field
        name; for an enum the member's name). `dump` and `load` turn any other class into a storable value and back:
        `register(Fraction, dump=Fraction.as_integer_ratio, load=lambda pair: Fraction(*pair))`.
        Raises UsageError for what would be lost or is taken.
        """

        def add(given: _Class) -> _Class:
            shape = _shape(given, dump, load)
            self._add(given, name or given.__name__, version, dict(upcasters or {}), shape)
            return given

        return add if cls is None else add(cls)

    def load(self, tag: str, parts: Any) -> Any:
        """The value that stands under a tag, of parts that are decoded already; CorruptLog if it cannot be rebuilt."""
        loader = self.loaders.get(tag)
        if loader is None:
            raise CorruptLog(self._missing(tag))
        try:
            return loader(parts)
        except Exception as error:
            raise CorruptLog(
                f"stored {tag[1:]}: cannot be rebuilt: {type(error).__name__}: {error}; "
                "run `sagalog verify`, or register an upcaster if the class has changed since"
            ) from error

    def _add(self, cls: type, name: str, version: int, upcasters: dict[int, Upcaster], shape: Shape) -> None:
        entry = Entry(cls, name, version, shape, f"${name}@{version}")
        self._check(entry, upcasters)
        self.entries[cls] = self._names[name] = entry
        self.loaders[entry.tag] = shape.put
        load = shape.put
        for old in range(version - 1, 0, -1):
            if old not in upcasters:
                break
            load = _chain(upcasters[old], load)
            self.loaders[f"${name}@{old}"] = load

    def _check(self, entry: Entry, upcasters: dict[int, Upcaster]) -> None:
        cls, name, version = entry.cls, entry.name, entry.version
        who = f"register: {qualified_name(cls)}"
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise UsageError(f"{who}: {name!r} cannot be its name; expected letters, digits, _ . - and no built-in tag")
        if type(version) is not int or version < 1:
            raise UsageError(f"{who}: its version is {version!r}; expected a whole number from 1 on")
        if wrong := [old for old in upcasters if type(old) is not int or not 1 <= old < version]:
            raise UsageError(f"{who}: upcaster for version {wrong[0]!r}; expected versions from 1 to {version - 1}")
        # The module started with `python -m` may be imported once more under its own name: same class, made twice.
        other = self._names.get(name)
        if other is not None and qualified_name(other.cls) != qualified_name(cls):
            raise UsageError(f"{who}: the name {name!r} is taken by {qualified_name(other.cls)}; give name=")
        known = self.entries.get(cls)
        if known is not None and known.name != name:
            raise UsageError(f"{who}: is registered already, as {known.name!r}")

    def _missing(self, tag: str) -> str:
        found = _TAG.fullmatch(tag)
        if found is None:
            return f"stored value: {tag[:60]!r} is no tag; expected $name@version; run `sagalog verify`"
        name, version = found[1], found[2]
        entry = self._names.get(name)
        if entry is None:
            return f"stored {tag[1:]}: no type of this name is registered; import the code that registers it"
        if int(version[:9]) > entry.version:
            return f"stored {tag[1:]}: this code knows version {entry.version}; read it with the newer code"
        return f"stored {tag[1:]}: this code has version {entry.version} and no upcasters from {version}; register them"


def _shape(cls: type, dump: Callable[[Any], Any] | None, load: Callable[[Any], Any] | None) -> Shape:
    if not isinstance(cls, type):
        raise UsageError(f"register: expected a class, found {cls!r}")
    if cls in BUILTIN or cls is object:
        raise UsageError(f"register: {cls.__name__} is a built-in type; its stored form is settled")
    if dump is None and load is None:
        return shape_of(cls)
    if dump is None or load is None:
        raise UsageError(f"register: {qualified_name(cls)}: expected dump= and load= together, found one of them")
    return Shape(dump, load)


def _chain(upcast: Upcaster, load: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda parts: load(upcast(parts))


registry = Registry()
"""The registry that `encode` and `decode` use unless told otherwise."""
register = registry.register
