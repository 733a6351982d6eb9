"""What follows from a failure: who is asked, what the answer means, what is undone.

A task that fails asks the nearest retry around it; a retry that fails itself asks the nearest one around its flow. From
that moment nothing more is started in the flow of the retry that is asked; what is under way there is let finish. What
does not depend on it goes on.

- RETRY: everything behind the retry in its flow is undone, then the retry is executed again, and its flow after it. The
  retries in that flow forget what they have tried.
- REVERT: the retry gives up. The next one outward is asked in its stead, and finds the failure in its history under the
  name of the one that gave up. Where there is none outward the whole run is undone; a run that does not defer reverts
  undoes the flow of the retry that gave up first, and no more, also where a group is next.
- REVERT_ALL: the whole run is undone.

What is decided stays so: an answer that comes when a flow around its own is being undone already is recorded and
overruled. A group (an unordered flow with an outcome policy) stands between: a failure within it asks nobody, it is a
failed member; so is a flow whose retry gives up. When all members are settled the policy has the verdict, and if that
is bad the group fails as one, at whoever is next. Where nobody is asked at all, the whole run is undone.

A retry whose own code raises, or answers something else, has answered nothing: nothing is undone, the run stops as
FAILURE, and a person decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..definition.decision import Decision
from .counters import closed
from .graph import NOBODY
from .records import RUN_REVERTING, Draft
from .region import ASK, REVERT_ALL
from .state import State

RETRY, DEFERRED, ALONE, OVERRULED = "retry", "deferred", "revert", "overruled"

MEANS: dict[tuple[Decision, str], str] = {
    (Decision.RETRY, "retry"): RETRY,
    (Decision.RETRY, "group"): RETRY,
    (Decision.RETRY, "nobody"): RETRY,
    (Decision.REVERT, "retry"): DEFERRED,
    (Decision.REVERT, "group"): ALONE,
    (Decision.REVERT, "nobody"): REVERT_ALL,
    (Decision.REVERT_ALL, "retry"): REVERT_ALL,
    (Decision.REVERT_ALL, "group"): REVERT_ALL,
    (Decision.REVERT_ALL, "nobody"): REVERT_ALL,
}
"""(answer, who is next outward) -> what is done; a run that does not defer has ALONE for (REVERT, nobody).

ALONE is the flow of the retry itself; in a run that does not defer, that of the retry that gave up first."""


def meaning(state: State, retry: int, decision: Decision) -> dict[str, Any]:
    """What is done about a retry's answer: `done`, and `to` whom it is passed or the `scope` that is undone alone."""
    region = state.regions.get(retry)
    if region is None or region.goal != ASK or state.undo is not None or _settled_outside(state, retry):
        return {"done": OVERRULED}
    who = state.definition.beyond[state.definition.atoms[retry].flow]
    done = MEANS[decision, "retry" if who >= 0 else "nobody" if who == NOBODY else "group"]
    if done in (REVERT_ALL, ALONE) and decision is Decision.REVERT and not state.defers:
        return {"done": ALONE, "scope": region.first}
    if done == DEFERRED:
        return {"done": done, "to": who}
    return {"done": done, "scope": retry} if done == ALONE else {"done": done}


def _settled_outside(state: State, retry: int) -> bool:
    """Whether a flow around the retry's is being undone, or all of it is about to be."""
    for other, region in state.regions.items():
        first, last = state.span(other)
        if region.goal == REVERT_ALL or (other != retry and first <= retry < last and region.undo is not None):
            return True
    return any(first < retry < last for first, last in map(state.span, state.dead))


def resolve(state: State) -> Iterator[Draft]:
    """Turn the run round where a failure has nobody who is asked about it, or whoever was asked said REVERT_ALL."""
    if any(region.goal == REVERT_ALL for region in state.regions.values()) or (
        state.resolves and any(who == NOBODY and not closed(state, atom) for atom, who in state.unresolved.items())
    ):
        yield whole(state)


def whole(state: State) -> Draft:
    """The record that has the whole run undone for its failures."""
    facts: dict[str, Any] = {"cause": "failure", "atoms": [a for a in state.failures if a < state.atoms]}
    told = next(iter(state.unresolved), None)
    if told is None:
        told = next((region.failed for region in state.regions.values()), None)
    if told in state.fans:  # of a fan-out its elements have something to tell
        fan = state.fans[told]
        told = next((slot for slot in state.failures if fan.base <= slot < fan.base + fan.count), told)
    if told in state.failures:
        facts["failure"] = state.failures[told]
    return Draft(RUN_REVERTING, facts)
