"""Who looks on: what it keeps, what it says in which words, and that it is heard by those who play runs."""

from __future__ import annotations

import pytest
from sagalog_lawkit import at, begun, changed, fanned, nested, put, ran, scoped, sound, two, watched

from sagalog.engine.core.inputs import EXECUTE, REVERT, Call
from sagalog.engine.core.states import RunState
from sagalog.testing import Ledger
from sagalog.testing.laws import Called, End, LawBroken, Watch, allowed, difference, differences, durable, stuck


def test_it_folds_a_state_of_its_own_from_stored_bytes() -> None:
    play = scoped()
    watch = watched(play, sound(play))
    assert watch.state is not play.state
    assert watch.state == play.state
    assert watch.records == len(play.records)
    assert difference(watch.state, play.state) is None


def test_a_live_state_behind_the_log_is_held_against_the_log_up_to_there() -> None:
    play = begun(two())
    behind = play.refold()
    play.succeed()
    watch = watched(play, sound(play))
    watch.live(behind)
    behind.result[0] = 9
    with pytest.raises(LawBroken, match=r"at version 3, live and folded: result of a: 9 and 0"):
        watch.live(behind)


def test_once_a_law_is_broken_it_stays_so() -> None:
    play = ran(two())
    watch = Watch(play.definition)
    rows = sound(play)
    with pytest.raises(LawBroken) as first:
        watch.committed(rows[2:])
    for again in (lambda: watch.committed(rows), watch.between, watch.rests, lambda: watch.live(play.state)):
        with pytest.raises(LawBroken) as found:
            again()
        assert found.value is first.value


def test_what_takes_long_is_looked_at_once_in_so_many_turns() -> None:
    play = begun(two())
    watch = watched(play, sound(play), every=3)
    watch.state.open = 7
    watch.between()
    watch.between()
    with pytest.raises(LawBroken, match="7 atoms are said to be open, and 2 are"):
        watch.between()


def test_what_it_says_names_atoms_as_a_reader_does() -> None:
    play = fanned()
    wrong = changed(sound(play), at(play, "task.success file"), errors=1)
    with pytest.raises(LawBroken) as found:
        watched(play, wrong)
    whose = "fan-out file (execution 1) (SUCCESS_ON_ALL_EVENTS_SUCCESS)"
    assert found.value.detail == f"{whose}: (successes, errors) is said to be (2, 1), and is (2, 0)"
    with pytest.raises(LawBroken) as found:
        watched(play, changed(sound(play), at(play, "task.running file[1]"), attempt=3))
    assert found.value.detail == "attempt 3 of file[1] (execution 1) is begun, and 0 of it were before"


def test_an_owner_who_was_slow_may_still_make_the_call_that_it_has_written_down() -> None:
    play = begun(two())
    watch = watched(play, sound(play))
    watch.committed(durable([], 4))
    claimed = put(durable(play.records), 4, "run.claimed", worker="00", by=2)
    claimed = put(changed(claimed, 4, epoch=2), 5, "task.unknown", atom=0, execution=1, attempt=1, by=2)
    watch.committed(claimed[3:])
    watch.calling(Call(EXECUTE, 0, 1, 1), epoch=1)
    with pytest.raises(LawBroken, match="its intent is not in the log"):
        watch.calling(Call(REVERT, 0, 1, 1), epoch=1)


def test_a_run_rests_when_it_is_over_or_waits() -> None:
    assert stuck(ran(two()).state) is None
    waiting = begun(two())
    waiting.wait(due=5)
    assert waiting.state.run is RunState.WAITING
    assert stuck(waiting.state) is None
    assert stuck(begun(two()).state) == "the run is RUNNING, and nobody goes on with it; under way: a"


def test_the_entries_of_a_ledger_are_calls() -> None:
    play = nested()
    ledger = Ledger()
    ledger.call("execute a")
    ledger.call("revert a")
    allowed(play.definition, sound(play), ledger.calls())
    with pytest.raises(LawBroken, match="revert of a \\(execution 1\\) succeeded, and was never called"):
        allowed(play.definition, sound(play), [Called("execute a")])


def test_differences_are_told_one_by_one() -> None:
    one = End("SUCCESS", {"a": ("SUCCESS", 1), "b": ("IGNORED", 0)}, {"x": 1}, frozenset({("execute a", "k")}))
    other = End("REVERTED", {"a": ("REVERTED", 2)}, {}, frozenset({("revert a", None)}))
    assert differences(one, other) == [
        "the run is SUCCESS, and REVERTED",
        "a is SUCCESS (execution 1), and REVERTED (execution 2)",
        "b is IGNORED (execution 0), and not there",
        "the result x is 1, and nothing",
        "only in the first: execute a, key k",
        "only in the second: revert a",
    ]
    assert differences(one, other, but=("a", "b", "x")) == ["the run is SUCCESS, and REVERTED"]
