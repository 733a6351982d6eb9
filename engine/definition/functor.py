"""Tasks made of functions: `FunctorTask` and the decorator `task`, `MapFunctorTask`, `ReduceFunctorTask`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from typing import Any, Self, Unpack, overload

from ...errors import FlowError
from .options import Names, RebindOption
from .plan import Function, Functions, plan_of
from .signature import has_signature, signature_of
from .task import Declared, Policies, Task
from .words import checked_name

_UNDOING = ("revert", "probe", "probe_revert")
_NOTHING: tuple[Function | None, ...] = (None, None, None)


class FunctorTask(Task):
    """A task whose execute is a function, and that is named like it unless `name` says otherwise.

    `revert`, `probe`, `probe_revert`: functions too, given here or by the decorators of these names. All else as
    `Task`. Calling the task calls the function.
    """

    def __init__(
        self,
        execute: Function,
        name: str | None = None,
        provides: Names = None,
        requires: Names = None,
        auto_extract: bool = True,
        rebind: RebindOption = None,
        revert: Function | None = None,
        version: str | tuple[int, ...] | None = None,
        inject: Mapping[str, Any] | None = None,
        *,
        probe: Function | None = None,
        probe_revert: Function | None = None,
        ignore_list: Names = None,
        revert_rebind: RebindOption = None,
        revert_requires: Names = None,
        **declared: Unpack[Policies],
    ) -> None:
        if isinstance(execute, Task):
            raise FlowError(
                f"{execute.name!r} is a task already; use {execute.name}.named('…') for it under another name"
            )
        _callables(execute=execute, revert=revert, probe=probe, probe_revert=probe_revert)
        self._execute = execute
        self._undoing = (revert, probe, probe_revert) if revert or probe or probe_revert else _NOTHING
        name = function_name(execute) if name is None else name
        if version is not None:
            self.version = version
        more = (ignore_list, revert_rebind, revert_requires)
        super().__init__(name, provides, requires, auto_extract, rebind, inject, *more, **declared)

    def _functions(self) -> Functions:
        return Functions(self._execute, *self._undoing)

    def _function(self, kind: str) -> Function:
        found = self._execute if kind == "execute" else self._undoing[_UNDOING.index(kind)]
        if found is None:
            raise FlowError(f"task {self.name!r} has no {kind}; declare one with @{self.name}.{kind}")
        return found

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The plain function, for tests of its own."""
        return self._execute(*args, **kwargs)

    @property
    def execute(self) -> Function:
        """The function."""
        return self._execute

    def revert(self, *args: Any, **kwargs: Any) -> Any:
        """As a decorator, `@this.revert`: declares the function that undoes this one; else calls that function."""
        return self._declare_or_call("revert", args, kwargs)

    def probe(self, *args: Any, **kwargs: Any) -> Any:
        """As a decorator, `@this.probe`: declares the function that tells if execute took place; else calls it."""
        return self._declare_or_call("probe", args, kwargs)

    def probe_revert(self, *args: Any, **kwargs: Any) -> Any:
        """As a decorator, `@this.probe_revert`: declares the one that tells if revert took place; else calls it."""
        return self._declare_or_call("probe_revert", args, kwargs)

    def _declare_or_call(self, kind: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        # No argument of these functions is ever code: arguments are values that the log can hold.
        place = _UNDOING.index(kind)
        known = self._undoing[place]
        if len(args) == 1 and not kwargs and callable(args[0]):
            if known is not None:
                raise FlowError(f"task {self.name!r} has a {kind} already: {function_name(known)}")
            global _declared
            _declared += 1
            undoing = (*self._undoing[:place], args[0], *self._undoing[place + 1 :])
            self._plan = plan_of(self.name, Functions(self._execute, *undoing), self._plan.options)
            self._undoing = undoing
            return args[0]
        if known is None:
            raise FlowError(f"task {self.name!r} has no {kind}; declare one with @{self.name}.{kind}")
        return known(*args, **kwargs)

    def named(self, name: str) -> Self:
        """The same task under another name, so that one flow can hold it twice."""
        other = copy(self)
        other.name = checked_name("task", name)
        return other


_declared = 0


def declared() -> int:
    """How many functions have been declared by decorators so far: what was compiled before the last may lack it."""
    return _declared


class MapFunctorTask(Task):
    """Calls a function of one argument for each of the values named in `requires`; gives the list of results."""

    def __init__(
        self,
        functor: Function,
        requires: Iterable[str],
        name: str | None = None,
        provides: Names = None,
        auto_extract: bool = True,
        rebind: RebindOption = None,
        inject: Mapping[str, Any] | None = None,
        **declared: Unpack[Declared],
    ) -> None:
        name = _listed(functor, requires, name, takes=1, at_least=0)
        self._functor, self._values = functor, tuple(requires)
        super().__init__(name, provides, requires, auto_extract, rebind, inject, **declared)

    def execute(self, **values: Any) -> list[Any]:
        """The function's result for each value, in the order of `requires`."""
        return [self._functor(values[name]) for name in self._values]


class ReduceFunctorTask(Task):
    """Folds the two or more values named in `requires` with a function of two arguments, from the left."""

    def __init__(
        self,
        functor: Function,
        requires: Iterable[str],
        name: str | None = None,
        provides: Names = None,
        auto_extract: bool = True,
        rebind: RebindOption = None,
        inject: Mapping[str, Any] | None = None,
        **declared: Unpack[Declared],
    ) -> None:
        name = _listed(functor, requires, name, takes=2, at_least=2)
        self._functor, self._values = functor, tuple(requires)
        super().__init__(name, provides, requires, auto_extract, rebind, inject, **declared)

    def execute(self, **values: Any) -> Any:
        """The values, in the order of `requires`, reduced to one."""
        return functools.reduce(self._functor, [values[name] for name in self._values])


class TaskOptions(Declared, total=False):
    """What the decorator `task` takes: the parameters of `FunctorTask`, by keyword."""

    name: str | None
    provides: Names
    requires: Names
    auto_extract: bool
    rebind: RebindOption
    revert: Function | None
    inject: Mapping[str, Any] | None
    probe: Function | None
    probe_revert: Function | None
    ignore_list: Names
    revert_rebind: RebindOption
    revert_requires: Names


@overload
def task(function: Function, /) -> FunctorTask: ...
@overload
def task(
    **options: Unpack[TaskOptions],
) -> Callable[[Function], FunctorTask]: ...
def task(
    function: Function | None = None, /, **options: Unpack[TaskOptions]
) -> FunctorTask | Callable[[Function], FunctorTask]:
    """Make a function a `FunctorTask`: `@task`, or `@task(provides=…, …)` with what that takes.

    The name stays callable as the plain function; `@name.revert` and `@name.probe` declare the others.
    """
    if function is not None:
        if not callable(function):
            raise FlowError(f"@task takes its options by keyword, as in @task(provides='…'); found {function!r}")
        return FunctorTask(function, **options)
    return lambda execute: FunctorTask(execute, **options)


def function_name(function: Function) -> str:
    """The name of a function, of the one inside a partial, or of a callable object's class."""
    if isinstance(function, functools.partial):
        return function_name(function.func)
    name = getattr(function, "__name__", None)
    return name if isinstance(name, str) else type(function).__name__


def _callables(**functions: object) -> None:
    for role, function in functions.items():
        if not callable(function) and (role == "execute" or function is not None):
            raise FlowError(f"{role} of a FunctorTask must be callable; found {function!r} ({type(function).__name__})")


def _listed(functor: Function, requires: Iterable[str], name: str | None, takes: int, at_least: int) -> str:
    """Check what Map and Reduce are made of; give the name."""
    if not callable(functor):
        raise FlowError(f"expected a function of {takes} argument(s); found {functor!r} ({type(functor).__name__})")
    name = function_name(functor) if name is None else name
    if has_signature(functor):  # it is called by place: one that hides its parameters, as `str` does, will do
        signature = signature_of(functor, f"the function of {name!r}")
        if signature.is_async:
            raise FlowError(f"the function of {name!r} is a coroutine function; make a task of its own that awaits it")
        if len(signature.required) + len(signature.optional) != takes:
            raise FlowError(f"the function of {name!r} must take exactly {takes} argument(s)")
    if isinstance(requires, str) or not isinstance(requires, list | tuple):
        raise FlowError(f"task {name!r}: requires must be a list or tuple of names, in order; found {requires!r}")
    if len(requires) < at_least:
        raise FlowError(f"task {name!r}: requires must have at least {at_least} names; found {len(requires)}")
    return name
