"""What docs/testing.md shows as a program works."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sagalog_pytests import ROOT, run_pytest

from sagalog.testing.crash.database import own_server

PAGE = (ROOT / "docs" / "testing.md").read_text()
BLOCKS = [rest.split("```", 1)[0] for rest in PAGE.split("```python\n")[1:]]
TESTS = [block for block in BLOCKS if "def test_" in block]
PROGRAMS = [block for block in BLOCKS if block not in TESTS]


@pytest.fixture(scope="module")
def url() -> str:
    return own_server(os.getpid()).url


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_the_programs_of_the_page_run(program: str) -> None:
    exec(compile(program, "docs/testing.md", "exec"), {"__name__": "shown"})


def test_the_tests_of_the_page_pass(tmp_path: Path, url: str) -> None:
    for number, block in enumerate(TESTS):
        (tmp_path / f"test_shown_{number}.py").write_text(block)
    for more in ((), ("--sagalog-crash",)):
        done = run_pytest(tmp_path, url, *more)
        assert done.returncode == 0, done.stdout
        assert f"{1 if more else len(TESTS)} passed" in done.stdout


def test_each_thing_is_shown() -> None:
    shown = "".join(BLOCKS)
    ours = ("Play(", "FakeClock(", "Ledger(", "SimulatedLog(", "simulate(")
    for name in (*ours, "crash_everywhere(", "sagalog_engine", "sagalog_crash"):
        assert name in shown
    assert all(len(block.splitlines()) <= 16 for block in BLOCKS)
