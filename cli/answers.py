"""What commands answer about many runs, and the exit codes that say how they ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from ..engine.core.states import RunState

REVERTED = (RunState.REVERTED, RunState.REVERTED_PARTLY)


def brief_failure(failure: dict[str, Any]) -> str:
    """A failure in one line: `ship: CarrierRefused: the carrier does not deliver to Chile`."""
    kind = str(failure.get("type", "failure")).rpartition(".")[2]
    message = " ".join(str(failure.get("message", "")).split())
    return f"{failure['atom']}: {kind}: {message}" if message else f"{failure['atom']}: {kind}"


def batch(runs: Iterable[tuple[UUID, RunState]], seconds: float) -> dict[str, Any]:
    """What `run --each` and `resume --all` answer."""
    told = list(runs)
    states = Counter(str(state) for _, state in told)
    return {
        "runs": len(told),
        "states": {str(state): states[state] for state in RunState if states[state]},
        "ids": [run for run, _ in told],
        "seconds": round(seconds, 3),
    }


def run_code(states: Iterable[RunState]) -> int:
    """The exit code of `run`: 0 all SUCCESS, 3 some reverted and none worse, else 1."""
    found = set(states)
    if found <= {RunState.SUCCESS}:
        return 0
    return 3 if found <= {RunState.SUCCESS, *REVERTED} else 1


def settled_code(states: Iterable[RunState]) -> int:
    """The exit code of `resume` and `revert`: 0 when all are SUCCESS or reverted, else 1."""
    return int(run_code(states) == 1)
