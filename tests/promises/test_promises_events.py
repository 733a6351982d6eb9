"""Tasks in volnux's spelling (lines 3 to 16 of its page): `EventBase.process` and `@event`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sagalog_story import Refused, Step, states

from sagalog import Engine, EventBase, OutcomePolicy, RetryPolicy, RunState, Task, event, linear


class MyEvent(EventBase):
    def process(self, *args: Any, **kwargs: Any) -> tuple[bool, Any]:
        return True, "Event processed successfully"


@event()
def my_event(*args: Any, **kwargs: Any) -> tuple[bool, Any]:
    return True, "Event processed successfully"


def test_an_event_may_be_a_class_with_a_process(engine: Engine) -> None:
    assert issubclass(EventBase, Task)
    done = engine.run(linear("f").add(MyEvent(provides="x")))
    assert done.results == {"x": "Event processed successfully"} and states(done) == {"MyEvent": "SUCCESS"}


def test_an_event_may_be_a_decorated_function(engine: Engine) -> None:
    done = engine.run(linear("f").add(my_event))
    assert done.atoms["my_event"].result == "Event processed successfully"

    @event
    def bare() -> tuple[bool, Any]:
        return True, 5

    @event(provides="n")
    def told(a: int) -> tuple[bool, Any]:
        return True, a + 1

    assert engine.run(linear("g").add(bare, told), {"a": 1}).results == {"n": 2}


def test_an_event_may_be_async(engine: Engine) -> None:
    class Later(EventBase):
        async def process(self, n: int) -> tuple[bool, int]:
            await asyncio.sleep(0)
            return True, n + 1

    assert engine.run(linear("f").add(Later(provides="m")), {"n": 1}).results == {"m": 2}


def test_an_event_takes_arguments_by_name_as_any_task_does(engine: Engine) -> None:
    class Priced(EventBase):
        def process(self, price: int, count: int = 1) -> tuple[bool, int]:
            return True, price * count

    atom = Priced(provides="total", rebind={"price": "cents"})
    assert (list(atom.requires), list(atom.optional)) == (["cents"], ["count"])
    assert engine.run(linear("f").add(atom), {"cents": 5, "count": 3}).results == {"total": 15}


def test_a_false_pair_is_a_failure_with_its_content(engine: Engine) -> None:
    class No(EventBase):
        def process(self) -> tuple[bool, Any]:
            return False, "out of stock"

    done = engine.run(linear("f").add(Step("first"), No()), raises=False)
    assert done.state is RunState.REVERTED and states(done)["first"] == "REVERTED"
    assert "out of stock" in done.failures[0].message


def test_a_false_pair_is_not_retried_and_an_exception_is(engine: Engine) -> None:
    calls: list[str] = []

    class Both(EventBase):
        retry_policy = RetryPolicy(max_attempts=3, backoff_factor=0.001)

        def process(self, how: str) -> tuple[bool, Any]:
            calls.append(how)
            if how == "raises":
                raise Refused(how)
            return False, how

    for how in ("raises", "false"):
        engine.run(linear("f").add(Both()), {"how": how}, raises=False)
    assert calls == ["raises"] * 3 + ["false"]


@pytest.mark.parametrize("answer", [None, True, ("yes", 1), (True,), (True, 1, 2), [True, 1]], ids=str)
def test_what_is_no_pair_is_a_type_error_that_names_it(engine: Engine, answer: Any) -> None:
    @event
    def odd() -> Any:
        return answer

    done = engine.run(linear("f").add(odd), raises=False)
    assert done.failures[0].check(TypeError) and "'odd'" in done.failures[0].message


def test_the_state_of_an_event_is_that_all_must_succeed_unless_it_says_otherwise() -> None:
    assert MyEvent.execution_evaluation_state == OutcomePolicy.SUCCESS_ON_ALL_EVENTS_SUCCESS
    assert [str(policy) for policy in OutcomePolicy] == [
        "SUCCESS_ON_ALL_EVENTS_SUCCESS", "FAILURE_FOR_PARTIAL_ERROR",
        "SUCCESS_FOR_PARTIAL_SUCCESS", "FAILURE_FOR_ALL_EVENTS_FAILURE",
    ]  # fmt: skip


def test_an_event_can_be_undone_as_any_task_can(engine: Engine) -> None:
    undone: list[Any] = []

    class Undoable(EventBase):
        def process(self) -> tuple[bool, str]:
            return True, "done"

        def revert(self, result: Any) -> None:
            undone.append(result)

    engine.run(linear("f").add(Undoable(), Step("bad", fails=[1])), raises=False)
    assert undone == ["done"]
