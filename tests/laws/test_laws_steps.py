"""Law 10 for retries, groups and fan-outs: a step takes as long in a large flow as in a small one (times, as ratios)."""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from sagalog_play import Play

from sagalog.engine.core.decide import EXECUTE, EXPAND, ON_FAILURE, Call, Recover, Resume, Revert
from sagalog.engine.core.states import RunState
from sagalog.engine.definition import AlwaysRevert, Flow, FunctorTask, each, linear, unordered

SMALL, LARGE = 100, 1600


def task(name: str) -> FunctorTask:
    return FunctorTask(lambda: None, name=name, revert=lambda: None)


def one(element: Any) -> None: ...


def fan(name: str) -> Any:
    return each(FunctorTask(one, name, revert=lambda: None), into="element", outcome="SUCCESS_FOR_PARTIAL_SUCCESS")


def retried(n: int) -> Flow:
    """Flows side by side, each tried twice."""
    three = ((task(f"a{i}"), task(f"bad{i}"), task(f"c{i}")) for i in range(n // 4))
    return unordered("all").add(*(linear(f"f{i}", AlwaysRevert(f"r{i}")).add(*tasks) for i, tasks in enumerate(three)))


def grouped(n: int) -> Flow:
    """One group of members, each with a group in it that has a failure."""
    inner = (
        unordered(f"g{i}", outcome="SUCCESS_FOR_PARTIAL_SUCCESS").add(task(f"a{i}"), task(f"bad{i}")) for i in range(n // 2)
    )
    return unordered("all", outcome="SUCCESS_ON_ALL_EVENTS_SUCCESS").add(*inner)


def tried_within(n: int) -> Flow:
    """A large flow around small ones in a row, each tried twice."""
    flows = (linear(f"f{i}", AlwaysRevert(f"r{i}")).add(task(f"a{i}"), task(f"bad{i}")) for i in range(n // 3))
    return linear("all", AlwaysRevert("r")).add(*flows)


def spread(n: int) -> Flow:
    """One fan-out of so many elements."""
    return linear("all").add(fan("e"), task("z"))


def many_fans(n: int) -> Flow:
    """Fan-outs side by side."""
    return unordered("all").add(*(fan(f"e{i}") for i in range(n // 4)))


class Large(Play):
    """Answers every call at once; the first execution of what is named bad… fails."""

    def __init__(self, flow: Flow, elements: int, capacity: int) -> None:
        super().__init__(flow, capacity)
        self.elements = elements
        self.calls = deque()  # type: ignore[assignment]  # what is at the front is taken

    def next(self, name: str | None = None) -> Call:
        return self.calls.popleft()  # type: ignore[attr-defined,no-any-return]  # a deque

    def through(self) -> None:
        self.advance()
        while self.calls:
            call = self.calls[0]
            if call.kind == ON_FAILURE:
                self.answer("RETRY")
            elif call.kind == EXPAND:
                self.expand(self.elements)
            elif call.kind == EXECUTE and self.whose(call).startswith("bad") and call.execution == 1:
                self.fail()
            else:
                self.succeed()


def step_time(make: Callable[[int], Flow], n: int, capacity: int) -> tuple[float, float]:
    """The seconds of a record on the way there, and on the way back."""
    best = (1.0, 1.0)
    for _ in range(3):
        play = Large(make(n), n if make is spread else 3, capacity)
        play.take(Resume())
        took = []
        for wishes in ((), (Recover(), Revert({}, None), Resume())):
            before, start = len(play.records), time.perf_counter()
            play.take(*wishes)
            play.through()
            took.append((time.perf_counter() - start) / (len(play.records) - before))
        assert play.state.run is RunState.REVERTED
        best = (min(best[0], took[0]), min(best[1], took[1]))
    return best


@pytest.mark.parametrize("capacity", [1, 8])
@pytest.mark.parametrize("make", [retried, grouped, tried_within, spread, many_fans])
def test_a_step_takes_as_long_in_a_large_flow_as_in_a_small_one(make: Callable[[int], Flow], capacity: int) -> None:
    gc.collect()
    gc.disable()
    try:
        small, large = step_time(make, SMALL, capacity), step_time(make, LARGE, capacity)
    finally:
        gc.enable()
    for way in (0, 1):
        few, many = 1e6 * small[way], 1e6 * large[way]
        assert many < 3.5 * few, f"{few:.0f} µs a record of {SMALL} tasks, {many:.0f} of {LARGE}"
