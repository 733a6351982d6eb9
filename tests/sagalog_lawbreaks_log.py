"""The laws of the log and of the counters, broken."""

from __future__ import annotations

from sagalog_lawkit import (
    at,
    begun,
    breaks,
    changed,
    counted,
    live,
    put,
    ran,
    sound,
    task,
    timed,
    two,
    watched,
    without,
)

from sagalog.engine.definition import unordered
from sagalog.testing import Play
from sagalog.testing.laws import Durable, Watch


@breaks("gapless")
def a_record_is_missing() -> None:
    play = ran(two())
    rows = sound(play)
    watched(play, [*rows[:3], *rows[4:]])


@breaks("gapless")
def a_record_is_there_twice() -> None:
    play = ran(two())
    rows = sound(play)
    watched(play, [*rows[:4], rows[3], *rows[4:]])


def _claimed(play: Play) -> list[Durable]:
    """The rest of the run is by a second owner, from version 4 on."""
    rows = put(sound(play), 4, "run.claimed", worker="00", epoch=2)
    rows = [*rows[:3], *(row._replace(epoch=2) for row in rows[3:])]
    return changed(rows, 4, by=2)


@breaks("one writer")
def an_owner_who_was_fenced_out_writes() -> None:
    play = ran(two())
    rows = _claimed(play)
    watched(play, rows)
    watched(play, changed(rows, 6, by=1))


@breaks("one writer")
def a_new_owner_has_not_claimed_the_run() -> None:
    play = ran(two())
    rows = sound(play)
    watched(play, [*rows[:3], *(row._replace(epoch=2) for row in rows[3:])])


@breaks("one writer")
def a_claim_is_for_another_epoch() -> None:
    play = ran(two())
    rows = _claimed(play)
    watched(play, changed(rows, 4, epoch=3))


@breaks("one writer")
def an_old_owner_writes_before_the_new_one() -> None:
    play = ran(two())
    rows = sound(play)
    watch = watched(play, rows[:3])
    watch.claimed(2)
    watch.committed(rows[3:])


@breaks("one writer")
def an_epoch_is_given_out_twice() -> None:
    play = ran(two())
    watch = watched(play, sound(play))
    watch.claimed(2)
    watch.claimed(2)


@breaks("foldable")
def a_record_is_no_json() -> None:
    play = ran(two())
    rows = sound(play)
    watched(play, [*rows[:3], rows[3]._replace(facts=b'{"atom":'), *rows[4:]])


@breaks("foldable")
def a_record_is_of_no_known_type() -> None:
    play = ran(two())
    watched(play, changed(sound(play), 5, type="run.sleeping"))


@breaks("moves")
def a_task_succeeds_twice() -> None:
    play = ran(two())
    rows = sound(play)
    watched(play, counted([*rows[:4], rows[3], *rows[4:]]))


@breaks("moves")
def a_run_goes_on_from_where_it_is_not() -> None:
    play = ran(two())
    watched(play, put(sound(play), 4, "run.running", cause="resumed"))


@breaks("acknowledged")
def an_acknowledged_record_is_lost() -> None:
    play = ran(two())
    watched(play, sound(play)[:-1]).live(play.state)


@breaks("fold equals live")
def a_live_state_knows_what_the_log_does_not() -> None:
    watch, state = live(begun(two()))
    watch.live(state)
    state.attempt[0] = 2
    watch.live(state)


@breaks("fold equals live")
def a_live_state_has_another_heap() -> None:
    watch, state = live(begun(unordered("f").add(task("a"), task("b"), task("c"))))
    state.ready.reverse()
    watch.live(state)


@breaks("snapshot")
def what_is_laid_down_leaves_something_out() -> None:
    watch, state = live(timed())
    watch.snapshot(state)
    state.failures[0] = True  # taken up again as 1: equal, so that only what is not stored is missed
    state.unknown[0] = 7  # type: ignore[assignment]  # not what belongs there, and not what is laid down
    watch.snapshot(state)


@breaks("messages once")
def a_message_is_accepted_twice() -> None:
    play = ran(two())
    facts = {"message": "0a", "kind": "suspend", "sender": "me", "refused": "RUNNING"}
    rows = put(sound(play), 4, "message.accepted", **facts)
    watched(play, rows)
    watched(play, put(rows, 6, "message.accepted", **facts))


@breaks("messages once")
def a_message_has_left_the_inbox_unseen() -> None:
    watched(ran(two()), sound(ran(two()))).accepted(["0a"])


@breaks("timers")
def a_timer_goes_off_early() -> None:
    play = timed()
    watch = Watch(play.definition)
    rows = sound(play)
    watch.committed(rows[: at(play, "timer.fired a") - 1], 50)
    watch.committed(rows[at(play, "timer.fired a") - 1 :], 99)


@breaks("timers")
def a_timer_goes_off_twice() -> None:
    play = timed()
    fired = at(play, "timer.fired a")
    watched(play, put(sound(play), fired + 1, "timer.fired", timer=at(play, "timer.set a"), atom=0))


@breaks("timers")
def an_owner_is_told_of_a_timer_early() -> None:
    play = begun(two())
    play.wait(due=100)
    watch = watched(play, sound(play))
    watch.fired(at(play, "timer.set a"), 100)
    watch.fired(at(play, "timer.set a"), 99)


@breaks("timers")
def what_waits_is_begun_before() -> None:
    play = timed()
    watched(play, without(sound(play), at(play, "timer.fired a")))




@breaks("counters")
def a_counter_is_wrong() -> None:
    watch, _ = live(begun(two()))
    watch.between(whole=True)
    watch.state.waits[1] = 2
    watch.between(whole=True)


@breaks("counters")
def a_list_forgets_what_is_under_way() -> None:
    watch, _ = live(begun(two()))
    watch.state.running.clear()
    watch.between(whole=True)


@breaks("ready set")
def what_may_not_start_is_next() -> None:
    watch, _ = live(begun(two()))
    watch.between()
    watch.state.ready.append(1)
    watch.between()


@breaks("ready set")
def what_may_start_is_forgotten() -> None:
    watch, _ = live(begun(unordered("f").add(task("a"), task("b"))))
    watch.between(whole=True)
    watch.state.ready.clear()
    watch.between(whole=True)
