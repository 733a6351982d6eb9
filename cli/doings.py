"""What tasks, and retries as far as they are like them, go through, in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..engine.core import records as r
from . import words
from .telling import Said, Told


def _task_failure(told: Told) -> Said:
    facts = told.facts
    if facts.get("amended"):
        return "✗", "yellow", "taken as failed" + (f": {told.failure()}" if told.line.value is not None else "")
    if facts.get("given_up") and told.line.value is None:
        return "✗", "red", "given up before it was done, for its flow is to be reverted"
    if "errors" in facts and told.line.value is None:
        return "✗", "red", f"failed: {told.counts(told.policy())}"
    return "✗", "red", f"{told.noted('failed')}: {told.failure()}{_ending(facts)}"


def _ending(facts: dict[str, Any]) -> str:
    """What became of code that took too long."""
    if facts.get("abandoned"):
        return "; its thread was abandoned, and may still be running"
    return "; its process was terminated" if facts.get("terminated") else ""


def _task_waiting(told: Told) -> Said:
    if "due" not in told.facts:
        return "↻", "yellow", f"rolled back by the database ({told.facts.get('cause')}), tried again"
    again = f"again in {told.until()}" if told.facts["due"] > told.line.at.timestamp() * 1_000_000 else "again at once"
    return "↻", "yellow", f"{told.noted('failed')}: {told.failure()}{_ending(told.facts)}; {again}"


def _task_running(told: Told) -> Said:
    defaulted = told.facts.get("defaulted")
    if not defaulted:
        return "▸", "cyan", told.noted("started")
    names = words.names([str(name) for name in defaulted])
    return "▸", "cyan", f"{told.noted('started')}, with its own default of {names}, which nothing that ran provides"


def _task_ignored(told: Told) -> Said:
    facts = told.facts
    if "missing" in facts:
        return "○", "dim", f"ignored: nothing that ran provides {facts['missing']!r}"
    return "○", "dim", f"ignored{_IGNORED.get(str(facts.get('cause')), '')}"


_IGNORED = {
    "decider": ": a decider said no",
    "group": ": a failure in its group",
    "given_up": ": its flow is given up",
    "recovery": ": its recovery says SKIP",
}
"""Why an atom is passed by -> in words."""


def _task_success(told: Told) -> Said:
    if told.facts.get("amended"):
        return "✓", "yellow", f"taken as done{told.value()}"
    if told.facts.get("skipped"):
        return "✓", "yellow", "taken as done, without a result (recovery SKIP)"
    if told.facts.get("probed"):
        return "✓", "green", f"had happened, says its probe{told.value()}"
    if "successes" in told.facts:
        return "✓", "green", f"{told.noted('done')}: {told.counts(told.policy())}"
    return "✓", "green", told.noted("done") + told.value()


def _task_reverted(told: Told) -> Said:
    outcome = told.facts.get("outcome")
    if outcome == "not_revertible":
        why = "the time in which it could be has passed" if told.facts.get("expired") else "irreversible"
        return "!", "bright_magenta", f"not revertible, its effect stays ({why})"
    if outcome == "skipped":
        return "!", "bright_magenta", "its revert is left out"
    if outcome == "nothing_to_revert":
        why = "undeclared" if told.facts.get("undeclared") else "its probe says that it never happened"
        why = why if told.facts.get("undeclared") or told.facts.get("probed") else "declared so"
        return "○", "dim", f"nothing to revert ({why})"
    probed = ", says its probe" if told.facts.get("probed") else ""
    return "↶", "magenta", f"reverted{probed}{told.value()}"


def _revert_failure(told: Told) -> Said:
    if "cause" in told.facts:
        return "↻", "yellow", f"revert rolled back by the database ({told.facts['cause']}), to be tried again"
    return "✗", "bold red", told.noted("revert failed") + f": {told.failure()}"


OF_TASKS: dict[str, Callable[[Told], Said]] = {
    r.TASK_PENDING: lambda told: ("·", "dim", "to be done anew"),
    r.TASK_RUNNING: _task_running,
    r.TASK_WAITING: _task_waiting,
    r.TASK_SUCCESS: _task_success,
    r.TASK_FAILURE: _task_failure,
    r.TASK_IGNORED: _task_ignored,
    r.TASK_UNKNOWN: lambda told: ("?", "yellow", "outcome unknown: its process ended before it could tell"),
    r.TASK_REVERTING: lambda told: ("▸", "magenta", told.noted("revert started")),
    r.TASK_REVERTED: _task_reverted,
    r.TASK_REVERT_FAILURE: _revert_failure,
    r.TASK_REVERT_UNKNOWN: lambda told: ("?", "yellow", "outcome of its revert unknown: its process ended"),
}
"""Record type of a task -> the sentence about it."""
