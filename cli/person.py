"""What the commands share by which a person settles something about a run: who and why, and how it is done and told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from ..engine.core.states import RunState
from ..engine.runtime.engine import Engine
from ..engine.runtime.views import Run
from .going import answer_one, saying_who_is_waited_for, warn_of_what_stayed
from .load import need_app
from .options import not_empty
from .picture import stayed
from .place import Place, find_run
from .screen import Screen
from .seen import see

Act = Callable[..., Run]


def who_and_why(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --by and --reason, both of which have to say something."""
    why = click.option("--reason", required=True, callback=not_empty, metavar="TEXT", help="Why; kept in the log.")
    who = click.option("--by", required=True, callback=not_empty, metavar="TEXT", help="Who says so; kept in the log.")
    return who(why(function))


def perhaps_who_and_why(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --by and --reason, for whoever wants to leave a word."""
    why = click.option("--reason", callback=not_empty, metavar="TEXT", help="Why; kept in the log.")
    who = click.option("--by", callback=not_empty, metavar="TEXT", help="Who wants it; kept in the log.")
    return who(why(function))


def done(
    place: Place, screen: Screen, run: str, app: str | None, act: Callable[[Engine], Act], *words: Any, rests: bool = False,
    **more: Any,
) -> RunState:  # fmt: skip
    """Do something to one run, and show what it is then: `act` picks the method; `rests`: it is left to a resume."""
    with place.engine(need_app(app, place.settings)) as engine:
        found = find_run(engine.session, run)
        try:
            with saying_who_is_waited_for(screen):
                state = act(engine)(found, *words, **more).state
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"sagalog show {found} says how far it is") from None
        seen = see(engine.session, found)
        answer_one(screen, seen)
        warn_of_what_stayed(screen, [stayed(seen)])
        if rests:
            screen.say(f"it is {state}, and left so. To go on: sagalog resume {found}", "yellow")
    return state
