"""What is derived from the log, dropped and computed anew: heads of streams, claims, timers, workers.

It happens in one transaction, as the owner of the tables, while nobody can append. What others derive from the log
(projections) they bring along as stages of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import psycopg

from ..errors import CorruptLog
from . import wire
from .fault import explain
from .io import Operation, Query, Rows, perform
from .migrate import MIGRATIONS

EPOCH_LEAP = 1_000_000
"""Epochs go on so far above the last in the log: no owner from before is ever taken for the present one."""
PAGE = 2_000
"""Streams that are read at a time."""
KEY_SCOPE = "run"
"""The scope in which the submit keys of runs are unique."""
_FIRST = UUID(int=0)

Progress: TypeAlias = Callable[[str, int, int], object]
"""Told the stage, how much of it is done, and how much there is to do (an estimate)."""
Claims: TypeAlias = Callable[[str, Any], Iterable[tuple[str, str]]]
"""The claims (scope, key) that a stream's first record makes, by its type and decoded facts."""


class Stage(NamedTuple):
    """A part of what is derived; `run` is given a function to tell how much is done and how much there is."""

    name: str
    run: Callable[[Callable[[int, int], object]], Operation[None]]


def created_claims(type: str, facts: Any) -> Iterable[tuple[str, str]]:
    """The claim of a run that was submitted with a key."""
    if type == "run.created" and "key" in facts:
        yield KEY_SCOPE, facts["key"]


def rebuild(
    url: str, progress: Progress | None = None, claims: Claims = created_claims, more: Sequence[Stage] = ()
) -> int:
    """Drop and recompute all that is derived from the log at `url`; return how many streams there are.

    All of it or nothing; appends wait meanwhile. Heads come back equal but for epochs, which leap ahead, and owners, of
    which there are none: every lease is void. Tables that are not there at all are made again. The role that connects
    must be a member of sagalog_owner. Raises StoreUnavailable, SchemaMismatch; CorruptLog for facts that are not JSON.
    """
    told = progress or (lambda stage, done, total: None)
    derived = [migration for migration in MIGRATIONS if migration.name.startswith(("derived", "projection_"))]
    try:
        with psycopg.connect(url, autocommit=True) as conn, conn.transaction():
            for migration in derived:
                conn.execute(migration.text.encode())
            count = perform(conn, streams(lambda done, total: told("streams", done, total), claims))
            perform(conn, timers(lambda done, total: told("timers", done, total)))
            for stage in more:
                perform(conn, stage.run(_telling(told, stage.name)))
            return count
    except psycopg.Error as error:
        raise explain(error, "rebuilding what is derived from the log") from error


def streams(told: Callable[[int, int], object], claims: Claims = created_claims) -> Operation[int]:
    """Recompute heads and claims, forget workers and timers; within a transaction, as the owner. Returns how many heads."""
    rows = yield Query("rebuild_count")
    total: int = rows[0][0]
    yield Query("rebuild_empty")
    done, after = 0, _FIRST
    while True:
        page = yield Query("rebuild_page", (wire.uuid(after), PAGE))
        if not page:
            return done
        facts = [_facts(row) for row in page]
        yield _heads(page, facts)
        yield from _claims(page, facts, claims)
        done, after = done + len(page), page[-1][0]
        told(done, max(done, total))


def timers(told: Callable[[int, int], object]) -> Operation[int]:
    """Recompute which timers are set; behind `streams`, in its transaction. Returns how many. Raises CorruptLog."""
    try:
        rows = yield Query("rebuild_timers")
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        raise CorruptLog(
            f"timers: expected records timer.* with the facts that they must have, found others: "
            f"{error.diag.message_primary}; run `sagalog verify`"
        ) from error
    count: int = rows[0][0]
    if count:
        told(count, count)
    return count


def _heads(page: Rows, facts: Sequence[Any]) -> Query:
    ids, versions, epochs, hashes, _, _ = zip(*page, strict=True)
    return Query(
        "rebuild_heads",
        (
            wire.uuids([stream_id.bytes for stream_id in ids]),
            wire.bigints(versions),
            wire.bigints([epoch + EPOCH_LEAP for epoch in epochs]),
            wire.blobs(hashes),
            wire.texts([fact.get("namespace", "default") for fact in facts]),
        ),
    )


def _claims(page: Rows, facts: Sequence[Any], claims: Claims) -> Operation[None]:
    made = [(row[0].bytes, *claim) for row, fact in zip(page, facts, strict=True) for claim in claims(row[4], fact)]
    if made:
        ids, scopes, keys = zip(*made, strict=True)
        yield Query("rebuild_claims", (wire.texts(scopes), wire.texts(keys), wire.uuids(ids)))


def _facts(row: tuple[Any, ...]) -> Any:
    try:
        facts = json.loads(row[5])
        if isinstance(facts, dict):
            return facts
    except ValueError:
        pass
    raise CorruptLog(f"stream {row[0]}: expected its first record's facts to be a JSON object; run `sagalog verify`")


def _telling(told: Progress, name: str) -> Callable[[int, int], object]:
    return lambda done, total: told(name, done, total)
