"""`Engine`: the composition root. Runs flows, resumes them, compensates them and looks at them; blocking and async."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from multiprocessing import current_process
from types import TracebackType
from typing import Any, Self, Unpack
from uuid import UUID

from ...config import Settings
from ...errors import LeaseHeld, SagalogError, UsageError
from ...projections import runs as runs_projection
from ...store import log
from ...store.ids import run_id as new_id
from ...store.server import embedded
from ...store.session import Session
from ..core.states import RunState
from .acting import Acting, SeveralErrors, finished
from .app import Sagalog
from .clock import Clock, SystemClock
from .desk import Desk, KeyTaken, refused
from .lease import Lease
from .opening import connected, offset
from .owning import Owning
from .shells import Shells
from .stepping import Stepping
from .taking import Order, RunOptions, look, order_again
from .views import Record, Run

UNFINISHED = (RunState.PENDING, RunState.RUNNING, RunState.WAITING, RunState.SUSPENDING, RunState.REVERTING)
"""States in which a run is somebody's work. A suspended one waits for a person."""
AT_REST = (RunState.SUSPENDED,)


class Engine(Stepping, Acting):
    """Runs flows on the event log. A context manager, `with` or `async with`; made by `Engine.open`."""

    def __init__(
        self, url: str, first: Session, settings: Settings, app: Sagalog, actor: str, clock: Clock | None
    ) -> None:
        self.url = url
        self.settings = settings
        self.app = app
        self._lease = Lease(self._session, settings.lease)
        self._desk = Desk(
            settings, clock or SystemClock(offset(first)), actor, self._lease.worker, self._session
        )
        self._owning = Owning(self._desk, app)
        self._shells = Shells(self._desk, url, self._lease.ensure, first)

    @classmethod
    def open(
        cls,
        url: str | None = None,
        *,
        app: Sagalog | None = None,
        flows: Iterable[Any] = (),
        actor: str | None = None,
        clock: Clock | None = None,
        settings: Settings | None = None,
    ) -> Engine:
        """Connect. Without a URL (nor SAGALOG_DATABASE_URL) the embedded server is started and brought up to date.

        `actor` is an opaque id, never a person's name: it is hashed into every record.

        Raises:
            UsageError: no URL and no embedded server. StoreUnavailable. SchemaMismatch: run `sagalog init` first.
        """
        if getattr(current_process(), "_inheriting", False):
            raise UsageError(
                "a worker process imports the main module again, which would run its flows twice; put what starts runs "
                'under `if __name__ == "__main__":`'
            )
        if app is not None and not isinstance(app, Sagalog):
            raise UsageError(f"app must be a Sagalog(flows=[…]); found {type(app).__name__}; for flows use flows=[…]")
        settings = settings or Settings.load()
        given = url or settings.database_url
        url = given or embedded(settings.home)
        app = app or Sagalog()
        for flow in flows:
            app.add(flow)
        first = connected(url, settings, own=given is None)
        return cls(url, first, settings, app, actor or "engine", clock)

    # --- running -------------------------------------------------------------------------------------------------

    def run(
        self,
        flow: Any,
        inputs: Mapping[str, Any] | None = None,
        *,
        raises: bool = True,
        **options: Unpack[RunOptions],
    ) -> Run:
        """Run a flow (or one that `Sagalog.make` made) to its end, on this thread.

        `inputs` is {name: value}; `options` are those of `RunOptions`. With a `key` that a run of the same flow and inputs
        already has, that run goes on instead; one that somebody has suspended is left so.

        Raises:
            FlowFailed: something failed (not with `raises=False`). FlowError, NotStorable: before anything has run.
            Conflict: the key is that of another flow or other inputs, or the id is taken.
        """
        order = self.order(flow, inputs, **options)
        self._lease.ensure()
        held, drafts = order.held(self._desk, owned=True)
        try:
            self._owning.begin(self._shells.blocking(), held, drafts)
        except KeyTaken as taken:
            holder = taken.holder
            picture = order.same(self.perform(lambda: look(holder)))
            return picture if picture.state in AT_REST else self.resume(holder, raises=raises)
        return finished(held, raises)

    async def arun(
        self,
        flow: Any,
        inputs: Mapping[str, Any] | None = None,
        *,
        raises: bool = True,
        **options: Unpack[RunOptions],
    ) -> Run:
        """`run` on this event loop; thousands at once share one group-committing writer."""
        order = self.order(flow, inputs, **options)
        aio = await self._shells.aio()
        held, drafts = order.held(self._desk, owned=True)
        try:
            await self._owning.abegin(aio, held, drafts)
        except KeyTaken as taken:
            holder = taken.holder
            picture = order.same(await aio.perform(lambda: look(holder)))
            return picture if picture.state in AT_REST else await self.aresume(holder, raises=raises)
        return finished(held, raises)

    def start(
        self,
        flow: Any,
        inputs: Mapping[str, Any] | None = None,
        **options: Unpack[RunOptions],
    ) -> Run:
        """Make a run and leave it PENDING, for `resume` or a worker; the run that has `key` if there is one."""
        ids = self.start_many([self.order(flow, inputs, **options)])
        return self.state(ids[0])

    def new_id(self) -> UUID:
        """An id for a run that is made later: a UUIDv7 of database time."""
        return new_id(self._desk.clock.now())

    def order(
        self,
        flow: Any,
        inputs: Mapping[str, Any] | None = None,
        **options: Unpack[RunOptions],
    ) -> Order:
        """What `start_many` takes: checked and encoded, nothing is written yet. Raises FlowError, NotStorable."""
        return Order(self.app, flow, inputs, self.settings.value_limit, **options)

    def _again(self, run_id: UUID, inputs: Mapping[str, Any] | None) -> UUID:
        old = self.perform(lambda: look(run_id))
        return self.start_many([order_again(self.app, old, inputs, self.settings.value_limit)])[0]

    def _unfinished(self, states: Sequence[RunState]) -> list[UUID]:
        return [row.run_id for row in self.rows(states=states)]

    def validate(self, flow: Any, inputs: Mapping[str, Any] | None = None) -> None:
        """Check that a flow could be run with these inputs, and write nothing. Raises FlowError, NotStorable."""
        self.order(flow, inputs)

    def start_many(self, orders: Sequence[Order]) -> list[UUID]:
        """Make many runs in one transaction; the ids, in order: of the new ones and of those whose key was there."""
        made = [(order.held(self._desk, owned=False)) for order in orders]
        appends = [self._desk.creation(held, drafts) for held, drafts in made]
        refusals = self.perform(lambda: log.append(appends))
        taken = {refusal.stream_id: refusal for refusal in refusals}
        ids = []
        for held, _ in made:
            refusal = taken.get(held.id)
            if refusal is not None and refusal.status != "claimed":
                raise refused(refusal, creating=True)
            ids.append(held.id if refusal is None or refusal.holder is None else refusal.holder)
        return ids

    # --- going on -------------------------------------------------------------------------------------------------

    def resume_all(self, *, concurrency: int = 64, done: Callable[[Run | LeaseHeld], object] | None = None) -> list[Run]:
        """Go on with every unfinished run, `concurrency` at a time; suspended ones are left to whoever suspended them.

        `done` is told of each as it comes to rest, or of a run that stays with its living owner.
        """
        ids = [row.run_id for row in self.rows(states=UNFINISHED)]
        return self.resume_these(ids, concurrency=concurrency, done=done)

    def resume_these(
        self, ids: Sequence[UUID], *, concurrency: int = 64, done: Callable[[Run | LeaseHeld], object] | None = None
    ) -> list[Run]:
        """`resume_all` for these runs. What a run raises that is no failure of its own is raised when all have ended."""
        return asyncio.run(self._closing_resume(ids, concurrency, done or (lambda run: None)))

    async def aresume_all(self, *, concurrency: int = 64) -> list[Run]:
        """`resume_all` on this event loop."""
        ids = [row.run_id for row in await asyncio.to_thread(self.rows, states=UNFINISHED)]
        return await self._resume_these(ids, concurrency, lambda run: None)

    async def _closing_resume(
        self, ids: Sequence[UUID], concurrency: int, done: Callable[[Run | LeaseHeld], object]
    ) -> list[Run]:
        try:
            return await self._resume_these(ids, concurrency, done)
        finally:
            await self._shells.close_aio()

    async def _resume_these(
        self, ids: Sequence[UUID], concurrency: int, done: Callable[[Run | LeaseHeld], object]
    ) -> list[Run]:
        room = asyncio.Semaphore(concurrency)
        rested: list[Run] = []
        errors: list[SagalogError] = []

        async def one(run_id: UUID) -> None:
            async with room:
                try:
                    rested.append(await self.aresume(run_id, raises=False))
                    done(rested[-1])
                except LeaseHeld as held:
                    done(held)
                except SagalogError as error:
                    error.run = run_id
                    errors.append(error)

        async with asyncio.TaskGroup() as group:
            for run_id in ids:
                group.create_task(one(run_id))
        if errors:
            raise errors[0] if len(errors) == 1 else SeveralErrors(errors)
        return rested

    # --- looking --------------------------------------------------------------------------------------------------

    def runs(self, *, state: RunState | str | None = None, flow: str | None = None) -> Iterator[Run]:
        """The runs there are, oldest first, each folded as it is reached."""
        for row in self.rows(states=None if state is None else [RunState(state.upper())], flow=flow):
            yield self.state(row.run_id)

    def rows(self, *, states: Iterable[RunState] | None = None, flow: str | None = None) -> list[runs_projection.Row]:
        """The read model of the runs, caught up with the log first; oldest first."""
        runs_projection.catch_up(self.session)
        return runs_projection.rows(self.session, states=states, flow=flow)

    def subscribe(self, pattern: str, callback: Callable[[Run, Record], Any]) -> int:
        """Call `callback(run, record)` after each commit of this engine, for records whose type matches (`task.*`, `*`).

        Returns the id for `unsubscribe`. What it raises is logged and disturbs nothing. Raises UsageError.
        """
        return self._desk.notices.subscribe(pattern, callback)

    def unsubscribe(self, id: int) -> bool:
        """Call it no more; whether there was such a subscription."""
        return self._desk.notices.unsubscribe(id)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _session(self) -> Session:
        return Session(self.url, self.settings)

    @property
    def session(self) -> Session:
        """This thread's connection."""
        return self._shells.blocking().session

    def close(self) -> None:
        """Give up what this process holds and close its connections."""
        self._shells.close()
        self._desk.carriers.close()
        self._lease.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._shells.close_aio()
        await asyncio.to_thread(self.close)
