"""The simulated log passes the suite that every log must pass; faults can be played on it; the real drive runs over it."""

from __future__ import annotations

from dataclasses import replace
from typing import cast
from uuid import uuid4

import psycopg
import pytest
from sagalog_conformance import LogConformance
from sagalog_conformance_timers import TimerConformance
from sagalog_logkit import Log, StoredLog, again, appending, copy, record, settings, stream, worker

from sagalog.engine.core.decide import Recover, Resume
from sagalog.engine.core.states import RunState
from sagalog.engine.definition import FunctorTask, linear
from sagalog.engine.runtime.app import Sagalog
from sagalog.engine.runtime.blocking import Blocking
from sagalog.engine.runtime.desk import Desk
from sagalog.engine.runtime.drive import drive
from sagalog.engine.runtime.taking import Order, look, take_over
from sagalog.errors import UsageError
from sagalog.store import hold, log
from sagalog.store.io import Query, Rows
from sagalog.store.session import Session
from sagalog.store.shape import Head
from sagalog.testing import FakeClock, Ledger, SimulatedLog


def faced(simulated: SimulatedLog) -> Log:
    """As the conformance suite wants it; it performs, which is all that is asked of it."""
    return cast(Log, StoredLog(cast(Session, simulated)))


class TestSimulated(LogConformance, TimerConformance):
    @pytest.fixture
    def log(self) -> Log:
        return faced(SimulatedLog())


def test_time_is_that_of_its_clock() -> None:
    simulated = SimulatedLog(clock := FakeClock())
    its = faced(simulated)
    mine, other = worker(), worker()
    simulated.perform(lambda: hold.enroll(mine, 10.0))
    head = stream(owner=mine.id)
    its.append([appending(head)])
    assert [row.recorded_at.timestamp() * 1e6 for row in its.read(head.stream_id)] == [clock.now()]
    clock.advance(9)
    assert simulated.perform(lambda: hold.beat(mine.id, 10.0)) is not None
    clock.advance(9)
    held = its.take(head.stream_id, other.id)
    assert isinstance(held, hold.Held) and held.lease_until.timestamp() * 1e6 == clock.now() + 10**6
    clock.advance(1)
    assert isinstance(its.take(head.stream_id, other.id), Head)
    assert simulated.perform(lambda: hold.beat(uuid4(), 10.0)) is None
    assert simulated.perform(log.now) == clock.now()


def test_data_that_postgres_cannot_store_are_refused_and_leave_all_as_it_was() -> None:
    simulated = SimulatedLog()
    its, heads = faced(simulated), [stream(), stream()]
    its.append([appending(head) for head in heads])
    wrong = [appending(heads[0], records=[record(), record("nul\0")]), appending(heads[1])]
    assert [(r.stream_id, r.status) for r in its.append(wrong)] == [(heads[0].stream_id, "rejected")]
    assert [len(its.read(head.stream_id)) for head in heads] == [1, 2]
    assert [r.status for r in its.append([appending(stream(), actor="a\0")])] == ["rejected"]
    assert len(simulated.tables.records) == 3 and len(simulated.tables.streams) == 2


def test_a_query_that_is_not_simulated_is_named() -> None:
    with pytest.raises(UsageError, match="does not know the query 'verify_page'"):
        SimulatedLog().answer(Query("verify_page"))


class _Faulty(SimulatedLog):
    """Loses the statement, or the reply to the next append."""

    lose = ""

    def answer(self, query: Query) -> Rows:
        lost = self.lose if query.name.startswith("append") else ""
        if lost == "statement":
            raise psycopg.OperationalError("lost before it arrived")
        rows = super().answer(query)
        if lost == "reply":
            raise psycopg.OperationalError("lost on the way back")
        return rows


@pytest.mark.parametrize(("lose", "stands"), [("statement", 1), ("reply", 3)])
def test_a_fault_is_played_by_overriding_answer(lose: str, stands: int) -> None:
    simulated = _Faulty()
    its, head = faced(simulated), stream()
    its.append([appending(head)])
    before, append = copy(head), appending(head, 2)
    simulated.lose = lose
    with pytest.raises(psycopg.OperationalError, match="lost"):
        its.append([append])
    assert head == before and len(its.read(head.stream_id)) == stands
    simulated.lose = ""
    assert its.append([again(append, head)]) == []
    assert head.version == 3 and its.head(head.stream_id) == head
    assert [r.status for r in its.append([replace(append, head=before, records=[record()])])] == ["conflict"]


def test_the_real_drive_runs_over_it_and_goes_on_after_its_process_is_gone() -> None:
    ledger, dies = Ledger(), [True]

    def ship() -> str:
        ledger.call("ship")
        if dies.pop() if dies else False:
            raise KeyboardInterrupt
        return "parcel"

    charge = FunctorTask(lambda: ledger.call("charge").what, name="charge")
    flow = linear("order").add(charge, FunctorTask(ship, name="ship"))
    simulated, app = SimulatedLog(clock := FakeClock()), Sagalog(flows=[flow])
    session = cast(Session, _Closing(simulated))
    desk = Desk(settings(), clock, "first", uuid4(), lambda: session)
    held, drafts = Order(app, flow).held(desk, owned=True)
    with pytest.raises(KeyboardInterrupt):
        Blocking(session, desk).run(held, drive(held, [Resume()], 1, drafts))
    other = Desk(settings(), clock, "second", uuid4(), lambda: session)
    mine = simulated.perform(lambda: take_over(other, app, held.id, steal=False))
    assert mine.head.epoch == 2
    Blocking(session, other).run(mine, drive(mine, [Recover(), Resume()], 1))
    assert ledger.counts() == {("charge", None): 1, ("ship", None): 2}
    seen = simulated.perform(lambda: look(held.id))
    assert seen.state.run is RunState.SUCCESS and seen.state == mine.state
    assert [row.actor for row in simulated.perform(lambda: log.read(held.id))][-1] == "second"


class _Closing:
    """The log as a session that can be closed."""

    def __init__(self, simulated: SimulatedLog) -> None:
        self.perform = simulated.perform

    def close(self) -> None:
        """There is no connection."""
