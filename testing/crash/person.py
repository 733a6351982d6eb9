"""The person that a flow asks after a crash: on the stage there is one, who knows what happened and says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from ...engine.core.inputs import EXECUTE, REVERT
from ...engine.core.states import RunState
from ...engine.runtime.engine import Engine
from ...engine.runtime.taking import look
from ...engine.runtime.views import AtomView
from ...errors import UsageError
from .watch import Seen

WORDS = {"by": "crash-kit", "reason": "on the stage it is known what became of it"}
Question = tuple[str, str]
"""(kind of call, atom or element) of which nobody knows the outcome."""


def questions(engine: Engine, run: UUID) -> list[Question]:
    """What a run that stands still wants to be told."""
    state = engine.perform(lambda: look(run)).state
    if state.run is not RunState.FAILURE:
        return []
    asked = [(EXECUTE, state.name(slot)) for slot in state.asked if slot in state.unknown]
    return asked + [(REVERT, state.name(slot)) for slot in state.lost]


def answer(
    engine: Engine, run: UUID, question: Question, lives: Sequence[Seen], unharmed: Mapping[str, AtomView]
) -> None:
    """Tell the run the truth; `unharmed`: the atoms as they are after a run without a crash, with what they returned."""
    kind, name = question
    happened = has_happened(question, lives)
    if kind == REVERT:
        (engine.skip_revert if happened else engine.retry_revert)(run, name, **WORDS)
        return
    view = unharmed.get(name)
    if happened and view is not None and view.failure is not None:
        engine.amend(run, name, state="FAILURE", result=view.failure.message, **WORDS)
    elif happened:
        engine.amend(run, name, state="SUCCESS", result=None if view is None else view.result, **WORDS)
    else:
        try:
            engine.amend(run, name, state="PENDING", **WORDS)
        except UsageError:  # it is being undone, and nothing of that is started afresh
            engine.amend(run, name, state="FAILURE", result="it never took place", **WORDS)


def has_happened(question: Question, lives: Sequence[Seen]) -> bool:
    """Whether the last call of that kind was made, as far as its effect goes."""
    about = [point for seen in lives for point in seen.points if point.call == question]
    return bool(about) and about[-1].doubtful is not None
