"""Fixtures of the fault tests: settings of little patience, and a business table beside the log."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from sagalog_faults import Business

from sagalog.config import Settings


@pytest.fixture
def settings(migrated: str, tmp_path: Path) -> Settings:
    """Settings with a short lease and short patience, on a database with the schema."""
    return Settings(home=tmp_path, database_url=migrated, lease=2.0, reconnect=20.0, poll=0.05)


@pytest.fixture
def business(migrated: str) -> Business:
    """A table of the business's own, in the database that also holds the log."""
    with psycopg.connect(migrated, autocommit=True) as conn:
        conn.execute("CREATE TABLE effect (run uuid NOT NULL, task text NOT NULL)")
        conn.execute("CREATE TABLE account (name text PRIMARY KEY, cents int NOT NULL)")
        conn.execute("INSERT INTO account VALUES ('a', 100), ('b', 100)")
    return Business(migrated)
