"""Progress: what a task says while it runs, and who is told."""

from __future__ import annotations

import asyncio
import contextvars
import math
import pickle
import threading
import warnings
from fractions import Fraction
from functools import partial
from typing import Any

import pytest

from sagalog.engine.definition import Context, FunctorTask, Task, task
from sagalog.engine.definition.progress import UPDATE_PROGRESS, Notifier, Reporting, reporting, update
from sagalog.errors import UsageError


class Copy(Task):
    def execute(self, steps: int) -> None:
        for step in range(1, steps + 1):
            self.update_progress(step / steps, {"step": step})


class Told:
    def __init__(self) -> None:
        self.reports: list[tuple[float, Any]] = []

    def __call__(self, fraction: float, details: Any) -> None:
        self.reports.append((fraction, details))


def test_a_task_tells_the_call_that_it_is_in_how_far_it_has_come() -> None:
    told, copying = Told(), Copy()
    with reporting(told, copying):
        copying.execute(4)
    assert told.reports == [(0.25, {"step": 1}), (0.5, {"step": 2}), (0.75, {"step": 3}), (1.0, {"step": 4})]


def test_the_context_tells_it_too_and_the_listeners_of_the_task_hear_it() -> None:
    told, heard = Told(), []
    copying = Copy()
    copying.notifier.register(UPDATE_PROGRESS, lambda event, details: heard.append((event, details)))
    context = Context(None, "copy", 1, 1, "key", None)  # type: ignore[arg-type]  # nobody looks at the rest
    with reporting(told, copying):
        context.update_progress(0.5)
        copying.update_progress(1, "all")
    assert told.reports == [(0.5, None), (1.0, "all")]
    assert heard == [
        ("update_progress", {"progress": 0.5, "details": None}),
        ("update_progress", {"progress": 1.0, "details": "all"}),
    ]


@pytest.mark.parametrize("fraction", [0, 1, 0.0, 1.0, 1e-300, Fraction(1, 3), -0.0])
def test_every_number_from_0_to_1_is_taken(fraction: Any) -> None:
    told = Told()
    with reporting(told):
        update(fraction)
    assert told.reports == [(float(fraction), None)] and type(told.reports[0][0]) is float


@pytest.mark.parametrize("fraction", [-0.01, 1.01, 50, math.nan, math.inf, -math.inf, "0.5", None, True, 1 + 0j, [0.5]])
def test_anything_else_is_refused_and_nobody_is_told(fraction: Any) -> None:
    told, heard = Told(), []
    copying = Copy()
    copying.notifier.register("*", lambda *event: heard.append(event))
    with reporting(told, copying), pytest.raises(UsageError, match=r"from 0 .* to 1") as refused:
        copying.update_progress(fraction)
    assert repr(fraction) in str(refused.value)
    assert told.reports == [] and heard == []


def test_outside_a_call_it_is_an_error_that_says_so() -> None:
    with pytest.raises(UsageError, match="no task is being called here"):
        Copy().update_progress(0.5)
    told = Told()
    with reporting(told):
        pass
    with pytest.raises(UsageError, match="no task is being called here"):
        update(0.5)
    assert told.reports == []


def test_a_thread_that_outlives_its_call_reaches_nobody() -> None:
    told, over, late = Told(), threading.Event(), []

    def work() -> None:
        update(0.1)
        over.wait(10)
        with pytest.raises(UsageError, match="the call is over"):
            update(0.9)
        late.append(True)

    with reporting(told):
        thread = threading.Thread(target=contextvars.copy_context().run, args=(work,))
        thread.start()
        while not told.reports:
            thread.join(0.01)
    over.set()
    thread.join()
    assert late and told.reports == [(0.1, None)]


def test_coroutines_under_way_together_each_tell_their_own_call() -> None:
    async def call(told: Told, fraction: float) -> None:
        with reporting(told):
            for _ in range(3):
                await asyncio.sleep(0)
                update(fraction)

    async def both() -> tuple[Told, Told]:
        one, other = Told(), Told()
        await asyncio.gather(call(one, 0.1), call(other, 0.9))
        return one, other

    one, other = asyncio.run(both())
    assert one.reports == [(0.1, None)] * 3 and other.reports == [(0.9, None)] * 3


def test_a_call_within_a_call_tells_its_own_and_then_the_outer_goes_on() -> None:
    outer, inner = Told(), Told()
    with reporting(outer):
        update(0.1)
        with reporting(inner):
            update(0.2)
        update(0.3)
    assert outer.reports == [(0.1, None), (0.3, None)] and inner.reports == [(0.2, None)]


def test_a_way_that_is_ended_from_another_context_is_closed_all_the_same() -> None:
    context = contextvars.copy_context()
    way = context.run(Reporting, None)
    way.close()
    assert way.closed
    for call in (update, partial(context.run, update)):
        with pytest.raises(UsageError, match="update_progress"):
            call(0.1)


def test_listeners_are_told_in_order_each_with_details_of_its_own() -> None:
    heard: list[tuple[str, dict[str, Any]]] = []
    notifier = Notifier()

    def spoils(event: str, details: dict[str, Any]) -> None:
        heard.append(("one", dict(details)))
        details.clear()

    notifier.register(UPDATE_PROGRESS, spoils)
    notifier.register("*", lambda event, details: heard.append((event, details)))
    notifier.notify(UPDATE_PROGRESS, {"progress": 0.5})
    assert heard == [("one", {"progress": 0.5}), ("update_progress", {"progress": 0.5})]
    assert notifier.deregister(UPDATE_PROGRESS, spoils) is True
    assert notifier.deregister(UPDATE_PROGRESS, spoils) is False
    notifier.notify(UPDATE_PROGRESS)
    assert heard[2:] == [("update_progress", {})]


@pytest.mark.parametrize("action", ["always", "error"])
def test_a_listener_that_raises_disturbs_neither_the_task_nor_the_others(action: Any) -> None:
    told, heard = Told(), []
    copying = Copy()

    def broken(event: str, details: dict[str, Any]) -> None:
        raise RuntimeError("deaf")

    copying.notifier.register("*", broken)
    copying.notifier.register("*", lambda event, details: heard.append(details["progress"]))
    with warnings.catch_warnings(record=True) as warned, reporting(told, copying):
        warnings.simplefilter(action)
        copying.execute(2)
    assert heard == [0.5, 1.0] and [fraction for fraction, _ in told.reports] == heard
    assert len(warned) == (2 if action == "always" else 0) and all("deaf" in str(each.message) for each in warned)


def test_what_a_notifier_does_not_know_it_refuses() -> None:
    notifier = Notifier()
    with pytest.raises(UsageError, match=r"'update_progress'.*found 'retrying'"):
        notifier.register("retrying", print)
    with pytest.raises(UsageError, match="cannot be called"):
        notifier.register(UPDATE_PROGRESS, "print")  # type: ignore[arg-type]
    notifier.register(UPDATE_PROGRESS, print)
    with pytest.raises(UsageError, match="already"):
        notifier.register(UPDATE_PROGRESS, print)
    with pytest.raises(UsageError, match="registering"):
        notifier.notify("*")


def test_every_kind_of_task_has_a_notifier_of_its_own() -> None:
    @task
    def one() -> None: ...

    other = FunctorTask(lambda: None, name="other")
    assert isinstance(one.notifier, Notifier) and one.notifier is one.notifier
    assert one.notifier is not other.notifier


def test_a_worker_process_takes_a_task_without_those_who_listen_here() -> None:
    copying = Copy()
    copying.notifier.register("*", lambda *event: None)
    there = pickle.loads(pickle.dumps(copying.notifier))
    told = Told()
    there.register("*", told)
    there.notify(UPDATE_PROGRESS, {"progress": 1.0})
    assert told.reports == [("update_progress", {"progress": 1.0})]
