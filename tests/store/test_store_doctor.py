"""What `doctor` finds, in a database that is well, and in those that are not."""

from __future__ import annotations

from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from sagalog_logkit import appending, settings

from sagalog.errors import StoreUnavailable
from sagalog.store import log
from sagalog.store.doctor import Fact, examine
from sagalog.store.ids import run_id
from sagalog.store.session import Session
from sagalog.store.shape import Head


def found(url: str) -> dict[str, Fact]:
    return {fact.name: fact for fact in examine(url)}


def ill(url: str) -> dict[str, str]:
    return {fact.name: fact.value for fact in examine(url) if not fact.ok}


def test_a_database_that_is_well(migrated_on: str) -> None:
    facts = found(migrated_on)
    assert ill(migrated_on) == {}
    assert facts["server"].value.startswith("PostgreSQL 1")
    assert facts["database"].value.startswith(urlsplit(migrated_on).path[1:])
    assert facts["position"].value == "0"
    assert facts["partitions"].value == "5, 3 of 3 months ready"


def test_a_database_without_the_schema(database_on: str) -> None:
    facts = found(database_on)
    assert not facts["schema"].ok and "sagalog init" in facts["schema"].advice
    assert "position" not in facts


def test_a_log_that_was_opened_to_changes(migrated_on: str) -> None:
    with psycopg.connect(migrated_on, autocommit=True) as conn:
        conn.execute("alter table sagalog.record_default disable trigger append_only")
        conn.execute("alter table sagalog.definition enable replica trigger append_only_row")
        conn.execute("drop trigger append_only on sagalog.record_standing")
    wrong = "definition.append_only_row is off; record_default.append_only is off; record_standing lacks one"
    assert ill(migrated_on) == {"append-only triggers": wrong}


def test_a_default_partition_in_use(migrated_on: str) -> None:
    with Session(migrated_on, settings()) as session:
        session.perform(lambda: log.append([appending(Head(run_id(9_000_000_000_000_000), epoch=1))]))
    assert ill(migrated_on) == {"default partition": "in use"}


def test_a_server_that_takes_no_writes_and_may_lose_some(migrated_on: str) -> None:
    with psycopg.connect(migrated_on, autocommit=True) as conn:
        conn.execute(f"alter database {conn.info.dbname} set default_transaction_read_only = on")
    assert ill(migrated_on) == {"writable": "no"}


def test_a_role_that_may_only_read(migrated_on: str) -> None:
    role = f"reader_{uuid4().hex}"
    with psycopg.connect(migrated_on, autocommit=True) as conn:
        conn.execute(f"create role {role} login in role sagalog_reader")
        try:
            facts = found(migrated_on.replace("postgres@", f"{role}@"))
            assert not facts["sagalog_writer"].ok and facts["sagalog_reader"].ok
            assert not facts["writing as sagalog_writer"].ok
        finally:
            conn.execute(f"drop role {role}")


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(StoreUnavailable, match="examining the database"):
        examine("postgresql://nobody@/none?host=/nonexistent")
