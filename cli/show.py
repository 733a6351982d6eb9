"""`sagalog show`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..engine.runtime.views import asked, moment
from . import words
from .answers import brief_failure
from .options import common, talkative
from .outcomes import shortened
from .picture import NOT_REVERTIBLE, created_of, picture
from .place import Place, find_run
from .screen import Screen
from .seen import Seen
from .seen import see as look

_MANY = 60
"""Atoms beyond which only those are shown that something happened to."""
_FEW = 12
"""Elements of a fan-out beyond which the same goes for them, and for their failures."""
_UNDER_WAY = ("RUNNING", "WAITING", "REVERTING")
_SETTLED = ("PENDING", "SUCCESS", "IGNORED")


@click.command()
@click.argument("run")
@common
def show(place: Place, screen: Screen, run: str) -> None:
    """Show a run as it stands: its inputs, atoms, results and failures. With -v the tracebacks too."""
    with place.session() as session:
        seen = look(session, find_run(session, run))
    if screen.as_json:
        screen.answer(picture(seen))
    else:
        screen.show(panel(seen, talkative()))


def panel(seen: Seen, tracebacks: bool = False) -> RenderableType:
    """The run for a person."""
    told = picture(seen)
    parts: list[RenderableType] = [_head(seen, told), "", _atoms(told["atoms"])]
    if told["results"]:
        parts += ["", Text("results", "dim"), _pairs(told["results"])]
    if tracebacks:
        for failure in told["failures"]:
            parts += ["", Text(brief_failure(failure), "red"), Text(failure["traceback"].rstrip(), "dim")]
    return Group(*parts)


def _head(seen: Seen, told: dict[str, Any]) -> RenderableType:
    grid = _grid()
    grid.add_row("run", Text(str(seen.id), "bold"))
    grid.add_row("flow", Text(words.clean(told["flow"])))
    grid.add_row("state", words.state(told["state"]))
    if told["reason"]:
        grid.add_row("reason", Text(words.brief(told["reason"], 300)))
    if question := asked(seen.state):
        grid.add_row("needed", Text(words.brief(question, 300), "yellow"))
    failures, more = shortened(seen, told["failures"], _FEW)
    for failure in failures:
        grid.add_row("failure", Text(words.brief(brief_failure(failure), 300), "red"))
    if more:
        grid.add_row("", Text(f"and {words.count(more, 'more element')}: --json shows all of them", "dim"))
    dues = [due for _, due in seen.state.timers.values()]
    if dues:
        grid.add_row("waits", f"until {words.moment(moment(min(dues)))}")
    took = words.span((told["updated_at"] - told["created_at"]).total_seconds())
    grid.add_row("created", f"{words.moment(told['created_at'])}, {words.count(told['version'], 'record')} in {took}")
    created = created_of(seen)
    for what, tree in (("arguments", created["arguments"]), ("tags", created["tags"])):
        if tree:
            grid.add_row(what, Text(words.value(tree, 120)))
    if seen.row["key"]:
        grid.add_row("key", Text(words.brief(seen.row["key"], 120)))
    if told["inputs"]:
        grid.add_row("inputs", _pairs(told["inputs"]))
    return grid


def _atoms(atoms: list[dict[str, Any]]) -> RenderableType:
    listed = list(_listed(atoms))
    shown = listed if len(listed) <= _MANY else [atom for atom in listed if atom["state"] not in _SETTLED][:_MANY]
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("ATOM", "STATE", "TRY"):
        table.add_column(name, no_wrap=True)
    table.add_column("RESULT", overflow="fold")
    for atom in shown:
        table.add_row(Text(words.brief(atom["name"], 60)), _state(atom), _tries(atom), _outcome(atom))
    if len(shown) == len(listed):
        return table
    return Group(Text(f"{len(atoms):,} atoms: {_counts(atoms)}"), *([table] if shown else []))


def _listed(atoms: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The atoms, each fan-out with a word on its elements; of many elements those that need a look."""
    place = 0
    while place < len(atoms):
        atom = atoms[place]
        place += 1
        count = atom["elements"]
        if count is None:
            yield atom
            continue
        elements = atoms[place : place + count]
        place += count
        wanted = elements if len(elements) <= _FEW else [each for each in elements if each["state"] not in _SETTLED]
        said = _elements(elements)
        if len(wanted) > _FEW:
            said += f"; of {len(wanted):,} that need a look the first {_FEW} follow"
        yield {**atom, "result": None, "said": said}
        yield from wanted[:_FEW]


def _elements(elements: list[dict[str, Any]]) -> str:
    return f"{words.count(len(elements), 'element')}{': ' if elements else ''}{_counts(elements)}"


def _counts(atoms: list[dict[str, Any]]) -> str:
    counts = Counter(atom["state"] for atom in atoms)
    return ", ".join(f"{count:,} {state}" for state, count in counts.items())


def _state(atom: dict[str, Any]) -> Text:
    """The state; of what is REVERTED also what that means, where nothing was undone."""
    note = words.OUTCOMES.get(atom["outcome"])
    if note is None:
        return words.state(atom["state"])
    return Text(f"{atom['state']} ({note})", "bright_magenta" if atom["outcome"] == NOT_REVERTIBLE else "magenta")


def _tries(atom: dict[str, Any]) -> str:
    """Execution and attempt, where they are not the first."""
    execution, attempt = atom["execution"], atom["attempt"]
    return f"{execution}.{attempt}" if execution > 1 or attempt > 1 else ""


def _outcome(atom: dict[str, Any]) -> Text:
    if atom["revert_failure"]:
        return Text(f"revert failed: {words.brief(_said(atom['revert_failure']), 120)}", "bold red")
    text = Text()
    if "said" in atom:
        text.append(atom["said"])
    if atom["failure"]:
        text.append(f"{'; ' if text else ''}{words.brief(_said(atom['failure']), 120)}", "red")
    elif atom["result"] is not None:
        text.append(words.value(atom["result"], 80))
    if atom["tries"]:
        text.append(f"{'  ' if text else ''}{words.count(atom['tries'], 'try', 'tries')} of its flow", "dim")
    if atom["progress"] is not None and atom["state"] in _UNDER_WAY:
        said = "" if atom["details"] is None else f": {words.value(atom['details'], 60)}"
        text.append(f"{atom['progress']:.0%} done{said}", "cyan")
    if atom["revert_result"] is not None:
        text.append(f"{'  ' if text else ''}revert: {words.value(atom['revert_result'], 60)}", "magenta")
    return text


def _said(failure: dict[str, Any]) -> str:
    return brief_failure(failure).partition(": ")[2]


def _pairs(tree: dict[str, Any]) -> RenderableType:
    grid = _grid()
    for name, value in _some(tree):
        grid.add_row(Text(name), Text(value))
    return grid


def _some(tree: dict[str, Any], most: int = 30) -> Iterator[tuple[str, str]]:
    for name, item in list(tree.items())[:most]:
        yield words.brief(name, 40), words.value(item, 110)
    if len(tree) > most:
        yield "…", f"and {len(tree) - most:,} more: --json shows them"


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid
