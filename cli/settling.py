"""`sagalog retry-revert` and `sagalog skip-revert`: what a person does about a revert that is stuck."""

from __future__ import annotations

import click

from .answers import settled_code
from .options import app_option, common
from .person import done, who_and_why
from .place import Place
from .screen import Screen


@click.command("retry-revert")
@click.argument("run")
@click.argument("atom")
@who_and_why
@app_option
@common
def retry_revert(place: Place, screen: Screen, run: str, atom: str, by: str, reason: str, app: str | None) -> int:
    """Try a revert that is stuck once more.

    One that failed, or of which nobody knows the outcome. If it succeeds the run goes on being reverted; others that
    are stuck wait for a word of their own. (`sagalog resume` tries all of them again.)
    """
    act = done(place, screen, run, app, lambda engine: engine.retry_revert, atom, by=by, reason=reason)
    return settled_code([act])


@click.command("skip-revert")
@click.argument("run")
@click.argument("atom")
@who_and_why
@app_option
@common
def skip_revert(place: Place, screen: Screen, run: str, atom: str, by: str, reason: str, app: str | None) -> int:
    """Declare a revert that is stuck to be done with.

    One that failed, or of which nobody knows the outcome. Its code is not called; the run goes on being reverted, and
    ends REVERTED_PARTLY.
    """
    act = done(place, screen, run, app, lambda engine: engine.skip_revert, atom, by=by, reason=reason)
    return settled_code([act])
