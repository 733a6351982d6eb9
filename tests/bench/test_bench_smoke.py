"""Every figure of `python -m bench`, made as small as it can be: they come, are sane, and the server is gone at the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.figures import Figure, table
from bench.ground import Miscount, count
from bench.tailing import Watch

ROOT = Path(__file__).resolve().parents[2]
FIELDS = {"figure", "beside", "unit", "ours", "floor", "ratio", "target", "bound", "ok", "min", "max", "rounds"}
NAMES = [
    "linear blocking", "linear blocking", "500x10 async", "500x10 async", "500x10 functions", "500x10 functions",
    "append 100s x 2 processes", "resume 50 records", "resume 60 records", "fold 50 records", "tail: records skipped",
    "tail: records inverted", "revert 20 tasks", "10 retries of 3 tasks: last 1", "fan-out 20 async",
    "fan-out 40 memory", "compile 50 nodes, 100 links", "linear 10 tasks", "linear 20 tasks", "linear 20 tasks memory",
    "unordered 10 tasks", "unordered 20 tasks", "unordered 20 tasks memory",
]  # fmt: skip


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the bench makes its home; short, for the server's socket."""
    with tempfile.TemporaryDirectory(prefix="sb-") as made:
        yield Path(made)


def _bench(folder: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bench", "--tiny", *options],
        cwd=ROOT, env={**os.environ, "TMPDIR": str(folder)}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_bench_smoke_every_figure_comes(folder: Path) -> None:
    process = _bench(folder)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    first, *lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert first["server"]["fsync"] == first["server"]["synchronous_commit"] == "on"
    assert [line["figure"] for line in lines] == NAMES
    for line in lines:
        assert line.keys() >= FIELDS
        assert line["min"] <= line["ratio"] <= line["max"]
        low = line["bound"] == "at_least"
        assert line["ok"] == (line["ratio"] >= line["target"] if low else line["ratio"] <= line["target"])
    assert all(line["ours"] > 0 for line in lines if line["unit"] != "records")
    counts = {line["figure"]: line for line in lines if line["figure"].startswith("tail")}
    assert [line["ours"] for line in counts.values()] == [0, 0]
    assert counts["tail: records skipped"]["appends"] == 84
    assert "of 23 as they should be" in out
    assert [place.name for place in folder.iterdir() if place.name.startswith("sagalog-bench")] == []


def test_bench_smoke_an_interrupt_leaves_no_server(folder: Path) -> None:
    process = _bench(folder, "--only", "tail", "--tail", "1000000")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["server"]
    home = next(folder.glob("sagalog-bench-*"))
    postmaster = int((home / "postgres" / "postmaster.pid").read_text().split()[0])
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert not home.exists()
    # Whoever adopts it may not have buried it yet.
    assert _state(postmaster) in ("", "Z")


def _state(pid: int) -> str:
    """A process's letter in `ps`; empty where there is none."""
    return subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()[:1]


def _figure(**more: Any) -> Figure:
    return Figure("thing", "floor", "steps/s", [10.0, 30.0, 20.0], [20.0, 40.0, 80.0], **more)


def test_bench_smoke_a_ratio_is_the_median_of_the_rounds() -> None:
    line = json.loads(_figure(at_least=0.5).line())
    assert (line["ratio"], line["min"], line["max"], line["ok"], line["rounds"]) == (0.5, 0.25, 0.75, True, 3)
    assert (line["ours"], line["floor"]) == (20, 40)
    assert not _figure(at_least=0.51).ok
    assert not _figure(at_most=0.49).ok
    assert "MISSED" in table([_figure(at_most=0.49)]) and "MISSED" not in table([_figure(at_most=0.5)])


def test_bench_smoke_rows_are_counted_in_sql(migrated: str) -> None:
    count(migrated, {"sagalog.record": 0})
    with pytest.raises(Miscount, match=r"sagalog\.record: expected 3 rows, found 0"):
        count(migrated, {"sagalog.record": 3})


def test_bench_smoke_what_is_skipped_or_inverted_is_seen() -> None:
    watch = Watch()
    for stream, version in (("a", 1), ("b", 1), ("a", 2), ("b", 3), ("b", 2)):
        watch.see(stream, version)
    assert watch.inversions == 2
    assert watch.skipped({("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("b", 3)}) == 1
