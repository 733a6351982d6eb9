"""The flows that are measured: tasks that do nothing and return about 50 bytes."""

from __future__ import annotations

from typing import Any

from sagalog.engine.definition import Flow, FunctorTask, linear, task, unordered

RESULT = {"step": 1, "ok": True, "note": "x" * 20}


@task
def plain() -> dict[str, Any]:
    """A function."""
    return RESULT


@task
async def awaited() -> dict[str, Any]:
    """A coroutine function."""
    return RESULT


def flow(pattern: str, size: int, step: FunctorTask) -> Flow:
    """A flow of `size` times the same step; pattern is linear or unordered."""
    make = linear if pattern == "linear" else unordered
    return make(f"{pattern}-{size}").add(*(step.named(f"t{place}") for place in range(size)))


def records(size: int) -> int:
    """How many records a run of `size` tasks writes: two for each, and the run is created, claimed, runs, succeeds."""
    return 2 * size + 4
