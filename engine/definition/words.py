"""The closed vocabularies of a definition: what to do after a crash, how a task is compensated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias, TypeVar

from ...errors import FlowError


class Recovery(StrEnum):
    """What becomes of a task whose outcome a crash has made unknown.

    RERUN calls it again with the same idempotency key, SKIP takes it as done without a result, PROBE asks the
    task's own probe, ASK stops the run until a person has answered.
    """

    RERUN = "RERUN"
    SKIP = "SKIP"
    PROBE = "PROBE"
    ASK = "ASK"


Answers: TypeAlias = Recovery | str | Mapping[str, Recovery | str]
"""One Recovery, or one for each state that a task may be found in: READY, ACTIVE, FAILURE, SUCCESS."""

USUAL: Mapping[str, Recovery] = MappingProxyType(
    {"ACTIVE": Recovery.RERUN, "FAILURE": Recovery.RERUN, "READY": Recovery.RERUN, "SUCCESS": Recovery.SKIP}
)
"""What becomes of a task found in each of these states where nothing else is said."""


class Compensation(StrEnum):
    """How a task is undone: by its `revert`, not at all because nothing stays, not at all although something does."""

    REVERT = "revert"
    NOT_NEEDED = "not_needed"
    IRREVERSIBLE = "irreversible"
    UNDECLARED = "undeclared"


Word = TypeVar("Word", Recovery, Compensation)


def word(kind: type[Word], value: object, atom: str, parameter: str, among: Sequence[Word] | None = None) -> Word:
    """`value` as a member of `kind`, one of `among`; FlowError names atom, parameter and what is possible."""
    if type(value) is kind and among is None:
        return value
    members = tuple(kind) if among is None else among
    for member in members:
        if member == value:
            return member
    possible = ", ".join(repr(str(member)) for member in members)
    raise FlowError(f"task {atom!r}: {parameter} must be one of {possible}; found {value!r}")


def checked_name(kind: str, name: object) -> str:
    """`name` if it can name something in the log: non-empty text without NUL and lone surrogates; else FlowError."""
    if not isinstance(name, str):
        raise FlowError(f"the name of a {kind} must be text; found {name!r} ({type(name).__name__})")
    if not name or "\0" in name or not (name.isascii() or _encodes(name)):
        raise FlowError(f"the name of a {kind} must be non-empty text that UTF-8 can hold, without NUL; found {name!r}")
    return name


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
