"""What a record says, in words: a subject (an atom, or the run) and a sentence about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..engine.core import records as r
from ..engine.core.graph import Definition
from ..engine.core.states import SETTLED_RUN
from . import words
from .doings import OF_TASKS
from .line import Line
from .telling import Said, Told, called
from .verdicts import VERDICTS

RUN = "the run"
# After these nobody has the run, so whoever claims it next takes it from nobody.
_AT_REST = {r.RUN_CREATED, r.RUN_PENDING, r.RUN_WAITING, r.RUN_SUSPENDED}
_AT_REST |= {f"run.{state.lower()}" for state in SETTLED_RUN}


class Sentence(NamedTuple):
    """`mark` is one character; `style` the colour of mark and text."""

    mark: str
    subject: str
    text: str
    style: str = ""


def sentence(line: Line, definition: Definition, before: Line | None = None, width: int = 64) -> Sentence:
    """The record in words, `before` being the record before it; values are shortened to `width` characters."""
    made = _SENTENCES.get(line.type)
    if made is None:
        return Sentence("·", line.atom or RUN, line.type)
    told = Told(line, definition, before, width)
    mark, style, text = made(told)
    return Sentence(mark, _subject(told), text, style)


def _subject(told: Told) -> str:
    line, facts = told.line, told.facts
    if line.atom:
        return words.brief(called(line.atom, line.instance), 60)
    if line.type == r.GROUP_SETTLED:
        return told.flow(facts.get("flow"))
    gate = told.definition.gate_at.get(facts["gate"]) if "gate" in facts else None
    return RUN if gate is None else told.item(gate)


def _created(told: Told) -> Said:
    facts, tree = told.facts, told.line.value or {}
    text = f"created: flow {facts.get('flow')!r}"
    if "factory" in facts:
        text += f", made by {facts['factory']}({_pairs(tree.get('arguments', {}), told.width)})"
    if "key" in facts:
        text += f", key {words.brief(_short_key(str(facts['key'])), 60)}"
    if tree.get("tags"):
        text += f", tags {words.value(tree['tags'], told.width)}"
    if tree.get("inputs"):
        text += f", with {_pairs(tree['inputs'], max(told.width - len(text), 30))}"
    return "●", "bold", text


def _pairs(tree: dict[str, Any], width: int) -> str:
    return ", ".join(f"{name}={words.value(item, width)}" for name, item in tree.items())


def _short_key(key: str) -> str:
    """A key of `run --each`, its 64 digits of a file shortened."""
    file, colon, line = key.rpartition(":")
    return f"{file[:8]}…:{line}" if colon and len(file) == 64 else key


def _claimed(told: Told) -> Said:
    worker, epoch = str(told.facts.get("worker", "?"))[:8], told.facts.get("epoch", 1)
    # A run that a person has amended rests as it did before.
    if told.before is None or told.before.type in _AT_REST or told.before.facts.get("amended"):
        return "◆", "dim", f"claimed by worker {worker}" + (f" (epoch {epoch})" if epoch > 1 else "")
    return "◆", "cyan", f"taken over by worker {worker} (epoch {epoch})"


def _running(told: Told) -> Said:
    if told.facts.get("cause"):  # resumed, timer, operator
        return "▶", "cyan", "goes on"
    return "▶", "dim", "starts"


def _reverting(told: Told) -> Said:
    cause = told.facts.get("cause")
    if cause == "failure":
        return "↶", "magenta", f"everything that ran is reverted, because {told.atoms()} failed"
    if cause == "timeout":
        return "↶", "magenta", "everything that ran is reverted, because its time is up"
    # A person who settles one revert has the others go on; that is told already.
    if cause == "operator" and (told.before is None or told.before.type != r.OPERATOR_AMENDED):
        return "↶", "magenta", f"revert asked for{told.reason()}"
    return "↶", "magenta", "the revert goes on"


def _run_failure(told: Told) -> Said:
    said = _STOPPED.get(str(told.facts.get("cause")), "the revert of {} failed; `resume` tries it again")
    return "✗", "red", f"FAILURE: {said.format(told.atoms())}"


_STOPPED = {
    "ask": "a person has to say what became of {}",
    "raised": "{} could not say what is to be done; `resume` asks again, `revert` undoes everything that ran",
    "never_resolve": "{} failed, and nothing is to be reverted (never_resolve)",
}
"""Cause of a run's FAILURE -> in words."""


def _reverted_partly(told: Told) -> Said:
    if told.facts.get("cause") == "scope":
        text = f"only the flow of one retry was to be reverted; {told.atoms()} stay as they are"
        return "↶", "bright_magenta", f"REVERTED_PARTLY: {text}"
    return "↶", "bright_magenta", f"REVERTED_PARTLY: what {told.atoms()} did stays"


def _run_waiting(told: Told) -> Said:
    until = told.until()
    return "…", "cyan", f"waits for {until}" if until else "waits"


def _accepted(told: Told) -> Said:
    kind, sender = told.facts.get("kind", "a message"), str(told.facts.get("sender", ""))
    if "refused" in told.facts:
        return "✉", "yellow", f"asked to {kind}{told.reason(sender)}; too late, it was {told.facts['refused']}"
    return "✉", "cyan", f"asked to {kind}{told.reason(sender)}"


_SENTENCES: dict[str, Callable[[Told], Said]] = {
    r.RUN_CREATED: _created,
    r.RUN_CLAIMED: _claimed,
    r.RUN_RUNNING: _running,
    r.RUN_WAITING: _run_waiting,
    r.RUN_SUSPENDING: lambda told: ("‖", "yellow", f"to be suspended{told.reason()}; what runs may finish"),
    r.RUN_SUSPENDED: lambda told: ("‖", "yellow", "SUSPENDED, until it is resumed"),
    r.RUN_REVERTING: _reverting,
    r.RUN_SUCCESS: lambda told: ("✓", "bold green", "SUCCESS"),
    r.RUN_REVERTED: lambda told: ("↶", "bold magenta", "REVERTED"),
    r.RUN_REVERTED_PARTLY: _reverted_partly,
    r.RUN_FAILURE: _run_failure,
    r.RUN_ABANDONED: lambda told: ("✗", "dim", f"ABANDONED{told.reason()}"),
    r.MESSAGE_ACCEPTED: _accepted,
    **OF_TASKS,
    **{r.of_retry(type): made for type, made in OF_TASKS.items()},
    **VERDICTS,
}
