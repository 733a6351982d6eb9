"""`sagalog graph`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import click

from ..engine.core.graph import Definition
from ..engine.runtime.app import Sagalog
from . import words
from .drawing import FORMATS
from .load import load_flow, parse_arguments
from .options import common
from .picture import NOT_REVERTIBLE, revert_outcome
from .place import Place, find_run
from .screen import Screen
from .seen import Seen, see


@click.command()
@click.argument("target", metavar="RUN|MODULE:FLOW")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="mermaid", show_default=True)
@click.option("--arg", "arguments", multiple=True, metavar="NAME=VALUE", help="An argument for a factory of flows.")
@common
def graph(place: Place, screen: Screen, target: str, form: str, arguments: Sequence[str]) -> None:
    """Draw a run, coloured by state, from the log alone; or a flow."""
    states: Sequence[str] | None = None
    notes: dict[int, str] = {}
    if ":" in target:
        definition = _definition(target, arguments)
    else:
        with place.session() as session:
            seen = see(session, find_run(session, target))
        definition, states = seen.definition, [_painted(seen, atom) for atom in range(len(seen.definition.atoms))]
        notes = dict(_notes(seen))
    text = FORMATS[form](definition, states, notes)
    if screen.as_json:
        screen.answer({"flow": definition.name, "definition": definition.fingerprint, "format": form, "text": text})
    else:
        click.echo(text, nl=False)


def _painted(seen: Seen, atom: int) -> str:
    lasting = revert_outcome(seen, atom) == NOT_REVERTIBLE
    return NOT_REVERTIBLE.upper() if lasting else str(seen.state.task[atom])


def _notes(seen: Seen) -> Iterator[tuple[int, str]]:
    """What a fan-out's elements came to, and how often a retry's flow was tried."""
    for atom, fan in seen.state.fans.items():
        counts = Counter(str(seen.state.task[fan.base + instance]) for instance in range(fan.count))
        told = ", ".join(f"{count:,} {state}" for state, count in counts.items())
        yield atom, f"{words.count(fan.count, 'element')}{': ' if told else ''}{told}"
    for retry, tries in seen.state.history.items():
        if len(tries) > 1:
            yield retry, words.count(len(tries), "try", "tries")


def _definition(target: str, arguments: Sequence[str]) -> Definition:
    app = Sagalog()
    flow = load_flow(app, target, parse_arguments(arguments))
    return app.compiled(flow).definition
