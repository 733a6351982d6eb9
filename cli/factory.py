"""Which functions are factories of flows: known before one is called, for another function's call has effects."""

from __future__ import annotations

import functools
import inspect
import re
import sys
import typing
from collections.abc import Callable, Iterator
from types import ModuleType, UnionType
from typing import Any

from ..engine.definition import Atom, Flow

_UNKNOWN = (Any, object, inspect.Signature.empty)
# What an annotation says that cannot be resolved, for instance one of names that are there only for a type checker.
_A_FLOW = re.compile(r"\b(\w*Flow|\w*Task|Atom)\b")


def objection(function: Callable[..., Any], module: str) -> str | None:
    """Why `function`, found in `module`, is not called as a factory of flows; None if it may be.

    One that is annotated must say that it returns a flow or a task. One that is not must be of the module itself, or
    of one inside it, and not be what a task of a flow there does.
    """
    inner = _inner(function)
    if inspect.iscoroutinefunction(inner) or inspect.isgeneratorfunction(inner):
        return "it is no plain function"
    returned = _returned(inner)
    if returned not in _UNKNOWN:
        return None if _is_flow(returned) else f"it returns {_name(returned)}"
    home = str(getattr(inner, "__module__", None))
    if home != module and not home.startswith(f"{module}."):
        return f"it comes from {home} and does not say what it returns"
    if any(inner is done for done in _done_by_tasks(sys.modules.get(module))):
        return "it is what a task does"
    return None


def _inner(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function):
        return inspect.unwrap(function)
    return type(function).__call__  # of an object that can be called


def _returned(function: Any) -> Any:
    """What its annotation says it returns: a type, or a text where that cannot be found."""
    said = getattr(function, "__annotations__", {}).get("return", inspect.Signature.empty)
    if not isinstance(said, str):
        return type(None) if said is None else said
    try:
        return typing.get_type_hints(function)["return"]
    except Exception:
        return said


def _is_flow(returned: Any) -> bool:
    if isinstance(returned, str):
        return _A_FLOW.search(returned) is not None
    if isinstance(returned, UnionType) or typing.get_origin(returned) is typing.Union:
        return any(_is_flow(part) for part in typing.get_args(returned))
    if isinstance(returned, typing.TypeVar):
        return _is_flow(returned.__bound__)
    return isinstance(returned, type) and issubclass(returned, Flow | Atom)


def _name(returned: Any) -> str:
    if returned is type(None):
        return "None"
    return returned.__name__ if isinstance(returned, type) else str(returned)


def _done_by_tasks(module: ModuleType | None) -> Iterator[Any]:
    """The functions of the tasks of the flows in a module."""
    todo: list[Any] = [item for item in vars(module).values() if isinstance(item, Flow | Atom)] if module else []
    while todo:
        item = todo.pop()
        if isinstance(item, Flow):
            todo += item.items
        else:
            yield getattr(item, "execute", None)
