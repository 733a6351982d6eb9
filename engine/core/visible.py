"""What each open flow shows of its providers to the item at hand, while a flow is walked from front to back."""

from __future__ import annotations

from typing import NamedTuple

from .outline import Outline


class Contest(NamedTuple):
    """Several providers at the same distance: two of them to name, and the last in the definition."""

    first: int
    second: int
    last: int


Provider = int | Contest
"""The index of an atom, or the number of atoms plus the index of a flow that is a group."""
Found = Provider | None
Shows = dict[str, Provider]


def contest_of(one: Provider, other: Provider) -> Contest:
    """Both at once, the first two in the definition to be named."""
    a, b = sorted((one, other), key=lambda found: found if isinstance(found, int) else found.first)
    first = a if isinstance(a, int) else a.first
    second = b if isinstance(b, int) else b.first
    return Contest(first, second, max(a if isinstance(a, int) else a.last, b if isinstance(b, int) else b.last))


class Scope:
    """One open flow. `base`: what its retry provides, seen by all in it. `outer`: what was found beyond it.

    `shows`: name -> provider nearest to its end so far.
    """

    def __init__(self, base: Shows) -> None:
        self.base = base
        self.shows: Shows = {}
        self.outer: dict[str, Found] = {}

    def sees(self, name: str) -> Found:
        """The provider that the item at hand sees among the items of this flow."""
        raise NotImplementedError

    def saves(self, names: Shows) -> None:
        """The item at hand is done, and shows these."""
        raise NotImplementedError

    def done(self) -> Shows:
        """What the whole flow shows to those behind it."""
        for name, provider in self.base.items():
            self.shows.setdefault(name, provider)
        return self.shows


class Linear(Scope):
    def sees(self, name: str) -> Found:
        return self.shows.get(name)

    def saves(self, names: Shows) -> None:
        if len(names) <= len(self.shows):
            self.shows.update(names)
        else:  # the longer dict takes in the shorter one
            for name, found in self.shows.items():
                names.setdefault(name, found)
            self.shows = names


class Unordered(Scope):
    def sees(self, name: str) -> Found:
        return None

    def saves(self, names: Shows) -> None:
        if len(names) > len(self.shows):
            self.shows, names = names, self.shows
        for name, found in names.items():
            other = self.shows.get(name)
            self.shows[name] = found if other is None else contest_of(found, other)


class Graph(Scope):
    """Takes its items in an order in which links point forward.

    `providers`: name -> [(place, provider)], in that order.
    """

    def __init__(self, base: Shows, links: list[list[int]], turns: list[int]) -> None:
        super().__init__(base)
        self.turns = iter(turns)
        self.before: list[list[int]] = [[] for _ in links]
        for place, behind in enumerate(links):
            for other in behind:
                self.before[other].append(place)
        self.providers: dict[str, list[tuple[int, Provider]]] = {}
        self.at = next(self.turns, -1)
        self.ancestors: tuple[int, set[int]] = (-1, set())

    def sees(self, name: str) -> Found:
        found = self.providers.get(name)
        if found is None:
            return None
        near = self.before[self.at]
        if not all(place in near for place, _ in found):
            before = self._ancestors(self.at)
            found = [(place, provider) for place, provider in found if place in before]
        return self._nearest(found)

    def saves(self, names: Shows) -> None:
        for name, found in names.items():
            self.providers.setdefault(name, []).append((self.at, found))
        self.at = next(self.turns, -1)

    def done(self) -> Shows:
        for name, found in self.providers.items():
            nearest = self._nearest(found)
            if nearest is not None:
                self.shows[name] = nearest
        return super().done()

    def _nearest(self, found: list[tuple[int, Provider]]) -> Found:
        """Of providers in order: the last one, if all others lead to it; else a contest of those that lead to none."""
        if len(found) < 2:
            return found[0][1] if found else None
        place, nearest = found[-1]
        passed = self._ancestors(place)
        for other, provider in reversed(found[:-1]):
            if other not in passed:
                nearest = contest_of(nearest, provider)
                passed = passed | self._ancestors(other)
        return nearest

    def _ancestors(self, place: int) -> set[int]:
        """The items that lead to one; the last answer is kept, as many ask for the same one after another."""
        if self.ancestors[0] != place:
            seen: set[int] = set()
            walk = [place]
            while walk:
                for before in self.before[walk.pop()]:
                    if before not in seen:
                        seen.add(before)
                        walk.append(before)
            self.ancestors = (place, seen)
        return self.ancestors[1]


def scope_of(outline: Outline, flow: int, base: Shows) -> Scope:
    """The scope of a flow that is entered, in which `base` is seen from everywhere."""
    links, turns = outline.links[flow], outline.turns[flow]
    if links is not None and turns is not None:
        return Graph(base, links, turns)
    return Linear(base) if outline.flows[flow].pattern == "linear" else Unordered(base)
