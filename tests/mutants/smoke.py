"""`smoke`: three tasks, one after the other, through the real blocking shell. A bug that breaks this, anybody finds."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from sagalog import linear, task
from sagalog.config import Settings
from sagalog.engine.core.decide import Resume
from sagalog.engine.runtime.app import Sagalog
from sagalog.engine.runtime.blocking import Blocking
from sagalog.engine.runtime.desk import Desk
from sagalog.engine.runtime.drive import drive
from sagalog.engine.runtime.taking import Order, look
from sagalog.engine.runtime.views import Run
from sagalog.store import hold
from sagalog.testing import FakeClock, SimulatedLog
from sagalog.testing.session import SimulatedSession

ME = UUID(int=1 << 64 | 0x8000 << 48)
RUN = UUID("01980000-0000-7000-8000-000000000001")


def smoke() -> None:
    """AssertionError, or whatever the engine raises, where the run does not succeed with its results in the log."""
    one = task(name="one", provides="a", revert=lambda: None)(lambda start: start + 1)
    two = task(name="two", provides="b", revert=lambda: None)(lambda a: [a, a])
    three = task(name="three", provides="c")(lambda a, b: {"sum": a + sum(b)})
    app = Sagalog([flow := linear("three").add(one, two, three)])
    simulated = SimulatedLog(FakeClock())
    session = SimulatedSession(simulated)
    settings = Settings(home=Path("/nowhere"), reconnect=0.0)
    desk = Desk(settings, simulated.clock, "smoke", ME, lambda: SimulatedSession(simulated))  # type: ignore[arg-type, return-value]  # as good as one
    shell = Blocking(session, desk)  # type: ignore[arg-type]  # as good as one
    session.perform(lambda: hold.enroll(hold.Worker(ME, "smoke", 1, "1"), 10.0))
    held, drafts = Order(app, flow, {"start": 1}, run_id=RUN).held(desk, owned=True)
    shell.run(held, drive(held, [Resume()], shell.capacity, drafts))
    shell.close()
    run = Run(simulated.once(look(RUN)))
    assert run.state == "SUCCESS", f"the run is {run.state}"
    assert dict(run.results) == {"a": 2, "b": [2, 2], "c": {"sum": 6}}, f"its results are {dict(run.results)}"
