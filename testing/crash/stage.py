"""`Stage`: the database, the flow and the outside on which one run after the other is played, in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from ...config import Settings
from ...engine.core.states import RunState
from ...engine.runtime.app import Sagalog
from ...engine.runtime.engine import Engine
from ...engine.runtime.opening import offset
from ...engine.runtime.taking import look
from ...engine.runtime.views import Run
from ...store import hold
from ..ledger import Ledger
from .clock import HastyClock
from .mortal import Cursor, Leased, Mortal
from .watch import Crash, Seen, Watch

LEASE = 120.0
"""Seconds: whoever dies on the stage is replaced at once, so nobody's lease is to run out by itself."""
Deed = Callable[[Engine, UUID], object]
"""What a process is there to do with a run, whatever state it finds it in."""


class Stage:
    """Where a flow is run and struck down. `options` are those of `Engine.run`."""

    def __init__(
        self, url: str, settings: Settings, flow: Any, inputs: Mapping[str, Any], ledger: Ledger | None,
        options: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self.settings = settings
        self.url = url
        self.flow = flow
        self.inputs = inputs
        self.ledger = ledger
        self.options = options
        self.app = Sagalog()
        self.definition = self.app.compiled(flow).definition
        first = self._connected(None)
        self.clock = HastyClock(offset(first))
        self._engine = self._new(first)

    # --- the living ----------------------------------------------------------------------------------------------------

    @property
    def engine(self) -> Engine:
        """The engine that lives."""
        return self._engine

    def live(self, run: UUID, deed: Deed, at: int | None, resumed: bool) -> Seen:
        """Do a deed, and be struck down at the point numbered `at`, if it comes to it; then there is another engine."""
        engine = self._engine
        left: list[Cursor | None] = []

        def strike() -> None:
            left.append(engine.die())
            raise Crash

        with Watch(run, self.ledger, at, strike, lambda: self.wait_for(engine, run), resumed) as watch:
            try:
                deed(engine, run)
            except BaseException:
                if not watch.seen.dead:
                    raise
        if watch.seen.dead:
            self._bury(engine, left[0])
        if watch.seen.endless:
            raise watch.seen.no_end()
        return watch.seen

    def wait_for(self, engine: Engine, run: UUID) -> None:
        """Where the run has nothing to do but to wait, it has waited."""
        held = engine.perform(lambda: look(run))
        if held.state.run is RunState.WAITING and held.due is not None:
            self.clock.reach(held.due)

    def state(self, run: UUID) -> Run:
        """The run as its log says."""
        return self._engine.state(run)

    def close(self) -> None:
        """Leave the stage."""
        cursor = self._engine.die()
        self._engine.close()
        if cursor is not None:
            cursor.connection.close()

    # --- the dead ------------------------------------------------------------------------------------------------------

    def _bury(self, dead: Mortal, cursor: Cursor | None) -> None:
        """Another engine takes the place of a dead one, whose lease is over; its runs are still its own."""
        dead.close()
        self._engine = self._new(self._connected(cursor))
        self._engine.perform(lambda: hold.expire(dead.worker))

    def _connected(self, cursor: Cursor | None) -> Leased:
        session = Leased(self.url, self.settings)
        if cursor is None:
            session.open()
        else:
            session.lend(cursor)
        return session

    def _new(self, session: Leased) -> Mortal:
        return Mortal(self.url, session, self.settings, self.app, self.clock)
