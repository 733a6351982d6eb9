"""What was cut short while something is being undone, or suspended."""

from __future__ import annotations

from sagalog.engine.core.decide import Aborted, Recover, Resume, Revert, Suspend
from sagalog.engine.definition import AlwaysRevert, FunctorTask, linear
from sagalog.testing import Play, answers, fails, succeeds


def nothing() -> None: ...


def test_a_flow_is_not_done_with_while_a_person_is_to_say_what_became_of_a_revert() -> None:
    first = FunctorTask(nothing, name="first", revert=nothing, revert_recovery="ASK")
    play = Play(linear("f", AlwaysRevert("r")).add(first, FunctorTask(nothing, name="second", revert=nothing)))
    play.when(Resume()).when(succeeds("r")).when(succeeds("first")).when(fails("second"))
    play.when(answers("RETRY", "r")).when(succeeds("second"))
    assert play.last[-1] == "task.reverting first"
    play.calls.clear()
    play.when(Recover()).then("task.revert_unknown first", "run.failure")
    assert play.state.cause == "ask"


def broken_off(*before: object) -> Play:
    play = Play(linear("f").add(FunctorTask(nothing, name="only", revert=nothing)))
    play.when(Resume())
    play.when(*before)  # type: ignore[arg-type]  # inputs of the core
    (call,) = play.calls
    return play.when(Aborted(call, "40001"))


def test_what_the_database_broke_off_is_not_run_again_just_to_be_reverted() -> None:
    play = broken_off(Revert({}, None))
    play.then("task.failure only", "task.reverting only", calls=["revert only"])
    play.when(succeeds("only")).then("task.reverted only", "run.reverted")


def test_what_the_database_broke_off_is_run_again_when_its_run_is_resumed() -> None:
    play = broken_off(Suspend({}, None))
    play.then("task.waiting only", "run.suspended", calls=[])
    play.when(Resume()).then("run.running", "task.running only", calls=["execute only"])
    play.when(succeeds("only")).then("task.success only", "run.success")


def test_else_it_is_run_again_at_once() -> None:
    broken_off().then("task.waiting only", "task.running only", calls=["execute only"])
