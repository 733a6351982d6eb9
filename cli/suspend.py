"""`sagalog suspend`."""

from __future__ import annotations

import click

from ..engine.core.states import RunState
from .going import answer_one
from .load import find_app
from .options import app_option, common, not_empty
from .place import Place, find_run
from .screen import Screen
from .seen import see

_STOPPING = (RunState.SUSPENDED, RunState.SUSPENDING)


@click.command()
@click.argument("run")
@click.option("--reason", callback=not_empty, metavar="TEXT", help="Why; kept in the log.")
@app_option
@common
def suspend(place: Place, screen: Screen, run: str, reason: str | None, app: str | None) -> int:
    """Let what runs finish and start nothing new, until the run is resumed."""
    with place.engine(find_app(app, place.settings)) as engine:
        found = find_run(engine.session, run)
        state = engine.suspend(found, reason=reason).state
        answer_one(screen, see(engine.session, found))
    if state is RunState.SUSPENDING:
        screen.say("it will be SUSPENDED when the task that runs has ended", "yellow")
    elif state not in _STOPPING:
        screen.say(f"it was not suspended: it is {state}", "yellow")
    return int(state not in _STOPPING)
