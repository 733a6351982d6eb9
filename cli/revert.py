"""`sagalog revert`."""

from __future__ import annotations

import click

from .answers import REVERTED, settled_code
from .going import answer_one, saying_who_is_waited_for, warn_of_what_stayed
from .load import need_app
from .options import app_option, common, not_empty
from .picture import stayed
from .place import Place, find_run
from .screen import Screen
from .seen import see


@click.command()
@click.argument("run")
@click.option("--reason", required=True, callback=not_empty, metavar="TEXT", help="Why; kept in the log.")
@click.option("--by", metavar="TEXT", help="Who wants it; kept in the log.")
@app_option
@common
def revert(place: Place, screen: Screen, run: str, reason: str, by: str | None, app: str | None) -> int:
    """Compensate a run: undo all that ran, also long after it finished."""
    with place.engine(need_app(app, place.settings)) as engine:
        found = find_run(engine.session, run)
        seen = see(engine.session, found)
        if seen.state.run in REVERTED:
            answer_one(screen, seen)
            screen.say(f"nothing was done: it was {seen.state.run} already", "yellow")
            return 0
        try:
            with saying_who_is_waited_for(screen):
                state = engine.revert(found, reason=reason, by=by).state
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"To go on: sagalog resume {found}") from None
        seen = see(engine.session, found)
        answer_one(screen, seen)
        warn_of_what_stayed(screen, [stayed(seen)])
    return settled_code([state])
