"""`Atom`: the smallest unit of a flow: a name, what it takes, what it provides."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from math import isfinite
from types import MappingProxyType
from typing import Any, ClassVar

from ...errors import FlowError
from .arguments import Binding, Call
from .options import Names, Options, RebindOption, names_of, rebind_of, saves_of
from .plan import Functions, Plan, plan_of
from .words import checked_name

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Atom:
    """A unit of work with named inputs and outputs, after TaskFlow's `Atom`.

    Args:
        name: unique in the flow; by default the class's name.
        provides: a name for the whole result, a list or tuple of names by index, a set of names by key.
        requires: names asked for besides those of the signature of `execute` (a default there makes one optional).
        auto_extract: whether the signature is read at all.
        rebind: {parameter: name}, or names by place (required parameters first): which resource fills which.
        inject: {name: value}: constants of this atom, found before anything else.
        ignore_list: parameters that are left alone; they need a default.
        revert_rebind, revert_requires: the same for `revert`; what they leave open is as for `execute`.

    Raises FlowError, MissingArgument: a parameter or name that does not fit the signature.

    Attributes, all to be read only: `name`, `version`, `priority` (larger starts first), `provides`, `requires` (of
    all its functions, without what is injected), `optional`, `revert_optional` (sets in the order of the signature),
    `save_as` ({provided name: index, key or None}), `rebind`, `revert_rebind` ({parameter: name}), `inject`.
    """

    _kind: ClassVar[str] = "task"

    name: str
    version: str | tuple[int, ...] = "1.0"
    priority: int | float = 0
    default_provides: Names = None

    def __init__(
        self,
        name: str | None = None,
        provides: Names = None,
        requires: Names = None,
        auto_extract: bool = True,
        rebind: RebindOption = None,
        inject: Mapping[str, Any] | None = None,
        ignore_list: Names = None,
        revert_rebind: RebindOption = None,
        revert_requires: Names = None,
    ) -> None:
        kind = self._kind
        self.name = name = checked_name(kind, type(self).__name__ if name is None else name)
        if inject:
            self._inject = MappingProxyType(dict(inject))
        self._plan = plan_of(
            name,
            self._functions(),
            Options(
                saves=saves_of(name, self.default_provides if provides is None else provides, kind),
                requires=names_of(name, "requires", requires, kind),
                auto_extract=auto_extract,
                rebind=rebind_of(name, "rebind", rebind, kind),
                inject=names_of(name, "inject", inject, kind),
                ignore=names_of(name, "ignore_list", ignore_list, kind),
                revert_rebind=rebind_of(name, "revert_rebind", revert_rebind, kind),
                revert_requires=(
                    None if revert_requires is None else names_of(name, "revert_requires", revert_requires, kind)
                ),
                reserved=self._reserved(),
                kind=kind,
            ),
        )

    _inject: Mapping[str, Any] = _NOTHING
    _plan: Plan

    def _reserved(self) -> tuple[str, ...]:
        """The parameters that the engine fills itself."""
        return ("context",)

    def _functions(self) -> Functions:
        raise NotImplementedError(f"{type(self).__name__} is no kind of atom that can be run; derive from Task")

    @property
    def plan(self) -> Plan:
        """The calls of this atom; FlowError where a subclass's `__init__` forgot that of its base."""
        try:
            return self._plan
        except AttributeError:
            raise FlowError(
                f"{type(self).__name__}: its __init__ did not call super().__init__(…), so it has no name or arguments"
            ) from None

    @property
    def inject(self) -> Mapping[str, Any]:
        """{name: value}: the constants of this atom."""
        return self._inject

    @property
    def save_as(self) -> dict[str, int | str | None]:
        """{provided name: index or key of the result, None for the whole}."""
        return dict(self.plan.options.saves)

    @property
    def provides(self) -> AbstractSet[str]:
        """The provided names, in order."""
        return dict(self.plan.options.saves).keys()

    @property
    def requires(self) -> AbstractSet[str]:
        """The names without which execute or revert cannot be called, in order."""
        return dict.fromkeys(b.name for b in self._looked_up() if not b.optional).keys()

    @property
    def optional(self) -> AbstractSet[str]:
        """The names that execute takes if they are there, in order."""
        return self._optional(self.plan.execute)

    @property
    def revert_optional(self) -> AbstractSet[str]:
        """The names that revert takes if they are there, in order."""
        return self._optional(self.plan.revert)

    @property
    def rebind(self) -> dict[str, str]:
        """{parameter of execute: name of the resource}."""
        return {b.parameter: b.name for b in self.plan.execute.bindings}

    @property
    def revert_rebind(self) -> dict[str, str]:
        """{parameter of revert: name of the resource}."""
        return {} if self.plan.revert is None else {b.parameter: b.name for b in self.plan.revert.bindings}

    def _looked_up(self) -> list[Binding]:
        return [b for call in self.plan.calls() for b in call.bindings if b.name not in self._inject]

    def _optional(self, call: Call | None) -> AbstractSet[str]:
        found = () if call is None else call.bindings
        return dict.fromkeys(b.name for b in found if b.optional and b.name not in self._inject).keys()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {getattr(self, 'name', '?')!r}>"


def version_of(atom: Atom) -> str:
    """The version as it is stored: text; a tuple of numbers is joined by dots."""
    version = atom.version
    if isinstance(version, tuple) and version and all(type(part) is int for part in version):
        return ".".join(map(str, version))
    if isinstance(version, str):
        return checked_name(f"version of {atom._kind} {atom.name!r}", version)
    raise FlowError(f"{atom._kind} {atom.name!r}: version must be text or a tuple of whole numbers; found {version!r}")


def priority_of(atom: Atom) -> int | float:
    """The priority as it is stored: a whole number where it is one."""
    priority = atom.priority
    if type(priority) is int:
        return priority
    if isinstance(priority, float) and isfinite(priority):
        return int(priority) if priority.is_integer() else priority
    raise FlowError(f"{atom._kind} {atom.name!r}: priority must be a finite number; found {priority!r}")
