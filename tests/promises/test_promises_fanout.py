"""SEMANTICS §5 of fan-outs: `each(task, over=…)`, its instances, its `ResultSet`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sagalog_story import Refused, Step, of_type, story

from sagalog import Engine, Failure, FlowError, FunctorTask, ResultSet, RunState, Times, UsageError, each, linear, task


@task(provides="squares")
def square(n: int) -> int:
    return n * n


def test_there_is_one_instance_for_each_element_and_the_results_are_in_order(engine: Engine) -> None:
    flow = linear("f").add(FunctorTask(lambda: [3, 1, 2], "list", provides="items"), each(square))
    done = engine.run(flow)
    assert done.results["squares"] == [9, 1, 4]
    assert [done.atoms[f"square[{n}]"].result for n in range(3)] == [9, 1, 4]


def test_the_results_are_gathered_also_when_the_last_ends_first(engine: Engine) -> None:
    async def wait(n: int) -> int:
        await asyncio.sleep(n / 100)
        return n

    flow = linear("f").add(each(FunctorTask(wait, provides="all")))
    done = asyncio.run(engine.arun(flow, {"items": [3, 2, 1]}))
    assert done.results["all"] == [3, 2, 1]


def test_each_instance_has_records_of_its_own(engine: Engine) -> None:
    done = engine.run(linear("f").add(each(square)), {"items": [1, 2]})
    told = story(engine, done)
    for line in ("task.running square[0]", "task.success square[0]", "task.running square[1]", "task.success square[1]"):
        assert told.count(line) == 1
    assert {record.instance for record in of_type(engine, done, "task.success")} >= {0, 1}


def test_the_elements_are_in_the_log(engine: Engine) -> None:
    done = engine.run(linear("f").add(each(square)), {"items": [7, 8, 9]})
    chunks = of_type(engine, done, "each.elements")
    assert sum(record.facts["count"] for record in chunks) == 3
    assert [element for record in chunks for element in record.value] == [7, 8, 9]


@pytest.mark.parametrize("items", [[], [5], list(range(300))], ids=len)
def test_there_may_be_none_one_or_many_elements(engine: Engine, items: list[int]) -> None:
    done = asyncio.run(engine.arun(linear("f").add(each(square)), {"items": items}))
    assert done.results["squares"] == [n * n for n in items]
    assert len(done.results["squares"]) == len(items)


def test_many_elements_take_few_records_of_their_own(engine: Engine) -> None:
    done = asyncio.run(engine.arun(linear("f").add(each(square)), {"items": list(range(2000))}))
    assert done.results["squares"][1999] == 1999**2
    assert len(of_type(engine, done, "each.elements")) < 100


def test_over_into_name_and_provides_can_be_told(engine: Engine) -> None:
    def pay(amount: int, to: str) -> str:
        return f"{amount} to {to}"

    fan = each(FunctorTask(pay), over="people", into="to", name="payments", provides="paid")
    done = engine.run(linear("f").add(fan), {"people": ["ann", "bob"], "amount": 5})
    assert done.results == {"paid": ["5 to ann", "5 to bob"]}
    assert "payments[1]" in done.atoms


def test_each_hand_out_of_an_element_is_afresh(engine: Engine) -> None:
    def spoil(item: list[int]) -> int:
        item.append(1)
        return len(item)

    shared = [0]
    done = engine.run(linear("f").add(each(FunctorTask(spoil, provides="all"))), {"items": [shared, shared]})
    assert done.results["all"] == [2, 2] and done.inputs == {"items": [[0], [0]]}


@pytest.mark.parametrize("items", ["text", {"a": 1}, None, 5, {"$": 1}], ids=str)
def test_a_fan_out_over_what_is_no_list_is_its_failure(engine: Engine, items: Any) -> None:
    done = engine.run(linear("f").add(each(square)), {"items": items}, raises=False)
    assert done.state is RunState.REVERTED and done.failures[0].atom == "square"


def test_an_endless_generator_is_a_failure_of_who_gives_it(engine: Engine) -> None:
    def endless() -> Any:
        return (n for n in iter(int, 1))

    flow = linear("f").add(FunctorTask(endless, provides="items"), each(square))
    done = engine.run(flow, raises=False)
    assert done.state is RunState.REVERTED and "generator" in done.failures[0].message


def test_a_fan_out_provides_one_name() -> None:
    with pytest.raises(FlowError, match="provides"):
        each(FunctorTask(lambda n: (n, n), "pair", provides=["a", "b"]))


def test_instances_are_reverted_one_by_one(engine: Engine) -> None:
    undone: list[Any] = []

    def undo(n: int, result: Any) -> None:
        undone.append((n, result))

    flow = linear("f").add(each(FunctorTask(lambda n: n * n, "square", revert=undo)), Step("bad", fails=[1]))
    assert engine.run(flow, {"items": [1, 2, 3]}, raises=False).state is RunState.REVERTED
    assert sorted(undone) == [(1, 1), (2, 4), (3, 9)]


def test_a_fan_out_that_fails_asks_the_retry_around_it(engine: Engine) -> None:
    calls: list[int] = []

    def once(n: int) -> int:
        calls.append(n)
        if len(calls) == 2:
            raise Refused("not yet")
        return n

    done = engine.run(linear("f", Times(2)).add(each(FunctorTask(once, provides="all"))), {"items": [1, 2]})
    assert done.results["all"] == [1, 2] and calls == [1, 2, 1, 2]


def test_an_instance_is_retried_by_the_policy_of_its_task_alone(engine: Engine) -> None:
    calls: list[int] = []

    def flaky(n: int) -> int:
        calls.append(n)
        if n == 2 and calls.count(2) < 3:
            raise Refused("again")
        return n

    policy = {"max_attempts": 3, "backoff_factor": 0.001}
    done = engine.run(linear("f").add(each(FunctorTask(flaky, provides="all", retry_policy=policy))), {"items": [1, 2, 3]})
    assert done.results["all"] == [1, 2, 3] and [calls.count(n) for n in (1, 2, 3)] == [1, 3, 1]


PEOPLE = [
    {"name": "Ann", "age": 30, "address": {"city": "Bern"}},
    {"name": "Bob", "age": 40, "address": {"city": "Basel"}},
    {"name": "Cleo", "age": None, "address": {}},
]


@pytest.mark.parametrize(
    ("lookups", "expected"),
    [
        ({"name__exact": "Ann"}, ["Ann"]),
        ({"name": "Bob"}, ["Bob"]),
        ({"name__contains": "o"}, ["Bob", "Cleo"]),
        ({"name__startswith": "A"}, ["Ann"]),
        ({"name__endswith": "o"}, ["Cleo"]),
        ({"name__icontains": "A"}, ["Ann"]),
        ({"age__gt": 30}, ["Bob"]),
        ({"age__gte": 30}, ["Ann", "Bob"]),
        ({"age__lt": 40}, ["Ann"]),
        ({"age__lte": 40}, ["Ann", "Bob"]),
        ({"name__in": ["Bob", "Cleo"]}, ["Bob", "Cleo"]),
        ({"age__isnull": True}, ["Cleo"]),
        ({"age__isnull": False}, ["Ann", "Bob"]),
        ({"address__city": "Bern"}, ["Ann"]),
        ({"address__city__startswith": "B", "age__gt": 35}, ["Bob"]),
    ],
    ids=str,
)
def test_a_result_set_filters_by_lookups_that_may_be_nested(
    engine: Engine, lookups: dict[str, Any], expected: list[str]
) -> None:
    people = ResultSet.of(PEOPLE)
    assert [person["name"] for person in people.filter(**lookups)] == expected
    left = [person["name"] for person in people.exclude(**lookups)]
    assert sorted(left + expected) == ["Ann", "Bob", "Cleo"]


def test_an_unknown_lookup_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="startswith"):
        ResultSet.of(["Ann"]).filter(resembles="a")


def test_a_result_set_is_a_view_that_a_task_can_be_handed(engine: Engine) -> None:
    def look(squares: ResultSet) -> Any:
        assert isinstance(squares, ResultSet) and not isinstance(squares, list)
        big, tail = list(squares.filter(gt=3)), list(squares[1:])
        return {"big": big, "count": len(squares), "first": squares.first(), "tail": tail}

    done = engine.run(linear("f").add(each(square), FunctorTask(look, provides="seen")), {"items": [1, 2, 3]})
    assert done.results["seen"] == {"big": [4, 9], "count": 3, "first": 1, "tail": [4, 9]}


def test_a_failed_element_is_its_failure_in_the_result_set(engine: Engine) -> None:
    def only_odd(n: int) -> int:
        if n % 2 == 0:
            raise Refused(f"{n} is even")
        return n

    fan = each(FunctorTask(only_odd, provides="all"), outcome="SUCCESS_FOR_PARTIAL_SUCCESS")
    found = engine.run(linear("f").add(fan), {"items": [1, 2, 3]}).results["all"]
    assert (found[0], found[2]) == (1, 3) and isinstance(found[1], Failure) and found[1].message == "2 is even"
    assert list(found.successes) == [1, 3] and len(found.failures) == 1
