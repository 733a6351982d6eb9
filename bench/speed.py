"""Steps a second: one run blocking, many runs behind one writer, of coroutines and of plain functions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, LiteralString

from sagalog.engine.definition import Flow, FunctorTask
from sagalog.engine.runtime.engine import Engine

from . import final_row, floor, tasks
from .figures import Figure
from .ground import Ground, count
from .sizes import Sizes

Measure = Callable[[str], float]
# floor.py has no annotations.
_single: Callable[[str, int], float] = floor.single
_bare: Callable[[str, int, int, bool], Coroutine[Any, Any, float]] = floor.many
THREADS = 8
"""Threads of the final-row floor, as in floor.py."""


def figures(ground: Ground, sizes: Sizes) -> Iterator[Figure]:
    """Six figures: three workloads, each beside two floors."""
    yield from _linear(ground, sizes)
    yield from _many(ground, sizes, "500x10 async", tasks.awaited, 0, "many_async", (0.60, 0.33))
    yield from _many(ground, sizes, "500x10 functions", tasks.plain, THREADS, "many_threads", (0.65, 0.45))


def _linear(ground: Ground, sizes: Sizes) -> Iterator[Figure]:
    steps = sizes.steps
    flow = tasks.flow("linear", steps, tasks.plain)
    measures: dict[str, Measure] = {
        "ours": lambda url: _run(ground, url, flow, steps),
        "final row": lambda url: final_row.blocking(url, steps),
        "single": lambda url: _single(url, steps),
    }
    rows: dict[str, dict[LiteralString, int]] = {
        "ours": {"sagalog.record": tasks.records(steps) + tasks.records(WARM)},
        "final row": {"sagalog.record": final_row.blocking_records(steps)},
        "single": {"floor_single": steps},
    }
    # A second of waiting for the disk is soon over and differs much, so there are more rounds of it.
    seen = rounds(ground, 2 * sizes.rounds + 1, measures, rows)
    yield Figure("linear blocking", "final row", "steps/s", seen["ours"], seen["final row"], at_least=0.70)
    yield Figure("linear blocking", "single", "steps/s", seen["ours"], seen["single"], at_least=0.42)


def _many(
    ground: Ground, sizes: Sizes, name: str, step: FunctorTask, threads: int, bare: str, targets: tuple[float, float]
) -> Iterator[Figure]:
    runs, steps = sizes.runs, sizes.run_steps
    flow = tasks.flow("linear", steps, step)
    measures: dict[str, Measure] = {
        "ours": lambda url: asyncio.run(_arun(ground, url, flow, runs, steps)),
        "final row": lambda url: final_row.many(url, runs, steps, threads),
        bare: lambda url: asyncio.run(_bare(url, runs, steps, bool(threads))),
    }
    rows: dict[str, dict[LiteralString, int]] = {
        "ours": {"sagalog.record": (runs + final_row.WARM) * tasks.records(steps)},
        "final row": {"sagalog.record": final_row.many_records(runs, steps)},
        bare: {"floor_record": runs * 2 * (steps + 1)},
    }
    seen = rounds(ground, sizes.rounds, measures, rows)
    yield Figure(name, "final row", "steps/s", seen["ours"], seen["final row"], at_least=targets[0])
    yield Figure(name, bare, "steps/s", seen["ours"], seen[bare], at_least=targets[1])


WARM = 2
"""Tasks of a run before the clock starts, on the connection that is measured."""


def _run(ground: Ground, url: str, flow: Flow, steps: int) -> float:
    warm = tasks.flow("linear", WARM, tasks.plain)
    with Engine.open(url, flows=[flow, warm], settings=ground.settings) as engine:
        engine.run(warm)
        began = time.perf_counter()
        engine.run(flow)
        return steps / (time.perf_counter() - began)


async def _arun(ground: Ground, url: str, flow: Flow, runs: int, steps: int) -> float:
    async with Engine.open(url, flows=[flow], settings=ground.settings) as engine:
        await asyncio.gather(*(engine.arun(flow) for _ in range(final_row.WARM)))
        began = time.perf_counter()
        await asyncio.gather(*(engine.arun(flow) for _ in range(runs)))
        return runs * steps / (time.perf_counter() - began)


def rounds(
    ground: Ground, number: int, measures: dict[str, Measure], rows: Mapping[str, Mapping[LiteralString, int]]
) -> dict[str, list[float]]:
    """Measure each in every round, each time on a database of its own whose rows are counted afterwards.

    The order turns from round to round, so that a machine that slows down or speeds up does so for all.
    """
    names = list(measures)
    seen: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(number):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            with ground.database() as url:
                seen[name].append(measures[name](url))
                count(url, rows[name])
    return seen
