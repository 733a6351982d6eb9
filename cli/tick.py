"""`sagalog tick`."""

from __future__ import annotations

import click

from ..errors import SagalogError
from . import words
from .load import need_app
from .options import app_option, common
from .place import Place, find_run
from .screen import Screen


@click.command()
@click.argument("run", required=False)
@app_option
@common
def tick(place: Place, screen: Screen, run: str | None, app: str | None) -> None:
    """Do all that is due now, then come back.

    Of one run or of all of them, however much is still waiting. For a cron job, say: a run that waits for its next try
    needs no process meanwhile. Runs that another process has are left to it, and so are those in FAILURE or SUSPENDED.
    """
    with place.engine(need_app(app, place.settings)) as engine:
        found = None if run is None else find_run(engine.session, run)
        try:
            made = engine.tick(found)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("To go on: the same command again") from None
        except SagalogError as error:
            if found is None and error.run is not None and not str(error).startswith("run "):
                screen.say(f"in run {error.run}; all others have had their turn:", "yellow")
            raise
        if screen.as_json:
            screen.answer({"calls": made})
        elif found is None:
            screen.show(f"{words.count(made, 'call')} made")
        else:
            screen.show(f"{words.count(made, 'call')} made; the run is {engine.state(found).state}")
