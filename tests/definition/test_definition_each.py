"""`each`: one task for every element of a list."""

from __future__ import annotations

from typing import Any

import pytest

from sagalog.engine.definition import (
    Each,
    FunctorTask,
    OutcomePolicy,
    Task,
    Times,
    each,
    graph,
    linear,
    unordered,
)
from sagalog.errors import FlowError


def fetch(url: str, timeout: int, tries: int = 3) -> str:
    return url


def back(url: str, result: Any) -> None: ...


def test_it_takes_its_name_and_what_it_provides_from_the_task() -> None:
    item = each(FunctorTask(fetch, "get", provides="pages"))
    assert (item.name, list(item.provides), item.into, item.on_empty) == ("get", ["pages"], "url", "ok")
    assert item.outcome is OutcomePolicy.SUCCESS_ON_ALL_EVENTS_SUCCESS
    assert list(item.requires) == ["items", "timeout"]
    assert list(item.optional) == ["tries"]


def test_it_may_be_told_otherwise() -> None:
    task = FunctorTask(fetch, "get", provides=["head", "body"], revert=back)
    item = each(
        task, "urls", into="timeout", name="all", provides="found", outcome="FAILURE_FOR_PARTIAL_ERROR", on_empty="policy"
    )
    assert (item.name, list(item.provides), item.into, item.on_empty) == ("all", ["found"], "timeout", "policy")
    assert item.outcome is OutcomePolicy.FAILURE_FOR_PARTIAL_ERROR
    assert list(item.requires) == ["urls", "url"]
    assert item.task is task
    assert item.save_as == {"found": None}
    assert task.save_as == {"head": 0, "body": 1}


def test_the_element_fills_the_first_required_parameter_that_nothing_else_fills() -> None:
    assert each(FunctorTask(fetch, inject={"url": "x"})).into == "timeout"
    assert each(FunctorTask(lambda a=1, *, b: 0, "t")).into == "b"
    assert list(each(FunctorTask(fetch, rebind={"url": "address"})).requires) == ["items", "timeout"]
    assert each(FunctorTask(lambda **anything: 0, "t"), into="x").into == "x"
    assert each(FunctorTask(fetch), into="tries").into == "tries"


def test_a_list_among_the_constants_is_not_required() -> None:
    item = each(FunctorTask(lambda one, items: 0, "t", inject={"items": [1]}))
    assert not item.requires


@pytest.mark.parametrize("make", [linear, unordered, graph])
def test_it_is_an_item_like_any_other(make: Any) -> None:
    flow = make("f").add(each(fetch, "urls", provides="pages"), FunctorTask(lambda pages: 0, "use"))
    assert isinstance(flow.items[0], Each)
    assert flow.items[0].name == "fetch"
    assert "urls" in flow.requires
    if make is graph:
        assert flow.successors() == [[1], []]


def test_a_task_says_which_policy_its_fan_out_has() -> None:
    class Event(Task):
        execution_evaluation_state = OutcomePolicy.SUCCESS_FOR_PARTIAL_SUCCESS

        def execute(self, item: int) -> None: ...

    assert each(Event()).outcome is OutcomePolicy.SUCCESS_FOR_PARTIAL_SUCCESS
    assert each(Event(), outcome="FAILURE_FOR_PARTIAL_ERROR").outcome is OutcomePolicy.FAILURE_FOR_PARTIAL_ERROR


@pytest.mark.parametrize(
    ("task", "options", "said"),
    [
        (5, {}, "each: expected a task or a function; found 5"),
        (FunctorTask, {}, "each: expected a task or a function"),
        (linear("f"), {}, "each: expected a task or a function"),
        (Times(2), {}, "each: expected a task or a function"),
        (each(fetch), {}, "each: expected a task or a function"),
        (fetch, {"over": ""}, "the name of a list .over. of each.'fetch'."),
        (fetch, {"over": ["a"]}, "must be text"),
        (fetch, {"into": "uri"}, "each.'fetch'.: its execute does not take 'uri' .into.; it takes url, timeout, tries"),
        (FunctorTask(lambda context, x: 0, "t"), {"into": "context"}, "does not take 'context'"),
        (FunctorTask(fetch, inject={"url": ""}), {"into": "url"}, "'url' is filled by inject"),
        (FunctorTask(lambda x=1: 0, "t"), {}, "each.'t'.: its execute has no required parameter"),
        (fetch, {"provides": ["a", "b"]}, "provides must be one name, for the results of all; found .'a', 'b'."),
        (FunctorTask(fetch, provides=["a"]), {}, "it provides parts of its result .'a'.; name the list"),
        (fetch, {"outcome": "GOOD"}, "found 'GOOD'"),
        (fetch, {"on_empty": "fail"}, "on_empty must be 'ok' or 'policy'; found 'fail'"),
        (fetch, {"name": ""}, "the name of a task"),
    ],
)
def test_what_does_not_fit_is_refused(task: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(FlowError, match=said):
        each(task, **options)
