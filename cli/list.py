"""`sagalog list`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID

import click
from rich.text import Text

from ..engine.core.states import RunState
from ..errors import UsageError
from ..projections import runs
from . import words
from .answers import brief_failure
from .options import common
from .picture import failure_in, listed
from .place import Place
from .screen import Screen

_COLUMNS = ("RUN", "FLOW", "STATE", "RECORDS", "CREATED", "UPDATED")
_GAP = "  "
_SHORTEST = 8


@click.command("list")
@click.option(
    "--state", "states", multiple=True, metavar="STATE", help="Only runs in this state; may be given several times."
)
@click.option("--flow", metavar="NAME", help="Only runs of this flow.")
@common
def list_runs(place: Place, screen: Screen, states: Sequence[str], flow: str | None) -> None:
    """List the runs, oldest first."""
    wanted = [_state(text) for text in states] or list(RunState)
    with place.session() as session:
        runs.catch_up(session)
        if screen.as_json:
            screen.answer([listed(row) for row in runs.rows(session, states=wanted, flow=flow)])
            return
        # All of them, for an id is only as short as it may be among all.
        every = runs.rows(session)
    shown = [row for row in every if row.state in wanted and flow in (None, row.flow)]
    if not shown:
        screen.show("No runs." if not every else _none(len(every), wanted if states else (), flow))
        return
    screen.show(_table(shown, short_ids([row.run_id for row in every]), screen.out.width))


def _none(count: int, states: Sequence[RunState], flow: str | None) -> str:
    of = [f"of flow {flow!r}"] if flow is not None else []
    within = [f"in {' or '.join(states)}"] if states else []
    return f"None of {words.count(count, 'run')} is {' and '.join([*of, *within])}."


def _state(text: str) -> RunState:
    try:
        return RunState(text.upper())
    except ValueError:
        raise UsageError(f"--state: expected one of {', '.join(RunState)}; found {text!r}") from None


def short_ids(ids: Sequence[UUID]) -> dict[UUID, str]:
    """The beginnings by which runs can be told apart, all of one length."""
    texts = sorted(str(id) for id in ids)
    common = max((_alike(one, other) for one, other in pairwise(texts)), default=0)
    length = max(common + 1, _SHORTEST)
    return {id: str(id)[: length + (str(id)[length - 1] == "-")] for id in ids}


def _alike(one: str, other: str) -> int:
    return next((place for place, (a, b) in enumerate(zip(one, other, strict=True)) if a != b), len(one))


def _table(rows: Sequence[runs.Row], ids: dict[UUID, str], screen: int) -> Text:
    """Lines in columns, each as wide as its widest cell; what does not fit on the screen is cut from the reason."""
    now = datetime.now(UTC)
    cells = [[Text(name, "dim") for name in _COLUMNS]]
    for row in rows:
        cells.append(
            [
                Text(ids[row.run_id]),
                Text(words.brief(row.flow, 32)),
                words.state(row.state),
                Text(f"{row.version:,}"),
                Text(words.ago(row.created_at, now), "dim"),
                Text(words.ago(row.updated_at, now), "dim"),
            ]
        )
    widths = [max(line[place].cell_len for line in cells) for place in range(len(_COLUMNS))]
    room = max(screen - sum(widths) - len(_GAP) * len(widths), _SHORTEST)
    for line in cells:
        for cell, name, width in zip(line, _COLUMNS, widths, strict=True):
            cell.align("right" if name == "RECORDS" else "left", width)
    whys = ["WHY", *(words.brief(_why(row), room) for row in rows)]
    lines = [Text(_GAP).join([*line, Text(why)]) for line, why in zip(cells, whys, strict=True)]
    return Text("\n").join(lines)


def _why(row: runs.Row) -> str:
    failure = failure_in(row)
    said = [words.brief(row.reason, 100)] if row.reason else []
    return "; ".join([*said, words.brief(brief_failure(failure.to_data()), 160)] if failure else said)
