"""`sagalog history`."""

from __future__ import annotations

import click
from rich.text import Text

from . import words
from .options import common, talkative
from .picture import picture
from .place import Place, find_run
from .screen import Screen
from .seen import see
from .show import panel
from .timeline import timeline


@click.command()
@click.argument("run")
@click.option("--at", "version", type=click.IntRange(min=1), metavar="N", help="The run as it was at version N.")
@common
def history(place: Place, screen: Screen, run: str, version: int | None) -> None:
    """Tell what happened in a run, oldest first. With -v each record, at its own time."""
    with place.session() as session:
        seen = see(session, find_run(session, run), version)
    if version is not None:
        if screen.as_json:
            screen.answer(picture(seen))
        else:
            screen.show(panel(seen, talkative()))
        return
    lines = seen.lines()
    if screen.as_json:
        screen.answer([line.to_json() for line in lines])
        return
    took = words.span((lines[-1].at - lines[0].at).total_seconds())
    screen.show(
        Text.assemble((words.clean(seen.definition.name), "bold"), f"  {seen.id}  ", words.state(seen.state.run)),
        Text(f"{words.moment(lines[0].at)}, {words.count(len(lines), 'record')} in {took}\n", "dim"),
        timeline(lines, seen.definition, screen.out.width, everything=talkative()),
    )
