"""Retries: what one is, how it is called, and the controllers that come with sagalog."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sagalog.engine.definition import (
    AlwaysRevert,
    AlwaysRevertAll,
    Compensation,
    Decision,
    ForEach,
    FunctorTask,
    History,
    ParameterizedForEach,
    Retry,
    Task,
    Times,
)
from sagalog.engine.definition.declarations import declarations_of
from sagalog.errors import Failure, FlowError, MissingArgument

RETRY, REVERT, REVERT_ALL = Decision.RETRY, Decision.REVERT, Decision.REVERT_ALL


def tries(count: int) -> History:
    """The history of a retry whose flow has failed so often."""
    return History([(n, {"t": Failure.of(ValueError(str(n)), "t")}) for n in range(1, count + 1)])


def answers(retry: Retry, most: int, **arguments: Any) -> list[Any]:
    """What a retry provides for each try and answers to its failure, until it gives up, `most` tries at the most."""
    execute, on_failure = retry.code("execute").function, retry.code("on_failure").function
    told: list[Any] = []
    for count in range(most):
        told.append(execute(history=tries(count), **arguments))
        decision = on_failure(history=tries(count + 1), **arguments)
        if decision is not RETRY:
            return [*told, decision]
    return told


class Careful(Retry):
    """Retries what `limit` allows, and says so."""

    def execute(self, history: History, start: int, step: int = 1) -> int:
        return start + step * len(history)

    def on_failure(self, history: History, limit: int, start: int) -> Decision:
        return RETRY if len(history) + start < limit else REVERT

    def revert(self, history: History, flow_failures: Any, result: Any, why: str = "") -> None: ...


def test_decisions_are_texts() -> None:
    assert [str(decision) for decision in Decision] == ["REVERT", "REVERT_ALL", "RETRY"]
    assert Decision("RETRY") is RETRY


def test_a_retry_is_an_atom_whose_calls_are_handed_the_history() -> None:
    retry = Careful("careful", provides="n", rebind={"start": "first"})
    assert (retry.name, list(retry.provides)) == ("careful", ["n"])
    assert list(retry.requires) == ["first", "limit"]
    assert list(retry.optional) == ["step"]
    assert retry.wants("execute") == ("history",)
    assert retry.wants("on_failure") == ("history",)
    assert retry.wants("revert") == ("history", "result", "flow_failures")
    assert retry.has_revert
    assert not retry.is_async


def test_on_failure_finds_its_arguments_as_execute_does() -> None:
    retry = Careful("careful", rebind={"start": "first"}, inject={"limit": 3})
    asked = retry.plan.on_failure
    assert asked is not None
    assert {bound.parameter: bound.name for bound in asked.bindings} == {"limit": "limit", "start": "first"}
    assert list(retry.requires) == ["first"]
    assert retry.code("on_failure").function(history=tries(1), limit=3, start=1) is RETRY


def test_inject_may_be_for_on_failure_alone_and_must_be_for_something() -> None:
    assert "limit" not in Careful(inject={"limit": 3}).requires
    with pytest.raises(FlowError, match="retry 'Careful': inject has 'other', which it does not ask for"):
        Careful(inject={"other": 3})


def test_a_call_that_takes_any_keyword_is_handed_the_history_and_all_that_execute_takes() -> None:
    class Any_(Retry):
        def execute(self, **kwargs: Any) -> Any: ...
        def on_failure(self, **kwargs: Any) -> Any: ...
        def revert(self, **kwargs: Any) -> Any: ...

    retry = Any_(requires=["x"])
    assert retry.wants("execute") == ("history",)
    assert retry.wants("on_failure") == ("history",)
    assert retry.wants("revert") == ("history", "flow_failures")
    assert retry.plan.on_failure is not None
    assert [bound.name for bound in retry.plan.on_failure.bindings] == ["x"]


def test_a_retry_may_ignore_its_history_and_take_the_context() -> None:
    class Blind(Retry):
        def execute(self) -> None: ...
        def on_failure(self, context: Any) -> Any: ...

    assert Blind().wants("execute") == ()
    assert Blind().wants("on_failure") == ("context",)


def test_the_history_is_no_resource() -> None:
    with pytest.raises(FlowError, match="'history' is handed over by the engine"):
        Careful(rebind={"history": "past"})
    assert list(FunctorTask(lambda history: history, "t").requires) == ["history"]


def test_a_retry_may_be_asynchronous() -> None:
    class Later(Retry):
        async def execute(self, history: History) -> int:
            return len(history)

        async def on_failure(self, history: History) -> Decision:
            return REVERT

    retry = Later()
    assert retry.is_async
    asked = retry.plan.on_failure
    assert asked is not None
    assert asked.signature.is_async
    assert asyncio.run(retry.code("on_failure").function(history=tries(0))) is REVERT


def test_what_decides_nothing_is_no_retry() -> None:
    class Undecided(Retry):
        def execute(self, history: History) -> None: ...

    class Idle(Retry):
        def on_failure(self, history: History) -> Decision:
            return REVERT

    with pytest.raises(FlowError, match="Undecided has no on_failure"):
        Undecided()
    with pytest.raises(FlowError, match="Idle has no execute"):
        Idle()
    with pytest.raises(FlowError, match="Retry has no execute"):
        Retry("r")


def test_only_a_subclass_that_defines_revert_has_one() -> None:
    class Quiet(Times):
        def revert(self, history: History) -> None:
            super().revert(history)

    assert not Times().has_revert
    assert Times().compensation is Compensation.NOT_NEEDED
    assert Times().wants("revert") == ()
    assert Quiet().has_revert
    assert Quiet().compensation is Compensation.REVERT
    assert Quiet().code("revert").function(history=tries(1)) is None
    with pytest.raises(FlowError, match="retry 'Times' has no revert"):
        Times().code("revert")


def test_what_a_retry_declares() -> None:
    found = declarations_of(Times())
    assert (found.recovery, found.revert_recovery, found.compensation) == ("RERUN", "RERUN", "not_needed")
    assert (found.revertible_for, found.recoveries) == (None, ())
    assert declarations_of(Careful()).compensation == "revert"

    class Writing(Times):
        transactional = True

    with pytest.raises(FlowError, match="retry 'Writing': a retry cannot be transactional"):
        declarations_of(Writing())


def test_a_parameter_that_nothing_fills_is_named() -> None:
    retry = Careful(ignore_list=["limit"])
    with pytest.raises(MissingArgument, match="retry 'Careful': limit stands in ignore_list"):
        declarations_of(retry)


def test_errors_say_that_it_is_a_retry() -> None:
    with pytest.raises(FlowError, match="the name of a retry must be text"):
        Times(name=5)  # type: ignore[arg-type]  # the mistake
    with pytest.raises(FlowError, match="retry 'Times': rebind must be a dict"):
        Times(rebind=5)  # type: ignore[arg-type]  # the mistake


def test_hooks_of_a_retry() -> None:
    class Hooked(Times):
        def pre_execute(self) -> str:
            return "before"

    before = Hooked().code("execute").before
    assert before is not None
    assert before() == "before"
    assert Hooked().code("on_failure").before is None


def test_a_task_and_a_retry_with_functions_alike_are_told_apart() -> None:
    def execute(self: Any, history: Any) -> None: ...

    task = type("T", (Task,), {"execute": execute})()
    retry = type("R", (Retry,), {"execute": execute, "on_failure": execute})()
    assert list(task.requires) == ["history"]
    assert list(retry.requires) == []


@pytest.mark.parametrize(("kind", "decision"), [(AlwaysRevert, REVERT), (AlwaysRevertAll, REVERT_ALL)])
def test_always(kind: type[Retry], decision: Decision) -> None:
    assert answers(kind(), 3) == [None, decision]


def test_times_provides_the_number_of_the_try_and_counts_tries_in_all() -> None:
    assert answers(Times(), 9) == [1, REVERT]
    assert answers(Times(3), 9) == [1, 2, 3, REVERT]
    assert answers(Times(2, revert_all=True), 9) == [1, 2, REVERT_ALL]
    assert answers(Times(5, "again", "n", requires=["x"]), 9, x=0) == [1, 2, 3, 4, 5, REVERT]


@pytest.mark.parametrize("attempts", [0, -1, 1.0, True, "3", None, float("nan")])
def test_times_needs_a_whole_number_above_zero(attempts: Any) -> None:
    with pytest.raises(FlowError, match="attempts, the tries in all, must be a whole number above zero"):
        Times(attempts)


def test_for_each_provides_each_value_in_turn() -> None:
    retry = ForEach(["a", "b", "a"], name="r1", provides="value")
    assert retry.inject == {"values": ["a", "b", "a"]}
    assert list(retry.requires) == []
    assert list(retry.provides) == ["value"]
    assert answers(retry, 9, values=retry.inject["values"]) == ["a", "b", "a", REVERT]
    assert answers(ForEach((1,), revert_all=True), 9, values=(1,)) == [1, REVERT_ALL]


def test_for_each_keeps_values_of_its_own() -> None:
    values = [1, 2]
    retry = ForEach(values, inject={"x": 5}, requires=["x"])
    values.clear()
    assert retry.inject == {"x": 5, "values": [1, 2]}
    assert ForEach((1, 2)).inject == {"values": (1, 2)}
    assert ForEach(range(2)).inject == {"values": [0, 1]}


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], "found none"),
        ((), "found none"),
        ("abc", "found 'abc' (str)"),
        (b"abc", "found b'abc' (bytes)"),
        ({"a": 1}, "found {'a': 1} (dict)"),
        ({1}, "found {1} (set)"),
        (None, "found None (NoneType)"),
        (iter([1]), "(list_iterator)"),
    ],
)
def test_values_that_cannot_be_gone_through_in_order(values: Any, found: str) -> None:
    with pytest.raises(FlowError, match="ForEach 'r'") as refused:
        ForEach(values, name="r")
    assert found in str(refused.value)
    with pytest.raises(TypeError, match="retry 'r'") as failed:
        ParameterizedForEach("r").code("execute").function(history=tries(0), values=values)
    assert found in str(failed.value)


def test_parameterized_for_each_takes_its_values_as_an_argument() -> None:
    retry = ParameterizedForEach(rebind={"values": "server_ips"}, provides="ip")
    assert list(retry.requires) == ["server_ips"]
    assert retry.plan.on_failure is not None
    assert [bound.name for bound in retry.plan.on_failure.bindings] == ["server_ips"]
    assert answers(retry, 9, values=["1", "2"]) == ["1", "2", REVERT]
    assert answers(ParameterizedForEach(revert_all=True), 9, values=(7,)) == [7, REVERT_ALL]


@pytest.mark.parametrize("retry", [ForEach([1], "r"), ParameterizedForEach("r")])
def test_a_try_for_which_no_value_is_left_fails(retry: Retry) -> None:
    with pytest.raises(LookupError, match="retry 'r': 1 tries were made and there are 1 values"):
        retry.code("execute").function(history=tries(1), values=[1])


def test_a_controller_can_be_built_upon() -> None:
    class Picky(ForEach):
        def on_failure(self, history: History, *args: Any, **kwargs: Any) -> Decision:
            if history.caused_by(KeyError):
                return REVERT_ALL
            return super().on_failure(history, *args, **kwargs)

    assert answers(Picky(["a", "b"]), 9, values=["a", "b"]) == ["a", "b", REVERT]
    broken = History([("a", {"t": Failure.of(KeyError("k"), "t")})])
    assert Picky(["a", "b"]).code("on_failure").function(history=broken, values=["a", "b"]) is REVERT_ALL


def test_a_controller_built_upon_for_each_may_pass_on_the_history_alone() -> None:
    class Plain(ForEach):
        def execute(self, history: History, *args: Any, **kwargs: Any) -> Any:
            return super().execute(history)

        def on_failure(self, history: History, *args: Any, **kwargs: Any) -> Decision:
            return super().on_failure(history)

    assert answers(Plain(["a", "b"]), 9, values=["a", "b"]) == ["a", "b", REVERT]


class Uncounted(list[Any]):
    """Tries that may be counted and not looked at."""

    def __getitem__(self, index: Any) -> Any:
        raise AssertionError("a try was looked at")

    def __iter__(self) -> Any:
        raise AssertionError("the tries were walked")


@pytest.mark.parametrize("retry", [Times(5), ForEach([1, 2, 3]), ParameterizedForEach(), AlwaysRevert()])
def test_no_controller_looks_further_than_the_length_of_its_history(retry: Retry) -> None:
    values = {} if isinstance(retry, Times | AlwaysRevert) else {"values": [1, 2, 3]}
    history = History(Uncounted([(1, {}), (2, {})]))
    retry.code("execute").function(history=history, **values)
    retry.code("on_failure").function(history=history, **values)
