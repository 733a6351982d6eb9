"""What goes into `decide`, and the calls that come out of it."""

from __future__ import annotations

from typing import Any, NamedTuple

EXECUTE, REVERT, PROBE, PROBE_REVERT = "execute", "revert", "probe", "probe_revert"
ON_FAILURE, DECIDE, EXPAND = "on_failure", "decide", "expand"
HAPPENED, DID_NOT_HAPPEN, DONT_KNOW = "happened", "did_not_happen", "dont_know"

QUESTIONS = (PROBE, PROBE_REVERT, ON_FAILURE, DECIDE, EXPAND)
"""Calls without a record of their own: as long as their answer is not in the log, `decide` gives them again and again."""


class Call(NamedTuple):
    """User code to be run; execution and attempt count from 1.

    `kind`: execute, revert, probe or probe_revert of `atom` (of its element `instance`, for a fan-out); on_failure of the
    retry `atom`; decide, the deciders of the gate whose node is `atom`; expand, the list of the fan-out `atom`.
    """

    kind: str
    atom: int
    execution: int
    attempt: int
    instance: int | None = None


class Advance(NamedTuple):
    """Start what may start: at most `room` calls more."""

    room: int


class Succeeded(NamedTuple):
    """A call's code returned; `value` is its encoded result."""

    call: Call
    value: bytes


class Failed(NamedTuple):
    """A call's code raised; `classes` are the names of the exception's class and its bases, nearest first.

    `due`: when its policy has it tried again, in microseconds since 1970, and `at_once` whether that is now; None: not
    again. `facts` go into the record: how the attempt was ended.
    """

    call: Call
    classes: tuple[str, ...]
    value: bytes
    due: int | None = None
    facts: dict[str, Any] | None = None
    at_once: bool = False


class Expired(NamedTuple):
    """The time in which a task could be reverted has passed; its revert was not called."""

    call: Call


class Aborted(NamedTuple):
    """A transactional call was rolled back by the database, through no fault of its own; `cause` is the SQLSTATE."""

    call: Call
    cause: str


class Probed(NamedTuple):
    """A probe answered happened (with the encoded value), did_not_happen or dont_know."""

    call: Call
    answer: str
    value: bytes | None


class Consulted(NamedTuple):
    """A retry answered: the name of a `Decision`."""

    call: Call
    decision: str


class Decided(NamedTuple):
    """The deciders of a gate answered: (place among the gate's deciders, answer) of those whose source has a vote."""

    call: Call
    answers: tuple[tuple[int, bool], ...]


class Expanded(NamedTuple):
    """A fan-out's list was read: its elements, encoded, in chunks of (how many, all of them together)."""

    call: Call
    chunks: tuple[tuple[int, bytes], ...]


class Fired(NamedTuple):
    """The timer that the record at version `timer` has set is due."""

    timer: int


class Progressed(NamedTuple):
    """A task under way says how far it is, from 0 to 1; `value` holds the details, encoded."""

    call: Call
    fraction: float
    value: bytes | None


class Recover(NamedTuple):
    """The run has a new owner: the outcome of whatever was under way is unknown now."""


class Resume(NamedTuple):
    """Go on: begin, leave a suspension, try what is stuck once more, settle what is unknown.

    `at` is when, in microseconds since 1970: a run that begins, and may only take so long, counts from then.
    """

    at: int = 0


class Suspend(NamedTuple):
    """Let running atoms finish and start nothing new."""

    facts: dict[str, Any]
    value: bytes | None


class Revert(NamedTuple):
    """A person wants the run compensated."""

    facts: dict[str, Any]
    value: bytes | None


class Restore(NamedTuple):
    """A person wants the run to go on from where it failed, or from the atom `since` on (and all that follows it).

    `value` holds changed inputs, if there are any, and who wants it and why, encoded.
    """

    since: int | None
    facts: dict[str, Any]
    value: bytes | None


class Reset(NamedTuple):
    """A person wants a settled run to be as if it had never begun."""

    facts: dict[str, Any]
    value: bytes | None


class Amend(NamedTuple):
    """A person says what became of an atom: `state` is what it is to be, `result` its encoded result or failure."""

    atom: int
    instance: int | None
    state: str
    result: bytes | None
    facts: dict[str, Any]
    value: bytes | None


class RetryRevert(NamedTuple):
    """A person wants a revert that failed tried again."""

    atom: int
    instance: int | None
    facts: dict[str, Any]
    value: bytes | None


class SkipRevert(NamedTuple):
    """A person declares a revert that failed, or of which nobody knows, to be done with."""

    atom: int
    instance: int | None
    facts: dict[str, Any]
    value: bytes | None


Operator = Suspend | Revert | Restore | Reset | Amend | RetryRevert | SkipRevert
"""What a person may want."""

Input = (
    Advance
    | Succeeded
    | Failed
    | Expired
    | Aborted
    | Probed
    | Consulted
    | Decided
    | Expanded
    | Fired
    | Progressed
    | Recover
    | Resume
    | Operator
)
