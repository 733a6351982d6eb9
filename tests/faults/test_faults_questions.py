"""What is asked of user code beside a transaction that cannot be committed: the question went with it, and is put again."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Any

import psycopg
import pytest
from sagalog_faults import Business, both, run, told, verified, write

from sagalog.config import Settings
from sagalog.engine.core.states import RunState, TaskState
from sagalog.engine.definition import Context, FunctorTask, Times, each, graph, linear, unordered


@pytest.fixture
def refusing(settings: Settings, business: Business) -> Counter[str]:
    """The business refuses, at the commit, what is written for a task named `refused`; the calls of each task."""
    with psycopg.connect(str(settings.database_url), autocommit=True) as conn:
        conn.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = 'check_violation'; END $$"
        )
        conn.execute(
            "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON effect DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW WHEN (NEW.task = 'refused') EXECUTE FUNCTION refuse()"
        )
    return Counter()


def book(calls: Counter[str]) -> Any:
    """A transactional task whose first call is refused when it is committed."""

    def code(context: Context, conn: Any) -> list[int]:
        calls["book"] += 1
        write(conn, context.run_id, "refused" if calls["book"] == 1 else "book")
        return [1, 2]

    return FunctorTask(code, name="book", transactional=True, provides="items")


def in_good_time(do: Any) -> Any:
    """What `do` returns, on a thread; AssertionError where it does not come to an end."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(do()), daemon=True)
    thread.start()
    thread.join(20)
    assert found, "the run does not come to an end"
    return found[0]


@both
def test_a_decider_is_asked_again_when_the_turn_that_asked_it_was_rolled_back(
    settings: Settings, business: Business, refusing: Counter[str], how: str
) -> None:
    first, last = book(refusing), FunctorTask(lambda: None, name="last")

    def decide(history: Any) -> bool:
        refusing["decide"] += 1
        return True

    inner = graph("g").add(first, last)
    inner.link(first, last, decider=decide)
    flow = linear("f", Times(2)).add(inner)
    done = in_good_time(lambda: run(settings, how, flow))
    assert done.state is RunState.SUCCESS
    assert refusing == {"book": 2, "decide": 1}
    assert business.effects(done.id) == ["book"]
    assert told(settings, done.id).count("decider.answered") == 1
    assert verified(settings)


@both
def test_the_list_of_a_fan_out_is_read_again_when_the_turn_that_asked_for_it_was_rolled_back(
    settings: Settings, business: Business, refusing: Counter[str], how: str
) -> None:
    double = FunctorTask(lambda item: item * 2, name="double", provides="all")
    flow = linear("f", Times(2)).add(book(refusing), each(double))
    done = in_good_time(lambda: run(settings, how, flow))
    assert done.state is RunState.SUCCESS
    assert done.results["all"] == [2, 4]
    assert refusing == {"book": 2}
    assert business.effects(done.id) == ["book"]
    assert verified(settings)


def test_a_decider_that_answers_when_its_flow_was_tried_again_is_not_heard_and_asked_anew(settings: Settings) -> None:
    """It was shown the result of the first try; the second one has another."""
    seen: list[int] = []
    again = asyncio.Event()

    async def source(attempt: int) -> int:
        if attempt == 2:
            again.set()
        return attempt

    async def decide(history: Any) -> bool:
        seen.append(history["source"])
        if len(seen) == 1:
            await again.wait()
            await asyncio.sleep(0.2)  # the source's second execution is over
        return history["source"] == 2

    async def fail_once(attempt: int) -> None:
        while attempt == 1:
            await asyncio.sleep(0.01)
            if seen:
                raise ValueError("the first try fails")

    inner, first = graph("g"), FunctorTask(source, name="source", provides="number")
    last = FunctorTask(lambda: None, name="last")
    inner.add(first, last).link(first, last, decider=decide)
    flow = unordered("f", Times(2, provides="attempt")).add(inner, FunctorTask(fail_once, name="once"))
    done = in_good_time(lambda: run(settings, "async", flow))
    assert done.state is RunState.SUCCESS
    assert seen == [1, 2]
    assert done.atoms["last"].state is TaskState.SUCCESS
