"""`Acting`: the part of the engine that goes on with runs, takes them back, and does what a person wants of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from attrs import field, frozen

from ...codec.compose import wrap
from ...codec.records import decode_all
from ...codec.values import encode
from ...config import Settings
from ...errors import DefinitionChanged, Failure, FlowFailed, LeaseHeld, SagalogError, UnknownSource, UsageError
from ...store import hold, log
from ..core.decide import Resume
from ..core.records import MESSAGE_ACCEPTED
from ..core.states import SETTLED_RUN, RunState, TaskState
from .app import Sagalog
from .calls import CURRENT
from .desk import Desk
from .held import Held
from .lease import Lease
from .looking import Looking
from .owning import Owning
from .shells import Shells
from .taking import as_id
from .views import Run
from .wishes import BACKWARD, GOES_ON, body, refusal, said, wish

FAILED = (RunState.REVERTED, RunState.REVERTED_PARTLY, RunState.FAILURE, RunState.ABANDONED)
ASKED = 10.0
"""Seconds that the owner of a run is waited for to have it at rest."""
Wanted = tuple[str, bytes]
"""What a person wants of a run: the kind and the body of a message."""


class Mode(StrEnum):
    """How a run is gone on with: where it stopped; from its failure; or all anew, as another run."""

    CONTINUE = "CONTINUE"
    RECOVER = "RECOVER"
    RESTART = "RESTART"


class SeveralErrors(SagalogError):
    """Several runs could not be gone on with, each for a reason of its own; `errors` has them."""

    def __init__(self, errors: Sequence[SagalogError]) -> None:
        super().__init__(errors)
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "\n".join([f"{len(self.errors)} runs could not be gone on with:", *(f"{e.run}: {e}" for e in self.errors)])


@frozen
class _Asked:
    """What a person wants of a run; `message` is what it is called where it has to be posted. `strict`: or told why not."""

    run: UUID
    kind: str
    strict: bool
    message: UUID = field(factory=uuid4)


class Acting(Looking):
    """What can be done about a run that is there."""

    settings: Settings
    app: Sagalog
    _desk: Desk
    _lease: Lease
    _owning: Owning
    _shells: Shells

    # --- going on -------------------------------------------------------------------------------------------------

    def resume(
        self,
        run_id: UUID | str,
        *,
        raises: bool = True,
        steal: bool | None = None,
        mode: Mode | str = Mode.CONTINUE,
        inputs: Mapping[str, Any] | None = None,
        since: str | None = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> Run:
        """Go on with a run whose owner is gone, that was suspended, or whose revert failed; a settled one stays as it is.

        If its owner may be alive this waits for the lease to run out, at most its length; `steal=False` does not
        wait, `steal=True` takes the run at once.

        `mode` CONTINUE picks up where the run stopped; delays keep their original start. RECOVER goes on with one that
        is FAILURE, REVERTED or REVERTED_PARTLY, in the same stream: what failed or was reverted is executed anew, what
        succeeded is kept, unless its recovery map says otherwise; `inputs` changes inputs, and `since` names an atom
        from which on everything is executed anew. RESTART makes a new run of the same flow and inputs, but for those in
        `inputs`, and leaves the old one as it is.

        Raises:
            LeaseHeld, UnknownRun, DefinitionChanged, Fenced. FlowFailed, as `run`. UsageError: the run cannot be
            recovered as it is.
        """
        run_id, mode = as_id(run_id), _mode(mode, inputs, since)
        self._lease.ensure()
        if mode is Mode.RESTART:
            return self.resume(self._again(run_id, inputs), raises=raises)
        wanted = self._recovery(run_id, inputs, since, said(by, reason)) if mode is Mode.RECOVER else []
        held = self._owning.take(self._shells.blocking(), run_id, steal)
        self._allowed(held, wanted)
        self._owning.go_on(self._shells.blocking(), held, [*(wish(*one) for one in wanted), Resume()])
        return finished(held, raises)

    async def aresume(
        self,
        run_id: UUID | str,
        *,
        raises: bool = True,
        steal: bool | None = None,
        mode: Mode | str = Mode.CONTINUE,
        inputs: Mapping[str, Any] | None = None,
        since: str | None = None,
        by: str | None = None,
        reason: str | None = None,
    ) -> Run:
        """`resume` on this event loop."""
        run_id, mode = as_id(run_id), _mode(mode, inputs, since)
        aio = await self._shells.aio()
        if mode is Mode.RESTART:
            made = await asyncio.to_thread(self._again, run_id, inputs)
            return await self.aresume(made, raises=raises)
        wanted: list[Wanted] = []
        if mode is Mode.RECOVER:
            wanted = await asyncio.to_thread(self._recovery, run_id, inputs, since, said(by, reason))
        held = await self._owning.atake(aio, run_id, steal)
        # Nothing else is awaited between taking a run and going on with it: a cancellation would leave it taken.
        why = _impossible(held, wanted)
        if why is not None:
            await self._owning.alet_go(aio, held)
            raise UsageError(why)
        await self._owning.ago_on(aio, held, [*(wish(*one) for one in wanted), Resume()])
        return finished(held, raises)

    def _recovery(self, run_id: UUID, inputs: Mapping[str, Any] | None, since: str | None, who: bytes) -> list[Wanted]:
        about: dict[str, Any] = {}
        parts = {}
        if since is not None:
            about["since"], _ = self._place(self.state(run_id), since)
        if inputs:
            about["inputs"] = list(inputs)
            limit = self.settings.value_limit
            coded = {name: encode(value, path=f"inputs.{name}", limit=limit) for name, value in inputs.items()}
            parts["inputs"] = wrap(coded, path="inputs")
        return [("restore", body(who, about, **parts))]

    def _again(self, run_id: UUID, inputs: Mapping[str, Any] | None) -> UUID:
        """A new run like that one, PENDING."""
        raise NotImplementedError

    def reset(self, run_id: UUID | str, *, by: str | None = None, reason: str | None = None) -> Run:
        """Put a run that is over back to PENDING, as if it had never begun; what it did stays in its log, and its effects.

        Executions go on counting, so that idempotency keys are new. `resume` starts it. UsageError: it is not over.
        """
        return self._ask(run_id, "reset", said(by, reason))

    # --- going back -----------------------------------------------------------------------------------------------

    def revert(self, run_id: UUID | str, *, reason: str, by: str | None = None) -> Run:
        """Compensate a run: everything that ran is undone, also long after the end. `reason` and `by` are kept, erasable.

        If another process has the run it is asked to, through the inbox, and this waits until the run has come to rest.

        The code is needed of what ran, in the version that ran. Look at the state of the run that comes back: a revert that
        failed makes it FAILURE and raises nothing here.

        Raises:
            UnknownRun, Fenced. DefinitionChanged: a task that has to be reverted is not there in its version.
        """
        return self._ask(run_id, "revert", said(by, reason), strict=False)

    async def arevert(self, run_id: UUID | str, *, reason: str, by: str | None = None) -> Run:
        """`revert` for callers on an event loop; it runs in a thread, reverts that are `async def` on a loop of that."""
        return await asyncio.to_thread(self.revert, run_id, reason=reason, by=by)

    def suspend(self, run_id: UUID | str, *, reason: str | None = None) -> Run:
        """Let what runs finish and start nothing new; `resume` goes on. Through the inbox if another process has the run.

        Waits up to ten seconds for the owner, who looks into the inbox when a task has ended; the run may then still be
        RUNNING or SUSPENDING.
        """
        return self._ask(run_id, "suspend", said(None, reason), wait=ASKED, strict=False)

    async def asuspend(self, run_id: UUID | str, *, reason: str | None = None) -> Run:
        """`suspend` for callers on an event loop."""
        return await asyncio.to_thread(self.suspend, run_id, reason=reason)

    # --- the operator's hand --------------------------------------------------------------------------------------

    def amend(
        self, run_id: UUID | str, atom: str, *, state: TaskState | str, result: Any = None, by: str, reason: str
    ) -> Run:
        """Say what became of an atom, or of an element `name[i]` of a fan-out, that is UNKNOWN or a FAILURE.

        `state` SUCCESS with its `result`; FAILURE, of which `result` may be the message; PENDING: it never took place,
        and is executed anew. The run, which must rest as FAILURE or SUSPENDED, stays so: `resume` goes on with it.

        Raises:
            UnknownRun, UnknownSource (no such atom), UsageError (that is not possible as things are), NotStorable.
        """
        place, instance = self._place(self.state(run_id), atom)
        to = _state(state, atom)
        about = {"atom": place, "instance": instance, "state": str(to)}
        if to is TaskState.FAILURE:
            failure = Failure("amended", (), str(result if result is not None else reason), atom=atom)
            return self._ask(run_id, "amend", body(said(by, reason), about, result=encode(failure.to_data(), limit=None)))
        data = encode(result, path="result", limit=self.settings.value_limit)
        return self._ask(run_id, "amend", body(said(by, reason), about, result=data))

    def retry_revert(self, run_id: UUID | str, atom: str, *, by: str, reason: str) -> Run:
        """Try a revert again that failed, or of which nobody knows; where it succeeds the run goes on being undone.

        Raises:
            UnknownRun, UnknownSource (no such atom), UsageError (its revert is not stuck).
        """
        return self._settle(run_id, "retry_revert", atom, by, reason)

    def skip_revert(self, run_id: UUID | str, atom: str, *, by: str, reason: str) -> Run:
        """Declare a revert that failed, or of which nobody knows, to be done with; the run goes on being undone.

        It ends REVERTED_PARTLY. Raises what `retry_revert` raises.
        """
        return self._settle(run_id, "skip_revert", atom, by, reason)

    def _settle(self, run_id: UUID | str, kind: str, atom: str, by: str, reason: str) -> Run:
        place, instance = self._place(self.state(run_id), atom)
        return self._ask(run_id, kind, body(said(by, reason), {"atom": place, "instance": instance}))

    def _place(self, run: Run, name: str) -> tuple[int, int | None]:
        """The atom, and which element of it, that a person names."""
        try:
            slot = run.atoms.slot(name)
        except KeyError:
            names = ", ".join(repr(atom.name) for atom in run.definition.atoms[:12])
            raise UnknownSource(f"run {run.id} has no atom {name!r}; it has {names}") from None
        return run.place(slot)

    # --- asking ---------------------------------------------------------------------------------------------------

    def _ask(
        self, run: UUID | str, kind: str, data: bytes, *, wait: float | None = None, strict: bool = True
    ) -> Run:
        """Do what a person wants of a run, or have its owner do it. `strict`: UsageError where it cannot be done."""
        run_id = as_id(run)
        if run_id == CURRENT.get():
            raise UsageError(f"a task of run {run_id} cannot {kind} its own run: it would wait for itself; let it fail")
        if run_id in self._shells.blocking().stepped:
            raise UsageError(f"run {run_id} is gone on with by steps on this thread: end that (close) before you {kind} it")
        self._lease.ensure()
        asked = _Asked(run_id, kind, strict)
        deadline = None if wait is None else time.monotonic() + wait
        posted = False
        while True:
            if posted:
                # First of all: what its owner has brought to rest is not begun again.
                picture = self.state(run_id)
                if self._done_with(picture.state, asked):
                    return picture
                if deadline is not None and time.monotonic() > deadline:
                    return picture
            try:
                held = self._owning.take(self._shells.blocking(), run_id, False, back=kind in BACKWARD)
            except DefinitionChanged:
                # Its owner has let it go in this very moment; what was wanted of it may be done.
                if posted and self._accepted(asked):
                    continue
                raise
            except LeaseHeld:
                if posted:
                    time.sleep(0.2)
                else:
                    self.perform(lambda: hold.post(run_id, asked.message, kind, data, self._desk.actor))
                    posted = True
                continue
            # If it was posted, it is in the inbox, or was accepted before its owner died, or let go since we looked.
            if posted and self._settled(held, asked):
                return Run(held)
            if strict and not posted:
                self._allowed(held, [(kind, data)])
            possible = not posted and refusal(held.state, kind, data) is None
            wishes = [wish(kind, data)] if possible else []
            self._owning.go_on(self._shells.blocking(), held, [*wishes, *([Resume()] if kind in GOES_ON else [])])
            if posted and strict:
                self._not_refused(asked)
            return Run(held)

    def _settled(self, held: Held, asked: _Asked) -> bool:
        """Whether its owner did what was posted before this engine took the run, which is let go again then."""
        settled = True
        try:
            settled = self._done_with(held.state.run, asked)
            return settled
        finally:
            if settled:
                self._owning.let_go(self._shells.blocking(), held)

    def _done_with(self, state: RunState, asked: _Asked) -> bool:
        """Whether what was posted has been accepted, and what follows from it is over; UsageError if it was refused."""
        if not (asked.strict or state in (*SETTLED_RUN, RunState.SUSPENDED)) or not self._accepted(asked):
            return False
        if asked.strict:
            self._not_refused(asked)
        return True

    def _accepted(self, asked: _Asked) -> bool:
        return all(row.message_id != asked.message for row in self.perform(lambda: hold.inbox([asked.run])))

    def _not_refused(self, asked: _Asked) -> None:
        for row in self.perform(lambda: log.read(asked.run)):
            if row.type == MESSAGE_ACCEPTED:
                (facts,) = decode_all((row.type,), (row.schema,), (row.facts,))
                if facts["message"] == asked.message.hex and "refused" in facts:
                    raise UsageError(f"run {asked.run}: {asked.kind} is not possible: the run was {facts['refused']}")

    def _allowed(self, held: Held, wanted: list[Wanted]) -> None:
        """Let the run go again and raise UsageError where it cannot do what is wanted."""
        why = _impossible(held, wanted)
        if why is not None:
            self._owning.let_go(self._shells.blocking(), held)
            raise UsageError(why)


def _impossible(held: Held, wanted: list[Wanted]) -> str | None:
    """Why the run cannot do what is wanted of it; None where it can."""
    for kind, data in wanted:
        why = refusal(held.state, kind, data)
        if why is not None:
            return f"run {held.id}: {'recover' if kind == 'restore' else kind} is not possible: {why}"
    return None


def _mode(mode: Mode | str, inputs: Mapping[str, Any] | None, since: str | None) -> Mode:
    try:
        found = Mode(str(mode).upper())
    except ValueError:
        raise UsageError(f"mode must be one of {', '.join(Mode)}; found {mode!r}") from None
    if inputs and found is Mode.CONTINUE:
        raise UsageError("inputs can be changed with mode RECOVER or RESTART; CONTINUE goes on with those of the run")
    if since is not None and found is not Mode.RECOVER:
        raise UsageError(f"since goes with mode RECOVER; found {found}")
    return found


def _state(state: TaskState | str, atom: str) -> TaskState:
    try:
        return TaskState(str(state).upper())
    except ValueError:
        raise UsageError(f"amend of {atom!r}: state must be SUCCESS, FAILURE or PENDING; found {state!r}") from None


def finished(held: Held, raises: bool) -> Run:
    """The run as it has come to rest; FlowFailed where something failed and that is wanted to be raised."""
    run = Run(held)
    if not raises or run.state not in FAILED:
        return run
    failures = run.failures
    if failures or run.state is RunState.FAILURE:
        alive = next((failure.exception for failure in failures if failure.exception is not None), None)
        raise FlowFailed(run.id, failures, run.asked, str(run.state)) from alive
    return run

