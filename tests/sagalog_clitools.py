"""What tests of the command line share."""

from __future__ import annotations

import psycopg


def tamper(url: str, statement: str) -> None:
    """Change the log as only its owner can: the triggers are off meanwhile."""
    with psycopg.connect(url) as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute("ALTER TABLE sagalog.record DISABLE TRIGGER USER")
        for (table,) in conn.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'sagalog.record'::regclass"
        ).fetchall():
            conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
        assert conn.execute(statement.encode()).rowcount == 1
