"""`Flow`: a named pattern of atoms and other flows; `linear` and `unordered`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any, ClassVar, NamedTuple, Self

from ...errors import CycleError, FlowError
from .atom import Atom
from .declarations import declarations_of
from .functor import FunctorTask
from .task import Task
from .words import checked_name

Names = dict[str, None]
"""A set of names that keeps its order."""


class Interface(NamedTuple):
    """What an item needs from outside, and what those after it may take from it."""

    requires: Names
    provides: Names


class Flow:
    """What the patterns share: a name, items in order, what they require and provide together.

    A flow holds each atom once; the names of atoms are unique in the whole of what is run (checked when it is
    compiled). An item is a task, a flow, or a plain function, of which a `FunctorTask` is made.
    """

    pattern: ClassVar[str]

    def __init__(self, name: str, retry: None = None) -> None:
        self.name = checked_name("flow", name)
        if retry is not None:
            raise FlowError(f"flow {name!r}: retry controllers are not there yet; retry must be None, found {retry!r}")
        self._items: list[Task | Flow] = []
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

    def _take(self, items: list[Task | Flow]) -> None:
        self._items.extend(items)
        self._flows.extend(item for item in items if isinstance(item, Flow))
        self._changes += 1

    def _made(self, item: Atom | Flow | Callable[..., Any]) -> Task | Flow:
        if isinstance(item, Flow):
            self._refuse_inside_itself(item)
            return item
        if isinstance(item, Task):
            declarations_of(item)
            return item
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
    def items(self) -> tuple[Task | Flow, ...]:
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
                    flow._known = (changes, flow._combined([_interface(item) for item in flow._items]))
            elif id(flow) not in seen:
                seen.add(id(flow))
                walk.append((flow, True))
                walk.extend((inner, False) for inner in flow._flows)
        return self._known[1]

    def _combined(self, items: list[Interface]) -> Interface:
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self._items)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Task | Flow]:
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


class UnorderedFlow(Flow):
    """Items run in any order, at the same time where that is possible; none sees what another provides."""

    pattern = "unordered"

    def _combined(self, items: list[Interface]) -> Interface:
        requires = {name: None for item in items for name in item.requires}
        return Interface(requires, {name: None for item in items for name in item.provides})


def _interface(item: Task | Flow) -> Interface:
    if isinstance(item, Flow):
        return item._known[1]
    return Interface(dict.fromkeys(item.requires), dict.fromkeys(item.provides))


def linear(name: str, retry: None = None) -> LinearFlow:
    """A flow whose items run one after the other."""
    return LinearFlow(name, retry)


def unordered(name: str, retry: None = None) -> UnorderedFlow:
    """A flow whose items run in any order."""
    return UnorderedFlow(name, retry)
