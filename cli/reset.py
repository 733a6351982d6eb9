"""`sagalog reset`."""

from __future__ import annotations

import click

from .options import app_option, common
from .person import done, perhaps_who_and_why
from .place import Place
from .screen import Screen


@click.command()
@click.argument("run")
@perhaps_who_and_why
@app_option
@common
def reset(place: Place, screen: Screen, run: str, by: str | None, reason: str | None, app: str | None) -> int:
    """Put a run that is over back to PENDING.

    As if it had never begun; nothing is reverted. What it did stays in its log, and its effects in the world: revert it
    first where they should not. `sagalog resume` starts it again; its idempotency keys are new ones then.
    """
    done(place, screen, run, app, lambda engine: engine.reset, rests=True, by=by, reason=reason)
    return 0
