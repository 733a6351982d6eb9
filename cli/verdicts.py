"""What is decided about failures, flows, waits and lists, in words: retries, groups, deciders, timers, persons."""

from __future__ import annotations

from collections.abc import Callable

from ..engine.core import records as r
from . import words
from .telling import Said, Told

DEPTHS = {
    "ALL": "it and all that comes after it are ignored",
    "FLOW": "it and what comes after it in its flow are ignored",
    "NEIGHBORS": "it and what comes right after it are ignored",
    "ATOM": "it alone is ignored",
}
"""How much a refusal at a link ignores -> in words."""

_DONE = {
    "retry": "its flow is reverted and tried again",
    "revert": "its flow is reverted, and no more",
    "revert_all": "everything that ran is reverted",
}
"""What is done after the answer of a retry -> in words."""


def _consulted(told: Told) -> Said:
    facts = told.facts
    asked = f"asked about {told.name(facts.get('failed'))}"
    if facts.get("tries"):
        asked += f", after {words.count(facts['tries'], 'try', 'tries')}"
    decision, done = facts.get("decision"), facts.get("done")
    if done == "raised" or decision is None:
        return "✗", "bold red", f"{asked}: could not answer: {told.failure()}"
    if done == "overruled":
        return "?", "yellow", f"{asked}: {decision}; too late, a revert was decided meanwhile"
    return "?", "yellow" if done == "retry" else "magenta", f"{asked}: {decision}; {_consequence(told)}"


def _consequence(told: Told) -> str:
    """What is done about a failure, once a retry has answered."""
    facts = told.facts
    done, scope = facts.get("done"), facts.get("scope")
    if done == "deferred":
        return _whom(told, facts.get("to", -1))
    if done == "revert" and scope is not None and scope != facts.get("atom"):
        return f"the flow of {told.name(scope)} is reverted, and no more"
    return _DONE.get(str(done), str(done))


def _whom(told: Told, resolver: int) -> str:
    """Who is asked next, by the definition's numbers for that."""
    if resolver >= 0:
        return f"{told.name(resolver)} around it is asked too"
    if resolver < -1:
        return f"it counts as a failure of the group {told.flow(-2 - resolver)!r}"
    return "nobody around it is asked"


def _tries(told: Told) -> Said:
    """A retry has been executed: what it provides is what its flow is tried with."""
    if told.facts.get("skipped"):
        return "✓", "yellow", "taken as done, for its outcome was unknown"
    with_what = "" if told.line.value is None else f" with {words.value(told.line.value, told.width)}"
    return "↻", "green", told.noted(f"tries its flow{with_what}")


def _answered(told: Told) -> Said:
    facts = told.facts
    if facts.get("raised"):
        return "✗", "bold red", f"a decider could not answer: {told.failure()}"
    said = [_vote(told, *answer) for answer in facts.get("answers") or ()]
    asked = f"may it go on? {', '.join(said) or 'nobody has a vote'}"
    if "depth" not in facts:
        return "?", "dim", asked
    return "?", "yellow", f"{asked}; {DEPTHS.get(str(facts['depth']).upper(), 'it is ignored')}"


def _vote(told: Told, kind: str, source: int, name: str, answer: bool) -> str:
    behind = repr(told.flow(source)) if kind == "flow" else told.name(source)
    return f"{words.brief(name, 60)} (after {behind}): {'yes' if answer else 'no'}"


def _group(told: Told) -> Said:
    flow, flows = told.facts.get("flow", -1), told.definition.flows
    counts = told.counts(flows[flow].outcome if 0 <= flow < len(flows) else None)
    if told.facts.get("ok"):
        return "✓", "green", f"the group succeeds: {counts}"
    return "✗", "red", f"the group fails: {counts}"


def _opened(told: Told) -> Said:
    count = told.facts.get("count", 0)
    return "▸", "cyan", f"once for each of {words.count(count, 'element')}" if count else "its list is empty"


def _elements(told: Told) -> Said:
    first, count = told.facts.get("first", 0), told.facts.get("count", 0)
    return "·", "dim", f"elements {first:,} to {max(first + count - 1, first):,} of its list are kept"


def _timer_set(told: Told) -> Said:
    if told.line.atom is None:
        return "…", "dim", f"has {told.until() or 'a time'} to end in"
    return "…", "dim", f"waits for {told.until() or 'its time'}"


def _timer_fired(told: Told) -> Said:
    return ("…", "yellow", "its time is up") if told.line.atom is None else ("…", "dim", "has waited")


def _progress(told: Told) -> Said:
    share = f"{told.facts.get('progress', 0):.0%} done"
    return "▸", "dim", share if told.line.value is None else f"{share}: {words.value(told.line.value, told.width)}"


def _amended(told: Told) -> Said:
    facts = told.facts
    what = f"said to be {facts['state']}" if facts.get("state") else _ACTIONS.get(str(facts.get("action")), "amended")
    return "✎", "cyan", f"{what}{told.reason()}"


_ACTIONS = {"retry_revert": "its revert is to be tried again", "skip_revert": "its revert is to be left out"}


def _recovered(told: Told) -> Said:
    facts, tree = told.facts, told.line.value if isinstance(told.line.value, dict) else {}
    text = "recovered"
    if facts.get("since") is not None:
        text += f" from {told.name(facts['since'])} on"
    if facts.get("atoms"):
        text += f": {told.atoms()} {'is' if len(facts['atoms']) == 1 else 'are'} done anew"
    changed = tree.get("inputs")
    if isinstance(changed, dict) and changed:
        pairs = ", ".join(f"{name}={words.value(item, told.width)}" for name, item in changed.items())
        text += f", now with {words.brief(pairs, 2 * told.width)}"
    return "▶", "bold cyan", text + told.reason()


VERDICTS: dict[str, Callable[[Told], Said]] = {
    r.RETRY_CONSULTED: _consulted,
    r.of_retry(r.TASK_SUCCESS): _tries,
    r.RETRY_RETRYING: lambda told: ("↻", "yellow", "is to try its flow again"),
    r.RETRY_GIVEN_UP: lambda told: ("↶", "magenta", "gives up: its flow stays reverted"),
    r.DECIDER_ANSWERED: _answered,
    r.GROUP_SETTLED: _group,
    r.EACH_OPENED: _opened,
    r.EACH_ELEMENTS: _elements,
    r.TIMER_SET: _timer_set,
    r.TIMER_FIRED: _timer_fired,
    r.TIMER_CANCELLED: lambda told: ("…", "dim", "need not wait any longer"),
    r.TASK_PROGRESS: _progress,
    r.OPERATOR_AMENDED: _amended,
    r.RUN_RECOVERED: _recovered,
    r.RUN_PENDING: lambda told: ("●", "bold", f"reset{told.reason()}; it is as if nothing of it had been done"),
}
"""Record type -> the sentence about it."""
