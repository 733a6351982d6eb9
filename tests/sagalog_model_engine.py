"""The real engine in memory: the blocking shell on a simulated log, by a clock that is moved instead of waited for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from sagalog.config import Settings
from sagalog.engine.core.decide import Resume
from sagalog.engine.runtime.app import Sagalog
from sagalog.engine.runtime.blocking import Blocking
from sagalog.engine.runtime.desk import Desk
from sagalog.engine.runtime.drive import Message, drive
from sagalog.engine.runtime.held import Held
from sagalog.engine.runtime.taking import Order
from sagalog.engine.runtime.views import Run
from sagalog.testing.clock import FakeClock
from sagalog.testing.log import SimulatedLog
from sagalog.testing.session import SimulatedSession

_WORKER = UUID(int=7)


class Impatient(Blocking):
    """The blocking shell, whose waits are nothing: the clock is moved to when the next timer is due."""

    def _pause(self, held: Held, due: int | None) -> list[Message]:
        assert due is not None, f"run {held.id} waits for nothing"
        clock = self.desk.clock
        assert isinstance(clock, FakeClock)
        clock.advance(max(due - clock.now(), 0) / 1e6)
        return []


def run_in_memory(flow: Any, inputs: Mapping[str, Any] | None = None, **options: Any) -> Run:
    """Run a flow as `Engine.run(flow, inputs, raises=False, **options)` does, on nothing but memory."""
    clock = FakeClock()
    session = SimulatedSession(SimulatedLog(clock))
    settings = Settings(home=Path("/nonexistent"), database_url="simulated", poll=1e9)
    desk = Desk(settings, clock, "model", _WORKER, lambda: session)
    shell = Impatient(session, desk)
    try:
        held, drafts = Order(Sagalog(), flow, inputs, **options).held(desk, owned=True)
        shell.run(held, drive(held, [Resume()], shell.capacity, drafts))
        return Run(held)
    finally:
        shell.close()
