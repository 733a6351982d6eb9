"""The timeline of a run: one line for each thing that happened, the start of a task told together with its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from ..engine.core import records as r
from ..engine.core.graph import Definition
from . import words
from .line import Line
from .sentences import RUN, Sentence, sentence

_MARGIN = 50
"""Columns that are taken by what stands beside a value."""
_OUTCOMES = {
    r.TASK_RUNNING: (r.TASK_SUCCESS, r.TASK_FAILURE),
    r.TASK_REVERTING: (r.TASK_REVERTED, r.TASK_REVERT_FAILURE),
}
_CHAPTERS = (r.RUN_REVERTING, r.RUN_SUSPENDING, r.RUN_SUSPENDED, r.MESSAGE_ACCEPTED)
"""Records before which the timeline leaves a line empty: from here on the run goes another way."""


def timeline(lines: Sequence[Line], definition: Definition, width: int, everything: bool = False) -> Table:
    """The run's records, oldest first, for a screen of `width`; `everything`: each on a line of its own, with its time."""
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    began = lines[0].at
    starts = {} if everything else dict(_told_with_their_end(lines))
    swallowed = {start.version for start in starts.values()}
    before: Line | None = None
    for line in lines:
        if line.version not in swallowed:
            if before is not None and _new_chapter(before, line):
                table.add_row()
            told = sentence(line, definition, before, max(width - _MARGIN, 40))
            at = f"{line.at.astimezone():%Y-%m-%d %H:%M:%S.%f}" if everything else _since(began, line.at)
            table.add_row(str(line.version), at, *_row(told, line, starts.get(line.version)))
        before = line
    return table


def _row(told: Sentence, line: Line, start: Line | None) -> Iterator[Text]:
    mark, subject, text, style = told
    yield Text(mark, style)
    yield Text(subject, "dim" if subject == RUN else "bold")
    said = Text(text, style if style not in ("green", "magenta") or subject == RUN else "")
    # The few milliseconds of a task are told only where they are more than nothing.
    if start is not None and (line.at - start.at).total_seconds() >= 0.001:
        said.append(f"  {words.span((line.at - start.at).total_seconds())}", "dim")
    yield said


def _told_with_their_end(lines: Sequence[Line]) -> Iterator[tuple[int, Line]]:
    """(version of the end, start) of each call that ended; a start without an end stands for itself."""
    under_way: dict[str, Line] = {}
    for line in lines:
        if line.atom is None:
            continue
        start = under_way.pop(line.atom, None)
        if start is not None and line.type in _OUTCOMES[start.type]:
            yield line.version, start
        if line.type in _OUTCOMES:
            under_way[line.atom] = line


def _new_chapter(before: Line, line: Line) -> bool:
    if line.type == r.RUN_CLAIMED:
        return before.type != r.RUN_CREATED
    return line.type in _CHAPTERS and before.type not in (r.RUN_CLAIMED, *_CHAPTERS)


def _since(began: datetime, at: datetime) -> str:
    seconds = (at - began).total_seconds()
    if abs(seconds) < 60:
        return f"{seconds:+.3f} s"
    return f"+{words.span(seconds)}"
