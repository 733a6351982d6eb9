"""`make chaos` for a few seconds: its machinery works, and what it finds is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CHAOS = Path(__file__).resolve().parent
ROOT = CHAOS.parents[1]


def chaos(*arguments: str, folder: Path) -> dict[str, Any]:
    """The document of a bout; whatever it leaves is in `folder`, which has to be empty afterwards."""
    path = os.pathsep.join([str(CHAOS.parent), str(CHAOS), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "chaos_main", *arguments, "--json"], cwd=ROOT, capture_output=True, text=True, timeout=240,
        env={**os.environ, "PYTHONPATH": path, "TMPDIR": str(folder)}, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1) and done.stdout, done.stderr
    assert list(folder.glob("sagalog-*")) == []
    document: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == int(not document["ok"]), done.stderr
    return document


def test_a_short_bout_of_chaos_breaks_nothing() -> None:
    # Not below pytest's own folder, which each session of pytest closes to other accounts: to the server's, too.
    # The monkey of seed 8 restarts the server about half-way.
    with tempfile.TemporaryDirectory(prefix="sagalog-") as folder:
        told = chaos("--seconds", "12", "--seed", "8", folder=Path(folder))
    broken = {one["name"]: one["what"] for one in told["invariants"] if one["broken"]}
    assert not broken, broken
    assert told["ok"] is True
    assert told["damage"]["processes killed"] >= 3 and told["damage"]["processes stopped and woken"] >= 2
    assert any(what.startswith("server restarts") for what in told["damage"])
    assert told["met"]["runs"] >= 20
    assert all(one["checked"] for one in told["invariants"] if one["name"] != "messages accepted once")
