"""`Told`: one record on its way to being a sentence, with what the sentences of several rooms have in common."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..engine.core.graph import Definition
from ..engine.core.specs import Gate
from . import words
from .line import Line

Said = tuple[str, str, str]
"""A mark of one character, a style, the text."""


class Told(NamedTuple):
    """`before` is the record before it; values are shortened to `width` characters."""

    line: Line
    definition: Definition
    before: Line | None
    width: int

    @property
    def facts(self) -> dict[str, Any]:
        return self.line.facts

    def atoms(self) -> str:
        """The atoms that the record is about, by name."""
        atoms = self.facts.get("atoms", ())
        instances = self.facts.get("instances") or [None] * len(atoms)
        names = [self.name(atom, instance) for atom, instance in zip(atoms[:12], instances, strict=False)]
        return words.brief(", ".join(names), 120) or "something"

    def name(self, atom: int | None, instance: int | None = None) -> str:
        """`'ship'`, `'ship[3]'`, by index; of a gate `the deciders before 'ship'`."""
        gate = self.definition.gate_at.get(-1 if atom is None else atom)
        if gate is not None:
            return f"the deciders before {self.item(gate)!r}"
        if atom is None or not 0 <= atom < len(self.definition.atoms):
            return "something"
        return repr(words.brief(called(self.definition.atoms[atom].name, instance), 60))

    def flow(self, flow: int | None) -> str:
        """The name of a flow, by index."""
        flows = self.definition.flows
        return words.brief(flows[flow].name, 60) if flow is not None and 0 <= flow < len(flows) else "a flow"

    def item(self, gate: Gate) -> str:
        """The name of what stands behind a gate: an atom, or the flow that has just its atoms."""
        first = words.brief(self.definition.atoms[gate.first].name, 60)
        if gate.last - gate.first == 1:
            return first
        for flow in self.definition.flows:
            if flow.parent == gate.flow and (flow.first, flow.last) == (gate.first, gate.last):
                return self.flow(flow.index)
        return f"{first} …"

    def policy(self) -> str | None:
        """The outcome policy of the fan-out that the record is about."""
        atom = self.facts.get("atom", -1)
        return self.definition.atoms[atom].outcome if 0 <= atom < len(self.definition.atoms) else None

    def counts(self, policy: str | None) -> str:
        """`3 successes, 1 failure (SUCCESS_FOR_PARTIAL_SUCCESS)`, of a group or a fan-out."""
        good = words.count(self.facts.get("successes", 0), "success", "successes")
        bad = words.count(self.facts.get("errors", 0), "failure")
        return f"{good}, {bad}" + (f" ({policy})" if policy else "")

    def until(self) -> str:
        """How long from the record to what it says is due."""
        due = self.facts.get("due")
        return "" if due is None else words.span(max(due / 1_000_000 - self.line.at.timestamp(), 0))

    def value(self) -> str:
        """` → value`, or nothing where there is none to speak of."""
        return "" if self.line.value is None else f" → {words.value(self.line.value, self.width)}"

    def failure(self) -> str:
        """`CarrierRefused: the carrier does not deliver to Chile`."""
        told = self.line.value if isinstance(self.line.value, dict) else {}
        kind = str(told.get("type") or next(iter(self.facts.get("classes", ())), "an error")).rpartition(".")[2]
        message = words.brief(str(told.get("message", "")), 2 * self.width)
        return f"{kind}: {message}" if message else kind

    def again(self) -> str:
        """Which try of which execution, where it is not the first."""
        execution, attempt = self.line.execution or 1, self.line.attempt or 1
        said = [f"execution {execution}"] if execution > 1 else []
        return ", ".join([*said, f"attempt {attempt}"] if attempt > 1 else said)

    def noted(self, text: str) -> str:
        again = self.again()
        return f"{text} ({again})" if again else text

    def reason(self, sender: str = "") -> str:
        """` by ann: "customer withdrew"`, of what a person has given."""
        tree = self.line.value if isinstance(self.line.value, dict) else {}
        told = tree["said"] if isinstance(tree.get("said"), dict) else tree  # beside which other values may stand
        by, reason = told.get("by") or sender, told.get("reason")
        return (f" by {words.brief(str(by), 40)}" if by else "") + (
            f": {words.brief(str(reason), 200)}" if reason else ""
        )


def called(name: str, instance: int | None) -> str:
    """An atom's name; that of an element of its fan-out."""
    return name if instance is None else f"{name}[{instance}]"
