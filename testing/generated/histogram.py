"""`Histogram`: what is in the cases that were made, so that nobody believes to have tried what never came."""

from __future__ import annotations

from collections import Counter

from .case import Case

TRAITS = (
    # patterns, and what is in them
    "linear", "unordered", "graph", "nested flow", "empty flow", "targeted graph", "group", "outcome policy",
    "policy SUCCESS_ON_ALL_EVENTS_SUCCESS", "policy FAILURE_FOR_PARTIAL_ERROR", "policy SUCCESS_FOR_PARTIAL_SUCCESS",
    "policy FAILURE_FOR_ALL_EVENTS_FAILURE", "decider", "decider ALL", "decider FLOW", "decider NEIGHBORS",
    "decider ATOM", "decider that refuses", "fan-out", "fan-out over a result", "fan-out over nothing",
    # retries
    "retry", "nested retry", "retry that retries", "Times", "ForEach", "ParameterizedForEach", "AlwaysRevert",
    "AlwaysRevertAll", "revert_all", "user retry", "Scripted", "Undone", "Taking", "Choosy", "failing retry",
    "failing revert of a retry", "raising on_failure", "no defer_reverts", "never_resolve",
    # tasks
    "retry policy", "transactional", "async", "priority", "failing execute", "failing attempt", "failing element",
    "failing revert", "outcome error", "undeclared", "not_needed", "irreversible", "revertible_for", "event", "hooked",
    "map", "reduce",
    # after a crash
    "probe", "ask", "skip", "recovery map", "probe revert", "ask revert",
    # arguments
    "argument", "input", "inject", "optional argument", "ignored argument", "any arguments", "no auto_extract",
    "rebind by place", "revert rebind", "provides by place", "provides by key", "provided again", "input over a result",
)  # fmt: skip
"""All traits that a case may have."""


class Histogram:
    """Counts cases by their traits, their atoms and their depth, and adds up whatever else is counted for each."""

    def __init__(self) -> None:
        self.cases = 0
        self.traits: Counter[str] = Counter()
        self.depths: Counter[int] = Counter()
        self.sizes: Counter[int] = Counter()
        self.sums: Counter[str] = Counter()

    def add(self, case: Case, **counted: int) -> None:
        """One more case; `counted` is what else there was in it, or in its run: `crashes=7`."""
        self.cases += 1
        self.traits.update(case.traits)
        self.depths[case.depth] += 1
        self.sizes[case.atoms] += 1
        self.sums["atoms"] += case.atoms
        for what, number in counted.items():
            self.sums[what] += number

    def mean(self, what: str = "atoms") -> float:
        """How many there are in a case, on average."""
        return self.sums[what] / max(self.cases, 1)

    def share(self, trait: str) -> float:
        """How many of the cases have a trait, from 0 to 1."""
        return self.traits[trait] / max(self.cases, 1)

    def __str__(self) -> str:
        """A table: the means, how many cases have how many atoms and how deep flows, then all traits, with bars."""
        lines = [f"{self.cases:,} cases; a case has on average"]
        lines += [f"{self.mean(what):10.1f}  {what}" for what in self.sums]
        lines.append("atoms")
        tens = Counter({first: 0 for first in range(1, max(self.sizes, default=0) + 1, 10)})
        for size, count in self.sizes.items():
            tens[(size - 1) // 10 * 10 + 1] += count
        lines += [self._line(tens[first], f"{first} to {first + 9}") for first in sorted(tens)]
        lines.append("depth")
        lines += [self._line(self.depths[depth], str(depth)) for depth in sorted(self.depths)]
        lines.append("traits")
        lines += [self._line(self.traits[trait], trait) for trait in TRAITS]
        return "\n".join(lines)

    def _line(self, count: int, what: str) -> str:
        share = count / max(self.cases, 1)
        return f"{share:10.1%}  {what:36} {'#' * round(share * 40)}".rstrip()
