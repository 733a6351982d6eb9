"""`Key` and `Script`: which call of a case's code it is, and how the world answers it, fixed when the case is made."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

Key: TypeAlias = tuple[str, int, str]
"""(atom, for an element of a fan-out with its "[i]"; execution; "execute", "revert" or "on_failure"), of a call."""
FOR_EVER = 99
"""More executions than any atom of a case comes to."""
Shape: TypeAlias = int | str | tuple[str, ...]


class Refused(Exception):
    """What the code of a case raises."""


class Broken(Refused):
    """The same, of a class derived from it."""


def text(key: Key) -> str:
    """A key as text, for tables and ledgers: "t3[1] 2 revert"."""
    return f"{key[0]} {key[1]} {key[2]}"


def key_of(text: str) -> Key:
    """The key of which this is the text."""
    atom, execution, direction = text.rsplit(" ", 2)
    return atom, int(execution), direction


class Script(NamedTuple):
    """How the world answers the calls of one atom; as it stands, whatever is asked of it succeeds.

    Attributes:
        executions: execute fails in the first so many executions.
        attempts: but only so often in one execution, and then succeeds after all; 0: however often.
        elements: of a fan-out, as bits: only these elements fail.
        error: what it raises; None: it answers `Outcome.error`.
        reverts: revert fails so often in each execution.
        answers: so often in each execution on_failure raises instead of an answer.
        probes: "tells", "doubts" (they cannot tell), or "raises".
        gives: what execute returns: "" the call and what was handed in, "text" the same in one text, a number: so many
            numbers, names: a dict with these keys.
    """

    executions: int = 0
    attempts: int = 0
    elements: int = -1
    error: type[BaseException] | None = Refused
    reverts: int = 0
    answers: int = 0
    probes: str = "tells"
    gives: Shape = ""

    def fails(self, key: Key, failed: int) -> bool:
        """Whether this call fails, of whose like `failed` have failed before."""
        atom, execution, direction = key
        if direction == "revert":
            return failed < self.reverts
        if direction == "on_failure":
            return failed < self.answers
        if execution > self.executions or (self.attempts and failed >= self.attempts):
            return False
        return self.elements < 0 or bool(self.elements >> int(atom[atom.rindex("[") + 1 : -1]) & 1)

    def result(self, key: Key, handed: int) -> Any:
        """What execute returns: known from the call, and from the checksum of what it was handed."""
        atom, execution, _ = key
        gives = self.gives
        if gives == "":
            return [atom, execution, handed]
        if isinstance(gives, int):
            return [handed % 1000 + i for i in range(gives)]
        if isinstance(gives, str):
            return f"{atom} {execution} {handed}"
        return {name: [execution, handed, name] for name in gives}
