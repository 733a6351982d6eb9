"""`graph`: a flow whose items are linked by what they require and provide, and by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self

from ...errors import CycleError, UnknownSource
from .atom import Atom
from .deciders import Decider, Depth, decider_of
from .flow import Flow, Interface, Item, Members, Names
from .ordering import Ordering
from .retry import Retry


class GraphFlow(Flow):
    """Items run when all that lead to them have.

    An item that requires a name is linked behind every other item that provides it, whichever was added first. What
    is optional links nothing: link it by hand. `link` adds what the names do not say.

    With a target, only that item and what leads to it is compiled and counts in `requires` and `provides`.
    """

    pattern = "graph"

    def __init__(self, name: str, retry: Retry | None = None) -> None:
        super().__init__(name, retry)
        self._links = _Links()
        self._manual: dict[tuple[int, int], None] = {}
        self._deciders: dict[tuple[int, int], Decider] = {}
        self._target: int | None = None
        self._functions: dict[Callable[..., Any], int] = {}

    def add(self, *items: Atom | Flow | Callable[..., Any]) -> Self:
        """Add items and link them; CycleError names the path, and then nothing was added. Else as `Flow.add`."""
        self._current()
        before = len(self._items)
        super().add(*items)
        try:
            self._link_from(before)
        except CycleError:
            del self._items[before:]
            self._flows = [item for item in self._items if isinstance(item, Flow)]
            self._relink()
            raise
        for place, item in enumerate(items, before):
            if not isinstance(item, Atom | Flow):
                self._functions.setdefault(item, place)
        return self

    def link(
        self,
        u: Atom | Flow | Callable[..., Any],
        v: Atom | Flow | Callable[..., Any],
        decider: Callable[..., Any] | None = None,
        decider_depth: Depth | str | None = None,
    ) -> Self:
        """Let `v` wait for `u`; both are items of this flow.

        Args:
            decider: `(history) -> bool`, called with `history={name of u: its result}` before `v`: False ignores it.
                A later link between the two replaces the decider, if it has one.
            decider_depth: how much is then ignored: a `Depth`, or its name in any case; ALL by default.

        Raises:
            UnknownSource: one of them is no item of this flow. CycleError: `v` leads to `u` already; names the path.
            FlowError: the decider cannot be called so, or there is no such depth.
        """
        self._current()
        pair = (self._place(u), self._place(v))
        made = None
        if decider is not None or decider_depth is not None:
            made = decider_of(self._between(*pair), decider, decider_depth)
        self._join(*pair, "linked by hand")
        self._manual[pair] = None
        if made is not None:
            self._deciders[pair] = made
        self._changes += 1
        return self

    def set_target(self, item: Atom | Flow | Callable[..., Any]) -> Self:
        """Compile only `item` and what leads to it; UnknownSource where it is no item of this flow."""
        self._target = self._place(item)
        self._changes += 1
        return self

    def reset_target(self) -> Self:
        """Compile all items again."""
        self._target = None
        self._changes += 1
        return self

    def successors(self) -> list[list[int]]:
        """For each item, by place, the places of the items that wait for it, in order."""
        self._current()
        return [sorted(after) for after in self._links.order.after]

    def members(self) -> Members:
        """What is compiled of the flow: all, or what leads to the target."""
        links = self.successors()
        if self._target is None and not self._deciders:
            return Members(self._items, links)
        places = self._chosen()
        new = dict(zip(places, range(len(places)), strict=True))
        deciders: dict[int, list[tuple[int, Decider]]] = {}
        for (u, v), decider in sorted(self._deciders.items(), key=lambda link: link[0]):
            if v in new:
                deciders.setdefault(new[v], []).append((new[u], decider))
        behind = [[new[other] for other in links[place] if other in new] for place in places]
        return Members([self._items[place] for place in places], behind, deciders)

    def iter_links(self) -> Iterator[tuple[Item, Item, dict[str, Any]]]:
        """(u, v, {"decider": function or None, "reasons": (name, …)}) for each link that is compiled.

        The reasons are the names that `v` requires and `u` provides; of a link by hand there may be none.
        """
        chosen = dict.fromkeys(self._chosen())
        for place in chosen:
            u = self._items[place]
            for other in sorted(self._links.order.after[place]):
                if other in chosen:
                    v = self._items[other]
                    decider = self._deciders.get((place, other))
                    reasons = tuple(name for name in v.requires if name in u.provides)
                    yield u, v, {"decider": decider and decider.function, "reasons": reasons}

    def _chosen(self) -> list[int]:
        """The places of what is compiled, in order."""
        self._current()
        if self._target is None:
            return list(range(len(self._items)))
        seen, walk = {self._target}, [self._target]
        while walk:
            for place in self._links.order.before[walk.pop()]:
                if place not in seen:
                    seen.add(place)
                    walk.append(place)
        return sorted(seen)

    def _place(self, item: Atom | Flow | Callable[..., Any]) -> int:
        place = self._links.places.get(id(item))
        if place is None and not isinstance(item, Atom | Flow):
            place = self._functions.get(item)
        if place is None:
            if isinstance(item, str):
                raise UnknownSource(f"graph flow {self.name!r}: links are between items, not their names; found {item!r}")
            name = getattr(item, "name", None) or getattr(item, "__name__", repr(item))
            raise UnknownSource(f"graph flow {self.name!r} has no item {name!r}; add it before it is linked")
        return place

    def _between(self, u: int, v: int) -> str:
        return f"graph flow {self.name!r}: link from {self._items[u].name!r} to {self._items[v].name!r}"

    def _current(self) -> None:
        """Link anew if a flow in this one has been given more items since."""
        if any(flow.interface() is not known for flow, known in self._links.nested):
            self._relink()

    def _relink(self) -> None:
        known, self._links = self._links, _Links()
        try:
            self._link_from(0)
            for u, v in self._manual:
                self._join(u, v, "linked by hand")
        except CycleError:
            self._links = known  # out of date still: whoever asks next is told so again
            raise

    def _link_from(self, start: int) -> None:
        links = self._links
        for place, item in enumerate(self._items[start:], start):
            links.order.add()
            if id(item) in links.places:
                continue  # there twice: refused by name when the flow is compiled
            links.places[id(item)] = place
            for u, v, name in links.offer(place, item):
                self._join(u, v, f"by {name!r}")

    def _join(self, u: int, v: int, why: str) -> None:
        path = self._links.order.link(u, v)
        if path is not None:
            names = " -> ".join(self._items[place].name for place in [u, *path])
            raise CycleError(
                f"graph flow {self.name!r}: {self._items[v].name!r} cannot wait for {self._items[u].name!r} ({why}): "
                f"that closes the cycle {names}"
            )

    def _combined(self, items: list[Interface]) -> Interface:
        if self._target is not None:
            items = [items[place] for place in self._chosen()]
        providers: dict[str, int] = {}
        for item in items:
            for name in item.provides:
                providers[name] = providers.get(name, 0) + 1
        requires: Names = {}
        for item in items:
            for name in item.requires:
                if providers.get(name, 0) <= (name in item.provides):
                    requires[name] = None
        return Interface(requires, dict.fromkeys(providers))


class _Links:
    """The links of a graph flow, and what they were made from."""

    def __init__(self) -> None:
        self.order = Ordering()
        self.places: dict[int, int] = {}
        self.nested: list[tuple[Flow, Interface]] = []
        self.providers: dict[str, list[int]] = {}
        self.consumers: dict[str, list[int]] = {}

    def offer(self, place: int, item: Item) -> list[tuple[int, int, str]]:
        """Take note of an item; the links (from, to, name) between it and those already there."""
        if isinstance(item, Flow):
            requires, provides = known = item.interface()
            self.nested.append((item, known))
        else:
            requires, provides = dict.fromkeys(item.requires), dict.fromkeys(item.provides)
        found = [(u, place, name) for name in requires for u in self.providers.get(name, ())]
        found += [(place, v, name) for name in provides for v in self.consumers.get(name, ())]
        for name in requires:
            self.consumers.setdefault(name, []).append(place)
        for name in provides:
            self.providers.setdefault(name, []).append(place)
        return found


def graph(name: str, retry: Retry | None = None) -> GraphFlow:
    """A flow whose items are linked by requires and provides, and by `link`."""
    return GraphFlow(name, retry)
