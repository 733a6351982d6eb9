"""`Coded`: an atom with code of its own; the one face that tasks and retries show to whoever runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, ClassVar, NamedTuple, TypeVar

from ...errors import FlowError
from .atom import Atom
from .execution import ExecutorConfig

Written = TypeVar("Written", bound=Callable[..., Any])


class Code(NamedTuple):
    """What a call of an atom runs: the function, which takes everything by name, and the hooks around it, if any."""

    function: Callable[..., Any]
    before: Callable[[], Any] | None
    after: Callable[[], Any] | None


_unwritten: set[object] = set()


def unwritten(function: Written) -> Written:
    """Marks a method as one that says nothing until a subclass defines it."""
    _unwritten.add(function)
    return function


class Coded(Atom):
    """An atom whose functions are methods: a subclass has those that it, or a class between, defines.

    The hooks `pre_execute`, `post_execute`, `pre_revert`, `post_revert` take nothing; the post hooks always run.
    """

    transactional: bool = False
    retry_policy: Any = None
    timeout: float | timedelta | None = None
    executor: Any = None
    executor_config: ExecutorConfig | Mapping[str, Any] | None = None
    _methods: ClassVar[tuple[str, ...]] = ("execute", "revert")
    _overridden: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._overridden = frozenset(cls._written((*cls._methods, *_HOOKS)))

    @classmethod
    def _written(cls, names: Iterable[str]) -> Iterable[str]:
        return (name for name in names if getattr(cls, name) not in _unwritten)

    @unwritten
    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Do it; what is returned is stored, and provided under the names that the atom provides."""
        raise NotImplementedError

    @unwritten
    def revert(self, *args: Any, **kwargs: Any) -> Any:
        """Undo what execute has done, also when it failed half-way."""
        raise NotImplementedError

    @unwritten
    def pre_execute(self) -> Any:
        """Run before execute."""

    @unwritten
    def post_execute(self) -> Any:
        """Run after execute, whether it returned or raised."""

    @unwritten
    def pre_revert(self) -> Any:
        """Run before revert."""

    @unwritten
    def post_revert(self) -> Any:
        """Run after revert, whether it returned or raised."""

    def code(self, kind: str) -> Code:
        """What a call of `kind` (execute, revert, probe, probe_revert, on_failure) runs.

        Raises:
            FlowError: the atom has no such function.
        """
        call = self.plan.call(kind)
        if call is None:
            raise FlowError(f"{self._kind} {self.name!r} has no {kind}")
        return Code(call.adapt(self._function(kind)), self._hook(f"pre_{kind}"), self._hook(f"post_{kind}"))

    def _function(self, kind: str) -> Callable[..., Any]:
        found: Callable[..., Any] = getattr(self, kind)
        return found

    def _hook(self, name: str) -> Callable[[], Any] | None:
        return getattr(self, name) if name in self._overridden else None

    def wants(self, kind: str) -> tuple[str, ...]:
        """Which of context, conn, history, result and flow_failures a call of `kind` is handed."""
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
        """Whether the atom can be undone by code of its own."""
        return self.plan.revert is not None


_HOOKS = ("pre_execute", "post_execute", "pre_revert", "post_revert")
