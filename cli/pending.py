"""`sagalog pending`."""

from __future__ import annotations

import click

from ..engine.runtime.stepping import to_do
from .options import common
from .place import Place, find_run
from .screen import Screen
from .seen import see


@click.command()
@click.argument("run")
@common
def pending(place: Place, screen: Screen, run: str) -> None:
    """Count what is still to be done.

    That is how many atoms and elements of fan-outs are to be executed; of a run that is being reverted: to be reverted.
    """
    with place.session() as session:
        seen = see(session, find_run(session, run))
    count = to_do(seen.state)
    if screen.as_json:
        screen.answer({"id": seen.id, "state": seen.state.run, "pending": count})
    else:
        screen.show(str(count))
