"""The table of planted bugs in docs/testing.md, between two markers."""

from __future__ import annotations

from .mutant import ROOT

PAGE = ROOT / "docs" / "testing.md"
FIRST, LAST = "<!-- mutants: written by make mutants ARGS=--write -->", "<!-- end of mutants -->"


def written() -> str:
    """The table as the page has it. Raises ValueError where the markers are not there."""
    _, _, rest = PAGE.read_text().partition(FIRST)
    table, found, _ = rest.partition(LAST)
    if not found:
        raise ValueError(f"{PAGE} has no {FIRST} followed by {LAST}: put them where the table belongs")
    return table.strip()


def write(table: str) -> None:
    """Put a table there."""
    old = written()
    text = PAGE.read_text()
    before, _, rest = text.partition(FIRST)
    PAGE.write_text(f"{before}{FIRST}\n\n{table}\n\n{LAST}{rest.partition(LAST)[2]}" if old or table else text)
