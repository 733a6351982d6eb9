"""Folders and servers that are thrown away: in memory where there is room, and gone when this process is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ...store.cluster import Cluster

MEMORY = Path("/dev/shm")
"""Where files are kept in memory; a server that lies there is made in half the time, and so is each database on it."""
ROOM = 4 << 30
"""Bytes that must be free there."""


def scratch(prefix: str) -> Path:
    """Make a folder: in memory where there is room, else where temporary files lie."""
    roomy = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM
    return Path(tempfile.mkdtemp(prefix=prefix, dir=MEMORY if roomy else None))


def reaper(cluster: Cluster, folder: Path) -> subprocess.Popen[bytes]:
    """Start a process that stops the server of `cluster` and removes `folder`, which holds it.

    It does so when its standard input says a byte or closes: at the latest when this process dies, however that happens.
    """
    # By its file, and by itself: it would take ten times as long to import this package with it.
    code = Path(__file__).with_name("reaper.py")
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(code), str(cluster.programs), str(cluster.data), str(folder)],
        stdin=subprocess.PIPE,
        start_new_session=True,  # an interrupt at the keyboard is for the tests, not for the one who cleans up
    )
