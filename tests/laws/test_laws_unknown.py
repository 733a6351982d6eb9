"""Law 6: an unknown outcome is never guessed, and what reverts is not executed again."""

from __future__ import annotations

from typing import Any

import pytest
from sagalog_play import Play

from sagalog.engine.core.decide import Failed, Recover, Resume, Revert, Suspend
from sagalog.engine.core.states import RunState, TaskState
from sagalog.engine.definition import FunctorTask, Recovery, happened, linear, unordered


def step(name: str, **options: Any) -> FunctorTask:
    return FunctorTask(lambda: None, name=name, revert=lambda: None, **options)


def begun(flow: object, capacity: int) -> Play:
    play = Play(flow, capacity)
    play.take(Resume())
    play.advance()
    return play


def crash(play: Play) -> None:
    """Lose what is under way, and fold anew what the log has."""
    play.calls.clear()
    play.state = play.refold()


def test_a_probe_that_raises_has_answered_nothing() -> None:
    play = begun(linear("f").add(step("a", recovery=Recovery.PROBE, probe=lambda: happened())), capacity=1)
    crash(play)
    assert play.take(Recover(), Resume()) == ["task.unknown a"]
    call = play.next()
    assert call.kind == "probe"
    assert play.take(Failed(call, ("OSError",), b"{}")) + play.advance() == ["run.failure"]
    assert play.calls == [] and list(play.state.asked) == [0]
    assert play.state.task[0] is TaskState.UNKNOWN


def test_a_probe_of_a_revert_that_raises_has_answered_nothing() -> None:
    task = step("a", revert_recovery=Recovery.PROBE, probe_revert=lambda: happened())
    play = begun(linear("f").add(task), capacity=1)
    play.succeed()
    play.take(Recover(), Revert({}, None), Resume())
    play.advance()
    crash(play)
    assert play.take(Recover(), Resume()) == ["task.revert_unknown a"]
    assert play.take(Failed(play.next(), ("OSError",), b"{}")) + play.advance() == ["run.failure"]
    assert play.calls == [] and play.state.task[0] is TaskState.REVERT_UNKNOWN


@pytest.mark.parametrize("recovery", [Recovery.RERUN, Recovery.SKIP])
def test_a_sibling_cut_short_beside_a_failure_is_reverted_as_it_is(recovery: Recovery) -> None:
    """The failure came while the run was being suspended, so nothing has been reverted yet when it goes on."""
    play = begun(unordered("f").add(step("a"), step("b", recovery=recovery)), capacity=2)
    play.take(Suspend({}, None))
    assert play.fail() == ["task.failure a"]
    crash(play)
    told = play.take(Recover(), Resume()) + play.advance()
    assert told == [
        "task.unknown b", "run.suspended", "run.running", "run.reverting", "task.reverting b", "task.reverting a",
    ]  # fmt: skip
    assert {call.kind for call in play.calls} == {"revert"}
    assert play.state.run is RunState.REVERTING
