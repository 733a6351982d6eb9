"""The timeline of a run: one line for each thing that happened, the start of a task told together with its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import attrs
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
    r.TASK_RUNNING: (r.TASK_SUCCESS, r.TASK_FAILURE, r.TASK_WAITING),
    r.TASK_REVERTING: (r.TASK_REVERTED, r.TASK_REVERT_FAILURE),
}
_OUTCOMES |= {r.of_retry(start): tuple(map(r.of_retry, ends)) for start, ends in _OUTCOMES.items()}
_MOVES = {*_OUTCOMES, *(end for ends in _OUTCOMES.values() for end in ends)}
_MOVES |= {make(type) for type in (r.TASK_UNKNOWN, r.TASK_REVERT_UNKNOWN) for make in (str, r.of_retry)}
_UNSAID = {r.TASK_PENDING, r.of_retry(r.TASK_PENDING), r.RETRY_RETRYING, r.EACH_ELEMENTS}
_OF_TIMERS = {r.TIMER_FIRED, r.TIMER_CANCELLED}
_AS_EXPECTED = {r.TASK_RUNNING, r.TASK_SUCCESS, r.TASK_REVERTING, r.TASK_REVERTED, r.TASK_PROGRESS}
_MANY = 12
"""Elements of a fan-out beyond which only those are told of that something happened to."""
_CHAPTERS = (
    r.RUN_REVERTING, r.RUN_SUSPENDING, r.RUN_SUSPENDED, r.RUN_RECOVERED, r.RUN_PENDING, r.MESSAGE_ACCEPTED,
    r.OPERATOR_AMENDED, r.RETRY_CONSULTED,
)  # fmt: skip
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
    silent = set() if everything else {start.version for start in starts.values()} | unsaid(lines)
    timers = {line.version: line for line in lines if line.type == r.TIMER_SET}
    before: Line | None = None
    for line in lines:
        if line.version not in silent:
            if before is not None and _new_chapter(before, line):
                table.add_row()
            told = sentence(_whose(line, timers), definition, before, max(width - _MARGIN, 40))
            at = f"{line.at.astimezone():%Y-%m-%d %H:%M:%S.%f}" if everything else _since(began, line.at)
            table.add_row(str(line.version), at, *_row(told, line, starts.get(line.version)))
        before = line
    return table


def unsaid(lines: Sequence[Line]) -> set[int]:
    """The versions of records that go without saying.

    What an atom is put back for and what it waits for is told by the records before them; of a fan-out of many elements
    the timeline tells what went wrong.
    """
    sizes = {line.facts["atom"]: line.facts.get("count", 0) for line in lines if line.type == r.EACH_OPENED}
    of_atoms = {line.version for line in lines if line.type == r.TIMER_SET and line.atom is not None}
    return {
        line.version
        for line in lines
        if line.type in _UNSAID
        or line.version in of_atoms
        or (line.type in _OF_TIMERS and line.facts.get("timer") in of_atoms)
        or (line.instance is not None and line.type in _AS_EXPECTED and sizes.get(line.facts["atom"], 0) > _MANY)
    }


def _whose(line: Line, timers: dict[int, Line]) -> Line:
    """The end of a timer names the timer only: what is told of is whose it was."""
    timer = timers.get(line.facts.get("timer", 0)) if line.type in _OF_TIMERS else None
    return line if timer is None else attrs.evolve(line, atom=timer.atom, instance=timer.instance)


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
    under_way: dict[tuple[str, int | None], Line] = {}
    for line in lines:
        if line.atom is None or line.type not in _MOVES:
            continue
        start = under_way.pop((line.atom, line.instance), None)
        if start is not None and line.type in _OUTCOMES[start.type] and "defaulted" not in start.facts:
            yield line.version, start
        if line.type in _OUTCOMES:
            under_way[line.atom, line.instance] = line


def _new_chapter(before: Line, line: Line) -> bool:
    if line.type == r.RUN_CLAIMED:
        return before.type != r.RUN_CREATED
    return line.type in _CHAPTERS and before.type not in (r.RUN_CLAIMED, *_CHAPTERS)


def _since(began: datetime, at: datetime) -> str:
    seconds = (at - began).total_seconds()
    if abs(seconds) < 60:
        return f"{seconds:+.3f} s"
    return f"+{words.span(seconds)}"
