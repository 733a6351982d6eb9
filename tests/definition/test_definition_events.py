"""volnux's spelling: EventBase.process and @event, which answer (bool, content)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sagalog.engine.definition import EventBase, FunctorTask, Outcome, OutcomePolicy, RetryPolicy, Task, event
from sagalog.engine.definition.execution import execution_of
from sagalog.errors import FlowError


class Charge(EventBase):
    retry_policy = RetryPolicy(max_attempts=3)
    execution_evaluation_state = OutcomePolicy.SUCCESS_FOR_PARTIAL_SUCCESS

    def process(self, amount: int, currency: str = "EUR") -> tuple[bool, Any]:
        return (True, f"{amount} {currency}") if amount > 0 else (False, "nothing to charge")


def test_an_event_class_is_a_task_whose_parameters_are_those_of_process() -> None:
    made = Charge(provides="receipt", rebind={"amount": "price"})
    assert isinstance(made, Task)
    assert (made.name, list(made.requires), list(made.optional)) == ("Charge", ["price"], ["currency"])
    assert (list(made.provides), made.is_async) == (["receipt"], False)
    assert execution_of(made).policy == RetryPolicy(max_attempts=3)


def test_the_pair_becomes_an_outcome() -> None:
    execute = Charge().code("execute").function
    assert execute(amount=5, currency="USD") == Outcome.ok("5 USD")
    assert execute(amount=0) == Outcome.error("nothing to charge")


def test_what_process_raises_is_raised() -> None:
    class Broken(EventBase):
        def process(self) -> tuple[bool, Any]:
            raise ConnectionError("down")

    with pytest.raises(ConnectionError, match="down"):
        Broken().code("execute").function()


@pytest.mark.parametrize("answer", [None, True, "ok", (True,), (True, 1, 2), (1, "x"), ("True", 1), [True, 1], {}])
def test_any_other_answer_is_a_type_error_that_names_it(answer: Any) -> None:
    class Odd(EventBase):
        def process(self) -> Any:
            return answer

    with pytest.raises(TypeError, match=r"event 'Odd': process must answer \(True, result\) or") as raised:
        Odd().code("execute").function()
    assert f"it answered {answer!r} ({type(answer).__name__})" in str(raised.value)


def test_an_outcome_is_an_answer_too() -> None:
    class Plain(EventBase):
        def process(self) -> Outcome:
            return Outcome.error("no")

    assert Plain().code("execute").function() == Outcome.error("no")


def test_process_of_the_page_takes_anything() -> None:
    class MyEvent(EventBase):
        def process(self, *args: Any, **kwargs: Any) -> tuple[bool, str]:
            return True, "Event processed successfully"

    assert list(MyEvent().requires) == []
    assert MyEvent().code("execute").function() == Outcome.ok("Event processed successfully")


def test_an_event_may_be_asynchronous() -> None:
    class Later(EventBase):
        async def process(self, n: int) -> tuple[bool, int]:
            return n > 0, n

    @event
    async def later(n: int) -> tuple[bool, int]:
        return n > 0, n

    for made in (Later(), later):
        assert made.is_async
        assert asyncio.run(made.code("execute").function(n=1)) == Outcome.ok(1)
        assert asyncio.run(made.code("execute").function(n=0)) == Outcome.error(0)


def test_an_event_has_the_rest_of_a_task() -> None:
    class Full(EventBase):
        def process(self, x: int) -> tuple[bool, int]:
            return True, x

        def revert(self, x: int, result: Any) -> None: ...
        def pre_execute(self) -> None: ...

    made = Full(version="2", priority=3)
    assert (made.version, made.priority, made.has_revert) == ("2", 3, True)
    assert made.wants("revert") == ("result",)
    assert made.code("execute").before is not None


def test_an_event_without_process_is_refused() -> None:
    class Nothing(EventBase):
        pass

    with pytest.raises(FlowError, match="Nothing has no process"):
        Nothing()


def test_the_decorator_works_bare_called_and_with_options() -> None:
    @event()
    def first(x: int) -> tuple[bool, int]:
        return True, x

    @event
    def second(x: int) -> tuple[bool, int]:
        return False, x

    verdict = "FAILURE_FOR_PARTIAL_ERROR"

    @event(name="third", provides="y", retry_policy={"max_attempts": 2}, execution_evaluation_state=verdict)
    def other(x: int) -> tuple[bool, int]:
        return True, x

    assert (first.name, second.name, other.name) == ("first", "second", "third")
    assert first.code("execute").function(x=4) == Outcome.ok(4)
    assert second.code("execute").function(x=4) == Outcome.error(4)
    assert (list(other.requires), list(other.provides)) == (["x"], ["y"])
    assert execution_of(other).policy == RetryPolicy(2)
    assert other.execution_evaluation_state is OutcomePolicy.FAILURE_FOR_PARTIAL_ERROR
    assert first.execution_evaluation_state is OutcomePolicy.SUCCESS_ON_ALL_EVENTS_SUCCESS
    assert isinstance(first, FunctorTask)
    assert first(4) == (True, 4)


def test_a_decorated_event_is_judged_and_its_revert_is_not() -> None:
    @event
    def made(x: int) -> tuple[bool, int]:
        return True, x

    @made.revert
    def unmade(x: int) -> str:
        return "undone"

    assert made.code("revert").function(x=1) == "undone"
    again = made.named("again")
    assert again.code("execute").function(x=2) == Outcome.ok(2)


def test_a_decorator_is_told_its_mistakes() -> None:
    with pytest.raises(FlowError, match="@event takes its options by keyword"):
        event("name")  # type: ignore[call-overload]  # the mistake
    with pytest.raises(FlowError, match="event 'f': outcome must be one of"):
        event(execution_evaluation_state="ALL")(FunctorNamed())


class FunctorNamed:
    __name__ = "f"

    def __call__(self) -> tuple[bool, int]:
        return True, 1
