"""Law 1: what is derived may hold anything whatever: a rebuild asks the log alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from psycopg.rows import dict_row

from sagalog.cli.main import cli
from sagalog.config import Settings
from sagalog.engine.core.states import RunState
from sagalog.engine.definition import FunctorTask, linear
from sagalog.engine.runtime.app import Sagalog
from sagalog.engine.runtime.engine import Engine
from sagalog.errors import Conflict
from sagalog.projections import base, runs
from sagalog.store.rebuild import rebuild
from sagalog.store.session import Session

GARBLE = (
    "UPDATE sagalog.run SET flow = 'forged', key = 'forged', definition = 'forged', created_at = now(), version = 99",
    "INSERT INTO sagalog.run (run_id, flow, state, version, created_at, updated_at) "
    "VALUES (gen_random_uuid(), 'nobody''s', 'SUCCESS', 3, now(), now())",
    "INSERT INTO sagalog.claim VALUES ('run', 'nobody''s', gen_random_uuid())",
    "INSERT INTO sagalog.timer VALUES (gen_random_uuid(), 3, 1)",
    "INSERT INTO sagalog.stream (stream_id, version, epoch, head, namespace) "
    "VALUES (gen_random_uuid(), 0, 1, '', 'default')",
)


def derived(url: str) -> dict[str, list[dict[str, Any]]]:
    """What the derived tables hold, but for epochs, owners and leases, which a rebuild makes void."""
    columns = {"stream": "stream_id, version, head, namespace", "claim": "*", "timer": "*", "run": "*", "checkpoint": "*"}
    with psycopg.connect(url, row_factory=dict_row) as conn:
        return {
            table: conn.execute(f"SELECT {of} FROM sagalog.{table} ORDER BY 1, 2".encode()).fetchall()
            for table, of in columns.items()
        }


def some_runs(settings: Settings) -> None:
    flow = linear("good").add(FunctorTask(lambda: 1, name="a", revert=lambda: None))
    with Engine.open(settings=settings) as engine:
        done = [engine.run(flow, key=f"k{n}") for n in range(3)]
        engine.revert(done[1].id, reason="test")
        engine.rows()


def garble(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        for statement in GARBLE:
            conn.execute(statement.encode())


def test_what_was_forged_in_derived_tables_is_gone_after_a_rebuild(migrated: str, settings: Settings) -> None:
    some_runs(settings)
    before = derived(migrated)
    garble(migrated)
    assert derived(migrated) != before
    rebuild(migrated, more=[base.stage(runs.RUNS)])
    assert derived(migrated) == before


def test_the_read_model_alone_is_rebuilt_from_nothing(migrated: str, settings: Settings) -> None:
    some_runs(settings)
    before = derived(migrated)["run"]
    garble(migrated)
    with Session(migrated, settings) as session:
        runs.rebuild(session)
    assert derived(migrated)["run"] == before


def test_the_command_rebuilds_all_that_is_derived(migrated: str, settings: Settings, tmp_path: Path) -> None:
    some_runs(settings)
    before = derived(migrated)
    garble(migrated)
    environment = {"SAGALOG_DATABASE_URL": migrated, "SAGALOG_HOME": str(tmp_path)}
    result = CliRunner().invoke(cli, ["rebuild", "--json"], env=environment)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["streams"] == 3
    assert derived(migrated) == before


def test_a_definition_is_stored_with_the_first_run_that_is_there(settings: Settings) -> None:
    """One whose creation was refused had not stored it: what this process believes to be in the log is in the log."""
    flow = linear("f").add(FunctorTask(lambda: 1, name="a", provides="x"))
    taken = linear("taken").add(FunctorTask(lambda: 2, name="b", provides="x"))
    with Engine.open(settings=settings, flows=[flow, taken]) as engine:
        engine.run(taken, key="k")
        with pytest.raises(Conflict):
            engine.run(flow, key="k")
        second = engine.run(flow)
    with Engine.open(settings=settings) as stranger:
        assert stranger.state(second.id).results == {"x": 1}
    with Engine.open(settings=settings, app=Sagalog(flows=[flow])) as other:
        assert other.revert(second.id, reason="test").state is RunState.REVERTED
