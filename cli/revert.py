"""`sagalog revert`."""

from __future__ import annotations

import click

from .answers import settled_code
from .going import answer_one, saying_who_is_waited_for
from .load import need_app
from .options import app_option, common
from .picture import see
from .place import Place, find_run
from .screen import Screen


@click.command()
@click.argument("run")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the log.")
@click.option("--by", metavar="TEXT", help="Who wants it; kept in the log.")
@app_option
@common
def revert(place: Place, screen: Screen, run: str, reason: str, by: str | None, app: str | None) -> int:
    """Compensate a run: undo all that ran, also long after it finished."""
    with place.engine(need_app(app, place.settings)) as engine:
        found = find_run(engine.session, run)
        try:
            with saying_who_is_waited_for(screen):
                state = engine.revert(found, reason=reason, by=by).state
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"To go on: sagalog resume {found}") from None
        answer_one(screen, see(engine.session, found))
    return settled_code([state])
