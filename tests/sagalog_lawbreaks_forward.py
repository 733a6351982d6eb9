"""The laws of the way forward, broken."""

from __future__ import annotations

from sagalog_lawkit import (
    at,
    begun,
    breaks,
    call,
    changed,
    counted,
    failed,
    fanned,
    lacking,
    put,
    ran,
    scoped,
    sound,
    task,
    timed,
    two,
    unknown,
    watched,
    without,
)

from sagalog.codec.values import encode
from sagalog.engine.core.inputs import EXECUTE, PROBE, Amend, Revert, SkipRevert
from sagalog.engine.core.records import Draft
from sagalog.engine.definition import AlwaysRevert, Recovery, happened, unordered
from sagalog.testing import Play
from sagalog.testing.laws import Watch, durable


@breaks("intent before effect")
def code_is_called_before_its_intent() -> None:
    watched(begun(two()), sound(begun(two()))).calling(call(EXECUTE, 1))


@breaks("intent before effect")
def code_is_called_after_its_outcome() -> None:
    watched(ran(two()), sound(ran(two()))).calling(call(EXECUTE, 0))


@breaks("intent before effect")
def code_is_called_on_the_intent_of_another_owner() -> None:
    watch = watched(begun(two()), sound(begun(two())))
    watch.calling(call(EXECUTE, 0), epoch=2)


@breaks("one call an intent")
def code_is_called_twice() -> None:
    watch = watched(begun(two()), sound(begun(two())))
    watch.calling(call(EXECUTE, 0))
    watch.calling(call(EXECUTE, 0))


def _again() -> tuple[Watch, Play]:
    """A task was called, and its second attempt is about to be."""
    play = begun(two())
    rows = sound(play)
    watch = watched(play, rows)
    watch.calling(call(EXECUTE, 0), "k")
    play.wait()
    play.fire()
    watch.committed(durable(play.records)[len(rows) :])
    return watch, play


@breaks("keys")
def another_attempt_has_another_key() -> None:
    watch, _ = _again()
    watch.calling(call(EXECUTE, 0, 2), "l")


@breaks("keys")
def another_call_has_the_same_key() -> None:
    watch, play = _again()
    known = len(play.records)
    watch.calling(call(EXECUTE, 0, 2), "k")
    play.succeed()
    watch.committed(durable(play.records)[known:])
    watch.calling(call(EXECUTE, 1), "k")


@breaks("outcome of an intent")
def an_outcome_is_that_of_another_attempt() -> None:
    play = ran(two())
    watched(play, changed(sound(play), at(play, "task.success a"), attempt=2))


@breaks("outcome of an intent")
def what_is_unknown_succeeds_by_itself() -> None:
    play = unknown(Recovery.RERUN)
    rows = sound(play)
    watched(play, put(rows, len(rows) + 1, "task.success", atom=0, execution=1, attempt=1))


@breaks("outcome of an intent")
def a_revert_ends_as_another_attempt() -> None:
    play = failed(two(), "b")
    watched(play, changed(sound(play), at(play, "task.reverted a"), attempt=3))


@breaks("outcome before dependents")
def a_task_starts_before_what_it_waits_for() -> None:
    play = ran(two())
    rows, success = sound(play), at(play, "task.success a")
    rows[success - 1], rows[success] = rows[success], rows[success - 1]
    watched(play, counted(rows))


@breaks("started once")
def an_attempt_is_begun_twice() -> None:
    play = timed()
    watched(play, changed(sound(play), at(play, "task.running a", 2), attempt=1))


@breaks("started once")
def an_execution_is_begun_again() -> None:
    play = scoped()
    watched(play, changed(sound(play), at(play, "task.running a", 2), execution=1))


@breaks("started once")
def a_revert_begins_with_its_second_attempt() -> None:
    play = failed(two(), "b")
    watched(play, changed(sound(play), at(play, "task.reverting a"), attempt=2))


@breaks("attempts")
def it_is_tried_too_often() -> None:
    play = timed()
    watched(play, sound(play), most={"a": 2})
    watched(play, sound(play), most={"a": 1})


@breaks("order")
def what_comes_later_is_begun_first() -> None:
    play = begun(unordered("f").add(task("a"), task("b")))
    watched(play, changed(sound(play), at(play, "task.running a"), atom=1))


@breaks("order")
def what_comes_earlier_is_reverted_first() -> None:
    play = ran(unordered("f").add(task("a"), task("b")))
    play.take(Revert({}, None))
    play.advance()
    watched(play, changed(sound(play), at(play, "task.reverting b"), atom=0))


@breaks("capacity")
def too_much_is_under_way() -> None:
    play = begun(unordered("f").add(task("a"), task("b")), capacity=2)
    watch = watched(play, sound(play))
    watch.between(2)
    watch.between(1)


@breaks("recovery")
def what_a_person_was_to_be_asked_about_is_run_again() -> None:
    play = unknown(Recovery.ASK)
    rows = sound(play)[:-1]
    watched(play, put(rows, len(rows) + 1, "task.running", atom=0, execution=1, attempt=2))


@breaks("recovery")
def what_was_to_be_skipped_is_run_again() -> None:
    play = unknown(Recovery.SKIP)
    rows = sound(play)
    watched(play, put(rows, len(rows) + 1, "task.running", atom=0, execution=1, attempt=2))


@breaks("recovery")
def what_was_to_be_probed_is_run_again() -> None:
    play = unknown(Recovery.PROBE, probe=happened)
    watch = Watch(play.definition)
    rows = sound(play)
    watch.committed(rows[:3])
    watch.calling(call(EXECUTE, 0))
    watch.committed(rows[3:])
    watch.committed(durable([Draft("task.running", {"atom": 0, "execution": 1, "attempt": 2})], len(rows) + 1))


@breaks("recovery")
def what_its_probe_knows_of_is_run_again() -> None:
    play = unknown(Recovery.PROBE, probe=happened)
    watch = Watch(play.definition)
    rows = sound(play)
    watch.committed(rows[:3])
    watch.calling(call(EXECUTE, 0))
    watch.returned(call(EXECUTE, 0))
    watch.committed(rows[3:])
    watch.calling(call(PROBE, 0))
    watch.committed(durable([Draft("task.running", {"atom": 0, "execution": 1, "attempt": 2})], len(rows) + 1))


@breaks("recovery")
def what_is_to_run_again_is_skipped() -> None:
    play = unknown(Recovery.RERUN)
    rows = sound(play)
    watched(play, put(rows, len(rows) + 1, "task.success", atom=0, execution=1, attempt=1, skipped=True))


@breaks("recovery")
def a_revert_is_skipped_and_nobody_said_so() -> None:
    play = begun(two())
    play.fail(of="a")
    play.fail(of="a")
    play.take(SkipRevert(0, None, {}, None))
    watched(play, without(sound(play), at(play, "operator.amended a")))


@breaks("recovery")
def an_atom_is_amended_and_nobody_said_so() -> None:
    play = unknown(Recovery.ASK)
    play.take(Amend(0, None, "SUCCESS", encode(1), {}, None))
    watched(play, without(sound(play), at(play, "operator.amended a")))


@breaks("elements")
def a_fan_out_is_opened_over_more_than_was_listed() -> None:
    play = fanned()
    watched(play, changed(sound(play), at(play, "each.opened file"), count=3))


@breaks("elements")
def an_element_is_run_that_is_not_there() -> None:
    play = fanned()
    watched(play, changed(sound(play), at(play, "task.running file[1]"), instance=2))


@breaks("elements")
def a_fan_out_is_done_before_its_elements() -> None:
    play = fanned()
    rows = sound(play)[: at(play, "task.success file[0]")]
    facts = {"atom": 0, "execution": 1, "attempt": 1, "successes": 1, "errors": 0}
    watched(play, put(rows, len(rows) + 1, "task.success", **facts))


@breaks("providers")
def something_starts_without_what_it_must_have() -> None:
    play = lacking(optional=False)
    ignored = at(play, "task.ignored b")
    watched(play, changed(sound(play), ignored, type="task.running", execution=1, attempt=1))


@breaks("providers")
def something_takes_its_default_in_silence() -> None:
    play = lacking(optional=True)
    watched(play, changed(sound(play), at(play, "task.running b"), defaulted=[]))


@breaks("providers")
def something_is_passed_by_that_has_all_it_needs() -> None:
    play = ran(two())
    missing = {"execution": 0, "attempt": 0, "cause": "provider", "missing": "x"}
    watched(play, changed(sound(play), at(play, "task.running b"), type="task.ignored", **missing))


@breaks("closed flow")
def something_starts_while_a_retry_is_asked() -> None:
    play = begun(unordered("f", AlwaysRevert("r")).add(task("a"), task("b")))
    play.succeed(of="r")
    play.fail(of="a")
    rows = sound(play)
    watched(play, put(rows, len(rows) + 1, "task.running", atom=2, execution=1, attempt=1))
