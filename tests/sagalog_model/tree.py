"""The tree of a flow: its atoms are leaves, its flows branches. What waits for what is read off it (SEMANTICS §2)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from sagalog.engine.definition.deciders import Decider
from sagalog.engine.definition.each import Each
from sagalog.engine.definition.flow import Flow
from sagalog.engine.definition.outcome import OutcomePolicy
from sagalog.engine.definition.retry import Retry
from sagalog.engine.definition.task import Task
from sagalog.errors import Failure


class Node:
    """An atom or a flow, in the flow that holds it (None: the whole)."""

    def __init__(self, name: str, flow: Branch | None) -> None:
        self.name = name
        self.flow = flow
        self.deciders: list[tuple[Node, Decider]] = []
        self.asked = self.answered = False  # whether its deciders have been asked, and have answered

    def nodes(self) -> Iterator[Node]:
        """It and all that is in it."""
        yield self

    def leaves(self) -> list[Leaf]:
        """The atoms in it, in the order of the definition."""
        return [node for node in self.nodes() if isinstance(node, Leaf)]

    @cached_property
    def ahead(self) -> list[Node]:
        """What it directly waits for: in its flow; the first of a flow: the flow's retry, else what the flow waits for."""
        flow = self.flow
        if flow is None:
            return []
        if self is flow.retry:
            return flow.ahead
        return flow.before[self] or ([flow.retry] if flow.retry else flow.ahead)

    @cached_property
    def doors(self) -> list[Node]:
        """It, and the flows that begin with it: the deciders before any of them decide about it."""
        flow = self.flow
        first = flow is not None and (self is flow.retry or not (flow.retry or flow.before[self]))
        return [self, *flow.doors] if flow is not None and first else [self]

    @cached_property
    def earlier(self) -> set[Node]:
        """All that comes before it, however far."""
        found: set[Node] = set()
        for node in self.ahead:
            found.update(node.nodes())
            found |= node.earlier
        return found

    @cached_property
    def feeders(self) -> set[Node]:
        """The atoms that it directly waits for, and the flows without atoms between them and it."""
        return {leaf for node in self.ahead for leaf in node.exits}

    @property
    def exits(self) -> set[Node]:
        """Its last atoms, which what is behind it directly waits for."""
        return {self}

    def within(self, other: Node) -> bool:
        """Whether it is the other, or in it."""
        node: Node | None = self
        while node is not None and node is not other:
            node = node.flow
        return node is other


class Leaf(Node):
    """An atom, or an element of a fan-out, and what has become of it."""

    def __init__(self, atom: Task | Retry | Each, flow: Branch, place: int, name: str | None = None) -> None:
        super().__init__(name or atom.name, flow)
        self.atom = atom
        self.code: Task | Retry = atom.task if isinstance(atom, Each) else atom
        self.place = place
        self.state = "PENDING"
        self.execution = 0
        self.attempt = 0
        self.due = (0.0, 0)  # when its next attempt is, and which wait that is
        self.value: Any = None
        self.failure: Failure | None = None
        self.history: list[tuple[Any, dict[str, Failure]]] = []
        self.elements: list[Element] = []

    @property
    def is_fan(self) -> bool:
        """Whether it is a whole fan-out."""
        return isinstance(self.atom, Each) and not isinstance(self, Element)

    @property
    def order(self) -> tuple[float, int, int]:
        """Law 9: the larger priority first, then the place in the definition."""
        return (-self.atom.priority, self.place, 0)

    @property
    def order_back(self) -> tuple[float, int, int]:
        """Of those to be reverted: the larger priority first, then the last in the definition."""
        priority, place, index = self.order
        return (priority, -place, -index)


class Element(Leaf):
    """One element of a fan-out."""

    def __init__(self, fan: Leaf, index: int, item: Any) -> None:
        assert fan.flow is not None
        super().__init__(fan.atom, fan.flow, fan.place, f"{fan.name}[{index}]")
        self.fan, self.index, self.item = fan, index, item

    @cached_property
    def ahead(self) -> list[Node]:
        return self.fan.ahead

    @property
    def order(self) -> tuple[float, int, int]:
        return (-self.atom.priority, self.place, self.index)


class Branch(Node):
    """A flow, with its retry, its items and what leads from one to the other."""

    def __init__(self, of: Flow, flow: Branch | None, places: Iterator[int]) -> None:
        super().__init__(of.name, flow)
        self.policy: OutcomePolicy | None = of.outcome
        self.gathers = of.gathers
        self.retry = Leaf(of.retry, self, next(places)) if of.retry else None
        members = of.members()
        self.items: list[Node] = [
            Branch(item, self, places) if isinstance(item, Flow) else Leaf(item, self, next(places))
            for item in members.items
        ]
        self.before: dict[Node, list[Node]] = {item: [] for item in self.items}
        links = members.links if members.links is not None else [[] for _ in self.items]
        if of.pattern == "linear":
            links = [[place + 1] for place in range(len(self.items) - 1)]
        for place, followers in enumerate(links):
            for follower in followers:
                self.before[self.items[follower]].append(self.items[place])
        for place, deciders in members.deciders.items():
            self.items[place].deciders = [(self.items[source], decider) for source, decider in deciders]
        self.forget()

    def forget(self) -> None:
        """Nothing has been decided in it."""
        self.verdict: bool | None = None
        self.undone = False  # whether something of it was reverted after that
        self.failed: list[Node] = []  # members of a group that count as errors
        self.errors: dict[str, Failure] = {}  # what failed in them, by name

    def nodes(self) -> Iterator[Node]:
        yield self
        if self.retry:
            yield self.retry
        for item in self.items:
            yield from item.nodes()

    @property
    def exits(self) -> set[Node]:
        if not self.leaves():
            return {self, *self.feeders}
        followed = {earlier for behind in self.before.values() for earlier in behind}
        found = {exit for item in self.items if item not in followed for exit in item.exits}
        return found or {self.retry} if self.retry else found


def member_of(group: Branch, node: Node) -> Node:
    """The item of the group that the node is, or is in."""
    while node.flow is not group:
        assert node.flow is not None
        node = node.flow
    return node


def above(node: Node) -> Leaf | Branch | None:
    """Who is asked when it fails: the nearest retry around it that has begun, or the nearest group; None: nobody."""
    flow = node.flow
    while flow is not None:
        retry = flow.retry if flow.retry and flow.retry.state == "SUCCESS" else None
        if node is not flow.retry and (flow.policy or retry):
            return flow if flow.policy else retry
        node, flow = flow, flow.flow
    return None
