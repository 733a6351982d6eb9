"""What stays done, by whichever execution: the run ends REVERTED_PARTLY, until a person has it reset."""

from __future__ import annotations

from typing import Any

import pytest
from sagalog_play import Play

from sagalog.engine.core.decide import Recover, Reset, Restore, Resume, Revert, Suspend
from sagalog.engine.core.states import RunState
from sagalog.engine.definition import AlwaysRevert, FunctorTask, each, linear


def for_good(name: str = "a") -> FunctorTask:
    return FunctorTask(lambda: None, name, compensation="irreversible")


def step(name: str) -> FunctorTask:
    return FunctorTask(lambda: None, name, revert=lambda: None)


def begun(flow: Any, **created: Any) -> Play:
    play = Play(flow, 1, **created)
    play.take(Resume())
    play.advance()
    return play


def test_what_an_earlier_try_did_for_good_stays() -> None:
    play = begun(linear("f", AlwaysRevert("r")).add(for_good(), step("b")))
    play.succeed(of="r"), play.succeed(of="a"), play.fail(of="b"), play.answer("RETRY"), play.succeed(of="b")
    play.fail(of="r")
    assert play.state.run is RunState.REVERTED_PARTLY
    assert play.records[-1].facts == {"atoms": [1]}
    assert play.refold() == play.state


@pytest.mark.parametrize("reset", [False, True])
def test_what_was_done_for_good_before_the_run_was_recovered_stays_until_it_is_reset(reset: bool) -> None:
    play = begun(linear("f").add(for_good(), step("b")))
    play.succeed(of="a"), play.fail(of="b"), play.succeed(of="b")
    assert play.state.run is RunState.REVERTED_PARTLY
    play.take(Recover(), Reset({}, None) if reset else Restore(None, {}, None), Revert({}, None))
    play.advance()
    assert play.state.run is (RunState.REVERTED if reset else RunState.REVERTED_PARTLY)


def test_what_a_later_execution_did_for_good_stays_though_an_earlier_one_did_nothing() -> None:
    play = begun(linear("f").add(for_good(), step("b")), never_resolve=True)
    play.fail(of="a")
    play.take(Recover(), Restore(None, {}, None))
    play.advance()
    play.succeed(of="a")
    play.take(Suspend({}, None))
    play.succeed(of="b")
    play.take(Revert({}, None))
    play.advance()
    play.succeed(of="b")
    outcomes = [record.facts["outcome"] for record in play.records if record.type == "task.reverted"]
    assert outcomes == ["reverted", "not_revertible", "nothing_to_revert"]
    assert play.state.run is RunState.REVERTED_PARTLY


def test_elements_of_a_fan_out_that_is_opened_anew_do_not_come_back() -> None:
    """An element failed, the run was recovered, and what the fan-out did needs no revert: then its flow is tried again."""
    many = each(FunctorTask(lambda item: None, "e"), into="item")
    play = begun(linear("f", AlwaysRevert("r")).add(many, step("b")))
    play.succeed(of="r"), play.expand(1), play.fail(of="e[0]")
    play.fail(of="r")  # its on_failure raises
    play.take(Recover(), Restore(None, {}, None))
    play.advance()
    play.succeed(of="r"), play.succeed(of="e[0]"), play.fail(of="b"), play.answer("RETRY"), play.succeed(of="b")
    play.succeed(of="r")
    assert not [slot for slot in play.state.earlier if slot >= play.state.atoms]
    play.expand(1), play.succeed(of="e[0]"), play.fail(of="b"), play.answer("RETRY")
    assert list(play.state.failures) == [2]
