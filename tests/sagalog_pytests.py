"""Another pytest, in a process of its own, with the plugin of sagalog: `run_pytest`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import sagalog

ROOT = Path(__file__).resolve().parents[1]
ENTRY = ROOT / "testing" / "entry"


def environment(**more: str) -> dict[str, str]:
    """One in which both the package and its plugin are found, installed or not."""
    places = [str(ENTRY), str(Path(str(sagalog.__file__)).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places)), "COLUMNS": "120", **more}


def run_pytest(folder: Path, url: str | None, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder, its databases on the server of `url`, or on one of its own; both outputs are in `stdout`."""
    database = [] if url is None else [f"--sagalog-database={url}"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "sagalog_pytest", "-p", "no:cacheprovider", *database, *arguments],
        cwd=folder, env=environment(**more), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
    )  # fmt: skip
