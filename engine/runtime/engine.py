"""`Engine`: the composition root. Runs flows, resumes them, compensates them and looks at them; blocking and async."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid4

from ...codec.values import encode
from ...config import Settings
from ...errors import FlowFailed, LeaseHeld, SagalogError, UsageError
from ...projections import runs as runs_projection
from ...store import hold, log
from ...store.ids import run_id as new_id
from ...store.server import embedded
from ...store.session import Session
from ..core.decide import Resume, Revert, Suspend
from ..core.states import SETTLED_RUN, RunState
from .app import Sagalog
from .calls import CURRENT
from .clock import Clock, SystemClock
from .desk import Desk, KeyTaken, refused
from .held import Held
from .lease import Lease
from .looking import Looking
from .opening import connected, offset
from .owning import Owning
from .shells import Shells
from .taking import Order, as_id, look
from .views import Run

UNFINISHED = (RunState.PENDING, RunState.RUNNING, RunState.WAITING, RunState.SUSPENDING, RunState.REVERTING)
"""States in which a run is somebody's work. A suspended one waits for a person."""
AT_REST = (RunState.SUSPENDED,)
FAILED = (RunState.REVERTED, RunState.REVERTED_PARTLY, RunState.FAILURE, RunState.ABANDONED)


class SeveralErrors(SagalogError):
    """Several runs could not be gone on with, each for a reason of its own; `errors` has them."""

    def __init__(self, errors: Sequence[SagalogError]) -> None:
        super().__init__(errors)
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "\n".join([f"{len(self.errors)} runs could not be gone on with:", *(f"{e.run}: {e}" for e in self.errors)])


ASKED = 10.0
"""Seconds that `suspend` waits for the owner of a run to have it at rest."""


class Engine(Looking):
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
        run_id: UUID | None = None,
        key: str | None = None,
        tags: Mapping[str, Any] | None = None,
        raises: bool = True,
    ) -> Run:
        """Run a flow (or one that `Sagalog.make` made) to its end, on this thread.

        `inputs` is {name: value}. With a `key` that a run of the same flow and inputs already has, that run goes on
        instead; one that somebody has suspended is left so.

        Raises:
            FlowFailed: something failed (not with `raises=False`). FlowError, NotStorable: before anything has run.
            Conflict: the key is that of another flow or other inputs, or the id is taken.
        """
        order = self.order(flow, inputs, run_id=run_id, key=key, tags=tags)
        self._lease.ensure()
        held, drafts = order.held(self._desk, owned=True)
        try:
            self._owning.begin(self._shells.blocking(), held, drafts)
        except KeyTaken as taken:
            holder = taken.holder
            picture = order.same(self.perform(lambda: look(holder)))
            return picture if picture.state in AT_REST else self.resume(holder, raises=raises)
        return _finished(held, raises)

    async def arun(
        self,
        flow: Any,
        inputs: Mapping[str, Any] | None = None,
        *,
        run_id: UUID | None = None,
        key: str | None = None,
        tags: Mapping[str, Any] | None = None,
        raises: bool = True,
    ) -> Run:
        """`run` on this event loop; thousands at once share one group-committing writer."""
        order = self.order(flow, inputs, run_id=run_id, key=key, tags=tags)
        aio = await self._shells.aio()
        held, drafts = order.held(self._desk, owned=True)
        try:
            await self._owning.abegin(aio, held, drafts)
        except KeyTaken as taken:
            holder = taken.holder
            picture = order.same(await aio.perform(lambda: look(holder)))
            return picture if picture.state in AT_REST else await self.aresume(holder, raises=raises)
        return _finished(held, raises)

    def start(
        self,
        flow: Any,
        inputs: Mapping[str, Any] | None = None,
        *,
        run_id: UUID | None = None,
        key: str | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> Run:
        """Make a run and leave it PENDING, for `resume` or a worker; the run that has `key` if there is one."""
        ids = self.start_many([self.order(flow, inputs, run_id=run_id, key=key, tags=tags)])
        return self.state(ids[0])

    def new_id(self) -> UUID:
        """An id for a run that is made later: a UUIDv7 of database time."""
        return new_id(self._desk.clock.now())

    def order(
        self,
        flow: Any,
        inputs: Mapping[str, Any] | None = None,
        *,
        run_id: UUID | None = None,
        key: str | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> Order:
        """What `start_many` takes: checked and encoded, nothing is written yet. Raises FlowError, NotStorable."""
        return Order(self.app, flow, inputs, run_id, key, tags, self.settings.value_limit)

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

    # --- going on, going back -------------------------------------------------------------------------------------

    def resume(self, run_id: UUID | str, *, raises: bool = True, steal: bool | None = None) -> Run:
        """Go on with a run whose owner is gone, that was suspended, or whose revert failed; a settled one stays as it is.

        If its owner may be alive this waits for the lease to run out, at most its length; `steal=False` does not
        wait, `steal=True` takes the run at once.

        Raises:
            LeaseHeld, UnknownRun, DefinitionChanged, Fenced. FlowFailed, as `run`.
        """
        run_id = as_id(run_id)
        self._lease.ensure()
        held = self._owning.take(self._shells.blocking(), run_id, steal)
        self._owning.go_on(self._shells.blocking(), held, [Resume()])
        return _finished(held, raises)

    async def aresume(self, run_id: UUID | str, *, raises: bool = True, steal: bool | None = None) -> Run:
        """`resume` on this event loop."""
        run_id = as_id(run_id)
        aio = await self._shells.aio()
        held = await self._owning.atake(aio, run_id, steal)
        await self._owning.ago_on(aio, held, [Resume()])
        return _finished(held, raises)

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

    def revert(self, run_id: UUID | str, *, reason: str, by: str | None = None) -> Run:
        """Compensate a run: everything that ran is undone, also long after the end. `reason` and `by` are kept, erasable.

        If another process has the run it is asked to, through the inbox, and this waits until the run has come to rest.

        The code is needed of what ran, in the version that ran. Look at the state of the run that comes back: a revert that
        failed makes it FAILURE and raises nothing here.

        Raises:
            UnknownRun, Fenced. DefinitionChanged: a task that has to be reverted is not there in its version.
        """
        return self._ask(run_id, "revert", Revert, encode({"reason": reason, "by": by}, path="reason"), wait=None)

    async def arevert(self, run_id: UUID | str, *, reason: str, by: str | None = None) -> Run:
        """`revert` for callers on an event loop; it runs in a thread, reverts that are `async def` on a loop of that."""
        return await asyncio.to_thread(self.revert, run_id, reason=reason, by=by)

    async def asuspend(self, run_id: UUID | str, *, reason: str | None = None) -> Run:
        """`suspend` for callers on an event loop."""
        return await asyncio.to_thread(self.suspend, run_id, reason=reason)

    def suspend(self, run_id: UUID | str, *, reason: str | None = None) -> Run:
        """Let what runs finish and start nothing new; `resume` goes on. Through the inbox if another process has the run.

        Waits up to ten seconds for the owner, who looks into the inbox when a task has ended; the run may then still be
        RUNNING or SUSPENDING.
        """
        return self._ask(run_id, "suspend", Suspend, encode({"reason": reason, "by": None}, path="reason"), wait=ASKED)

    def _ask(
        self, run: UUID | str, kind: str, make: type[Revert] | type[Suspend], body: bytes, wait: float | None
    ) -> Run:
        run_id = as_id(run)
        if run_id == CURRENT.get():
            raise UsageError(f"a task of run {run_id} cannot {kind} its own run: it would wait for itself; let it fail")
        self._lease.ensure()
        message = uuid4()
        deadline = None if wait is None else time.monotonic() + wait
        posted = False
        while True:
            if posted:
                # First of all: what its owner has brought to rest is not begun again.
                picture = self.state(run_id)
                at_rest = picture.state in (*SETTLED_RUN, RunState.SUSPENDED)
                if at_rest and self._accepted(run_id, message):
                    return picture
                if deadline is not None and time.monotonic() > deadline:
                    return picture
            try:
                held = self._owning.take(self._shells.blocking(), run_id, False, back=kind == "revert")
            except LeaseHeld:
                if posted:
                    time.sleep(0.2)
                else:
                    self.perform(lambda: hold.post(run_id, message, kind, body, self._desk.actor))
                    posted = True
                continue
            # If it was posted, it is in the inbox, or was accepted before the owner died.
            asked = [] if posted else [make({"reason": True}, body)]
            self._owning.go_on(self._shells.blocking(), held, [*asked, *([Resume()] if kind == "revert" else [])])
            return Run(held)

    def _accepted(self, run_id: UUID, message: UUID) -> bool:
        return all(row.message_id != message for row in self.perform(lambda: hold.inbox([run_id])))

    # --- looking --------------------------------------------------------------------------------------------------

    def runs(self, *, state: RunState | str | None = None, flow: str | None = None) -> Iterator[Run]:
        """The runs there are, oldest first, each folded as it is reached."""
        for row in self.rows(states=None if state is None else [RunState(state.upper())], flow=flow):
            yield self.state(row.run_id)

    def rows(self, *, states: Iterable[RunState] | None = None, flow: str | None = None) -> list[runs_projection.Row]:
        """The read model of the runs, caught up with the log first; oldest first."""
        runs_projection.catch_up(self.session)
        return runs_projection.rows(self.session, states=states, flow=flow)

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


def _finished(held: Held, raises: bool) -> Run:
    run = Run(held)
    failures = run.failures
    if raises and run.state in FAILED and (failures or run.state is RunState.FAILURE):
        alive = next((failure.exception for failure in failures if failure.exception is not None), None)
        raise FlowFailed(run.id, failures, run.asked, str(run.state)) from alive
    return run
