"""How a task is called: where its code runs, how long one call may take, how often it is tried. None of it is part of
the definition: it may change while a run is under way.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from math import isfinite
from typing import Any, Protocol

import attrs

from ...errors import FlowError
from .policy import policy_of

EXECUTORS = ("inline", "thread", "process")
LONG = 1e9
"""Seconds, some 31 years: a timeout is shorter."""


def _count(config: object, attribute: attrs.Attribute[int | None], value: object) -> None:
    if value is not None and (type(value) is not int or value < 1):
        raise FlowError(f"ExecutorConfig: {attribute.name} must be a whole number above zero, or None; found {value!r}")


def _text(config: object, attribute: attrs.Attribute[str], value: object) -> None:
    if not isinstance(value, str):
        raise FlowError(f"ExecutorConfig: {attribute.name} must be text; found {value!r}")


@attrs.frozen
class ExecutorConfig:
    """What an executor is made with; None leaves the executor's own. FlowError: a number that is not above zero."""

    max_workers: int | None = attrs.field(default=None, validator=_count)
    max_tasks_per_child: int | None = attrs.field(default=None, validator=_count)
    thread_name_prefix: str = attrs.field(default="", validator=_text)


@attrs.frozen
class Execution:
    """What a task says about its calls, checked.

    `policy`: a RetryPolicy, an object for the runtime to make sense of, or None: one call. `timeout`: seconds for one
    attempt. `executor`: "inline", "thread", "process", the class of an executor or one that is made; None: wherever
    the engine runs code.
    """

    policy: Any = None
    timeout: float | None = None
    executor: Any = None
    config: ExecutorConfig | None = None


_PLAIN = Execution()


class Says(Protocol):
    """An atom, as far as `execution_of` asks it."""

    name: str
    transactional: bool
    retry_policy: Any
    executor: Any

    @property
    def timeout(self) -> float | timedelta | None: ...
    @property
    def executor_config(self) -> ExecutorConfig | Mapping[str, Any] | None: ...


def execution_of(atom: Says) -> Execution:
    """What `retry_policy`, `timeout`, `executor` and `executor_config` of an atom say.

    Raises:
        FlowError: one of them is impossible, or they contradict each other; it names the task.
    """
    policy, timeout, executor, config = atom.retry_policy, atom.timeout, atom.executor, atom.executor_config
    if policy is None and timeout is None and executor is None and config is None:
        return _PLAIN
    name = atom.name
    made = Execution(policy_of(policy, name), _timeout(timeout, name), executor, _config(config, name))
    _check_executor(made, name)
    if atom.transactional and made.timeout is not None:
        raise FlowError(
            f"task {name!r} is transactional: it cannot be given up while its transaction is open, so it has no timeout; "
            "set the database's statement_timeout instead"
        )
    if atom.transactional and executor not in (None, "inline"):
        raise FlowError(
            f"task {name!r} is transactional: its code runs on the connection that records its outcome, so it has no "
            f"executor; found {executor!r}"
        )
    return made


def _timeout(value: object, name: str) -> float | None:
    if value is None:
        return None
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not isfinite(seconds) or seconds <= 0:
        raise FlowError(f"task {name!r}: timeout must be seconds above zero, or such a timedelta; found {value!r}")
    if seconds >= LONG:
        least = f"less than {LONG:.0e} seconds; leave it out for none"
        raise FlowError(f"task {name!r}: timeout must be {least}; found {value!r}")
    return float(seconds)


def _config(value: object, name: str) -> ExecutorConfig | None:
    if value is None or isinstance(value, ExecutorConfig):
        return value
    known = [field.name for field in attrs.fields(ExecutorConfig)]
    if not isinstance(value, Mapping):
        raise FlowError(
            f"task {name!r}: executor_config must be an ExecutorConfig, or a dict with some of {', '.join(known)}; "
            f"found {value!r}"
        )
    strange = [key for key in value if key not in known]
    if strange:
        raise FlowError(
            f"task {name!r}: executor_config has {', '.join(map(repr, strange))}; it may have {', '.join(known)}"
        )
    try:
        return ExecutorConfig(**value)
    except FlowError as error:
        raise FlowError(f"task {name!r}: {error}") from error


def _check_executor(made: Execution, name: str) -> None:
    executor = made.executor
    by_word = isinstance(executor, str)
    if executor is not None and (executor not in EXECUTORS if by_word else not _submits(executor)):
        raise FlowError(
            f"task {name!r}: executor must be {', '.join(map(repr, EXECUTORS))}, or a class or instance with the "
            f"interface of concurrent.futures.Executor; found {executor!r}"
        )
    if made.config is not None and executor in (None, "inline"):
        raise FlowError(
            f"task {name!r}: executor_config is for a task with an executor, and this one's is {executor!r}: make it "
            "'thread', 'process' or the class of an executor, or drop the config"
        )


def _submits(executor: object) -> bool:
    return callable(getattr(executor, "submit", None)) and callable(getattr(executor, "shutdown", None))
