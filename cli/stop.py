"""`sagalog stop`."""

from __future__ import annotations

import click

from ..errors import UsageError
from ..store.server import stop as stop_server
from .options import common
from .place import Place
from .screen import Screen


@click.command()
@common
def stop(place: Place, screen: Screen) -> None:
    """Stop the embedded server of SAGALOG_HOME; the next command starts it again.

    A process that is running flows loses its connection, and ends unless the server is back in SAGALOG_RECONNECT
    seconds; `sagalog resume` then goes on with its runs.
    """
    if not place.own:
        raise UsageError(
            "stop: only the embedded server is sagalog's to stop, and a database URL is given "
            "(--database-url or SAGALOG_DATABASE_URL); stop that server by its own means"
        )
    stopped = stop_server(place.settings.home)
    if screen.as_json:
        screen.answer({"stopped": stopped, "home": str(place.settings.home)})
    else:
        home = place.settings.home
        screen.show(f"stopped the embedded server of {home}" if stopped else f"no embedded server of {home} is running")
