"""`sagalog resume`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import click

from ..engine.core.states import RunState
from ..engine.runtime.acting import Mode
from ..engine.runtime.engine import UNFINISHED
from ..errors import UsageError
from . import words
from .answers import settled_code
from .going import answer_for, answer_one, go_on, saying_who_is_waited_for, warn_of_what_stayed
from .inputs import read_input
from .load import need_app
from .noting import noting
from .options import app_option, common
from .person import perhaps_who_and_why
from .picture import stayed
from .place import Place, find_run
from .screen import Screen
from .seen import see


@click.command()
@click.argument("run", required=False)
@click.option(
    "--all", "every", is_flag=True, help="Every unfinished run; those in FAILURE or SUSPENDED are left alone."
)
@click.option("--concurrency", type=click.IntRange(min=1), default=64, show_default=True, metavar="N")
@click.option(
    "--mode", type=click.Choice([mode.lower() for mode in Mode], case_sensitive=False), default="continue",
    show_default=True, help="How: see above.",
)  # fmt: skip
@click.option("--input", "given", metavar="JSON|@FILE", help="Inputs that are to be others, {name: value}.")
@click.option("--since", metavar="ATOM", help="With recover: all from this atom on is executed anew.")
@perhaps_who_and_why
@app_option
@common
def resume(
    place: Place, screen: Screen, run: str | None, every: bool, concurrency: int, app: str | None, **how: Any
) -> int:
    """Go on with a run that stopped, or with all of them.

    continue: where it stopped; waits keep their time. recover: from a failure, in the same log: what failed or was
    reverted is executed anew, what succeeded is kept. restart: a new run of the same flow and inputs; the old one stays.

    A run whose owner may be alive is waited for, at most for the length of its lease.
    """
    if (run is None) != every:
        raise UsageError("resume: give one RUN, or --all")
    if run is not None:
        return _resume_one(place, screen, run, app, **how)
    if how["mode"] != "continue" or any(how[name] is not None for name in ("given", "since", "by", "reason")):
        raise UsageError("resume: --mode recover and restart, with all that goes with them, are for one RUN")
    with place.engine(need_app(app, place.settings)) as engine:
        ids = [row.run_id for row in engine.rows(states=UNFINISHED)]
        ended, why, seconds = go_on(engine, screen, ids, concurrency, "sagalog resume --all")
        answer_for(screen, ended, why, seconds)
        _tell_of_the_others(screen, len(engine.rows(states=(RunState.FAILURE, RunState.SUSPENDED))))
    return settled_code(state for _, state in ended)


def _resume_one(
    place: Place, screen: Screen, run: str, app: str | None,
    mode: str, given: str | None, since: str | None, by: str | None, reason: str | None,
) -> int:  # fmt: skip
    if (by or reason) and mode != "recover":
        raise UsageError("resume: --by and --reason are kept with --mode recover; other modes have no place for them")
    with place.engine(need_app(app, place.settings)) as engine:
        found, ids = find_run(engine.session, run), list[UUID]()
        inputs = None if given is None else read_input(given)
        try:
            with noting(ids), saying_who_is_waited_for(screen):
                ended = engine.resume(
                    found, raises=False, mode=mode, inputs=inputs, since=since, by=by, reason=reason
                )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"To go on: sagalog resume {ids[0] if ids else found}") from None
        seen = see(engine.session, ended.id)
        answer_one(screen, seen)
        warn_of_what_stayed(screen, [stayed(seen)])
        if ended.id != found:
            screen.say(f"this is a new run; {found} stays as it is", "dim")
    return settled_code([ended.state])


def _tell_of_the_others(screen: Screen, count: int) -> None:
    if count:
        is_are = "is" if count == 1 else "are"
        screen.say(
            f"{words.count(count, 'run')} in FAILURE or SUSPENDED {is_are} left alone: sagalog resume RUN", "yellow"
        )
