"""Settings: what a process is told through its environment."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from attrs import frozen

from .errors import UsageError

_T = TypeVar("_T")


@frozen(kw_only=True)
class Settings:
    """How this process finds its database, and the limits it keeps.

    ``home``          folder of the embedded server (``SAGALOG_HOME``; the user's data folder by default)
    ``database_url``  any PostgreSQL from 15 on (``SAGALOG_DATABASE_URL``); ``None``: the embedded server
    ``app``           ``MODULE:OBJ``, the code to resume and revert with (``SAGALOG_APP``)
    ``value_limit``   bytes that one stored value may have (``SAGALOG_VALUE_LIMIT``)
    ``lease``         seconds a worker's sign of life holds (``SAGALOG_LEASE``)
    ``poll``          seconds between two looks into the inboxes of the runs this process owns (``SAGALOG_POLL``)
    ``reconnect``     seconds a lost database is looked for before giving up; 0 gives up at once (``SAGALOG_RECONNECT``)
    """

    home: Path
    database_url: str | None = None
    app: str | None = None
    value_limit: int = 1_048_576
    lease: float = 10.0
    reconnect: float = 30.0
    poll: float = 0.5

    @classmethod
    def load(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """Return the settings in ``env``; a variable that is empty counts as not set.

        Raises ``UsageError`` naming the variable, what was expected and what was found.
        """
        default = cls(home=_home(env))
        return cls(
            home=default.home,
            database_url=env.get("SAGALOG_DATABASE_URL") or None,
            app=env.get("SAGALOG_APP") or None,
            value_limit=_read(env, "SAGALOG_VALUE_LIMIT", default.value_limit, _bytes, "a number of bytes above 0"),
            lease=_read(env, "SAGALOG_LEASE", default.lease, _above_zero, "a number of seconds above 0"),
            poll=_read(env, "SAGALOG_POLL", default.poll, _above_zero, "a number of seconds above 0"),
            reconnect=_read(env, "SAGALOG_RECONNECT", default.reconnect, _from_zero, "a number of seconds, 0 or more"),
        )


def _home(env: Mapping[str, str]) -> Path:
    """The folder that ``env`` names, else ``sagalog`` in the user's data folder; always absolute."""
    named = env.get("SAGALOG_HOME")
    if named:
        return Path(_expanded(named, env)).absolute()
    if sys.platform == "darwin":
        return Path(_expanded("~/Library/Application Support/sagalog", env))
    data = env.get("XDG_DATA_HOME", "")
    # The XDG specification has relative values ignored.
    return Path(data if os.path.isabs(data) else _expanded("~/.local/share", env)) / "sagalog"


def _expanded(text: str, env: Mapping[str, str]) -> str:
    """``text`` with a leading ``~`` replaced: by ``HOME`` of ``env`` if it is there, else by what the system knows."""
    own = env.get("HOME")
    expanded = own + text[1:] if own and (text == "~" or text.startswith("~/")) else os.path.expanduser(text)
    if expanded.startswith("~"):
        raise UsageError(
            f"SAGALOG_HOME: expected a folder, found {text!r}, whose home folder is unknown here; "
            "set SAGALOG_HOME to an absolute path"
        )
    return expanded


def _read(env: Mapping[str, str], name: str, default: _T, parse: Callable[[str], _T], expected: str) -> _T:
    text = env.get(name)
    if not text:
        return default
    try:
        return parse(text)
    except ValueError:
        raise UsageError(f"{name}: expected {expected}, found {text!r}; unset it for the default, {default}") from None


def _bytes(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise ValueError(text)
    return number


def _from_zero(text: str) -> float:
    number = float(text)
    if not math.isfinite(number) or number < 0:
        raise ValueError(text)
    return number


def _above_zero(text: str) -> float:
    number = _from_zero(text)
    if number == 0:
        raise ValueError(text)
    return number
