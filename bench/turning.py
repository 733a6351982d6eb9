"""Going back: reverting a flow beside running it, and a thousand tries of a retry, the last ones beside the first."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Literal

from sagalog.engine.definition import Flow, FunctorTask, Retry, Times, linear
from sagalog.engine.runtime.engine import Engine

from . import speed, tasks
from .figures import Figure
from .ground import Ground, count
from .sizes import Sizes


class Stop(Exception):
    """What the last task raises."""


class Clock:
    """The last task of a flow: notes each time when it was reached, and fails as often as it is told."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.reached: list[float] = []

    def __call__(self) -> None:
        self.reached.append(time.perf_counter())
        if len(self.reached) <= self.failures:
            raise Stop

    def flow(self, name: str, size: int, retry: Retry | None = None) -> Flow:
        """`size` tasks that can be reverted, and this one."""
        step = FunctorTask(_step, revert=_back)
        flow = linear(name, retry).add(*(step.named(f"t{place}") for place in range(size)))
        return flow.add(FunctorTask(self, "clock"))


def figures(ground: Ground, sizes: Sizes) -> Iterator[Figure]:
    """Two figures, each of runs of their own: what is compared are parts of one run."""
    yield _reverts(ground, sizes)
    yield _retries(ground, sizes)


def _reverts(ground: Ground, sizes: Sizes) -> Figure:
    back, forward = [], []
    for _ in range(2 * sizes.rounds + 1):
        with ground.database() as url:
            clock = Clock(failures=1)
            began, ended = _run(ground, url, clock.flow("reverts", sizes.steps), "REVERTED")
            (turned,) = clock.reached
            forward.append(sizes.steps / (turned - began))
            back.append(sizes.steps / (ended - turned))
    return Figure(f"revert {sizes.steps:,} tasks", "forward", "tasks/s", back, forward, at_least=0.7)


def _retries(ground: Ground, sizes: Sizes) -> Figure:
    """Each try starts the tasks of the scope, fails in the last of them, asks the retry, and reverts them."""
    tries, scope = sizes.tries
    tenth = tries // 10
    last, first = [], []
    for _ in range(sizes.rounds):
        with ground.database() as url:
            clock = Clock(failures=tries)
            _run(ground, url, clock.flow("tries", scope - 1, Times(tries + 1)), "SUCCESS")
            reached = clock.reached
            first.append((reached[tenth] - reached[0]) / tenth * 1e6)
            last.append((reached[-1] - reached[-1 - tenth]) / tenth * 1e6)
            count(url, {"sagalog.record where type = 'retry.consulted'": tries})
    name = f"{tries:,} retries of {scope} tasks"
    return Figure(f"{name}: last {tenth}", f"first {tenth}", "µs/retry", last, first, at_most=1.3)


def _run(ground: Ground, url: str, flow: Flow, end: Literal["SUCCESS", "REVERTED"]) -> tuple[float, float]:
    """When the run of a flow began and ended, blocking."""
    warm = tasks.flow("linear", speed.WARM, tasks.plain)
    with Engine.open(url, flows=[flow, warm], settings=ground.settings) as engine:
        engine.run(warm)
        began = time.perf_counter()
        run = engine.run(flow, raises=False)
        ended = time.perf_counter()
        assert run.state == end, run
        count(url, {"sagalog.record": run.version + tasks.records(speed.WARM)})
        return began, ended


def _step() -> dict[str, Any]:
    return tasks.RESULT


def _back() -> None:
    pass
