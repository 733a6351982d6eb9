"""What a record says, in words: a subject (an atom, or the run) and a sentence about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..engine.core import records as r
from ..engine.core.graph import Definition
from ..engine.core.states import SETTLED_RUN
from . import words
from .line import Line

RUN = "the run"
# After these nobody has the run, so whoever claims it next takes it from nobody.
_AT_REST = {r.RUN_CREATED, r.RUN_SUSPENDED, *(f"run.{state.lower()}" for state in SETTLED_RUN)}


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
    mark, style, text = made(_Told(line, definition, before, width))
    return Sentence(mark, words.brief(line.atom, 60) if line.atom else RUN, text, style)


class _Told(NamedTuple):
    line: Line
    definition: Definition
    before: Line | None
    width: int

    @property
    def facts(self) -> dict[str, Any]:
        return self.line.facts

    def atoms(self) -> str:
        """The atoms that the record is about, by name."""
        names = [repr(self.definition.atoms[atom].name) for atom in self.facts.get("atoms", ())]
        return words.brief(", ".join(names), 120) or "something"

    def value(self) -> str:
        """` → value`, or nothing where there is none to speak of."""
        return "" if self.line.value is None else f" → {words.value(self.line.value, self.width)}"

    def failure(self) -> str:
        """`CarrierRefused: the carrier does not deliver to Chile`."""
        told = self.line.value if isinstance(self.line.value, dict) else {}
        kind = str(told.get("type") or next(iter(self.facts.get("classes", ())), "an error")).rpartition(".")[2]
        message = words.brief(str(told.get("message", "")), 2 * self.width)
        return f"{kind}: {message}" if message else kind

    def again(self) -> str:
        """Which try of which execution, where it is not the first."""
        execution, attempt = self.line.execution or 1, self.line.attempt or 1
        said = [f"execution {execution}"] if execution > 1 else []
        return ", ".join([*said, f"attempt {attempt}"] if attempt > 1 else said)

    def noted(self, text: str) -> str:
        again = self.again()
        return f"{text} ({again})" if again else text

    def reason(self, sender: str = "") -> str:
        """` by ann: "customer withdrew"`, of what a person has given."""
        told = self.line.value if isinstance(self.line.value, dict) else {}
        by, reason = told.get("by") or sender, told.get("reason")
        return (f" by {words.brief(str(by), 40)}" if by else "") + (
            f": {words.brief(str(reason), 200)}" if reason else ""
        )


Said = tuple[str, str, str]


def _created(told: _Told) -> Said:
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


def _claimed(told: _Told) -> Said:
    worker, epoch = str(told.facts.get("worker", "?"))[:8], told.facts.get("epoch", 1)
    if told.before is None or told.before.type in _AT_REST:
        return "◆", "dim", f"claimed by worker {worker}" + (f" (epoch {epoch})" if epoch > 1 else "")
    return "◆", "cyan", f"taken over by worker {worker} (epoch {epoch})"


def _running(told: _Told) -> Said:
    if told.facts.get("cause") == "resumed":
        return "▶", "cyan", "goes on"
    return "▶", "dim", "starts"


def _reverting(told: _Told) -> Said:
    cause = told.facts.get("cause")
    if cause == "failure":
        return "↶", "magenta", f"everything that ran is reverted, because {told.atoms()} failed"
    if cause == "operator":
        return "↶", "magenta", f"revert asked for{told.reason()}"
    return "↶", "magenta", "the revert goes on"


def _run_failure(told: _Told) -> Said:
    if told.facts.get("cause") == "ask":
        return "✗", "red", f"FAILURE: a person has to say what became of {told.atoms()}"
    return "✗", "red", f"FAILURE: the revert of {told.atoms()} failed; `resume` tries it again"


def _task_success(told: _Told) -> Said:
    if told.facts.get("skipped"):
        return "✓", "yellow", "taken as done, without a result, for its outcome was unknown (recovery SKIP)"
    if told.facts.get("probed"):
        return "✓", "green", f"had happened, says its probe{told.value()}"
    return "✓", "green", told.noted("done") + told.value()


def _task_reverted(told: _Told) -> Said:
    outcome = told.facts.get("outcome")
    if outcome == "not_revertible":
        why = "the time in which it could be has passed" if told.facts.get("expired") else "irreversible"
        return "!", "bright_magenta", f"not revertible, its effect stays ({why})"
    if outcome == "nothing_to_revert":
        why = "undeclared" if told.facts.get("undeclared") else "its probe says that it never happened"
        why = why if told.facts.get("undeclared") or told.facts.get("probed") else "declared so"
        return "○", "dim", f"nothing to revert ({why})"
    probed = ", says its probe" if told.facts.get("probed") else ""
    return "↶", "magenta", f"reverted{probed}{told.value()}"


def _revert_failure(told: _Told) -> Said:
    if "cause" in told.facts:
        return "↻", "yellow", f"revert rolled back by the database ({told.facts['cause']}), to be tried again"
    return "✗", "bold red", told.noted("revert failed") + f": {told.failure()}"


def _accepted(told: _Told) -> Said:
    kind, sender = told.facts.get("kind", "a message"), str(told.facts.get("sender", ""))
    if "refused" in told.facts:
        return "✉", "yellow", f"asked to {kind}{told.reason(sender)}; too late, it was {told.facts['refused']}"
    return "✉", "cyan", f"asked to {kind}{told.reason(sender)}"


_SENTENCES: dict[str, Callable[[_Told], Said]] = {
    r.RUN_CREATED: _created,
    r.RUN_CLAIMED: _claimed,
    r.RUN_RUNNING: _running,
    r.RUN_WAITING: lambda told: ("…", "cyan", "waits"),
    r.RUN_SUSPENDING: lambda told: ("‖", "yellow", f"to be suspended{told.reason()}; what runs may finish"),
    r.RUN_SUSPENDED: lambda told: ("‖", "yellow", "SUSPENDED, until it is resumed"),
    r.RUN_REVERTING: _reverting,
    r.RUN_SUCCESS: lambda told: ("✓", "bold green", "SUCCESS"),
    r.RUN_REVERTED: lambda told: ("↶", "bold magenta", "REVERTED"),
    r.RUN_REVERTED_PARTLY: lambda told: ("↶", "bright_magenta", f"REVERTED_PARTLY: {told.atoms()} cannot be undone"),
    r.RUN_FAILURE: _run_failure,
    r.RUN_ABANDONED: lambda told: ("✗", "dim", f"ABANDONED{told.reason()}"),
    r.TASK_RUNNING: lambda told: ("▸", "cyan", told.noted("started")),
    r.TASK_WAITING: lambda told: (
        "↻",
        "yellow",
        f"rolled back by the database ({told.facts.get('cause')}), tried again",
    ),
    r.TASK_SUCCESS: _task_success,
    r.TASK_FAILURE: lambda told: ("✗", "red", f"{told.noted('failed')}: {told.failure()}"),
    r.TASK_IGNORED: lambda told: ("○", "dim", "ignored"),
    r.TASK_UNKNOWN: lambda told: ("?", "yellow", "outcome unknown: its process ended before it could tell"),
    r.TASK_REVERTING: lambda told: ("▸", "magenta", told.noted("revert started")),
    r.TASK_REVERTED: _task_reverted,
    r.TASK_REVERT_FAILURE: _revert_failure,
    r.TASK_REVERT_UNKNOWN: lambda told: ("?", "yellow", "outcome of its revert unknown: its process ended"),
    r.MESSAGE_ACCEPTED: _accepted,
}
