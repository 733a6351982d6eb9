"""From a signature and what the atom says about it (`requires`, `rebind`, …) to the arguments of a call.

A *parameter* is a name in the signature, a *name* that of the resource which fills it: an input, something injected,
something an earlier atom provides. TaskFlow's rules, with one addition: `rebind` of an optional argument leaves it
optional.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

import attrs

from ...errors import FlowError, MissingArgument
from .signature import Signature

Rebind = Mapping[str, str] | Sequence[str]


@attrs.frozen(eq=False)
class Binding:
    """One argument: the resource `name` fills `parameter`. Equal bindings are one object; see `binding`."""

    parameter: str
    name: str
    optional: bool


_bindings: WeakValueDictionary[tuple[str, str, bool], Binding] = WeakValueDictionary()


def binding(parameter: str, name: str, optional: bool) -> Binding:
    """The one Binding with these three; shared, so that a flow of many atoms keeps few of them."""
    key = (parameter, name, optional)
    found = _bindings.get(key)
    if found is None:
        found = _bindings[key] = Binding(parameter, name, optional)
    return found


@attrs.frozen(eq=False)
class Call:
    """How one function of an atom is called.

    `bindings`: the arguments that are looked up. `given`: what the runtime hands over itself (context, conn, result,
    flow_failures, history), by those names. `unfilled`: parameters that nothing may fill although they have no default.
    `borrowed`: the arguments are another call's, of which the function may take only some (a probe).
    """

    bindings: tuple[Binding, ...]
    given: tuple[str, ...]
    unfilled: tuple[str, ...]
    signature: Signature
    borrowed: bool = False

    def adapt(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` as one that takes everything by name, the context as `context`; most functions do already."""
        simple = not self.signature.positional and self.signature.context in (None, "context")
        if simple and (not self.borrowed or self.signature.takes_any):
            return function
        return partial(_by_name, function, self.signature, self.borrowed)


def _by_name(function: Callable[..., Any], signature: Signature, borrowed: bool, /, **values: Any) -> Any:
    if signature.context is not None and "context" in values:
        values[signature.context] = values.pop("context")
    if borrowed:
        values = {parameter: value for parameter, value in values.items() if signature.accepts(parameter)}
    by_place = [values.pop(parameter, default) for parameter, default in signature.positional]
    return function(*by_place, **values)


class Wanted:
    """What one call of an atom asks for: the signature read against what the atom says about it.

    `what` names the call in errors; `reserved` are the parameters that the engine fills, `ignored` those left alone;
    `to_any`: those of the reserved that a `**kwargs` is handed too.
    """

    def __init__(
        self,
        what: str,
        signature: Signature,
        reserved: Sequence[str],
        ignored: Collection[str],
        to_any: Collection[str] = (),
    ) -> None:
        self.what = what
        self.signature = signature
        self.reserved = reserved
        self.ignored = ignored
        self.to_any = to_any
        taken = {*reserved, *ignored, *([signature.context] if "context" in reserved else ())}
        self.required = [p for p in signature.required if p not in taken]
        self.optional = [p for p in signature.optional if p not in taken]

    def call(
        self, requires: Sequence[str], rebind: Rebind, auto: bool, inherited: Mapping[str, Binding], forced: bool
    ) -> Call:
        """The arguments, as `requires` (names), `rebind` and, if `auto`, the signature say.

        `inherited`: bindings by parameter that hold where nothing else is said. `forced`: a `**kwargs` is given all
        of them.

        Raises:
            FlowError: something is asked for that the function does not take. MissingArgument: the function takes
            something that nobody asks for (`auto` is False).
        """
        renamed = self._renamed(rebind)
        wanted = {p: False for p in self.required} if auto else {}
        wanted |= {p: False for p in requires}
        wanted |= {p: True for p in self.optional if auto and p not in wanted}
        wanted |= {p: p in self.optional for p in renamed if p not in wanted}
        self._check(wanted)
        bindings = [binding(p, renamed.get(p) or _name(inherited, p), optional) for p, optional in wanted.items()]
        if forced and self.signature.takes_any:
            bindings += [other for p, other in inherited.items() if p not in wanted and p not in self.reserved]
        return Call(
            bindings=tuple(bindings),
            given=tuple(self._given()),
            unfilled=tuple(p for p in self.signature.required if p in self.ignored and p not in wanted),
            signature=self.signature,
        )

    def _renamed(self, rebind: Rebind) -> dict[str, str]:
        if isinstance(rebind, Mapping):
            return dict(rebind)
        places = [*self.required, *self.optional]
        # What goes beyond the places is asked for under its own name, as a function with **kwargs may.
        return dict(zip([*places, *rebind[len(places) :]], rebind, strict=False))

    def _check(self, wanted: Iterable[str]) -> None:
        for parameter in wanted:
            if parameter in self.reserved or parameter == self.signature.context:
                raise FlowError(
                    f"{self.what}: {parameter!r} is handed over by the engine; it cannot be required or rebound"
                )
            if not self.signature.accepts(parameter):
                known = ", ".join(self.signature.required + self.signature.optional) or "nothing"
                raise FlowError(f"{self.what} does not take {parameter!r}; it takes {known}")
        missing = [p for p in self.required if p not in wanted]
        if missing:
            raise MissingArgument(
                f"{self.what} takes {', '.join(map(repr, missing))}, which nothing asks for: name it in requires or "
                "rebind, or leave auto_extract on"
            )

    def _given(self) -> Iterable[str]:
        signature = self.signature
        for name in self.reserved:
            if name == "context":
                wanted = signature.context is not None
            else:
                to_any = signature.takes_any and name in self.to_any
                wanted = to_any or name in signature.required or name in signature.optional
            if wanted and name not in self.ignored:
                yield name


def _name(inherited: Mapping[str, Binding], parameter: str) -> str:
    found = inherited.get(parameter)
    return parameter if found is None else found.name
