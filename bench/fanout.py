"""A fan-out of coroutines beside the final-row floor, and the memory of a large one.

The floor is that of the flows of 10 coroutines: as many steps, two records each, behind one group-committing writer.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import LiteralString

from sagalog.config import Settings
from sagalog.engine.definition import Flow, each, linear, task
from sagalog.engine.runtime.engine import Engine

from . import final_row, speed, tasks
from .figures import Figure
from .ground import Ground, count
from .scaling import peak
from .sizes import Sizes

WARM = 3
"""Elements of a run before the clock starts."""
FANS = 2
"""The fan-outs themselves, which succeed too: the one before the clock starts, and the one measured."""
SUCCEEDED: LiteralString = "sagalog.record where type = 'task.success'"
LIMIT = 400_000_000
"""Bytes, of the whole process."""


@task(provides="all")
async def one(number: int) -> object:
    """What is done for each element."""
    return tasks.RESULT


def figures(ground: Ground, sizes: Sizes) -> Iterator[Figure]:
    """Elements a second, of one run; bytes of a process that has run a large one, at most."""
    count_of, large = sizes.elements
    runs, steps = sizes.runs, sizes.run_steps
    seen = speed.rounds(
        ground,
        sizes.rounds,
        {
            "ours": lambda url: asyncio.run(_run(url, ground.settings, count_of)),
            "final row": lambda url: final_row.many(url, runs, steps),
        },
        {
            "ours": {SUCCEEDED: count_of + WARM + FANS},
            "final row": {"sagalog.record": final_row.many_records(runs, steps)},
        },
    )
    yield Figure(
        f"fan-out {count_of:,} async", "final row", "elements/s", seen["ours"], seen["final row"], at_least=0.5
    )
    with ground.database() as url, ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        bytes_at_most, speed_of_it = pool.submit(_peak, url, ground.settings, large).result()
        count(url, {SUCCEEDED: large + WARM + FANS})
    yield Figure(
        f"fan-out {large:,} memory",
        "400 MB",
        "bytes",
        [bytes_at_most],
        [LIMIT],
        at_most=1.0,
        more={"elements_a_second": speed_of_it},
    )


async def _run(url: str, settings: Settings, elements: int) -> float:
    """Elements/s of one run."""
    flow = _flow()
    async with Engine.open(url, flows=[flow], settings=settings) as engine:
        await engine.arun(flow, {"items": list(range(WARM))})
        items = {"items": list(range(elements))}
        began = time.perf_counter()
        run = await engine.arun(flow, items)
        ended = time.perf_counter()
        assert run.state == "SUCCESS" and len(run.results["all"]) == elements
        return elements / (ended - began)


def _peak(url: str, settings: Settings, elements: int) -> tuple[int, float]:
    """The most bytes that this process ever had resident, and elements/s."""
    rate = asyncio.run(_run(url, settings, elements))
    return peak(), rate


def _flow() -> Flow:
    return linear("fan-out").add(each(one))
