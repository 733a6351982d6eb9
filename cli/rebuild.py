"""`sagalog rebuild`."""

from __future__ import annotations

import time

import click

from ..projections import base, runs
from ..store.rebuild import rebuild as rebuilding
from . import words
from .options import common
from .place import Place
from .screen import Screen


@click.command()
@common
def rebuild(place: Place, screen: Screen) -> None:
    """Drop all that is derived from the log and compute it anew. Appends wait meanwhile, leases are void."""
    began = time.monotonic()
    with place.session():
        url = place.url()  # the schema is that of this code, else there would be no session
    with screen.progress("", None) as bar:
        streams = rebuilding(url, lambda stage, done, total: bar.at(done, total, stage), more=[base.stage(runs.RUNS)])
    seconds = time.monotonic() - began
    if screen.as_json:
        screen.answer({"streams": streams, "seconds": round(seconds, 3)})
    else:
        screen.show(
            f"rebuilt from the log in {words.span(seconds)}: {words.count(streams, 'stream')} and the list of runs"
        )
