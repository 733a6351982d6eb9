"""The laws of effects, and of runs compared, broken."""

from __future__ import annotations

from sagalog_lawkit import begun, breaks, ran, sound, two, writes

from sagalog.engine.definition import linear
from sagalog.testing.laws import Called, End, allowed, cheap, end_of, same


def key(direction: str, atom: int, instance: int | None, execution: int) -> str:
    """An idempotency key as a test needs it."""
    return f"{direction} {atom} {instance} {execution}"


def counted_calls(*calls: str) -> list[Called]:
    """"execute a": a call of the first execution of one of the two tasks."""
    names = {"a": 0, "b": 1}
    return [Called(each, key(each.split()[0], names[each.split()[1]], None, 1)) for each in calls]


@breaks("calls allowed by recovery")
def something_was_called_twice() -> None:
    play = ran(two())
    allowed(play.definition, sound(play), counted_calls("execute a", "execute b"), key)
    allowed(play.definition, sound(play), counted_calls("execute a", "execute b", "execute a"), key)


@breaks("calls allowed by recovery")
def something_succeeded_that_was_not_called() -> None:
    play = ran(two())
    allowed(play.definition, sound(play), counted_calls("execute a"), key)


@breaks("calls allowed by recovery")
def something_was_called_that_the_log_does_not_know() -> None:
    play = ran(two())
    allowed(play.definition, sound(play), counted_calls("execute a", "execute b", "revert a"))


@breaks("transactional")
def what_a_task_wrote_is_lost() -> None:
    play = ran(linear("f").add(writes()))
    calls = counted_calls("execute a")
    allowed(play.definition, sound(play), calls, key, [calls[0].key or ""])
    allowed(play.definition, sound(play), calls, key, [])


@breaks("transactional")
def a_task_wrote_without_a_success() -> None:
    play = begun(linear("f").add(writes()))
    calls = counted_calls("execute a")
    allowed(play.definition, sound(play), calls, key, [calls[0].key or ""])


def _ends() -> tuple[End, End]:
    one = end_of(ran(two()).state, {"x": 1}, counted_calls("execute a"))
    return one, one


@breaks("crashes change nothing")
def a_crash_changed_a_result() -> None:
    one, other = _ends()
    same(one, other)
    same(one, other._replace(results={"x": 2}))


@breaks("crashes change nothing")
def a_crash_changed_the_effects() -> None:
    one, other = _ends()
    same(one, other._replace(effects=frozenset()))


@breaks("shells agree")
def a_shell_runs_an_atom_once_more() -> None:
    one, other = _ends()
    same(one, other._replace(atoms={**other.atoms, "a": ("SUCCESS", 2)}), "shells agree")


@breaks("model agrees")
def the_model_reverts() -> None:
    one, other = _ends()
    same(one, other._replace(run="REVERTED"), "model agrees")


@breaks("cost")
def a_transition_costs_more_in_a_larger_flow() -> None:
    cheap([(100, 10.0), (1000, 12.0)])
    cheap([(100, 10.0), (1000, 90.0)])
