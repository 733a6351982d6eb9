"""Ends what a test session started, also when the session itself is killed; it imports nothing but the standard library.

``python reaper.py PROGRAMS DATA FOLDER`` waits until its standard input says a byte or closes, then stops the PostgreSQL
server of DATA, with the pg_ctl of PROGRAMS and without a word of goodbye, and removes FOLDER, which holds it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


def main(programs: str, data: str, folder: str) -> int:
    """Wait, then clean up; 1 if the server still runs."""
    sys.stdin.buffer.read(1)
    try:
        return 0 if stopped(Path(programs), Path(data)) else 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def stopped(programs: Path, data: Path) -> bool:
    """Stop the server, if there is one, as the account that it runs as."""
    file = data / "postmaster.pid"
    try:
        process = int(file.read_text().split()[0])
    except (OSError, IndexError, ValueError):
        return True
    owner = data.stat()
    user, group = (owner.st_uid, owner.st_gid) if os.geteuid() == 0 else (None, None)
    subprocess.run(
        [programs / "pg_ctl", "-D", data, "-w", "-s", "-m", "immediate", "stop"],
        cwd=data,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=user,
        group=group,
        extra_groups=None if user is None else (),
    )
    return not file.exists() or not _lives(process)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
