"""Runs of generated flows with everything in them, tried by choices; what must hold is in `sagalog.testing.laws`."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sagalog_mixed import Choose, mixed
from sagalog_trial import Trial

BLOCK = 250
"""How many seeds are one test."""


def tried(choose: Choose, size: int, turns: int) -> Trial:
    trial = Trial(mixed(choose, size), choose, turns)
    trial.play()
    assert trial.refold() == trial.state == trial.looked_on.state
    return trial


@given(st.data(), st.integers(1, 5))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_is_chosen_all_that_must_hold_does(data: st.DataObject, size: int) -> None:
    """Few choices, so that hypothesis can make a fault small."""
    tried(lambda n: data.draw(st.integers(0, n - 1)), size, 8)


@pytest.mark.parametrize("block", range(10))
def test_in_runs_of_many_turns_too(block: int) -> None:
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        try:
            tried(random.Random(seed).randrange, 2 + seed % 9, 60)
        except Exception as fault:
            fault.add_note(f"with seed {seed}")
            raise


def test_the_trials_come_by_everything() -> None:
    """Else they would be blind to what never happens in them."""
    seen: Counter[str] = Counter()
    for seed in range(600):
        trial = tried(random.Random(seed).randrange, 8, 60)
        for draft in trial.records:
            seen[draft.type] += 1
            seen.update(f"{draft.type}: {draft.facts[fact]}" for fact in FACTS if fact in draft.facts)
        seen[f"ends {trial.state.run}"] += 1
    missing = [what for what in EVERYTHING if not seen[what]]
    assert not missing, f"never happened: {missing}"


FACTS = ("done", "depth", "action", "cause")
EVERYTHING = (
    *(f"{kind}.{what}" for kind in ("task", "retry") for what in (
        "running", "waiting", "success", "failure", "ignored", "unknown", "reverting", "reverted", "revert_failure",
        "revert_unknown", "pending",
    )),
    *(f"retry.consulted: {done}" for done in ("retry", "deferred", "revert", "revert_all", "raised", "overruled")),
    *(f"decider.answered: {depth}" for depth in ("ALL", "FLOW", "NEIGHBORS", "ATOM")),
    *(f"operator.amended: {action}" for action in ("amend", "retry_revert", "skip_revert")),
    *(f"task.ignored: {cause}" for cause in ("decider", "group", "provider", "recovery", "given_up")),
    *(f"run.failure: {cause}" for cause in ("revert_failure", "ask", "raised", "never_resolve")),
    *(f"ends {state}" for state in ("SUCCESS", "REVERTED", "REVERTED_PARTLY")),
    "retry.retrying", "retry.given_up", "group.settled", "each.elements", "each.opened", "timer.set", "timer.fired",
    "timer.cancelled", "task.progress", "run.waiting", "run.suspending", "run.suspended", "run.recovered", "run.pending",
)  # fmt: skip
