"""Whoever dies on the stage leaves things as a dead process does, and another engine goes on at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sagalog import Context, Run, linear, task
from sagalog.config import Settings
from sagalog.engine.runtime.engine import Engine
from sagalog.errors import UnknownRun
from sagalog.testing import FileLedger, Ledger
from sagalog.testing.crash.database import throw_away_database
from sagalog.testing.crash.forked import ForkedStage
from sagalog.testing.crash.points import PHASES
from sagalog.testing.crash.stage import LEASE, Stage

FORTH = [
    "append.before", "append.after", "call.before", "call.inside", "call.after",
    "append.before", "append.after", "call.before", "call.after", "append.before", "append.after",
]  # fmt: skip


@pytest.fixture(params=[Stage, ForkedStage])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    ledger: Ledger = FileLedger(tmp_path / "ledger")

    @task
    def charge(context: Context) -> None:
        ledger.call("charge", context.idempotency_key)

    @task(transactional=True)
    def note(conn: Any) -> None:
        conn.execute("SELECT 1")

    with throw_away_database() as (url, _):
        settings = Settings(home=tmp_path, database_url=url, lease=LEASE, poll=LEASE)
        made = request.param(url, settings, linear("f").add(charge, note), {}, ledger, {})
        yield made
        made.close()


def forth(stage: Stage, run: Any, at: int | None, resumed: bool = False) -> Any:
    def deed(engine: Engine, id: Any) -> None:
        try:
            engine.resume(id, raises=False)
        except UnknownRun:
            engine.run(stage.flow, run_id=id, raises=False)

    return stage.live(run, deed, at, resumed)


def row(stage: Stage, query: str, *given: Any) -> Any:
    with psycopg.connect(stage.url, autocommit=True) as conn:
        return conn.execute(query.encode(), given).fetchone()


def test_the_points_of_a_run_are_those_of_its_commits_and_calls(stage: Stage) -> None:
    seen = forth(stage, stage.engine.new_id(), None)
    assert [point.event for point in seen.points] == FORTH and seen.killed is None
    assert [str(point.call) for point in seen.points[2:5]] == ["the call of charge"] * 3
    assert {point.phase for point in seen.points} == {PHASES[0]}
    assert [(effect.call.name, effect.what) for effect in seen.effects if effect.call] == [("charge", "charge")]


@pytest.mark.parametrize("at", range(1, len(FORTH) + 1))
def test_the_dead_leave_what_was_durable_and_theirs_and_the_next_one_takes_it_at_once(stage: Stage, at: int) -> None:
    run = stage.engine.new_id()
    seen = forth(stage, run, at)
    assert seen.killed is not None and [point.event for point in seen.points] == FORTH[:at]
    head = row(stage, "SELECT version, epoch, owner FROM sagalog.stream WHERE stream_id = %s", run)
    commits = FORTH[:at].count("append.after")
    if not commits:
        assert head is None
    else:
        assert head[0] == seen.durable and head[1] == 1
        assert (head[2] is None) == (commits == 3)  # nobody has given it back: only the last commit of a run lets go
    later = forth(stage, run, None, resumed=True)
    assert {point.phase for point in later.points} <= {PHASES[2]}
    ended: Run = stage.state(run)
    assert ended.state == "SUCCESS"
    claims = [record for record in stage.engine.history(run) if record.type == "run.claimed"]
    assert [record.facts["epoch"] for record in claims] == ([1] if commits in (0, 3) else [1, 2])
    assert stage.ledger is not None and len(stage.ledger.effects()) == 1
