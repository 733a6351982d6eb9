"""`RetryPolicy`: how often one task is tried, and how long it waits in between; after volnux's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite, ldexp
from typing import Any

import attrs

from ...errors import ExceptionClass, FlowError


def _whole(policy: object, attribute: attrs.Attribute[int], value: object) -> None:
    if type(value) is not int or value < 1:
        raise FlowError(
            f"RetryPolicy: {attribute.name}, the calls in all, must be a whole number above zero; found {value!r}"
        )


def _seconds(policy: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value <= 0:
        raise FlowError(f"RetryPolicy: {attribute.name} must be a finite number of seconds above zero; found {value!r}")


def _classes(value: object) -> tuple[ExceptionClass, ...]:
    found: list[Any] = list(value) if isinstance(value, Iterable) and not isinstance(value, type | str) else [value]
    for each in found:
        if not (isinstance(each, type) and issubclass(each, BaseException)):
            raise FlowError(f"RetryPolicy: retry_on_exceptions must list exception classes; found {each!r} among them")
    return tuple(found)


@attrs.frozen
class RetryPolicy:
    """`max_attempts` counts calls in all; `backoff_factor` and `max_backoff` are seconds, see `delay`.

    `retry_on_exceptions`: only these classes and what is derived from them are tried again; empty: any.
    FlowError: a number that is not above zero, not finite or no number; something that is no exception class.
    """

    max_attempts: int = attrs.field(default=5, validator=_whole)
    backoff_factor: float = attrs.field(default=0.05, validator=_seconds)
    max_backoff: float = attrs.field(default=100, validator=_seconds)
    retry_on_exceptions: tuple[ExceptionClass, ...] = attrs.field(default=(), converter=_classes)

    def delay(self, failures: int) -> float:
        """Seconds to wait after failure number `failures`, from 1: none at first, then doubling up to `max_backoff`."""
        if failures <= 1:
            return 0.0
        try:
            return min(ldexp(self.backoff_factor, failures - 1), float(self.max_backoff))
        except OverflowError:
            return float(self.max_backoff)

    def wants(self, error: BaseException) -> bool:
        """Whether a call that raised `error` may be tried again at all."""
        return not self.retry_on_exceptions or isinstance(error, self.retry_on_exceptions)


def policy_of(value: Any, task_name: str) -> Any:
    """The policy that a task declares: None, a RetryPolicy (also given as a dict of its parameters), or, as it is,
    any other object, which the runtime must know what to make of.

    Raises:
        FlowError: a dict with a number, class or key that a RetryPolicy cannot have; it names the task.
    """
    if not isinstance(value, Mapping):
        return value
    known = [field.name for field in attrs.fields(RetryPolicy)]
    strange = [key for key in value if key not in known]
    if strange:
        raise FlowError(
            f"task {task_name!r}: retry_policy has {', '.join(map(repr, strange))}; it may have {', '.join(known)}"
        )
    try:
        return RetryPolicy(**value)
    except FlowError as error:
        raise FlowError(f"task {task_name!r}: {error}") from error
