"""Whether a task costs the same however large its flow is, from the building of the flow to the end of its run.

Each measurement is a process of its own, so that memory is that of one flow and its run, and no heap is a used one.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import resource
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from sagalog.config import Settings
from sagalog.engine.definition import Flow
from sagalog.engine.runtime.engine import Engine

from . import tasks
from .figures import Figure
from .ground import Ground, count
from .sizes import Sizes

WARM = 2


class Cost(NamedTuple):
    """Of one flow: seconds to build and compile it, to run it, and of CPU; bytes of memory at its end, and at most."""

    build: float
    run: float
    cpu: float
    memory: int
    peak: int


def figures(ground: Ground, sizes: Sizes) -> Iterator[Figure]:
    """Time and memory per task, of linear flows (blocking) and of unordered ones (asyncio)."""
    for pattern in ("linear", "unordered"):
        costs = _measure(ground, sizes, pattern)
        small, *larger = sizes.scale
        base = statistics.median(cost.build + cost.run for cost in costs[small]) / small
        for size in larger:
            per_task = [(cost.build + cost.run) / size for cost in costs[size]]
            middle = costs[size][len(costs[size]) // 2]
            yield Figure(
                f"{pattern} {size:,} tasks",
                f"{small:,} tasks",
                "µs/task",
                [cost * 1e6 for cost in per_task],
                [base * 1e6] * len(per_task),
                at_most=1.3,
                more={
                    "build_us": middle.build / size * 1e6,
                    "run_us": middle.run / size * 1e6,
                    "cpu_us": middle.cpu / size * 1e6,
                    "floor_cpu_us": statistics.median(cost.cpu for cost in costs[small]) / small * 1e6,
                },
            )
        size = larger[-1]
        yield Figure(
            f"{pattern} {size:,} tasks memory",
            "3 KB an atom",
            "bytes/atom",
            [cost.peak / size for cost in costs[size]],
            [3072.0] * len(costs[size]),
            at_most=1.0,
            more={"at_end": statistics.median(cost.memory / size for cost in costs[size])},
        )


def _measure(ground: Ground, sizes: Sizes, pattern: str) -> dict[int, list[Cost]]:
    """The largest once, in the middle; the others before it and after it, since machines drift."""
    *small, largest = sizes.scale
    before = [size for turn in range((sizes.again + 1) // 2) for size in small]
    after = [size for turn in range(sizes.again // 2) for size in small]
    costs: dict[int, list[Cost]] = {size: [] for size in sizes.scale}
    for size in (*before, largest, *after):
        with ground.database() as url:
            costs[size].append(_in_child(url, ground.settings, pattern, size))
            count(url, {"sagalog.record": tasks.records(size) + tasks.records(WARM)})
    return costs


def _in_child(url: str, settings: Settings, pattern: str, size: int) -> Cost:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(cost, url, settings, pattern, size).result()


def cost(url: str, settings: Settings, pattern: str, size: int) -> Cost:
    """Build a flow of `size` tasks and run it, in a process that does nothing else."""
    if pattern == "linear":
        with Engine.open(url, settings=settings) as engine:
            engine.run(_flow(pattern, WARM))
            clock = _Clock()
            flow = _flow(pattern, size)
            engine.app.add(flow)
            clock.built()
            run = engine.run(flow)
            made = clock.ran()
            assert run.version == tasks.records(size), run
            return made
    return asyncio.run(_acost(url, settings, pattern, size))


async def _acost(url: str, settings: Settings, pattern: str, size: int) -> Cost:
    async with Engine.open(url, settings=settings) as engine:
        await engine.arun(_flow(pattern, WARM))
        clock = _Clock()
        flow = _flow(pattern, size)
        engine.app.add(flow)
        clock.built()
        run = await engine.arun(flow)
        made = clock.ran()
        assert run.version == tasks.records(size), run
        return made


def _flow(pattern: str, size: int) -> Flow:
    return tasks.flow(pattern, size, tasks.plain if pattern == "linear" else tasks.awaited)


class _Clock:
    """Starts when it is made."""

    def __init__(self) -> None:
        gc.collect()
        self.memory = _memory()
        self.cpu = time.process_time()
        self.began = time.perf_counter()

    def built(self) -> None:
        self.middle = time.perf_counter()

    def ran(self) -> Cost:
        end, cpu = time.perf_counter(), time.process_time()
        most = max(peak() - self.memory, 0)
        gc.collect()
        return Cost(self.middle - self.began, end - self.middle, cpu - self.cpu, _memory() - self.memory, most)


def _memory() -> int:
    """Bytes resident now (Linux; elsewhere the most there ever were)."""
    return _status("VmRSS:")


def peak() -> int:
    """The most bytes that were ever resident. Not `ru_maxrss` where it can be helped: a child begins with its parent's."""
    return _status("VmHWM:")


def _status(name: str) -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024
