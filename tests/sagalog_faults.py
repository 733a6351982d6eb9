"""What the fault tests share: both shells behind one call, the business table, and records by name."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import psycopg
import pytest
from attrs import frozen

from sagalog.config import Settings
from sagalog.engine.runtime.app import Sagalog
from sagalog.engine.runtime.engine import Engine
from sagalog.engine.runtime.views import Run
from sagalog.store.ids import run_id

both = pytest.mark.parametrize("how", ["blocking", "async"])


@frozen
class Business:
    """A table `effect(run, task)` that transactional tasks write one row each to, and accounts `a` and `b`."""

    url: str

    def effects(self, run: UUID | None = None) -> list[str]:
        """The tasks whose rows are there, in order of their names."""
        with psycopg.connect(self.url, autocommit=True) as conn:
            rows = conn.execute("SELECT task FROM effect WHERE %s::uuid IS NULL OR run = %s ORDER BY task", [run, run])
            return [task for (task,) in rows]


def new_id() -> UUID:
    """The id of a run to be."""
    return run_id(time.time_ns() // 1000)


def write(conn: Any, run: UUID, task: str) -> None:
    """A transactional task's business."""
    conn.execute("INSERT INTO effect VALUES (%s, %s)", [run, task])


def run(settings: Settings, how: str, flow: Any, inputs: Mapping[str, Any] | None = None, **options: Any) -> Run:
    """Run a flow the blocking way or on an event loop, with an engine of its own."""
    if how == "blocking":
        with Engine.open(settings=settings) as engine:
            return engine.run(flow, inputs, **options)

    async def on_loop() -> Run:
        async with Engine.open(settings=settings) as engine:
            return await engine.arun(flow, inputs, **options)

    return asyncio.run(on_loop())


def resume(settings: Settings, how: str, flow: Any, run_id: UUID, **options: Any) -> Run:
    """Resume a run the blocking way or on an event loop, with an engine of its own."""
    app = Sagalog(flows=[flow])
    if how == "blocking":
        with Engine.open(settings=settings, app=app) as engine:
            return engine.resume(run_id, **options)

    async def on_loop() -> Run:
        async with Engine.open(settings=settings, app=app) as engine:
            return await engine.aresume(run_id, **options)

    return asyncio.run(on_loop())


def told(settings: Settings, run_id: UUID) -> list[str]:
    """The run's records, by type and atom."""
    with Engine.open(settings=settings) as engine:
        return [f"{record.type} {record.atom}" if record.atom else record.type for record in engine.history(run_id)]


def verified(settings: Settings, run: UUID | None = None) -> bool:
    """Whether the chain holds."""
    with Engine.open(settings=settings) as engine:
        found = engine.verify(run)
        assert found.ok, found.faults
        return True
