"""`CrashReport`: what came of all the crashes, for the author of the flow to read, and as data."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from typing import Any

import attrs

from .points import PHASES

SHOWN = 3
"""Crash points that are told of one fault; the others are counted, and all are in the data."""


@attrs.define
class Fault:
    """Something that a crash would change, or that nobody has said.

    kind: not_idempotent, lost_effect, outside, ending, check, stuck, undeclared. atom: whose fault it is, where that is
    known; direction: execute or revert. title: in one line. what happened, why that matters, what to do about it.
    points: where the process was killed, in words, each once; count: in how many runs it was found.
    """

    kind: str
    atom: str | None
    direction: str | None
    title: str
    what: str
    why: str
    do: str
    points: dict[str, None] = attrs.field(factory=dict)
    count: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As data."""
        return {**attrs.asdict(self), "points": list(self.points)}

    def __str__(self) -> str:
        lines = [_row("what", self.what)]
        told = list(self.points)
        if told:
            more = len(told) - SHOWN
            end = [f"… and {more} more; in {self.count} runs"] if more > 0 else []
            lines += [_row("when" if place == 0 else "", line) for place, line in enumerate([*told[:SHOWN], *end])]
        return "\n".join([self.title, *lines, _row("why", self.why), _row("do", self.do)])


@attrs.frozen(kw_only=True)
class CrashReport:
    """What came of killing a flow everywhere.

    points: {phase: crash points tried}: forward, reverting, resuming. left_out: points that were not tried.
    runs, seconds: how many runs that took, and how long. ends: {"run": state, "revert": state} when nobody is harmed.
    faults: what is wrong. never_reverted: atoms with a revert that never ran; unreachable: atoms that never ran at all.
    questions: {atom: how often a person was asked what became of it}. notes: what could not be compared, and why.
    """

    flow: str
    kill: str
    points: Mapping[str, int]
    left_out: int
    runs: int
    seconds: float
    ends: Mapping[str, str]
    faults: tuple[Fault, ...]
    never_reverted: tuple[str, ...]
    unreachable: tuple[str, ...]
    questions: Mapping[str, int]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def of(self, kind: str) -> list[str]:
        """The atoms that have a fault of this kind."""
        return list(dict.fromkeys(fault.atom for fault in self.faults if fault.kind == kind and fault.atom is not None))

    def to_dict(self) -> dict[str, Any]:
        """As data that JSON can hold."""
        return {
            "ok": self.ok,
            "flow": self.flow,
            "kill": self.kill,
            "points": {**self.points, "all": sum(self.points.values()), "left_out": self.left_out},
            "runs": self.runs,
            "seconds": round(self.seconds, 3),
            "ends": dict(self.ends),
            "not_idempotent": self.of("not_idempotent"),
            "undeclared": self.of("undeclared"),
            "never_reverted": list(self.never_reverted),
            "unreachable": list(self.unreachable),
            "questions": dict(self.questions),
            "faults": [fault.to_dict() for fault in self.faults],
            "notes": list(self.notes),
        }

    def to_json(self) -> str:
        """As a JSON document."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=2)

    def head(self) -> str:
        """The report in one line."""
        found = "no fault" if self.ok else f"{len(self.faults)} fault{'s' if len(self.faults) > 1 else ''}"
        tried = ", ".join(f"{phase} {self.points[phase]}" for phase in PHASES)
        return f"flow {self.flow!r}: {found}; {sum(self.points.values())} crash points tried ({tried})"

    def __str__(self) -> str:
        how = "killed with SIGKILL" if self.kill == "process" else "struck down in this process"
        ends = f"without a crash it ends {self.ends['run']}"
        if "revert" in self.ends:
            ends += f", and {self.ends['revert']} when it is reverted after that"
        lines = [self.head(), f"{self.runs} runs, {how}, in {self.seconds:.1f} s; {ends}"]
        if self.left_out:
            lines.append(f"points not tried: {self.left_out}; at_most=… bounds them")
        for number, fault in enumerate(self.faults, 1):
            lines += ["", f"{number}. {fault}"]
        lines += [""] if self.faults else []
        return "\n".join([*lines, *self.rest()]).rstrip()

    def rest(self) -> list[str]:
        """What is no fault and yet worth a look, in a line each."""
        lines = []
        if self.never_reverted:
            lines.append(f"never reverted in any run, so that nobody knows how that goes: {', '.join(self.never_reverted)}")
        if self.unreachable:
            lines.append(f"never executed in any run, so that nothing is known of it: {', '.join(self.unreachable)}")
        if self.questions:
            asked = ", ".join(f"{atom} ({count})" for atom, count in self.questions.items())
            lines.append(f"a person was asked what became of it, as declared: {asked}")
        return lines + [f"note: {note}" for note in self.notes]


def _row(name: str, text: str) -> str:
    return textwrap.fill(text, 110, initial_indent=f"   {name:<5}", subsequent_indent=" " * 8, break_long_words=False)
