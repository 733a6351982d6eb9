"""`Plan`: all that is known of an atom's calls; atoms made alike from the same functions share one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

import attrs

from ...errors import FlowError
from .arguments import Call, Rebind, Wanted
from .options import Options
from .signature import signature_of, underlying

Function = Callable[..., Any]


@attrs.frozen(eq=False)
class Functions:
    """The functions of an atom; all but the first may be missing."""

    execute: Function
    revert: Function | None = None
    probe: Function | None = None
    probe_revert: Function | None = None
    on_failure: Function | None = None

    def others(self) -> tuple[Function | None, ...]:
        """All but execute, as they identify a plan: a bound method by the function below it."""
        others = (self.revert, self.probe, self.probe_revert, self.on_failure)
        return tuple(f if f is None else underlying(f) for f in others)


@attrs.frozen(eq=False)
class Plan:
    """The calls of an atom, and the options they follow from."""

    options: Options
    execute: Call
    revert: Call | None
    probe: Call | None
    probe_revert: Call | None
    on_failure: Call | None = None

    def call(self, kind: str) -> Call | None:
        """The call of a kind (execute, revert, probe, probe_revert, on_failure); None where there is no such function."""
        found: Call | None = getattr(self, kind)
        return found

    def calls(self) -> list[Call]:
        """The calls whose arguments are looked up for themselves; a probe borrows those of another."""
        return [call for call in (self.execute, self.revert, self.on_failure) if call is not None]


# A plan lives as long as an atom that has it: a program may make any number of atoms, each with options of its own.
_Plans = WeakValueDictionary[tuple[Options, tuple[Function | None, ...]], Plan]
_plans: WeakKeyDictionary[Function, _Plans] = WeakKeyDictionary()


def plan_of(atom: str, functions: Functions, options: Options) -> Plan:
    """The plan of an atom, taken from what is known where the same functions had the same options before.

    Raises:
        FlowError: a function does not take what the options say, or cannot be an atom's function at all.
    """
    code = underlying(functions.execute)
    key = (options, functions.others())
    try:
        known = _plans.get(code)
        if known is None:
            known = _plans[code] = WeakValueDictionary()
        found = known.get(key)
    except TypeError:  # a callable object that cannot be a key
        return _plan(atom, functions, options)
    if found is None:
        found = known[key] = _plan(atom, functions, options)
    return found


def _plan(atom: str, functions: Functions, options: Options) -> Plan:
    execute = _execute(atom, functions.execute, options)
    revert = None if functions.revert is None else _revert(atom, functions.revert, options, execute)
    plan = Plan(
        options=options,
        execute=execute,
        revert=revert,
        probe=_probe(f"the probe of {atom!r}", functions.probe, execute, ()),
        probe_revert=_probe(f"the probe_revert of {atom!r}", functions.probe_revert, revert or execute, ("result",)),
        on_failure=None if functions.on_failure is None else _asked(atom, functions.on_failure, options, execute),
    )
    _check_inject(atom, options, plan)
    return plan


# What a **kwargs is handed beside what is looked up, by kind of atom.
_TO_ANY = {"task": (), "retry": ("history",)}
_TO_ANY_REVERT = {"task": ("result", "flow_failures"), "retry": ("history", "flow_failures")}


def _execute(atom: str, function: Function, options: Options) -> Call:
    what = f"execute of {atom!r}"
    signature = signature_of(function, what)
    wanted = Wanted(what, signature, options.reserved, options.ignore, _TO_ANY[options.kind])
    rebind = _rebind(options.rebind)
    call = wanted.call(options.requires, rebind, options.auto_extract, {}, forced=False)
    if call.signature.takes_any:  # what is injected for a **kwargs has no other way in
        asked = {bound.name for bound in call.bindings}
        extra = [name for name in options.inject if name not in asked and name not in options.reserved]
        if extra:
            call = wanted.call((*options.requires, *extra), rebind, options.auto_extract, {}, forced=False)
    return call


def _revert(atom: str, function: Function, options: Options, execute: Call) -> Call:
    what = f"revert of {atom!r}"
    signature = signature_of(function, what)
    reserved = (*options.reserved, "result", "flow_failures")
    wanted = Wanted(what, signature, reserved, options.ignore, _TO_ANY_REVERT[options.kind])
    requires = options.revert_requires
    if requires is None:
        requires = tuple(p for p in options.requires if p in wanted.required or p in wanted.optional)
    inherited = {bound.parameter: bound for bound in execute.bindings}
    rebind = _rebind(options.revert_rebind)
    auto = options.auto_extract or options.revert_requires is None
    return wanted.call(requires, rebind, auto, inherited, forced=True)


def _asked(atom: str, function: Function, options: Options, execute: Call) -> Call:
    """on_failure finds its arguments as execute does, and may take more, or fewer."""
    what = f"on_failure of {atom!r}"
    wanted = Wanted(what, signature_of(function, what), options.reserved, options.ignore, _TO_ANY[options.kind])
    return wanted.call((), {}, True, {bound.parameter: bound for bound in execute.bindings}, forced=True)


def _probe(what: str, function: Function | None, lender: Call, more: Sequence[str]) -> Call | None:
    """A probe is handed the arguments of the call that it is asked about, as far as it takes them."""
    if function is None:
        return None
    signature = signature_of(function, what)
    given = tuple(name for name in ("context", *more) if name in (*signature.required, *signature.optional))
    if signature.context is not None and "context" not in given:
        given = ("context", *given)
    lent = {bound.parameter for bound in lender.bindings}
    strange = [p for p in signature.required if p not in lent and p not in given and p != signature.context]
    if strange:
        raise FlowError(
            f"{what} takes {', '.join(map(repr, strange))}; it may take the arguments of the call it is asked about "
            f"({', '.join(sorted(lent)) or 'none'}), {' and '.join(('context', *more))}"
        )
    return Call(bindings=lender.bindings, given=given, unfilled=(), signature=signature, borrowed=True)


def _check_inject(atom: str, options: Options, plan: Plan) -> None:
    asked = [bound.name for call in plan.calls() for bound in call.bindings]
    for name in options.inject:
        if name not in asked:
            raise FlowError(
                f"{options.kind} {atom!r}: inject has {name!r}, which it does not ask for; it asks for "
                f"{', '.join(dict.fromkeys(asked)) or 'nothing'}"
            )


def _rebind(pairs: tuple[tuple[str, str], ...] | tuple[str, ...]) -> Rebind:
    renamed: dict[str, str] = {}
    for pair in pairs:
        if isinstance(pair, str):
            return [name for name in pairs if isinstance(name, str)]
        renamed[pair[0]] = pair[1]
    return renamed
