"""`sagalog amend`."""

from __future__ import annotations

from typing import Any

import click

from ..errors import UsageError
from .inputs import read_json
from .options import app_option, common
from .person import done, who_and_why
from .place import Place
from .screen import Screen

STATES = ("SUCCESS", "FAILURE", "PENDING")


@click.command()
@click.argument("run")
@click.argument("atom")
@click.option(
    "--state", required=True, type=click.Choice(STATES, case_sensitive=False), metavar="|".join(STATES),
    help="It succeeded, it failed, or it never took place and is executed anew.",
)  # fmt: skip
@click.option("--result", metavar="JSON|@FILE", help="Its result (SUCCESS), or the failure's message (FAILURE).")
@who_and_why
@app_option
@common
def amend(
    place: Place, screen: Screen, run: str, atom: str, state: str, result: str | None, by: str, reason: str,
    app: str | None,
) -> int:  # fmt: skip
    """Say what became of a task.

    Of one whose outcome is UNKNOWN, or of one that is FAILURE; ATOM[i] is element i of a fan-out. The run has to rest,
    as FAILURE or SUSPENDED, and stays so: `sagalog resume` goes on with it. A SUCCESS without --result has the result
    null.
    """
    if result is not None and state == "PENDING":
        raise UsageError("--result: what never took place has no result; leave it out, or say --state SUCCESS")
    value: Any = None if result is None else read_json(result, "--result")
    said = {"state": state, "result": value, "by": by, "reason": reason}
    done(place, screen, run, app, lambda engine: engine.amend, atom, rests=True, **said)
    return 0
