"""`Shape`: what follows from a definition, computed anew from its links and flows, and not by the engine's code."""

from __future__ import annotations

from ...engine.core.graph import Definition

NOBODY = -1
DEPTHS = ("ALL", "FLOW", "NEIGHBORS", "ATOM")
"""How much the refusal of a decider ignores, the widest first."""

VERDICTS = {
    #                                  nothing ran, all succeeded, all failed, some of both
    "SUCCESS_ON_ALL_EVENTS_SUCCESS": (False, True, False, False),
    "FAILURE_FOR_PARTIAL_ERROR": (True, True, False, False),
    "SUCCESS_FOR_PARTIAL_SUCCESS": (False, True, False, True),
    "FAILURE_FOR_ALL_EVENTS_FAILURE": (True, True, False, True),
}
"""The table of outcome policies."""


class Shape:
    """Per atom, unless told otherwise; sets of atoms are the bits of a number.

    Attributes:
        ahead, behind: all atoms that it waits for, that wait for it, however far. reach: `behind` of each node.
        around: the retries of the flows it stands in, inner first; a retry's own flow is not among them.
        who: whom its failure is asked of: a retry, -1 nobody, or -2 - f the group of flow f. outward: the same of a flow
            that gives up, or whose verdict is bad and has no retry.
        order, rank: all atoms by (-priority, place), and the place of each in that.
        span: per flow, its atoms (first, last + 1); children: per flow, the atoms and the flows that stand right in it.
    """

    __slots__ = ("ahead", "around", "behind", "children", "definition", "order", "outward", "rank", "reach", "span", "who")

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        atoms, flows = definition.atoms, definition.flows
        count = len(atoms)
        self.order = sorted(range(count), key=lambda atom: (-atoms[atom].priority, atom))
        self.rank = [0] * count
        for place, atom in enumerate(self.order):
            self.rank[atom] = place
        self.reach = _reach(definition)
        self.behind = self.reach[:count]
        self.ahead = [0] * count
        for atom, behind in enumerate(self.behind):
            for other in bits(behind):
                self.ahead[other] |= 1 << atom
        self.children: list[tuple[list[int], list[int]]] = [([], []) for _ in flows]
        inside: list[list[int]] = [[] for _ in flows]
        for spec in atoms:
            self.children[spec.flow][0].append(spec.index)
            inside[spec.flow].append(spec.index)
        for flow in reversed(flows):
            if flow.parent is not None:
                self.children[flow.parent][1].append(flow.index)
                inside[flow.parent] += inside[flow.index]
        self.span = [(min(own), max(own) + 1) if own else (0, 0) for own in inside]
        self.outward = [self._nearest(flow.parent) for flow in flows]
        self.who = [
            self.outward[spec.flow] if spec.kind == "retry" else self._nearest(spec.flow) for spec in atoms
        ]
        self.around = [self.retries(flows[spec.flow].parent if spec.kind == "retry" else spec.flow) for spec in atoms]

    def heard(self, flow: int) -> int:
        """Who is told that a flow was undone alone, the retries around it having no other answer: a group, or nobody."""
        who = self.outward[flow]
        while who >= 0:
            who = self.outward[self.definition.atoms[who].flow]
        return who

    def _nearest(self, flow: int | None) -> int:
        """Who is asked of what happens in a flow: its group, else its retry, else who is asked around it."""
        while flow is not None:
            spec = self.definition.flows[flow]
            if spec.outcome is not None:
                return -2 - flow
            if spec.retry is not None:
                return spec.retry
            flow = spec.parent
        return NOBODY

    def retries(self, flow: int | None) -> tuple[int, ...]:
        """The retries of a flow and of those around it, from the inside out."""
        found = []
        while flow is not None:
            spec = self.definition.flows[flow]
            if spec.retry is not None:
                found.append(spec.retry)
            flow = spec.parent
        return tuple(found)

    def of_retry(self, retry: int) -> tuple[int, int]:
        """The atoms of a retry's flow, from the retry itself to behind the last."""
        return self.span[self.definition.atoms[retry].flow]

    def member(self, group: int, flow: int) -> int:
        """The member of a group that a flow stands in: a flow right in the group's."""
        while (parent := self.definition.flows[flow].parent) != group:
            assert parent is not None
            flow = parent
        return flow


def bits(number: int) -> list[int]:
    """The places of the bits that are set, in order."""
    found = []
    while number:
        low = number & -number
        found.append(low.bit_length() - 1)
        number ^= low
    return found


def _reach(definition: Definition) -> list[int]:
    """The atoms behind each node: found from the ends, each node once all that come after it are."""
    after, count = definition.after, len(definition.atoms)
    before: list[list[int]] = [[] for _ in after]
    left = [len(behind) for behind in after]
    for node, behind in enumerate(after):
        for other in behind:
            before[other].append(node)
    reach = [0] * len(after)
    walk = [node for node, waits in enumerate(left) if not waits]
    for node in walk:  # grows while it is walked
        own = reach[node] | (1 << node if node < count else 0)
        for other in before[node]:
            reach[other] |= own
            left[other] -= 1
            if not left[other]:
                walk.append(other)
    return reach
