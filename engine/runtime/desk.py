"""`Desk`: what every shell of one engine shares: who acts, by which clock, which definitions the log already has."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from uuid import UUID

from ... import telemetry
from ...config import Settings
from ...errors import Conflict, Fenced
from ...store.session import Session
from ...store.shape import Append, Refusal
from ..core.records import TASK_SUCCESS, Draft
from .carriers import Carriers
from .clock import Clock
from .drive import Turn
from .held import Held
from .notices import Notices


class Desk:
    """One engine's standing facts.

    `session` opens a connection of its own; `stored` are the fingerprints of definitions known to be in the log;
    `active` the runs that are being driven by this engine just now; `carriers` where code runs that is not the shell's;
    `notices` whom to tell of what has become durable.
    """

    __slots__ = ("active", "actor", "carriers", "clock", "lock", "notices", "session", "settings", "stored", "worker")

    def __init__(
        self, settings: Settings, clock: Clock, actor: str, worker: UUID, session: Callable[[], Session]
    ) -> None:
        self.settings = settings
        self.session = session
        self.clock = clock
        self.actor = actor
        self.worker = worker
        self.stored: set[str] = set()
        self.active: set[UUID] = set()
        self.lock = threading.Lock()
        self.carriers = Carriers()
        self.notices = Notices()

    def append(self, held: Held, turn: Turn) -> Append:
        """The turn as the store takes it: behind the run's head; the run is let go with its last turn."""
        definition, head = held.compiled.definition, held.head
        now = self.clock.now()
        held.changed_at = now
        if held.compiled.definition.bounded:
            for draft in turn.drafts:
                if draft.type == TASK_SUCCESS:
                    held.succeeded(draft.facts["atom"], now)
        first = head.version == 0
        if first:
            held.created_at = now
        fresh = first and definition.fingerprint not in self.stored
        key = held.facts.get("key") if first else None
        return Append(
            head,
            held.rows(turn.drafts),
            self.actor,
            now,
            owner=None if turn.last else self.worker,
            definitions=((definition.fingerprint, definition.body),) if fresh else (),
            claims=(("run", key),) if key is not None else (),
            accepted=tuple(turn.accepted),
        )

    def creation(self, held: Held, drafts: list[Draft]) -> Append:
        """The first records of a run that nobody owns yet."""
        return self.append(held, Turn(drafts, [], [], last=True))

    def appended(self, held: Held, append: Append, refusals: Sequence[Refusal]) -> None:
        """Take note of what the store answered to one append.

        Raises:
            Fenced: another process owns the run now. Conflict: the stream is not where this process left it.
        """
        for refusal in refusals:
            if refusal.stream_id == held.id:
                raise refused(refusal, creating=append.head.version == 0)
        if append.definitions:
            self.stored.add(held.compiled.definition.fingerprint)
        self.notices.appended(held, append)


def refused(refusal: Refusal, creating: bool) -> Conflict | Fenced:
    """The store's refusal as an error that names the run and what to do; `creating`: the run was to be made."""
    run = f"run {refusal.stream_id}"
    if refusal.status == "rejected":
        return Conflict(f"{run}: the database does not take its records: {refusal.detail}")
    if creating and refusal.status != "claimed":
        return Conflict(f"there is already a {run}; take another id, or look at it with `sagalog show`")
    if refusal.status == "fenced":
        return Fenced(
            f"{run}: another process took it over (epoch {refusal.epoch}); this one has written nothing since and "
            "stops; look at the run with `sagalog show`"
        )
    if refusal.status == "claimed" and refusal.holder is not None:
        return KeyTaken(f"{run} was not created: run {refusal.holder} has the same key", refusal.holder)
    return Conflict(f"{run}: its stream is at version {refusal.version}, not where this process left it: {refusal.detail}")


class KeyTaken(Conflict):
    """The key of a new run is already that of run `holder`."""

    def __init__(self, message: str, holder: UUID) -> None:
        super().__init__(message)
        self.holder = holder


def announce(event: str, held: Held, turn: Turn) -> None:
    """Tell the listeners, if there are any, of an append."""
    if telemetry.heard():
        telemetry.emit(event, runs=[held.id], records=[draft.type for draft in turn.drafts])
