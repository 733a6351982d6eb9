"""`sagalog doctor`."""

from __future__ import annotations

import re
from collections.abc import Sequence

import click
from rich.table import Table
from rich.text import Text

from ..store import hold
from ..store.doctor import Fact, examine
from .options import common
from .place import Place, reached
from .screen import Screen


@click.command()
@common
def doctor(place: Place, screen: Screen) -> int:
    """Say what is connected and whether it is fit to keep a log."""
    with reached():
        facts = [*_which(place), *examine(place.url())]
    ok = all(fact.ok for fact in facts)
    if ok:
        facts.append(_workers(place))
    if screen.as_json:
        screen.answer({"ok": ok, "facts": [{**fact._asdict(), "value": _number(fact.value)} for fact in facts]})
    else:
        screen.show(_table(facts))
    return 0 if ok else 1


def _which(place: Place) -> list[Fact]:
    if not place.own:
        return [Fact("which", "as given")]
    return [Fact("which", "embedded"), Fact("home", f"{place.settings.home} (`sagalog stop` stops its server)")]


def _number(text: str) -> str | int | float:
    """What is no more than a number, as a number: `1,234`, `version 5`, `+0.003 s` (in seconds)."""
    found = re.fullmatch(r"(?:version )?([+-]?[0-9,]+)((?:\.[0-9]+)?)(?: s)?", text)
    if found is None:
        return text
    whole, part = found[1].replace(",", ""), found[2]
    return float(whole + part) if part else int(whole)


def _workers(place: Place) -> Fact:
    with place.session() as session:
        found = session.perform(hold.workers)
    gone = [worker for worker in found if hold.gone(worker)]
    alive = [f"process {worker.pid} on {worker.host.split()[0]}" for worker in found if worker not in gone]
    told = f"{len(alive)} enrolled{': ' if alive else ''}{', '.join(alive[:5])}{', …' if len(alive) > 5 else ''}"
    return Fact("workers", f"{told}; {len(gone)} ended without a word" if gone else told)


def _table(facts: Sequence[Fact]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for fact in facts:
        mark = Text("✓", "green") if fact.ok else Text("✗", "bold red")
        value = Text(fact.value)
        if not fact.ok and fact.advice:
            value.append(f"\n{fact.advice}", "red")
        table.add_row(mark, fact.name, value)
    return table
