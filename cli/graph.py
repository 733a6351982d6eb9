"""`sagalog graph`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from ..engine.core.graph import Definition
from ..engine.runtime.app import Made, Sagalog
from .drawing import FORMATS
from .load import load_flow, parse_arguments
from .options import common
from .picture import see
from .place import Place, find_run
from .screen import Screen


@click.command()
@click.argument("target", metavar="RUN|MODULE:FLOW")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="mermaid", show_default=True)
@click.option("--arg", "arguments", multiple=True, metavar="NAME=VALUE", help="An argument for a factory of flows.")
@common
def graph(place: Place, screen: Screen, target: str, form: str, arguments: Sequence[str]) -> None:
    """Draw a run, coloured by state, from the log alone; or a flow."""
    states: Sequence[str] | None = None
    if ":" in target:
        definition = _definition(target, arguments)
    else:
        with place.session() as session:
            seen = see(session, find_run(session, target))
        definition, states = seen.definition, [str(state) for state in seen.state.task]
    text = FORMATS[form](definition, states)
    if screen.as_json:
        screen.answer({"flow": definition.name, "definition": definition.fingerprint, "format": form, "text": text})
    else:
        click.echo(text, nl=False)


def _definition(target: str, arguments: Sequence[str]) -> Definition:
    app = Sagalog()
    flow = load_flow(app, target, parse_arguments(arguments))
    return app.compiled(flow.flow if isinstance(flow, Made) else flow).definition
