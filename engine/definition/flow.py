"""`Flow`: a named pattern of atoms and other flows; `linear` and `unordered`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Self, TypeAlias, Union

from ...errors import CycleError, FlowError
from .atom import Atom
from .deciders import Decider
from .declarations import declarations_of
from .each import Each
from .functor import FunctorTask
from .outcome import OutcomePolicy, outcome_policy_of
from .retry import Retry
from .task import Task
from .words import checked_name

Names = dict[str, None]
"""A set of names that keeps its order."""
Item: TypeAlias = Union[Task, Each, "Flow"]


class Interface(NamedTuple):
    """What an item needs from outside, and what those after it may take from it."""

    requires: Names
    provides: Names


class Members(NamedTuple):
    """What is compiled of a flow: its items, and for a graph, by place, the places behind each, and its deciders.

    `deciders`: for the place of an item, (place of the source, decider), in the order of the sources.
    """

    items: Sequence[Item]
    links: list[list[int]] | None = None
    deciders: Mapping[int, list[tuple[int, Decider]]] = MappingProxyType({})


class Flow:
    """What the patterns share: a name, items in order, what they require and provide together.

    A flow holds each atom once; the names of atoms are unique in the whole of what is run (checked when it is
    compiled). An item is a task, a fan-out (`each`), a flow, or a plain function, of which a `FunctorTask` is made.

    `retry`: the Retry that governs the flow: it runs before its items and is asked when one of them fails. One that
    was given no name is named after the flow, "NAME_retry".
    """

    pattern: ClassVar[str]
    outcome: OutcomePolicy | None = None
    gathers: str | None = None

    def __init__(self, name: str, retry: Retry | None = None) -> None:
        self.name = checked_name("flow", name)
        if retry is not None and not isinstance(retry, Retry):
            raise FlowError(f"flow {name!r}: retry must be a Retry (an instance: Times(5)); found {retry!r}")
        self._retry = retry
        if retry is not None:
            retry.named_after(name)
            declarations_of(retry)
        self._items: list[Item] = []
        self._flows: list[Flow] = []
        self._changes = 0
        self._known = (-1, Interface({}, {}))  # for which count of changes, here and inside

    def add(self, *items: Atom | Flow | Callable[..., Any]) -> Self:
        """Add items behind those already there; returns the flow.

        Raises:
            FlowError: an item is no task, flow or function, or what a task declares does not fit together.
            CycleError: a flow would contain itself.
        """
        self._take([self._made(item) for item in items])
        return self

    def _take(self, items: list[Item]) -> None:
        self._items.extend(items)
        self._flows.extend(item for item in items if isinstance(item, Flow))
        self._changes += 1

    def _made(self, item: Atom | Flow | Callable[..., Any]) -> Item:
        if isinstance(item, Flow):
            self._refuse_inside_itself(item)
            return item
        if isinstance(item, Task | Each):
            declarations_of(item.task if isinstance(item, Each) else item)
            return item
        if isinstance(item, Retry):
            raise FlowError(f"flow {self.name!r}: retry {item.name!r} is no item; give it to a flow: retry=…")
        if isinstance(item, type) and issubclass(item, Atom | Flow):
            raise FlowError(f"flow {self.name!r}: {item.__name__} is a class; add an instance, {item.__name__}(…)")
        if callable(item) and not isinstance(item, type | Atom):
            return FunctorTask(item)
        raise FlowError(
            f"flow {self.name!r}: expected tasks, flows or functions; found {item!r} ({type(item).__name__})"
        )

    def _refuse_inside_itself(self, flow: Flow) -> None:
        holder: dict[int, Flow | None] = {id(flow): None}
        walk = [flow]
        while walk:
            outer = walk.pop()
            for inner in outer._flows:
                if id(inner) not in holder:
                    holder[id(inner)] = outer
                    walk.append(inner)
        if id(self) not in holder:
            return
        path, at = [self.name], holder[id(self)]
        while at is not None:
            path.append(at.name)
            at = holder[id(at)]
        raise CycleError(f"flow {self.name!r} would contain itself: {' in '.join([*path, self.name])}")

    @property
    def retry(self) -> Retry | None:
        """The retry that governs the flow."""
        return self._retry

    @property
    def items(self) -> tuple[Item, ...]:
        """The items, in the order they were added."""
        return tuple(self._items)

    @property
    def requires(self) -> AbstractSet[str]:
        """The names that its atoms need and do not get from each other, in order."""
        return self.interface().requires.keys()

    @property
    def provides(self) -> AbstractSet[str]:
        """The names that its atoms provide, in order."""
        return self.interface().provides.keys()

    @property
    def changes(self) -> int:
        """A number that rises with everything that is added or linked here or further in."""
        self.interface()
        return self._known[0]

    def interface(self) -> Interface:
        """What the flow requires and provides; only what has changed, in it or in what it holds, is computed again."""
        seen: set[int] = set()
        walk: list[tuple[Flow, bool]] = [(self, False)]
        while walk:
            flow, inner_known = walk.pop()
            if inner_known:
                changes = flow._changes + sum(inner._known[0] for inner in flow._flows)
                if flow._known[0] != changes:
                    flow._known = (changes, flow._whole([_interface(item) for item in flow._items]))
            elif id(flow) not in seen:
                seen.add(id(flow))
                walk.append((flow, True))
                walk.extend((inner, False) for inner in flow._flows)
        return self._known[1]

    def _whole(self, items: list[Interface]) -> Interface:
        """What its items together, its retry and its group require and provide."""
        requires, provides = self._combined(items)
        if self._retry is not None:
            own = self._retry.provides
            requires = dict.fromkeys((*self._retry.requires, *(name for name in requires if name not in own)))
            provides = dict.fromkeys((*own, *provides))
        if self.gathers is not None:
            provides = {**provides, self.gathers: None}
        return Interface(requires, provides)

    def _combined(self, items: list[Interface]) -> Interface:
        raise NotImplementedError

    def members(self) -> Members:
        """What is compiled of the flow."""
        return Members(self._items)

    def iter_nodes(self) -> Iterator[tuple[Item, dict[str, Any]]]:
        """(item, {}) for each item that is compiled, in order."""
        return ((item, {}) for item in self.members().items)

    def iter_links(self) -> Iterator[tuple[Item, Item, dict[str, Any]]]:
        """(u, v, {"decider": function or None, "reasons": (name, …)}) for each link between two items."""
        return iter(())

    def __len__(self) -> int:
        return len(self._items)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Item]:
        return iter(tuple(self._items))

    def __repr__(self) -> str:
        return f"<{self.pattern} flow {self.name!r}, {len(self._items)} items>"


class LinearFlow(Flow):
    """Items run one after the other, in the order they were added."""

    pattern = "linear"

    def _combined(self, items: list[Interface]) -> Interface:
        requires: Names = {}
        provides: Names = {}
        for item in items:
            requires.update((name, None) for name in item.requires if name not in provides)
            provides.update(item.provides)
        return Interface(requires, provides)

    def iter_links(self) -> Iterator[tuple[Item, Item, dict[str, Any]]]:
        """(u, v, {"decider": None, "reasons": ()}) for each two neighbours."""
        return ((u, v, {"decider": None, "reasons": ()}) for u, v in pairwise(self._items))


class UnorderedFlow(Flow):
    """Items run in any order, at the same time where that is possible; none sees what another provides.

    `outcome`, an OutcomePolicy or its text, makes it a group: the policy says, from how many of its members succeeded
    and failed, whether it succeeds. `provides`: the name under which those behind it find the results of its members,
    as a ResultSet in the order of the items.
    """

    pattern = "unordered"

    def __init__(
        self,
        name: str,
        retry: Retry | None = None,
        *,
        outcome: OutcomePolicy | str | None = None,
        provides: str | None = None,
    ) -> None:
        super().__init__(name, retry)
        if outcome is not None:
            self.outcome = outcome_policy_of(outcome, f"unordered flow {name!r}")
        elif provides is not None:
            raise FlowError(
                f"unordered flow {name!r}: provides={provides!r} names the results of a group; give it an outcome too"
            )
        if provides is not None:
            self.gathers = checked_name(f"provides of unordered flow {name!r}", provides)

    def _combined(self, items: list[Interface]) -> Interface:
        requires = {name: None for item in items for name in item.requires}
        return Interface(requires, {name: None for item in items for name in item.provides})


def _interface(item: Item) -> Interface:
    if isinstance(item, Flow):
        return item._known[1]
    return Interface(dict.fromkeys(item.requires), dict.fromkeys(item.provides))


def linear(name: str, retry: Retry | None = None) -> LinearFlow:
    """A flow whose items run one after the other."""
    return LinearFlow(name, retry)


def unordered(
    name: str, retry: Retry | None = None, *, outcome: OutcomePolicy | str | None = None, provides: str | None = None
) -> UnorderedFlow:
    """A flow whose items run in any order; with an `outcome`, a group."""
    return UnorderedFlow(name, retry, outcome=outcome, provides=provides)
