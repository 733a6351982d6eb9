"""The laws of failures and of the way back, broken."""

from __future__ import annotations

from typing import Any

from sagalog_lawkit import (
    at,
    begun,
    breaks,
    changed,
    counted,
    failed,
    fan,
    fanned,
    gated,
    grouped,
    live,
    nested,
    put,
    ran,
    scoped,
    sound,
    task,
    two,
    watched,
    without,
)

from sagalog.engine.core.inputs import Revert, Suspend
from sagalog.engine.definition import AlwaysRevert, OutcomePolicy, linear, unordered


@breaks("right retry")
def the_outer_retry_is_asked_first() -> None:
    play = nested()
    watched(play, changed(sound(play), at(play, "retry.consulted inner"), failed=1))


@breaks("right retry")
def a_retry_is_asked_again() -> None:
    play = begun(unordered("f", AlwaysRevert("r")).add(task("a"), task("b")), capacity=2)
    play.succeed(of="r")
    play.fail(of="a")
    play.answer("RETRY", of="r")
    asked = at(play, "retry.consulted r")
    watched(play, put(sound(play), asked, "retry.consulted", **{**play.records[asked - 1].facts, "execution": 2}))


@breaks("right retry")
def the_run_is_undone_and_nobody_was_asked() -> None:
    play = begun(linear("f", AlwaysRevert("r")).add(task("a")))
    play.succeed(of="r")
    play.fail(of="a")
    rows = sound(play)
    watched(play, put(rows, len(rows) + 1, "run.reverting", cause="failure", atoms=[1]))


@breaks("retry's answer")
def a_retry_that_gave_up_is_tried_again() -> None:
    play = nested()
    watched(play, changed(sound(play), at(play, "retry.consulted inner"), done="retry"))


@breaks("retry's answer")
def a_flow_is_tried_again_and_nobody_said_so() -> None:
    play = scoped()
    watched(play, put(sound(play), at(play, "retry.consulted r"), "retry.retrying", atom=0, execution=1, attempt=1))


@breaks("history")
def a_retry_is_shown_tries_that_it_has_not_made() -> None:
    play = scoped()
    watched(play, changed(sound(play), at(play, "retry.consulted r"), tries=2))


@breaks("history")
def a_retry_remembers_what_it_should_not() -> None:
    watch, _ = live(scoped())
    watch.between(whole=True)
    watch.state.history[0].append((3, {}))
    watch.between(whole=True)


@breaks("retry scope")
def a_flow_is_tried_again_before_all_of_it_is_undone() -> None:
    play = scoped()
    rows = sound(play)
    gone = at(play, "task.reverting a")
    watched(play, counted([*rows[: gone - 1], *rows[gone + 1 :]]))


@breaks("never resolve")
def a_failure_is_resolved_that_never_was_to_be() -> None:
    play = failed(two(), "b")
    watched(play, changed(sound(play), 1, never_resolve=True))


@breaks("never resolve")
def a_retry_is_asked_that_never_was_to_be() -> None:
    play = scoped()
    watched(play, changed(sound(play), 1, never_resolve=True))


@breaks("group")
def a_verdict_is_not_what_the_policy_says() -> None:
    play = grouped()
    watched(play, changed(sound(play), at(play, "group.settled"), ok=False))


@breaks("group")
def something_is_begun_before_a_group_is_judged() -> None:
    members = unordered("g", outcome=OutcomePolicy.SUCCESS_FOR_PARTIAL_SUCCESS).add(task("a"), task("b"))
    play = ran(unordered("f").add(members, task("c")))
    rows, settled = sound(play), at(play, "group.settled")
    rows[settled - 1 : settled + 1] = reversed(rows[settled - 1 : settled + 1])
    watched(play, counted(rows))


@breaks("group")
def a_group_counts_wrongly() -> None:
    play = grouped()
    watched(play, changed(sound(play), at(play, "group.settled"), errors=2))


@breaks("group")
def a_fan_out_counts_wrongly() -> None:
    play = fanned()
    watched(play, changed(sound(play), at(play, "task.success file"), successes=1))


@breaks("group spares")
def the_rest_of_a_failed_member_is_begun() -> None:
    play = grouped()
    watched(play, changed(sound(play), at(play, "task.ignored b"), type="task.running", execution=1, attempt=1))


@breaks("group spares")
def the_rest_of_a_failed_member_is_left_open() -> None:
    play = grouped()
    watched(play, sound(play)[: at(play, "task.ignored b") - 1])


@breaks("group spares")
def an_element_is_begun_after_another_has_failed() -> None:
    play = begun(fan())
    play.expand(2)
    play.fail(of="file[0]")
    failed_at = at(play, "task.failure file")
    facts = {"atom": 0, "instance": 1, "execution": 1, "attempt": 1}
    watched(play, put(sound(play), failed_at, "task.running", **facts))


@breaks("decider")
def a_refusal_reaches_too_little() -> None:
    play = gated()
    watched(play, without(sound(play), at(play, "task.ignored c")))


@breaks("decider")
def a_refusal_reaches_too_much() -> None:
    play = gated("ATOM")
    ignored = at(play, "task.ignored b")
    watched(play, put(sound(play), ignored + 1, "task.ignored", atom=2, execution=0, attempt=0, cause="decider"))


@breaks("decider")
def a_refusal_is_said_to_be_wider() -> None:
    play = gated("ATOM")
    watched(play, changed(sound(play), at(play, "decider.answered"), depth="ALL"))




@breaks("without need")
def something_is_reverted_in_a_run_that_goes_on() -> None:
    play = ran(two())
    rows = sound(play)[: at(play, "task.success a")]
    watched(play, put(rows, len(rows) + 1, "task.reverting", atom=0, execution=1, attempt=1))


@breaks("siblings finish")
def something_is_reverted_while_a_sibling_is_under_way() -> None:
    play = begun(unordered("f").add(task("a"), task("b")), capacity=2)
    play.fail(of="a")
    rows = sound(play)
    watched(play, put(rows, len(rows) + 1, "task.reverting", atom=0, execution=1, attempt=1))


@breaks("never started")
def something_is_reverted_that_never_ran() -> None:
    play = failed(two(), "b")
    watched(play, changed(sound(play), at(play, "task.reverting a"), execution=2))


@breaks("once per execution")
def an_execution_is_reverted_twice() -> None:
    play = scoped()
    play.take(Revert({}, None))
    play.advance()
    rows = sound(play)
    watched(play, changed(rows, at(play, "task.reverting b", 2), execution=1))


@breaks("reverse order")
def something_is_reverted_before_what_waited_for_it() -> None:
    play = ran(two())
    play.take(Revert({}, None))
    play.advance()
    watched(play, changed(sound(play), at(play, "task.reverting b"), atom=0))


@breaks("compensation")
def what_has_a_revert_is_said_to_have_nothing_to_revert() -> None:
    play = failed(two(), "b")
    watched(play, changed(sound(play), at(play, "task.reverted a"), outcome="nothing_to_revert"))


@breaks("compensation")
def what_is_irreversible_is_said_to_be_reverted() -> None:
    play = failed(linear("f").add(task("a", revert=False, compensation="irreversible"), task("b")), "b")
    watched(play, changed(sound(play), at(play, "task.reverted a"), outcome="reverted"))




@breaks("nothing after the end")
def something_starts_in_a_run_that_is_over() -> None:
    play = ran(two())
    rows = sound(play)
    watched(play, put(rows, len(rows) + 1, "task.running", atom=0, execution=2, attempt=1))


@breaks("end state")
def a_run_is_over_before_its_atoms() -> None:
    play = ran(two())
    rows = sound(play)[: at(play, "task.success a")]
    watched(play, put(rows, len(rows) + 1, "run.success"))


@breaks("end state")
def a_run_is_said_to_be_reverted_and_something_stays() -> None:
    play = failed(linear("f").add(task("a", revert=False, compensation="irreversible"), task("b")), "b")
    watched(play, changed(sound(play), at(play, "run.reverted_partly"), type="run.reverted"))


@breaks("end state")
def a_run_is_said_to_be_reverted_partly_and_nothing_stays() -> None:
    play = failed(two(), "b")
    watched(play, changed(sound(play), at(play, "run.reverted"), type="run.reverted_partly", atoms=[]))


@breaks("end state")
def a_run_is_suspended_while_code_is_under_way() -> None:
    play = begun(two())
    play.take(Suspend({}, None))
    rows = sound(play)
    watched(play, put(rows, len(rows) + 1, "run.suspended"))


@breaks("end state")
def an_execution_was_never_reverted() -> None:
    play = failed(two(), "b")
    watch = watched(play, sound(play))
    watch.ended()
    watch.seen.begun[0, None, 9] = 1
    watch.ended()


@breaks("reverse order")
def the_first_element_is_reverted_first() -> None:
    play = fanned()
    play.take(Revert({}, None))
    play.advance()
    watched(play, changed(sound(play), at(play, "task.reverting file[1]"), instance=0))


@breaks("compensation")
def what_cannot_be_undone_is_said_to_have_nothing_to_revert() -> None:
    play = failed(linear("f").add(task("a", revert=False, compensation="irreversible"), task("b")), "b")
    watched(play, changed(sound(play), at(play, "task.reverted a"), outcome="nothing_to_revert"))


@breaks("history")
def the_retry_outward_is_not_told_who_has_given_up() -> None:
    play = nested()
    rows = sound(play)
    passed_on = at(play, "retry.consulted inner")
    watch = watched(play, rows[: passed_on - 1])
    watch.state.history = Forgetful({0: [(0, {})]})
    watch.committed(rows[passed_on - 1 :])


class Forgetful(dict[int, Any]):
    """A dict that gives something else each time."""

    def get(self, key: int, default: Any = None) -> Any:
        return [(0, {})]


class Stubborn(dict[int, bool]):
    """A dict of which nothing is ever taken."""

    def pop(self, *keys: Any) -> bool:  # type: ignore[override]  # nothing is given back either
        return False


@breaks("retry scope")
def a_verdict_outlives_the_try_that_it_was_about() -> None:
    group = unordered("g", outcome=OutcomePolicy.SUCCESS_FOR_PARTIAL_SUCCESS).add(task("a"))
    play = begun(linear("f", AlwaysRevert("r")).add(group, task("b")))
    play.succeed()
    play.succeed(of="a")
    play.fail(of="b")
    play.answer("RETRY")
    while play.calls and play.state.execution[0] == 1:
        play.succeed()
    rows = sound(play)
    settled = at(play, "group.settled")
    watch = watched(play, rows[:settled])
    watch.state.verdicts = Stubborn(watch.state.verdicts)
    watch.committed(rows[settled:])


@breaks("progress")
def nobody_goes_on_with_a_run() -> None:
    watched(ran(two()), sound(ran(two()))).rests()
    watched(begun(two()), sound(begun(two()))).rests()
