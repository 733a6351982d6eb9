"""`Options`: what an atom's constructor was told about arguments and results, checked and normalised."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

import attrs

from ...errors import FlowError
from .words import checked_name

Names = str | Iterable[str] | None
RebindOption = Mapping[str, str] | list[str] | tuple[str, ...] | None


@attrs.frozen
class Options:
    """What an atom (`kind` task or retry) says about its arguments and results; equal options are equal."""

    saves: tuple[tuple[str, int | str | None], ...] = ()
    requires: tuple[str, ...] = ()
    auto_extract: bool = True
    rebind: tuple[tuple[str, str], ...] | tuple[str, ...] = ()
    inject: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    revert_rebind: tuple[tuple[str, str], ...] | tuple[str, ...] = ()
    revert_requires: tuple[str, ...] | None = None
    reserved: tuple[str, ...] = ()
    kind: str = "task"


def names_of(atom: str, parameter: str, value: object, kind: str = "task") -> tuple[str, ...]:
    """Names given as one text or a collection of texts; a set in alphabetical order, so that no hash decides."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (checked_name(f"{parameter} of {kind} {atom!r}", value),)
    if not isinstance(value, Iterable) or isinstance(value, bytes | bytearray):
        raise FlowError(f"{kind} {atom!r}: {parameter} must be a name or a list, tuple or set of names; found {value!r}")
    names = [checked_name(f"{parameter} of {kind} {atom!r}", name) for name in value]
    ordered = sorted(names) if isinstance(value, set | frozenset) else names
    return tuple(dict.fromkeys(ordered))


def saves_of(atom: str, provides: object, kind: str = "task") -> tuple[tuple[str, int | str | None], ...]:
    """What `provides` says as (name, key): a text saves the whole result, a list or tuple by index, a set by key.

    Raises:
        FlowError: something else, or one name twice.
    """
    if isinstance(provides, Mapping):
        raise FlowError(f"{kind} {atom!r}: provides must be a name or a list, tuple or set of names; found a mapping")
    names = names_of(atom, "provides", provides, kind)
    if isinstance(provides, str):
        return ((names[0], None),)
    if isinstance(provides, AbstractSet):
        return tuple((name, name) for name in sorted(names))
    if isinstance(provides, Sequence) and len(names) != len(provides):
        raise FlowError(f"{kind} {atom!r}: provides has a name twice: {list(provides)!r}")
    return tuple((name, index) for index, name in enumerate(names))


def rebind_of(
    atom: str, parameter: str, value: RebindOption, kind: str = "task"
) -> tuple[tuple[str, str], ...] | tuple[str, ...]:
    """`rebind` as pairs (a mapping) or names by place (a list or tuple)."""
    if value is None:
        return ()
    if isinstance(value, Mapping):
        where = f"{parameter} of {kind} {atom!r}"
        return tuple((checked_name(where, key), checked_name(where, name)) for key, name in value.items())
    if isinstance(value, list | tuple):
        return tuple(checked_name(f"{parameter} of {kind} {atom!r}", name) for name in value)
    raise FlowError(f"{kind} {atom!r}: {parameter} must be a dict, or a list of names by place; found {value!r}")
