"""What docs/testing.md shows as a program works."""

from __future__ import annotations

from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
PROGRAMS = [rest.split("```", 1)[0] for rest in PAGE.split("```python\n")[1:]]


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_the_programs_of_the_page_run(program: str) -> None:
    exec(compile(program, "docs/testing.md", "exec"), {"__name__": "shown"})


def test_each_thing_is_shown() -> None:
    shown = "".join(PROGRAMS)
    for name in ("Play", "FakeClock", "Ledger", "SimulatedLog"):
        assert f"{name}(" in shown
    assert all(len(program.splitlines()) <= 16 for program in PROGRAMS)
