"""What follows from a failure: who is asked, and what is undone.

A task that fails asks the nearest controller of a scope around it; a controller may have the scope tried again, or
hand the question outward. Where nobody answers, everything that ran is reverted. Controllers are not there yet, so
today the last sentence is the whole story; the question already has its place here, and `decide` asks nobody else.
"""

from __future__ import annotations

from collections.abc import Iterator

from .records import RUN_REVERTING, Draft
from .state import State


def resolve(state: State) -> Iterator[Draft]:
    """The records that follow from the failures of a run in which nothing is running any more or may start."""
    yield Draft(RUN_REVERTING, {"cause": "failure", "atoms": list(state.failures)})
