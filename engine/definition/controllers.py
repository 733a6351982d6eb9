"""The retries that come with sagalog, after TaskFlow's. None looks further into its history than its length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

from ...errors import FlowError
from .decision import Decision
from .history import History
from .options import Names, RebindOption
from .resultset import as_data
from .retry import Retry


class Controls(TypedDict, total=False):
    """What a controller takes by keyword only: the rest of the parameters of `Retry`."""

    inject: Mapping[str, Any] | None
    ignore_list: Names
    revert_rebind: RebindOption
    revert_requires: Names


class AlwaysRevert(Retry):
    """Always answers REVERT."""

    def execute(self, *args: Any, **kwargs: Any) -> None:
        """Provides nothing."""

    def on_failure(self, *args: Any, **kwargs: Any) -> Decision:
        """REVERT."""
        return Decision.REVERT


class AlwaysRevertAll(Retry):
    """Always answers REVERT_ALL."""

    def execute(self, *args: Any, **kwargs: Any) -> None:
        """Provides nothing."""

    def on_failure(self, *args: Any, **kwargs: Any) -> Decision:
        """REVERT_ALL."""
        return Decision.REVERT_ALL


class Times(Retry):
    """Tries its flow `attempts` times in all and provides the number of the try, from 1.

    Then it answers REVERT, or REVERT_ALL with `revert_all`. FlowError: `attempts` is no whole number above zero.
    """

    def __init__(
        self,
        attempts: int = 1,
        name: str | None = None,
        provides: Names = None,
        requires: Names = None,
        auto_extract: bool = True,
        rebind: RebindOption = None,
        revert_all: bool = False,
        **more: Unpack[Controls],
    ) -> None:
        if type(attempts) is not int or attempts < 1:
            raise FlowError(
                f"{type(self).__name__}: attempts, the tries in all, must be a whole number above zero; found {attempts!r}"
            )
        self.attempts = attempts
        self.revert_all = revert_all
        super().__init__(name, provides, requires, auto_extract, rebind, **more)

    def execute(self, history: History, *args: Any, **kwargs: Any) -> int:
        """The number of this try."""
        return len(history) + 1

    def on_failure(self, history: History, *args: Any, **kwargs: Any) -> Decision:
        """RETRY while there are tries left."""
        return Decision.RETRY if len(history) < self.attempts else _giving_up(self.revert_all)


class ForEach(Retry):
    """Tries its flow once for each of `values`, which it provides in turn.

    Then it answers REVERT, or REVERT_ALL with `revert_all`. The values are constants of the atom (`inject`), stored
    with the definition. FlowError: `values` is empty, or is text, a mapping, a set or nothing to count.
    """

    def __init__(
        self,
        values: Sequence[Any],
        name: str | None = None,
        provides: Names = None,
        requires: Names = None,
        auto_extract: bool = True,
        rebind: RebindOption = None,
        revert_all: bool = False,
        **more: Unpack[Controls],
    ) -> None:
        wrong = _no_values(values)
        if wrong:
            raise FlowError(f"{type(self).__name__} {name or type(self).__name__!r}: {wrong}")
        self.revert_all = revert_all
        more["inject"] = {**(more.get("inject") or {}), "values": values if type(values) is tuple else list(values)}
        super().__init__(name, provides, requires, auto_extract, rebind, **more)

    def execute(self, history: History, *args: Any, **kwargs: Any) -> Any:
        """The value for this try."""
        return _next(self.name, self._values(kwargs), history)

    def on_failure(self, history: History, *args: Any, **kwargs: Any) -> Decision:
        """RETRY while there are values left."""
        return Decision.RETRY if len(history) < len(self._values(kwargs)) else _giving_up(self.revert_all)

    def _values(self, handed: Mapping[str, Any]) -> Sequence[Any]:
        # The runtime hands them over; a subclass that passes on nothing but the history means its own.
        found: Sequence[Any] = handed["values"] if "values" in handed else self.inject["values"]
        return found


class ParameterizedForEach(Retry):
    """As `ForEach`, over the argument `values`: an input, or what an earlier atom provides.

    A `values` that is no list or tuple, or is empty, is a failure of the retry itself.
    """

    def __init__(
        self,
        name: str | None = None,
        provides: Names = None,
        requires: Names = None,
        auto_extract: bool = True,
        rebind: RebindOption = None,
        revert_all: bool = False,
        **more: Unpack[Controls],
    ) -> None:
        self.revert_all = revert_all
        super().__init__(name, provides, requires, auto_extract, rebind, **more)

    def execute(self, values: Sequence[Any], history: History, *args: Any, **kwargs: Any) -> Any:
        """The value for this try."""
        wrong = _no_values(values)
        if wrong:
            raise TypeError(f"retry {self.name!r}: {wrong}")
        return as_data(_next(self.name, values, history))

    def on_failure(self, values: Sequence[Any], history: History, *args: Any, **kwargs: Any) -> Decision:
        """RETRY while there are values left."""
        return Decision.RETRY if len(history) < len(values) else _giving_up(self.revert_all)


def _giving_up(revert_all: bool) -> Decision:
    return Decision.REVERT_ALL if revert_all else Decision.REVERT


def _no_values(values: object) -> str | None:
    """Why `values` cannot be gone through in order, one for each try; None where they can."""
    if isinstance(values, str | bytes | bytearray) or not isinstance(values, Sequence):
        return f"values must be a list or tuple, one for each try; found {_brief(values)}"
    return None if len(values) else "values must have at least one value, for the first try; found none"


def _brief(value: object) -> str:
    text = repr(value)
    shown = text if len(text) <= 60 else f"{text[:60]}…"
    return f"{shown} ({type(value).__name__})"


def _next(name: str, values: Sequence[Any], history: History) -> Any:
    tried = len(history)
    if tried >= len(values):
        raise LookupError(f"retry {name!r}: {tried} tries were made and there are {len(values)} values; none is left")
    return values[tried]
