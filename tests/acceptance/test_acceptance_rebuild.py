"""Law 1: the log is the only truth. What is derived is dropped, `rebuild` brings it back, equal, and work goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from sagalog.config import Settings
from sagalog.engine.core.states import RunState
from sagalog.engine.definition import FunctorTask, linear
from sagalog.engine.runtime.engine import Engine
from sagalog.projections import base, runs
from sagalog.store.rebuild import rebuild

DERIVED = ("stream", "claim", "worker", "timer", "run", "checkpoint")


def stop() -> None:
    raise KeyboardInterrupt


def picture(url: str) -> dict[str, list[dict[str, Any]]]:
    """What the derived tables hold, but for epochs, owners and leases, which a rebuild makes void."""
    asked = {
        "stream": "select stream_id, version, head, namespace from sagalog.stream order by 1",
        "claim": "select scope, key, stream_id from sagalog.claim order by 1, 2",
        "timer": "select * from sagalog.timer order by 1, 2",
        "run": "select * from sagalog.run order by 1",
        "checkpoint": "select * from sagalog.checkpoint order by 1",
    }
    with psycopg.connect(url, row_factory=dict_row) as conn:
        return {table: conn.execute(query.encode()).fetchall() for table, query in asked.items()}


def test_what_is_derived_comes_back_equal_and_work_goes_on(migrated: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, database_url=migrated, lease=2.0)
    hurt = linear("hurt").add(FunctorTask(lambda: 1, name="a"), FunctorTask(stop, name="b"))
    good = linear("good").add(FunctorTask(lambda: 1, name="a", revert=lambda: None))
    with Engine.open(settings=settings) as engine:
        done = [engine.run(good, key=f"k{n}") for n in range(20)]
        engine.revert(done[3].id, reason="test")
        waiting = engine.start(good, key="later")
        with pytest.raises(KeyboardInterrupt):
            engine.run(hurt)
        engine.rows()
    before = picture(migrated)
    with psycopg.connect(migrated) as conn:
        for table in DERIVED:
            conn.execute(f"drop table sagalog.{table} cascade".encode())
    told: list[str] = []
    rebuild(migrated, lambda stage, *_: told.append(stage), more=[base.stage(runs.RUNS)])
    assert picture(migrated) == before
    assert {"streams", "runs"} <= set(told)

    def mended() -> int:
        return 2

    later = linear("hurt").add(FunctorTask(lambda: 1, name="a"), FunctorTask(mended, name="b"))
    with Engine.open(settings=settings, flows=[good, later]) as engine:
        assert engine.start(good, key="later").id == waiting.id
        assert [run.state for run in engine.resume_all()] == [RunState.SUCCESS] * 2
        assert engine.revert(done[0].id, reason="still works").state is RunState.REVERTED
        assert engine.verify().ok
        epochs = [record.facts["epoch"] for record in engine.history(waiting.id) if record.type == "run.claimed"]
        assert epochs[0] > 1_000_000
