"""The machine's diagrams, drawn from its tables: `python -m sagalog.engine.core.diagram > docs/machine.md`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from . import states
from .states import RETRY_MOVES, RUN_MOVES, TASK_MOVES

_TITLES = (("A run", RUN_MOVES), ("A task", TASK_MOVES), ("A retry controller", RETRY_MOVES))


def mermaid(moves: Mapping[Any, Sequence[StrEnum]]) -> str:
    """One table of moves as a mermaid state diagram, in the order of the table."""
    arrows = [f"    {state} --> {to}" for state, targets in moves.items() for to in targets]
    return "\n".join(["stateDiagram-v2", "    [*] --> PENDING", *arrows])


def page() -> str:
    """The page of the documentation that shows the machine: its story, then a diagram of each table."""
    story = (states.__doc__ or "").strip()
    parts = [f"## {title}\n\n```mermaid\n{mermaid(moves)}\n```" for title, moves in _TITLES]
    head = "# The machine\n\nMade from `engine/core/states.py` by `python -m sagalog.engine.core.diagram`; do not edit."
    return "\n\n".join([head, story, *parts]) + "\n"


if __name__ == "__main__":
    print(page(), end="")
