"""`sagalog resume`."""

from __future__ import annotations

import click

from ..engine.core.states import RunState
from ..engine.runtime.engine import UNFINISHED
from ..errors import UsageError
from . import words
from .answers import settled_code
from .going import answer_for, answer_one, go_on, saying_who_is_waited_for, warn_of_what_stayed
from .load import need_app
from .options import app_option, common
from .picture import see, stayed
from .place import Place, find_run
from .screen import Screen


@click.command()
@click.argument("run", required=False)
@click.option(
    "--all", "every", is_flag=True, help="Every unfinished run; those in FAILURE or SUSPENDED are left alone."
)
@click.option("--concurrency", type=click.IntRange(min=1), default=64, show_default=True, metavar="N")
@app_option
@common
def resume(place: Place, screen: Screen, run: str | None, every: bool, concurrency: int, app: str | None) -> int:
    """Go on with a run that stopped, or with all of them.

    A run whose owner may be alive is waited for, at most for the length of its lease.
    """
    if (run is None) != every:
        raise UsageError("resume: give one RUN, or --all")
    with place.engine(need_app(app, place.settings)) as engine:
        if run is None:
            ids = [row.run_id for row in engine.rows(states=UNFINISHED)]
            ended, why, seconds = go_on(engine, screen, ids, concurrency, "sagalog resume --all")
            answer_for(screen, ended, why, seconds)
            _tell_of_the_others(screen, len(engine.rows(states=(RunState.FAILURE, RunState.SUSPENDED))))
            return settled_code(state for _, state in ended)
        found = find_run(engine.session, run)
        try:
            with saying_who_is_waited_for(screen):
                state = engine.resume(found, raises=False).state
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"To go on: sagalog resume {found}") from None
        seen = see(engine.session, found)
        answer_one(screen, seen)
        warn_of_what_stayed(screen, [stayed(seen)])
    return settled_code([state])


def _tell_of_the_others(screen: Screen, count: int) -> None:
    if count:
        is_are = "is" if count == 1 else "are"
        screen.say(
            f"{words.count(count, 'run')} in FAILURE or SUSPENDED {is_are} left alone: sagalog resume RUN", "yellow"
        )
