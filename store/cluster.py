"""One PostgreSQL data directory and the programs that run it: made, started and stopped.

The server listens on no network address; its socket lies in its own data directory, which nobody but the account
it runs as may enter. That is why connections need no password. Nothing that makes commits durable is touched.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from attrs import frozen

from ..errors import StoreUnavailable, UsageError
from .account import hand_over, serving

SUPERUSER = "postgres"
LOG = "server.log"
START_SECONDS = 120
ORPHAN_SECONDS = 15
SOCKET_PATH_BYTES = 103
_PORT = 5432
_SOCKET = f".s.PGSQL.{_PORT}"
_PID_FILE = "postmaster.pid"
_ORPHANS = "pre-existing shared memory block"
# The socket's folder is named relative to the data directory, so that no home is too long for the server.
_OPTIONS = f"-p {_PORT} -c listen_addresses= -c unix_socket_directories=. -c max_connections=200 -c timezone=UTC"


@frozen
class Cluster:
    """A data directory (``data``, absolute) and the folder of the PostgreSQL programs that serve it.

    Its methods do not lock: who may meet another process on the same directory holds a lock of his own.
    """

    programs: Path
    data: Path

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database of this cluster, whether it runs or not."""
        return f"postgresql://{SUPERUSER}@/{quote(database, safe='')}?host={quote(str(self._address()))}&port={_PORT}"

    def running(self) -> bool:
        """Say whether a server takes connections on this data directory now."""
        return self._status() == "ready" and self._listens()

    def start(self) -> None:
        """Make the data directory if there is none, and see that its server runs; it outlives this process.

        Raises ``StoreUnavailable`` with the end of the server's log, ``UsageError`` for a folder that is none of ours.
        """
        if self.running():
            return
        if not (self.data / "PG_VERSION").exists():
            self._make()
        hand_over(self.data, self.programs)
        self._drop_stale_locks()
        deadline = time.monotonic() + ORPHAN_SECONDS
        while (ended := self._launch()).returncode != 0 and not self._comes_up():
            # Backends of a server that was killed finish their statement first; no new one may run beside them.
            if _ORPHANS not in _last_lines(self._log()) or time.monotonic() > deadline:
                raise StoreUnavailable(
                    f"PostgreSQL in {self.data}: expected it to start, found: {_last_lines(ended.stdout)}\n"
                    f"{_last_lines(self._log())}\nsee {self.data / LOG}"
                )
            time.sleep(0.2)

    def _launch(self) -> subprocess.CompletedProcess[str]:
        return self._run("pg_ctl", "-w", "-t", str(START_SECONDS), "-s", "-l", LOG, "-o", _OPTIONS, "start")

    def stop(self, mode: str = "fast") -> bool:
        """Stop the server, ``mode`` as in ``pg_ctl stop``; return whether there was one.

        Raises ``StoreUnavailable`` when it does not stop.
        """
        if not self._listens():
            return False
        ended = self._run("pg_ctl", "-w", "-t", str(START_SECONDS), "-s", "-m", mode, "stop")
        if ended.returncode != 0 and self._listens():
            raise StoreUnavailable(
                f"PostgreSQL in {self.data}: expected it to stop, found: {_last_lines(ended.stdout)}; "
                "look for clients that are still connected"
            )
        link = self._link()
        if link is not None:
            link.unlink(missing_ok=True)
        return True

    def _make(self) -> None:
        """Create the data directory under another name first, so that it is there whole or not at all."""
        if self.data.exists() and any(self.data.iterdir()):
            raise UsageError(
                f"{self.data}: expected a PostgreSQL data directory or nothing, found a folder with other files; "
                "move them away or set SAGALOG_HOME to another folder"
            )
        draft = self.data.with_name(self.data.name + ".draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700, parents=True)
        making = Cluster(self.programs, draft)
        hand_over(draft, self.programs)
        ended = making._run(
            "initdb", "--username", SUPERUSER, "--auth-local", "trust", "--auth-host", "reject",
            "--encoding", "UTF8", "--locale", "C", "--pgdata", str(draft),
        )  # fmt: skip
        if ended.returncode != 0:
            shutil.rmtree(draft, ignore_errors=True)
            raise StoreUnavailable(f"{self.data}: expected initdb to make it, found: {_last_lines(ended.stdout)}")
        draft.rename(self.data)
        _sync_folder(self.data.parent)

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the programs in the data directory as its owner; both its outputs are in ``stdout``."""
        env = os.environ | {"PGDATA": str(self.data), "LC_ALL": "C"}
        user, group, name = serving(self.data) or (None, None, "of this process")
        # To a file: a pipe would stay open for as long as a server that the program has started.
        with tempfile.TemporaryFile("w+", errors="replace") as output:
            try:
                ended = subprocess.run(
                    [str(self.programs / program), *arguments],
                    cwd=self.data, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                    text=True, user=user, group=group, extra_groups=None if user is None else (),
                )  # fmt: skip
            except OSError as error:
                raise UsageError(
                    f"{self.programs / program}: expected a program that the account {name} can run in {self.data}, "
                    f"found: {error}; let it read both (chmod -R o+rX {self.programs.parent})"
                ) from error
            output.seek(0)
            return subprocess.CompletedProcess(ended.args, ended.returncode, stdout=output.read())

    def _drop_stale_locks(self) -> None:
        """Remove the lock files of a server that was killed, when its process number belongs to another program now.

        PostgreSQL sees by itself that a process number is free, but takes any process of the same account for a
        server: after a container's restart, when small numbers come again, it would never start.
        """
        pid = self._pid()
        cwd = Path(f"/proc/{pid}/cwd")
        if pid is None or self._listens() or not cwd.parent.exists():
            return
        try:
            stale = not cwd.samefile(self.data)
        except FileNotFoundError:  # a zombie, whose parent has not yet asked how it ended
            stale = True
        except PermissionError:  # another account's, which PostgreSQL itself does not take for a server
            return
        if stale:
            for name in (_PID_FILE, f"{_SOCKET}.lock"):
                (self.data / name).unlink(missing_ok=True)

    def _comes_up(self) -> bool:
        """Wait for a server that is starting or recovering; say whether it got ready in time."""
        deadline = time.monotonic() + START_SECONDS
        while self._listens() and time.monotonic() < deadline:
            if self.running():
                return True
            time.sleep(0.02)
        return False

    def _pid_lines(self) -> Sequence[str]:
        try:
            return (self.data / _PID_FILE).read_text().splitlines()
        except OSError:
            return ()

    def _pid(self) -> int | None:
        lines = self._pid_lines()
        return int(lines[0]) if lines and lines[0].isdecimal() else None

    def _status(self) -> str:
        lines = self._pid_lines()
        return lines[7].strip() if len(lines) > 7 else ""

    def _listens(self) -> bool:
        """Say whether the socket has a listener: unlike a process number, it cannot be another program's."""
        if not (self.data / _SOCKET).exists():
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(str(self._address() / _SOCKET))
            except OSError:
                return False
        return True

    def _log(self) -> str:
        try:
            return (self.data / LOG).read_text(errors="replace")
        except OSError:
            return ""

    def _address(self) -> Path:
        """The folder that clients give as host: the data directory, or a short link to it if its path is too long."""
        link = self._link()
        if link is None:
            return self.data
        try:
            link.symlink_to(self.data)
        except FileExistsError:
            # Anybody may have put something there: only a link of our own is followed.
            if link.lstat().st_uid != os.geteuid() or not link.is_symlink() or link.readlink() != self.data:
                raise UsageError(
                    f"{link}: expected a link of this account to {self.data}, found something else; "
                    "remove it, or set SAGALOG_HOME to a shorter path"
                ) from None
        return link

    def _link(self) -> Path | None:
        if len(os.fsencode(self.data / _SOCKET)) <= SOCKET_PATH_BYTES:
            return None
        name = f"sagalog-{os.geteuid()}-{hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]}"
        return Path("/tmp") / name


def _last_lines(text: str, count: int = 8) -> str:
    return "\n".join(text.strip().splitlines()[-count:]) or "no output"


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
