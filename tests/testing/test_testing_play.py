"""Given these records, when this comes in, then these records and calls."""

from __future__ import annotations

import pytest

from sagalog.engine.core.decide import Progressed, Succeeded
from sagalog.engine.core.states import RunState, TaskState
from sagalog.engine.definition import FunctorTask, Recovery, Times, each, linear, unordered
from sagalog.errors import CorruptLog, UsageError
from sagalog.testing import Draft, Play, Recover, Resume, answers, fails, probes, succeeds


def step(name: str) -> FunctorTask:
    return FunctorTask(lambda: None, name=name, revert=lambda: None)


def two() -> Play:
    return Play(linear("f").add(step("a"), step("b")))


def test_a_run_from_the_beginning() -> None:
    play = two()
    play.when(Resume()).then("run.running", "task.running a", calls=["execute a"])
    play.when(succeeds("a")).then("task.success a", "task.running b", calls=["execute b"])
    play.when(succeeds()).then("task.success b", "run.success", calls=[])
    assert play.state.run is RunState.SUCCESS


def test_records_that_stand_there_already_may_be_texts_drafts_or_those_of_another_run() -> None:
    told = ["run.running", "task.running a", "task.success a", "task.running b"]
    facts = {"atom": 0, "execution": 1, "attempt": 1}
    by_text = two().given(*told)
    by_draft = two().given(Draft("run.running", {}), Draft("task.running", facts), Draft("task.success", facts), told[3])
    of_another = Play(linear("f").add(step("a"), step("b")), never_resolve=True).given(*by_text.records)
    for play in (by_text, by_draft, of_another):
        assert play.all_told() == told
        assert [play.whose(call) for call in play.calls] == ["b"]
        assert play.state == two().given(*told).state
        play.when(fails("b", KeyError))
        play.then("task.failure b", "run.reverting", "task.reverting b", calls=["revert b"])
        assert play.records[-3].facts["classes"][0].endswith("KeyError")
        assert play.refold() == play.state


def test_a_text_is_about_the_present_execution_and_attempt() -> None:
    again = {"atom": 0, "execution": 3, "attempt": 2}
    play = two().given("run.running", Draft("task.running", again))
    assert play.calls == [("execute", 0, 3, 2, None)]
    play.given("task.failure a", "run.reverting", "task.reverting a")
    assert [(draft.facts["execution"], draft.facts["attempt"]) for draft in play.records[3::2]] == [(3, 2), (3, 1)]
    assert play.calls == [("revert", 0, 3, 1, None)]


def test_a_revert_that_stands_there_is_under_way() -> None:
    play = two().given("run.running", "task.running a", "task.failure a", "run.reverting", "task.reverting a")
    play.when(succeeds("a")).then("task.reverted a", "run.reverted", calls=[])
    assert play.state.task[0] is TaskState.REVERTED


def test_a_new_owner_does_not_know_what_became_of_what_was_under_way() -> None:
    play = two().given("run.running", "task.running a")
    play.calls.clear()
    play.when(Recover(), Resume()).then("task.unknown a", "task.running a", calls=["execute a"])


def test_a_probe_says_what_became_of_a_call() -> None:
    careful = FunctorTask(lambda: None, name="a", revert=lambda: None, recovery=Recovery.PROBE, probe=lambda: None)

    def cut_short() -> Play:
        play = Play(linear("f").add(careful)).given("run.running", "task.running a")
        play.calls.clear()
        return play.when(Recover(), Resume()).then("task.unknown a", calls=["probe a"])

    cut_short().when(probes("happened", "a", 7)).then("task.success a", "run.success", calls=[])
    cut_short().when(probes("did_not_happen")).then("task.running a", calls=["execute a"])
    cut_short().when(probes("dont_know")).then("run.failure", calls=[])


def test_a_question_that_is_asked_once_more_is_a_call_once_more() -> None:
    play = Play(linear("f", retry=Times(3, name="again")).add(step("a")))
    play.given("run.running", "retry.running again", "retry.success again", "task.running a", "task.failure a")
    play.when().then(calls=["on_failure again"])
    play.when(fails("again")).then("retry.consulted again", "run.failure", calls=[])
    play.when(Resume()).then("run.running", calls=["on_failure again"])


def test_an_input_made_by_hand_ends_its_call() -> None:
    play = two().when(Resume())
    play.when(Succeeded(play.calls[0], b"1")).then("task.success a", "task.running b", calls=["execute b"])
    play.when(Progressed(play.calls[0], 0.5, None)).then("task.progress b", calls=[])
    assert [play.whose(call) for call in play.calls] == ["b"]


def test_a_retry_is_asked_and_its_question_is_a_call() -> None:
    play = Play(linear("f", retry=Times(3, name="again")).add(step("a")))
    play.given("run.running", "retry.running again", "retry.success again", "task.running a")
    play.when(fails("a")).then("task.failure a", calls=["on_failure again"])
    play.when(answers("RETRY", "again"))
    assert play.last[0].startswith("retry.consulted") and play.begun == ["revert a"]


def test_elements_of_a_fan_out_and_siblings_by_name() -> None:
    files = FunctorTask(lambda file: None, name="file", revert=lambda: None)
    play = Play(linear("f").add(each(files, over="files")), capacity=2)
    play.when(Resume())
    play.expand(3)
    play.when(succeeds("file[1]")).then("task.success file[1]", "task.running file[2]", calls=["execute file[2]"])
    siblings = Play(unordered("f").add(step("a"), step("b")), capacity=2)
    siblings.given("run.running", "task.running a", "task.running b")
    siblings.when(succeeds("b")).then("task.success b", calls=[])


def test_what_does_not_hold_is_shown_beside_what_was_found() -> None:
    play = two().when(Resume())
    with pytest.raises(AssertionError, match=r"records: expected\n    run.running\nfound\n    run.running\n    task.run"):
        play.then("run.running")
    with pytest.raises(AssertionError, match=r"calls: expected\n    \(none\)\nfound\n    execute a"):
        play.then("run.running", "task.running a", calls=[])


def test_mistakes_say_what_was_expected() -> None:
    with pytest.raises(UsageError, match="no atom 'c' in flow 'f'; there are a, b"):
        two().given("task.running c")
    for told in ("task.running", "task.waiting a", "run.running a", "nonsense", ""):
        with pytest.raises(UsageError, match=r"expected a record like 'run\.running'"):
            two().given(told)
    with pytest.raises(CorruptLog):
        two().given("run.running", "task.success a")
    with pytest.raises(UsageError, match="expected a call of b under way, found a"):
        two().when(Resume()).when(succeeds("b"))
    with pytest.raises(UsageError, match="expected a call on_failure, found execute a"):
        two().when(Resume()).when(answers("RETRY"))
