"""`sagalog init`."""

from __future__ import annotations

import click

from ..store.migrate import MIGRATIONS, migrate
from . import words
from .options import common
from .place import Place, reached
from .screen import Screen


@click.command()
@common
def init(place: Place, screen: Screen) -> None:
    """Bring the database to the schema of this version."""
    with reached():
        applied = migrate(place.url())
    version = MIGRATIONS[-1].number
    if screen.as_json:
        screen.answer({"applied": applied, "schema_version": version})
        return
    for name in applied:
        screen.show(f"applied {name}")
    done = f"{words.count(len(applied), 'migration')} applied" if applied else "nothing to do"
    screen.show(f"{done}: the schema is at version {version}.")
