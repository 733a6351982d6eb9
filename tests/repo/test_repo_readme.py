"""The README's examples are what it says: each run by a new process, as a reader would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize(("number", "lines"), [(0, 5), (1, 2)])
def test_the_example_prints_what_the_readme_says(throwaway_home: Path, tmp_path: Path, number: int, lines: int) -> None:
    program, after = README.read_text().split("```python\n")[1 + number].split("```", 1)
    said = after.split("\n\n")[1]
    (tmp_path / "example.py").write_text(program)
    environment = {**os.environ, "SAGALOG_HOME": str(throwaway_home)}
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()
    assert len(printed) == lines
    assert [f"`{line}`" in said for line in printed] == [True] * lines, (printed, said)


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) < 250
