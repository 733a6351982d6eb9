"""`Stepping`: the part of the engine that does as much as it is told: one step, or all that is due now."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing
from uuid import UUID

from ...errors import LeaseHeld, SagalogError
from ...store import hold, log
from ..core.decide import Resume, reverts_left
from ..core.state import State
from ..core.states import SETTLED_RUN, RunState
from .acting import Acting, SeveralErrors
from .held import Held
from .taking import as_id, look
from .views import Record

AT_ONCE = 64
"""Runs that `tick` goes on with at the same time."""
PAGE = 1000
MOVING = (RunState.PENDING, RunState.RUNNING, RunState.SUSPENDING, RunState.REVERTING)
"""States in which there is something to do, whatever the time."""


class Stepping(Acting):
    """Going on by steps."""

    def steps(self, run_id: UUID | str) -> Iterator[Record]:
        """Go on with a run one machine step at a time: each record is given when it is durable, and not more is done.

        Whoever stops asking leaves the run as it is then, free for others to go on with. It waits where there is
        nothing to do but to wait, as `resume` does. Raises what that raises, but FlowFailed.
        """
        run = as_id(run_id)
        self._lease.ensure()
        shell = self._shells.blocking()
        held = self._owning.take(shell, run, None)
        seen = held.head.version
        shell.stepped.add(run)
        try:
            with closing(self._owning.go_on_by_turns(shell, held, [Resume()])) as turns:
                for _ in turns:
                    for row in self.perform(lambda after=seen: log.read(run, after + 1)):  # type: ignore[misc]  # bound now
                        seen = row.version
                        yield Record.of(row, held.compiled.definition)
        finally:
            shell.stepped.discard(run)

    def pending(self, run_id: UUID | str) -> int:
        """How many atoms and elements of fan-outs are still to be done: executed, or, while it is undone, reverted."""
        return to_do(self.perform(lambda: look(as_id(run_id))).state)

    def tick(self, run_id: UUID | str | None = None) -> int:
        """Do all that is due now, of one run or of all, then return, however much is still waiting; how many calls it made.

        Runs that another process has are left to it. What a run raises that is no failure of its own is raised
        when all have had their turn.
        """
        runs = self._due() if run_id is None else [as_id(run_id)]
        return asyncio.run(self._tick(runs)) if runs else 0

    def _due(self) -> list[UUID]:
        """The runs that have something to do now and nobody who does it."""
        found = dict.fromkeys(self._unfinished(MOVING))
        now = self._desk.clock.now()
        page = self.perform(lambda: hold.due(now, PAGE))
        while page:
            found.update((run, None) for run, _ in page)
            last, due = page[-1]
            page = self.perform(lambda after=(due, last): hold.due(now, PAGE, after))  # type: ignore[misc]  # bound now
        return list(found)

    def _unfinished(self, states: Sequence[RunState]) -> list[UUID]:
        raise NotImplementedError

    async def _tick(self, runs: Sequence[UUID]) -> int:
        room = asyncio.Semaphore(AT_ONCE)
        made: list[int] = []
        errors: list[SagalogError] = []

        async def one(run: UUID) -> None:
            async with room:
                try:
                    made.append(await self._tick_one(run))
                except LeaseHeld:
                    pass
                except SagalogError as error:
                    error.run = run
                    errors.append(error)

        try:
            async with asyncio.TaskGroup() as group:
                for run in runs:
                    group.create_task(one(run))
        finally:
            await self._shells.close_aio()
        if errors:
            raise errors[0] if len(errors) == 1 else SeveralErrors(errors)
        return sum(made)

    async def _tick_one(self, run: UUID) -> int:
        aio = await self._shells.aio()
        held = await aio.perform(lambda: look(run))
        if not self._has_to(held):
            return 0
        held = await self._owning.atake(aio, run, False)
        await self._owning.ago_on(aio, held, [Resume()], patient=False)
        return held.made

    def _has_to(self, held: Held) -> bool:
        """Whether there is something to do for a run but to wait: else it is left alone, its log too."""
        state = held.state.run
        if state in SETTLED_RUN or state is RunState.SUSPENDED:
            return False
        return state is not RunState.WAITING or (held.due or 0) <= self._desk.clock.now()


def to_do(state: State) -> int:
    """What is left to do in a run as it is."""
    if state.run is RunState.REVERTING or state.undo is not None:
        return 0 if state.run in (RunState.REVERTED, RunState.REVERTED_PARTLY) else len(reverts_left(state))
    if state.run in (RunState.SUCCESS, RunState.REVERTED, RunState.REVERTED_PARTLY, RunState.ABANDONED):
        return 0
    return state.open + sum(fan.count - fan.ok - fan.errors for fan in state.fans.values())
