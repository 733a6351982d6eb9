"""Flows that are being asked about or undone, and what of them is to be reverted next (SEMANTICS §3, ADR 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sagalog.errors import Failure

from .tree import Branch, Leaf, Node

TO_UNDO = ("SUCCESS", "FAILURE", "REVERTING")


@dataclass(eq=False)
class Matter:
    """Something a retry is asked about: what failed, of what, and the flow whose retry has given up about it, if any."""

    node: Node
    failures: dict[str, Failure]
    first: Branch | None = None
    asked: bool = False


@dataclass(eq=False)
class Region:
    """The flow of a retry that is being asked (`goal` ask), or that is undone (retry: to be tried again; revert)."""

    flow: Branch
    goal: str = "ask"
    matters: list[Matter] = field(default_factory=list)
    failures: dict[str, Failure] = field(default_factory=dict)
    group: Branch | None = None

    def scope(self) -> list[Leaf]:
        """What is undone: RETRY does not call the retry's own revert."""
        return [leaf for leaf in self.flow.leaves() if leaf is not self.flow.retry or self.goal != "retry"]


def left(scope: list[Leaf]) -> list[Leaf]:
    """What is still to be undone of it."""
    return [leaf for leaf in scope if leaf.state in TO_UNDO]


def busy(scope: Sequence[Leaf]) -> bool:
    """Whether anything of it is still being executed, or reverted."""
    return any(each.state in ("RUNNING", "REVERTING") for leaf in scope for each in (leaf, *leaf.elements))


def undone(region: Region) -> bool:
    """Whether nothing is left to be undone of a flow that is to be tried again."""
    return region.goal == "retry" and not left(region.scope()) and not busy(region.scope())


def candidates(scope: list[Leaf]) -> list[Leaf]:
    """Those that nothing of what is left comes after; of a fan-out its last element that did anything."""
    rest = left(scope)
    last = [leaf for leaf in rest if not any(leaf in other.earlier for other in rest)]
    found = []
    for leaf in last:
        elements = [each for each in leaf.elements if each.state in TO_UNDO and leaf.code.has_revert]
        found.append(elements[-1] if elements else leaf)
    return found
