"""What is found when a database is opened or a run taken over is not what this code expects: said clearly, nothing done."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import attrs
import psycopg
import pytest
from sagalog_faults import both, new_id, resume, told

from sagalog.config import Settings
from sagalog.engine.core.states import RunState
from sagalog.engine.definition import FunctorTask, linear
from sagalog.engine.runtime.app import Sagalog
from sagalog.engine.runtime.engine import Engine
from sagalog.errors import DefinitionChanged, SchemaMismatch, StoreUnavailable, UnknownRun
from sagalog.store.migrate import MIGRATIONS
from sagalog_testkit import Server


@pytest.mark.parametrize("what", ["older", "newer", "empty"])
def test_a_schema_of_another_version_is_refused_and_says_what_to_do(settings: Settings, what: str) -> None:
    newest = MIGRATIONS[-1].number
    statement, said = {
        "older": (f"DELETE FROM sagalog.migration WHERE number = {newest}", "run `sagalog init`"),
        "newer": (
            f"INSERT INTO sagalog.migration VALUES ({newest + 1}, 'later', 'x')",
            f"found the newer {newest + 1}",
        ),
        "empty": ("DROP SCHEMA sagalog CASCADE", "run `sagalog init`"),
    }[what]
    with psycopg.connect(str(settings.database_url), autocommit=True) as conn:
        conn.execute(statement.encode())
    with pytest.raises(SchemaMismatch, match=said):
        Engine.open(settings=settings)


def test_a_schema_that_becomes_newer_while_a_run_is_under_way_stops_it_resumable(settings: Settings) -> None:
    """Another process has migrated the database, and the connection was lost: this code must not write on."""
    newer = f"INSERT INTO sagalog.migration VALUES ({MIGRATIONS[-1].number + 1}, 'later', 'x')"
    away = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )
    first = [newer, away]

    def migrate() -> None:
        with psycopg.connect(str(settings.database_url), autocommit=True) as conn:
            while first:
                conn.execute(first.pop(0).encode())

    flow, run_id = linear("f").add(FunctorTask(migrate, name="migrate")), new_id()
    with Engine.open(settings=settings) as engine, pytest.raises(SchemaMismatch, match="newer"):
        engine.run(flow, run_id=run_id)
    with psycopg.connect(str(settings.database_url), autocommit=True) as conn:
        conn.execute("DELETE FROM sagalog.migration WHERE name = 'later'")
    assert told(settings, run_id)[-1] == "task.running migrate"
    assert resume(settings, "blocking", flow, run_id).state is RunState.SUCCESS


def test_a_wrong_password_is_one_clear_error(settings: Settings, server: Server) -> None:
    rules = server.cluster.data / "pg_hba.conf"
    before = rules.read_text(encoding="utf-8")
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute("DROP ROLE IF EXISTS clerk")
        conn.execute("CREATE ROLE clerk LOGIN PASSWORD 'right'")
        try:
            rules.write_text("local all clerk scram-sha-256\n" + before, encoding="utf-8")
            conn.execute("SELECT pg_reload_conf()")
            url = str(settings.database_url).replace("postgres@", "clerk:wrong@")
            began = time.monotonic()
            for _ in range(20):  # the server may need a moment to read its rules
                with pytest.raises((StoreUnavailable, SchemaMismatch)) as refused:
                    Engine.open(settings=attrs.evolve(settings, database_url=url))
                if "authentication failed" in str(refused.value):
                    break
                time.sleep(0.1)
            assert "authentication failed" in str(refused.value)
            assert "clerk" in str(refused.value) and "wrong" not in str(refused.value)
            assert time.monotonic() - began < settings.reconnect, "there is nothing to wait for"
        finally:
            rules.write_text(before, encoding="utf-8")
            conn.execute("SELECT pg_reload_conf()")
            conn.execute("DROP ROLE clerk")


# ---- another definition


def flow_of(*names: str, **versions: str) -> Any:
    return linear("f").add(*(_task(name, versions.get(name, "1")) for name in names))


def _task(name: str, version: str) -> FunctorTask:
    return FunctorTask(_interrupt if name == "stop" and not _passed else _nothing, name=name, version=version)


def _nothing() -> None:
    return None


def _interrupt() -> None:
    raise KeyboardInterrupt


_passed: list[bool] = []


@pytest.fixture
def stopped(settings: Settings) -> UUID:
    """A run that was interrupted in its second task."""
    run_id = new_id()
    with Engine.open(settings=settings) as engine, pytest.raises(KeyboardInterrupt):
        engine.run(flow_of("one", "stop", "three"), run_id=run_id)
    return run_id


@both
def test_a_changed_definition_is_refused_with_a_diff_and_the_run_is_as_it_was(
    settings: Settings, stopped: UUID, how: str
) -> None:
    before = told(settings, stopped)
    changed = flow_of("one", "stop", "another", "three", three="2")
    with pytest.raises(DefinitionChanged) as refused:
        resume(settings, how, changed, stopped)
    text = str(refused.value)
    assert "another" in text and "three" in text and "'f'" in text
    assert len(text.splitlines()) > 2, "one line for each change"
    assert told(settings, stopped) == before
    with pytest.raises(DefinitionChanged, match="is not in the App"):
        resume(settings, how, linear("quite another").add(FunctorTask(_nothing, name="one")), stopped)
    assert told(settings, stopped) == before
    # Whoever has the code it was started with can have it at once.
    _passed.append(True)
    try:
        with Engine.open(settings=settings, app=Sagalog(flows=[flow_of("one", "stop", "three")])) as engine:
            assert engine.resume(stopped, steal=False).state is RunState.SUCCESS
    finally:
        _passed.clear()


@both
def test_a_run_that_is_not_there_is_unknown(settings: Settings, how: str) -> None:
    with pytest.raises(UnknownRun):
        resume(settings, how, flow_of("one"), new_id())
