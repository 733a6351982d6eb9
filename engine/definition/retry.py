"""`Retry`: an atom that governs a flow: it is asked when something in there fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, ClassVar

from ...errors import FlowError
from .coded import Coded, unwritten
from .options import Names, RebindOption
from .plan import Functions
from .words import Compensation, Recovery


class Retry(Coded):
    """Derive from it, define `execute` (what to provide for the next try) and `on_failure` (what to do about a failure).

    The parameters are those of `Atom`. Each of its functions may take `history`, the `History` so far, `context`, and
    arguments that are looked up, outside the flow it governs; those of `on_failure` and `revert` as for execute, if
    it has them. `revert`, called when the flow is undone and not tried again, may also take `flow_failures` and
    `result`. A `**kwargs` is handed the history and all that execute takes. Each may be an `async def` function.
    """

    recovery: ClassVar[Recovery] = Recovery.RERUN
    revert_recovery: ClassVar[Recovery] = Recovery.RERUN
    revertible_for: ClassVar[timedelta | None] = None
    _kind = "retry"
    _methods = ("execute", "revert", "on_failure")

    def __init__(
        self,
        name: str | None = None,
        provides: Names = None,
        requires: Names = None,
        auto_extract: bool = True,
        rebind: RebindOption = None,
        *,
        inject: Mapping[str, Any] | None = None,
        ignore_list: Names = None,
        revert_rebind: RebindOption = None,
        revert_requires: Names = None,
    ) -> None:
        super().__init__(
            name, provides, requires, auto_extract, rebind, inject, ignore_list, revert_rebind, revert_requires
        )
        self._nameless = name is None

    def named_after(self, flow: str) -> None:
        """Be the retry of a flow of this name: one that was given no name of its own takes "FLOW_retry"."""
        if self._nameless:
            self.name, self._nameless = f"{flow}_retry", False

    def _reserved(self) -> tuple[str, ...]:
        return ("context", "history")

    def _functions(self) -> Functions:
        for needed in ("execute", "on_failure"):
            if needed not in self._overridden:
                raise FlowError(
                    f"{type(self).__name__} has no {needed}; a Retry defines execute(history, …), what to provide for "
                    "the next try, and on_failure(history, …), which answers a Decision"
                )
        revert: Callable[..., Any] | None = self.revert if "revert" in self._overridden else None
        return Functions(self.execute, revert, on_failure=self.on_failure)

    @unwritten
    def revert(self, *args: Any, **kwargs: Any) -> Any:
        """Undo what execute has done; called when the flow is undone and not tried again."""

    @unwritten
    def on_failure(self, *args: Any, **kwargs: Any) -> Any:
        """Decide about a failure in the flow; `history[-1]` is the try that failed. Returns a `Decision`."""
        raise NotImplementedError

    @property
    def compensation(self) -> Compensation:
        """REVERT where it defines one; NOT_NEEDED else: what it provides has no effect outside."""
        return Compensation.REVERT if self.has_revert else Compensation.NOT_NEEDED
