"""Ends what a test session started, also when the session itself is killed.

``python -m sagalog.testing.crash.reaper PROGRAMS DATA FOLDER`` waits until its standard input says a byte or closes, then
stops the PostgreSQL server of DATA and removes FOLDER, which holds it.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from ...store.cluster import Cluster


def main(programs: str, data: str, folder: str) -> None:
    """Wait, then clean up."""
    sys.stdin.buffer.read(1)
    try:
        Cluster(Path(programs), Path(data)).stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
