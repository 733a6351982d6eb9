"""`sagalog step`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from uuid import UUID, uuid4

import attrs
import click
from rich.text import Text

from ..engine.core.graph import Definition
from ..engine.core.states import RunState
from ..engine.runtime.engine import Engine
from ..engine.runtime.stepping import to_do
from ..engine.runtime.wishes import said
from ..store import hold, log
from . import words
from .answers import settled_code
from .going import saying_who_is_waited_for
from .line import Line
from .load import need_app
from .options import app_option, common
from .place import ACTOR, Place, find_run
from .screen import Screen
from .seen import see
from .sentences import RUN, sentence

_POLL = 0.01
"""Seconds between two looks into the inbox: the stop that a step orders there for itself is to be found at once."""
_STEPPED = (RunState.PENDING, RunState.RUNNING, RunState.WAITING, RunState.SUSPENDED)


@click.command()
@click.argument("run")
@click.option("--all", "every", is_flag=True, help="Step after step, to the end.")
@app_option
@common
def step(place: Place, screen: Screen, run: str, every: bool, app: str | None) -> int:
    """Make one step of a run, and show it.

    A step is one call of its code; each record is shown as it is durable. The run is left SUSPENDED after it, for the
    next step or for `sagalog resume`. What is being reverted is not stopped half-way: that is one step, to its end.
    """
    place.settings = attrs.evolve(place.settings, poll=_POLL)
    with place.engine(need_app(app, place.settings)) as engine:
        found = find_run(engine.session, run)
        before, definition = engine.state(found).state, see(engine.session, found).definition
        lines: list[Line] = []
        try:
            with saying_who_is_waited_for(screen):
                for line in _records(engine, found, definition, one=not every and before in _STEPPED):
                    if not screen.as_json:
                        _show(screen, definition, line, lines[-1] if lines else None)
                    lines.append(line)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"To go on: sagalog resume {found}, or the same command again") from None
        seen = see(engine.session, found)
        state, count = seen.state.run, to_do(seen.state)
        if screen.as_json:
            screen.answer({"id": found, "state": state, "pending": count, "records": [line.to_json() for line in lines]})
        elif not lines:
            screen.say(f"there is no step to make: the run is {state}", "yellow")
        else:
            screen.say(f"the run is {state}; {count:,} still to be done", "dim")
    return 0 if not every and state is RunState.SUSPENDED else settled_code([state])


def _records(engine: Engine, run: UUID, definition: Definition, one: bool) -> Iterator[Line]:
    """The records of the steps that are made. `one`: stop the run behind its first call."""
    for record in engine.steps(run):
        (row,) = engine.perform(lambda at=record.version: log.read(run, at, 1))  # type: ignore[misc]  # bound now
        yield Line.of(row, definition)
        if one and engine.state(run).state in _STEPPED:
            # The intent of the call is durable now, and none of its code has run: it may finish, and no more is begun.
            engine.perform(lambda: hold.post(run, uuid4(), "suspend", said(None, "one step"), ACTOR))
            time.sleep(_POLL)  # then the next look into the inbox is due
        one = False


def _show(screen: Screen, definition: Definition, line: Line, before: Line | None) -> None:
    mark, subject, text, style = sentence(line, definition, before)
    screen.show(
        Text.assemble(
            (f"{line.version:>5} ", "dim"), (f"{mark} ", style), (f"{subject}  ", "dim" if subject == RUN else "bold"),
            (words.clean(text), style),
        )
    )  # fmt: skip
