"""A message is posted at every moment of a voyage to whoever has it in hand, also while it waits and while it is undone."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sagalog_faults import both, new_id
from sagalog_voyage import BAGS, TABLE, Book, voyage

from sagalog import telemetry
from sagalog.codec.values import encode
from sagalog.config import Settings
from sagalog.engine.core.states import RunState
from sagalog.engine.runtime.app import Sagalog
from sagalog.engine.runtime.engine import Engine
from sagalog.engine.runtime.views import Run
from sagalog.engine.runtime.wishes import body, said
from sagalog.store import hold
from sagalog.store.session import Session

MOMENTS = 6
"""That are tried, spread over the whole way; with `-m sweep` many."""
NEVER = -1
AMENDED = {"atom": 5, "instance": None, "state": "SUCCESS"}
SETTLED = {"atom": 4, "instance": None}


@pytest.fixture
def settings(migrated: str, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, database_url=migrated, lease=2.0, reconnect=10.0, poll=0.001)


def message(kind: str) -> bytes:
    who = said("p7", "because")
    if kind == "amend":
        return body(who, AMENDED, result=encode("air"))
    return body(who, SETTLED) if kind == "retry_revert" else who


class Posting:
    """Posts a message, by another connection, at the run's moment `at`: each append has two, before and behind."""

    def __init__(self, settings: Settings, run: UUID, kind: str, at: int) -> None:
        self.session = Session(str(settings.database_url), settings)
        self.run, self.kind, self.at = run, kind, at
        self.seen = 0
        self.id = uuid4()

    def hear(self, event: str, facts: dict[str, Any]) -> None:
        if event in ("append.before", "append.after") and self.run in facts["runs"]:
            if self.seen >= self.at and self.seen > 0:  # before its first append there is no stream
                self.post()
            self.seen += 1

    def post(self) -> None:
        if self.kind:
            kind, self.kind = self.kind, ""
            outcome = self.session.perform(lambda: hold.post(self.run, self.id, kind, message(kind), "somebody"))
            assert outcome == "posted", outcome


def drive(engine: Engine, how: str, flow: Any, run_id: UUID) -> Run:
    if how == "blocking":
        return engine.run(flow, {"items": BAGS}, run_id=run_id, raises=False)

    async def on_loop() -> Run:
        try:
            return await engine.arun(flow, {"items": BAGS}, run_id=run_id, raises=False)
        finally:
            await engine._shells.close_aio()

    return asyncio.run(on_loop())


def sweep(settings: Settings, how: str, kind: str, moments: int) -> Counter[str]:
    """Runs with a message at each of so many moments; how they first came to rest."""
    with psycopg.connect(str(settings.database_url), autocommit=True) as conn:
        conn.execute(TABLE)
    book = Book(settings.home / "book")
    flow = voyage(book, "mended")
    ends: Counter[str] = Counter()
    with Engine.open(settings=settings, app=Sagalog(flows=[flow])) as engine:
        unharmed = new_id()
        counting = Posting(settings, unharmed, "", NEVER)
        stop = telemetry.listen(counting.hear)
        first = drive(engine, how, flow, unharmed)
        stop()
        assert first.state is RunState.SUCCESS
        for at in range(1, counting.seen - 1, max(counting.seen // moments, 1)):
            run_id, told = new_id(), f"{kind} at {at}"
            posting = Posting(settings, run_id, kind, at)
            stop = telemetry.listen(posting.hear)
            done = drive(engine, how, flow, run_id)
            stop()
            posting.post()  # the ways of an event loop differ in length
            ends[str(done.state)] += 1
            look(engine, run_id, posting, told)
            posting.session.close()
            if done.state is RunState.SUSPENDED:
                done = engine.resume(run_id)
            if done.state is RunState.SUCCESS:
                assert repr(done.results).replace(str(run_id), "") == repr(first.results).replace(str(unharmed), ""), told
        assert engine.verify().ok
    with psycopg.connect(str(settings.database_url), autocommit=True) as conn:
        assert conn.execute("SELECT * FROM sagalog.timer").fetchall() == []
        assert conn.execute("SELECT stream_id FROM sagalog.stream WHERE owner IS NOT NULL").fetchall() == []
    calls = Counter((entry.run, entry.kind, entry.atom, entry.execution, entry.attempt) for entry in book.entries())
    assert {call[1] for call, count in calls.items() if count > 1} <= {"decide"}, "nothing else was lost or asked again"
    return ends


def look(engine: Engine, run_id: UUID, posting: Posting, told: str) -> None:
    """The message was accepted once, or, where it came too late, is still there."""
    accepted = [record for record in engine.history(run_id) if record.type == "message.accepted"]
    left = posting.session.perform(lambda: hold.inbox([run_id]))
    assert len(accepted) + len(left) == 1, f"{told}: accepted {len(accepted)} times, left {len(left)}"


@both
@pytest.mark.parametrize("kind", ["suspend", "revert"])
def test_a_message_posted_at_some_moments_of_a_voyage_is_accepted_once(settings: Settings, how: str, kind: str) -> None:
    ends = sweep(settings, how, kind, MOMENTS)
    assert set(ends) <= {"SUSPENDED" if kind == "suspend" else "REVERTED", "SUCCESS"}
    assert ends["SUCCESS"] <= 1, "only what was asked of a run that was over comes too late"


@pytest.mark.sweep
@both
@pytest.mark.parametrize("kind", ["suspend", "revert", "amend", "retry_revert"])
def test_a_message_posted_at_many_moments_of_a_voyage_is_accepted_once(settings: Settings, how: str, kind: str) -> None:
    sweep(settings, how, kind, 100)
