"""The account that a server of ours runs as.

PostgreSQL refuses to run as root. Root therefore hands the data directory to an ordinary account and lets others pass
(not read) the folders above it and above PostgreSQL's programs.
"""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path
from typing import NamedTuple

from ..errors import UsageError

_CANDIDATES = ("postgres", "nobody")


class Account(NamedTuple):
    """An account of the operating system."""

    user: int
    group: int
    name: str


def serving(data: Path) -> Account | None:
    """Return the account that serves ``data``, which exists; ``None``: the one of this process, which is not root.

    Raises ``UsageError`` where root has no account to run a server as.
    """
    if os.geteuid() != 0:
        return None
    owner = data.stat().st_uid
    for candidate in (owner,) if owner != 0 else _CANDIDATES:
        try:
            entry = pwd.getpwuid(candidate) if isinstance(candidate, int) else pwd.getpwnam(candidate)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)
    expected = f"account {owner}, which owns it" if owner != 0 else f"one of the accounts {', '.join(_CANDIDATES)}"
    raise UsageError(
        f"{data}: PostgreSQL does not run as root; expected {expected}, found none; "
        "make an account named postgres, or run as an ordinary user"
    )


def hand_over(data: Path, programs: Path) -> None:
    """As root, give ``data`` to the account that serves it and open its way there; else do nothing."""
    account = serving(data)
    if account is None:
        return
    if data.stat().st_uid != account.user:
        os.chown(data, account.user, account.group)
    for folder in {*data.parents, programs, *programs.parents}:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
