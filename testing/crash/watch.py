"""`Watch`: counts the moments of one run in one process, and strikes at one of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Self
from uuid import UUID

from ... import telemetry
from ...engine.core.inputs import REVERT
from ...errors import SagalogError
from ..ledger import Entry, Ledger
from .points import (
    AFTER_APPEND,
    AFTER_CALL,
    BEFORE_APPEND,
    BEFORE_CALL,
    FORWARD,
    INSIDE_CALL,
    RESUMING,
    REVERTING,
    Called,
    Point,
)

ENOUGH = 10_000
"""Points of one life: who has come to so many is taken to go on for ever."""


class Crash(BaseException):
    """The process is dead: no code of it is executed any more."""


class NeverEnds(SagalogError):
    """A run goes on and on."""


class Effect(NamedTuple):
    """Something that took place outside, and during which call; `details` as text."""

    call: Called | None
    what: str
    details: str


class Seen:
    """What one process did with the run: the points it came to, the effects it had, how many records it made durable.

    `killed`: the point at which it was struck, the last one then. `endless`: it was stopped, having come to too many.
    """

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.effects: list[Effect] = []
        self.durable = 0
        self.killed: Point | None = None
        self.endless = False

    @property
    def dead(self) -> bool:
        """Whether no code of it is executed any more."""
        return self.killed is not None or self.endless

    def no_end(self) -> NeverEnds:
        """What there is to say of a life that was endless."""
        calls = Counter(str(point.call) for point in self.points if point.event == BEFORE_CALL)
        often = "".join(f"; {call} was made {count:,} times" for call, count in calls.most_common(1))
        what = f"expected the run to come to an end, and it has not after {len(self.points):,} commits and calls{often}"
        return NeverEnds(f"{what}; look whether something is tried again for ever: waits are skipped here")


class Watch:
    """Listens to one run and to the ledger for as long as it is entered.

    at: the number of the point, from 1 on, at which `strike` is called, which does not return. rest: called behind each
    append after which the run may have nothing to do but to wait.
    """

    def __init__(
        self, run: UUID, ledger: Ledger | None, at: int | None, strike: Callable[[], object], rest: Callable[[], object],
        resumed: bool,
    ) -> None:  # fmt: skip
        self.seen = Seen()
        self._run = run
        self._ledger = ledger
        self._at = at
        self._strike = strike
        self._rest = rest
        self._phase = RESUMING if resumed else FORWARD
        self._call: Called | None = None
        self._inside = False
        self._stops: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        self._stops = [telemetry.listen(self._hear)]
        if self._ledger is not None:
            self._stops.append(self._ledger.listen(self._note))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for stop in self._stops:
            stop()

    def point(self, event: str, records: tuple[str, ...] = (), what: str = "") -> None:
        """The process has come to a point."""
        if self.seen.dead:
            raise Crash
        undoing = self._phase == FORWARD and self._call is not None and self._call.kind == REVERT  # for a retry's sake
        point = Point(event, self._call, records, what, REVERTING if undoing else self._phase)
        self.seen.points.append(point)
        if len(self.seen.points) == self._at:
            self.seen.killed = point
            self._strike()
        if len(self.seen.points) >= ENOUGH:
            self.seen.endless = True
            self._strike()

    def _hear(self, event: str, facts: dict[str, Any]) -> None:
        if event in (BEFORE_APPEND, AFTER_APPEND):
            if self._run in facts["runs"]:
                self._append(event, tuple(facts["records"]))
        elif event in (BEFORE_CALL, AFTER_CALL) and facts["run"] == self._run:
            self._call = Called(facts["kind"], facts["atom"])
            self._inside = event == BEFORE_CALL
            self.point(event)

    def _append(self, event: str, records: tuple[str, ...]) -> None:
        if "run.reverting" in records and self._phase == FORWARD:
            self._phase = REVERTING
        if event == AFTER_APPEND:
            self.seen.durable += len(records)
        self.point(event, records)
        if event == AFTER_APPEND:
            self._call = None
            if "run.waiting" in records or "run.claimed" in records:
                self._rest()

    def _note(self, entry: Entry) -> None:
        if self.seen.dead:  # code that goes on although it is dead
            raise Crash
        call = self._call if self._inside else None
        if not entry.repeated:
            self.seen.effects.append(Effect(call, entry.what, json.dumps(dict(entry.details), default=str)))
        if call is not None:
            self.point(INSIDE_CALL, what=entry.what)
