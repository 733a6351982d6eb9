"""What a function takes, read once from its signature and kept for as long as the function lives."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from types import MethodType
from typing import Any, Final
from weakref import WeakKeyDictionary

import attrs

from ...errors import FlowError
from .context import Context

NO_DEFAULT: Final = inspect.Parameter.empty


@attrs.frozen(eq=False)
class Signature:
    """The parameters that can be filled by name.

    `required`, `optional`: in the order of the signature. `positional`: those that must be passed by place, with
    their defaults or `NO_DEFAULT`. `takes_any`: there is a `**kwargs`. `context`: the parameter that wants the
    Context. `is_async`: a coroutine function.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    positional: tuple[tuple[str, Any], ...]
    takes_any: bool
    context: str | None
    is_async: bool

    def accepts(self, parameter: str) -> bool:
        """Whether the function may be called with `parameter` by name."""
        return self.takes_any or parameter in self.required or parameter in self.optional


_known: WeakKeyDictionary[Callable[..., Any], Signature] = WeakKeyDictionary()
_known_bound: WeakKeyDictionary[Callable[..., Any], Signature] = WeakKeyDictionary()


def underlying(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function below a bound method; any other callable itself."""
    return function.__func__ if isinstance(function, MethodType) else function


def has_signature(function: Callable[..., Any]) -> bool:
    """Whether the parameters of a callable can be read at all; those of some built in ones cannot."""
    try:
        inspect.signature(function)
    except (TypeError, ValueError):
        return False
    return True


def signature_of(function: Callable[..., Any], what: str) -> Signature:
    """The signature of a function, a bound method or any other callable; `what` names it in errors.

    Raises:
        FlowError: no signature can be read, or calling the function would only make a generator.
    """
    # A bound method is made anew at each look: what is kept is kept by the function below it, `self` passed over.
    bound = inspect.ismethod(function)
    code = underlying(function)
    if not inspect.isfunction(code):
        return _read(function, what)
    known = _known_bound if bound else _known
    found = known.get(code)
    if found is None:
        found = known[code] = _read(function, what)
    return found


def _read(function: Callable[..., Any], what: str) -> Signature:
    call = function.func if isinstance(function, partial) else function
    call = call if inspect.isroutine(call) else type(call).__call__
    if inspect.isgeneratorfunction(call) or inspect.isasyncgenfunction(call):
        raise FlowError(
            f"{what} is a generator function: calling it would run none of its code. Return a list, "
            "or wrap the generator in a function that does"
        )
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise FlowError(
            f"{what}: no signature can be read from {function!r}; wrap it in a function of your own"
        ) from error
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return Signature(
        required=tuple(p.name for p in named if p.default is NO_DEFAULT),
        optional=tuple(p.name for p in named if p.default is not NO_DEFAULT),
        positional=tuple((p.name, p.default) for p in named if p.kind is p.POSITIONAL_ONLY),
        takes_any=any(p.kind is p.VAR_KEYWORD for p in parameters),
        context=next((p.name for p in named if p.name == "context" or _is_context(p.annotation)), None),
        is_async=inspect.iscoroutinefunction(call),
    )


def _is_context(annotation: object) -> bool:
    if isinstance(annotation, str):
        return annotation == "Context" or annotation.endswith(".Context")
    return annotation is Context
