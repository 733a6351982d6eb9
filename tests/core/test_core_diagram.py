"""The diagrams of the documentation are the tables of the code."""

from __future__ import annotations

from pathlib import Path

from sagalog.engine.core.diagram import mermaid, page
from sagalog.engine.core.states import RUN_MOVES


def test_the_page_in_the_docs_is_what_the_tables_give() -> None:
    stored = Path(__file__).parents[2] / "docs" / "machine.md"
    assert stored.read_text() == page(), "make it anew: python -m sagalog.engine.core.diagram > docs/machine.md"


def test_every_move_is_an_arrow() -> None:
    drawn = mermaid(RUN_MOVES).splitlines()
    assert len(drawn) == 2 + sum(len(targets) for targets in RUN_MOVES.values())
    assert "    SUCCESS --> REVERTING" in drawn
