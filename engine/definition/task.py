"""`Task`: an atom that does something and, where it can, undoes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, TypedDict, Unpack

from ...errors import FlowError
from .coded import Coded, unwritten
from .execution import ExecutorConfig
from .options import Names, RebindOption
from .plan import Function, Functions
from .progress import Telling
from .words import Answers, Compensation, Recovery


class Policies(TypedDict, total=False):
    """What every task takes by keyword; None leaves the class's own."""

    priority: int | float | None
    transactional: bool | None
    recovery: Answers | None
    revert_recovery: Recovery | str | None
    compensation: Compensation | str | None
    revertible_for: timedelta | None
    retry_policy: Any
    timeout: float | timedelta | None
    executor: Any
    executor_config: ExecutorConfig | Mapping[str, Any] | None


class Declared(Policies, total=False):
    """What `Task` takes by keyword besides the parameters of `Atom`; None leaves the class's own."""

    version: str | tuple[int, ...] | None


class Task(Telling, Coded):
    """Derive from it, define `execute`, and `revert` to undo what that did.

    Besides what `Atom` takes, by keyword or as attributes of the class:

    version, priority: see `Atom`.
    transactional: execute and revert run inside the transaction that records their outcome, exactly once; execute
        takes `conn`, the connection, and revert may.
    recovery: a `Recovery`: what to do when a crash left the outcome unknown. PROBE needs `probe`. Or a map, in which
        that is the answer for ACTIVE; those for READY, FAILURE (RERUN where nothing is said) and SUCCESS (SKIP) count
        when a run is recovered.
    revert_recovery: the same for the revert: RERUN, ASK, or PROBE, which needs `probe_revert`.
    compensation: "revert" (the default where there is a revert), "not_needed" (nothing stays) or "irreversible".
    revertible_for: a timedelta: how long after its success the revert can still do its work; None: for ever.
    retry_policy: a `RetryPolicy`, a dict of its parameters, or a strategy of tenacity's: how often execute is tried.
    timeout: seconds, or a timedelta: how long one attempt may take.
    executor: where the code runs: "inline", "thread", "process", or a class or instance with the interface of
        concurrent.futures.Executor; executor_config: an `ExecutorConfig`, or a dict, with which it is made.

    `execute` may take `context`, the `Context` of the call. `revert` may take that, `result` (the value that execute
    returned, or the task's own Failure, or `Unknown`), `flow_failures` ({atom name: Failure}) and any argument that
    execute could take. `probe` and `probe_revert` take what the call they are asked about takes, and answer
    `happened(value)`, `did_not_happen` or `dont_know`. Each may be a plain or an `async def` function.

    The hooks `pre_execute`, `post_execute`, `pre_revert`, `post_revert` take nothing; the post hooks always run.
    """

    transactional: bool = False
    recovery: Answers = Recovery.RERUN
    revert_recovery: Recovery | str = Recovery.RERUN
    compensation: Compensation | str | None = None
    revertible_for: timedelta | None = None
    _methods: ClassVar[tuple[str, ...]] = ("execute", "revert", "probe", "probe_revert")

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

    def _reserved(self) -> tuple[str, ...]:
        return ("context", "conn") if self.transactional else ("context",)

    def _functions(self) -> Functions:
        if "execute" not in self._overridden:
            raise FlowError(f"{type(self).__name__} has no execute; define what it does")
        return self._with_undoing(self.execute)

    def _with_undoing(self, execute: Function) -> Functions:
        return Functions(execute, *(getattr(self, name) if name in self._overridden else None for name in _UNDOING))

    @unwritten
    def probe(self, *args: Any, **kwargs: Any) -> Any:
        """Ask the outside world whether an execute that was cut short took place."""
        raise NotImplementedError

    @unwritten
    def probe_revert(self, *args: Any, **kwargs: Any) -> Any:
        """Ask the outside world whether a revert that was cut short took place."""
        raise NotImplementedError

    @property
    def has_probe(self) -> bool:
        """Whether the task can be asked if it took place."""
        return self.plan.probe is not None


_UNDOING = ("revert", "probe", "probe_revert")
