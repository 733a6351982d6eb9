"""`Point`: a moment at which a process may die, in the words of whoever wrote the flow."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ...engine.core.inputs import DECIDE, EXECUTE, EXPAND, ON_FAILURE, PROBE, PROBE_REVERT, REVERT

BEFORE_APPEND, AFTER_APPEND = "append.before", "append.after"
BEFORE_CALL, INSIDE_CALL, AFTER_CALL = "call.before", "call.inside", "call.after"
FORWARD, REVERTING, RESUMING = "forward", "reverting", "resuming"
PHASES = (FORWARD, REVERTING, RESUMING)
"""What the run was doing when it was struck: `resuming` is each crash but the first of a run."""

_CALLED = {
    EXECUTE: "the call of {}",
    REVERT: "the revert of {}",
    PROBE: "the probe of {}",
    PROBE_REVERT: "the probe of the revert of {}",
    ON_FAILURE: "on_failure of {}",
    DECIDE: "a decider",
    EXPAND: "the list of {}",
}
_ELEMENT = re.compile(r"(.+)\[\d+\]", re.DOTALL)


class Called(NamedTuple):
    """A call of user code: `kind` as the engine names it (execute, revert, probe, …), of which atom or element."""

    kind: str
    name: str | None

    @property
    def atom(self) -> str | None:
        """The atom, also where an element of a fan-out was called."""
        found = None if self.name is None else _ELEMENT.fullmatch(self.name)
        return self.name if found is None else found[1]

    def __str__(self) -> str:
        return _CALLED[self.kind].format(self.name)


class Point(NamedTuple):
    """One moment of a run.

    call: the one that is about to be made, is under way, or has returned with its outcome not durable yet.
    records: the types that are being appended. what: what the outside was just asked for. phase: one of PHASES.
    """

    event: str
    call: Called | None
    records: tuple[str, ...]
    what: str
    phase: str

    @property
    def told(self) -> str:
        """"killed after the call of charge returned, before its outcome was recorded"."""
        if self.event == BEFORE_CALL:
            return f"killed after the start of {self.call} was recorded, before it was made"
        if self.event == INSIDE_CALL:
            return f"killed inside {self.call}, right after it had asked the outside for {self.what!r}"
        if self.event == AFTER_CALL:
            return f"killed after {self.call} returned, before its outcome was recorded"
        before = self.event == BEFORE_APPEND
        if self.records[:1] == ("run.created",):
            return f"killed {'before anything of the run was recorded' if before else 'right after its first record'}"
        what = ", ".join(self.records) if self.call is None else f"the outcome of {self.call}"
        return f"killed as {what} was about to be recorded" if before else f"killed right after {what} was recorded"

    @property
    def doubtful(self) -> Called | None:
        """The call that has, or may have, taken effect and of which the log does not know: it is unknown after a crash."""
        return self.call if self.event in (INSIDE_CALL, AFTER_CALL, BEFORE_APPEND) else None

    @classmethod
    def loaded(cls, data: Any) -> Point:
        """A point that has been JSON."""
        event, call, records, what, phase = data
        return cls(event, None if call is None else Called(*call), tuple(records), what, phase)
