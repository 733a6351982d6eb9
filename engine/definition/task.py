"""`Task`: an atom that does something and, where it can, undoes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, ClassVar, NamedTuple, TypedDict, Unpack

from ...errors import FlowError
from .atom import Atom
from .options import Names, RebindOption
from .plan import Functions
from .words import Compensation, Recovery


class Code(NamedTuple):
    """What a call of a task runs: the function, which takes everything by name, and the hooks around it, if any."""

    function: Callable[..., Any]
    before: Callable[[], Any] | None
    after: Callable[[], Any] | None


class Policies(TypedDict, total=False):
    """What every task takes by keyword; None leaves the class's own."""

    priority: int | float | None
    transactional: bool | None
    recovery: Recovery | str | None
    revert_recovery: Recovery | str | None
    compensation: Compensation | str | None
    revertible_for: timedelta | None


class Declared(Policies, total=False):
    """What `Task` takes by keyword besides the parameters of `Atom`; None leaves the class's own."""

    version: str | tuple[int, ...] | None


class Task(Atom):
    """Derive from it, define `execute`, and `revert` to undo what that did.

    Besides what `Atom` takes, by keyword or as attributes of the class:

    version, priority: see `Atom`.
    transactional: execute and revert run inside the transaction that records their outcome, exactly once; execute
        takes `conn`, the connection, and revert may.
    recovery: a `Recovery`: what to do when a crash left the outcome unknown. PROBE needs `probe`.
    revert_recovery: the same for the revert: RERUN, ASK, or PROBE, which needs `probe_revert`.
    compensation: "revert" (the default where there is a revert), "not_needed" (nothing stays) or "irreversible".
    revertible_for: a timedelta: how long after its success the revert can still do its work; None: for ever.

    `execute` may take `context`, the `Context` of the call. `revert` may take that, `result` (the value that execute
    returned, or the task's own Failure, or `Unknown`), `flow_failures` ({atom name: Failure}) and any argument that
    execute could take. `probe` and `probe_revert` take what the call they are asked about takes, and answer
    `happened(value)`, `did_not_happen` or `dont_know`. Each may be a plain or an `async def` function.

    The hooks `pre_execute`, `post_execute`, `pre_revert`, `post_revert` take nothing; the post hooks always run.
    """

    transactional: bool = False
    recovery: Recovery | str = Recovery.RERUN
    revert_recovery: Recovery | str = Recovery.RERUN
    compensation: Compensation | str | None = None
    revertible_for: timedelta | None = None
    _overridden: ClassVar[frozenset[str]] = frozenset()

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
        **declared: Unpack[Declared],
    ) -> None:
        for attribute, value in declared.items():
            if attribute not in Declared.__annotations__:
                raise TypeError(f"{type(self).__name__}() got an unexpected keyword argument {attribute!r}")
            if value is not None:
                setattr(self, attribute, value)
        super().__init__(
            name, provides, requires, auto_extract, rebind, inject, ignore_list, revert_rebind, revert_requires
        )

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._overridden = frozenset(
            name for name in (*_FUNCTIONS, *_HOOKS) if getattr(cls, name, None) is not getattr(Task, name)
        )

    def _reserved(self) -> tuple[str, ...]:
        return ("context", "conn") if self.transactional else ("context",)

    def _functions(self) -> Functions:
        if "execute" not in self._overridden:
            raise FlowError(f"{type(self).__name__} has no execute; define what it does")
        undoing = (getattr(self, name) if name in self._overridden else None for name in _UNDOING)
        return Functions(self.execute, *undoing)

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Do it; what is returned is stored, and provided under the names that the task provides."""
        raise NotImplementedError

    def revert(self, *args: Any, **kwargs: Any) -> Any:
        """Undo what execute has done, also when it failed half-way."""
        raise NotImplementedError

    def probe(self, *args: Any, **kwargs: Any) -> Any:
        """Ask the outside world whether an execute that was cut short took place."""
        raise NotImplementedError

    def probe_revert(self, *args: Any, **kwargs: Any) -> Any:
        """Ask the outside world whether a revert that was cut short took place."""
        raise NotImplementedError

    def pre_execute(self) -> Any:
        """Run before execute."""

    def post_execute(self) -> Any:
        """Run after execute, whether it returned or raised."""

    def pre_revert(self) -> Any:
        """Run before revert."""

    def post_revert(self) -> Any:
        """Run after revert, whether it returned or raised."""

    def code(self, kind: str) -> Code:
        """What a call of `kind` (execute, revert, probe, probe_revert) runs.

        Raises:
            FlowError: the task has no such function.
        """
        call = self.plan.call(kind)
        if call is None:
            raise FlowError(f"task {self.name!r} has no {kind}")
        return Code(call.adapt(self._function(kind)), self._hook(f"pre_{kind}"), self._hook(f"post_{kind}"))

    def _function(self, kind: str) -> Callable[..., Any]:
        found: Callable[..., Any] = getattr(self, kind)
        return found

    def _hook(self, name: str) -> Callable[[], Any] | None:
        return getattr(self, name) if name in self._overridden else None

    def wants(self, kind: str) -> tuple[str, ...]:
        """Which of context, conn, result and flow_failures a call of `kind` is handed."""
        call = self.plan.call(kind)
        return () if call is None else call.given

    @property
    def wants_context(self) -> bool:
        """Whether execute takes the context."""
        return "context" in self.plan.execute.given

    @property
    def is_async(self) -> bool:
        """Whether execute is a coroutine function."""
        return self.plan.execute.signature.is_async

    @property
    def revert_is_async(self) -> bool:
        """Whether there is a revert and it is a coroutine function."""
        return self.plan.revert is not None and self.plan.revert.signature.is_async

    @property
    def has_revert(self) -> bool:
        """Whether the task can be undone by code of its own."""
        return self.plan.revert is not None

    @property
    def has_probe(self) -> bool:
        """Whether the task can be asked if it took place."""
        return self.plan.probe is not None


_FUNCTIONS = ("execute", "revert", "probe", "probe_revert")
_UNDOING = _FUNCTIONS[1:]
_HOOKS = ("pre_execute", "post_execute", "pre_revert", "post_revert")
