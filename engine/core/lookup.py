"""Where each argument comes from: the nearest provider that is certainly there before the atom starts.

An atom looks first among its own constants, then in the run's inputs, then for a provider: in the flow it stands in,
among the items before it, the latest first; then in the flow around that, and so on outward. Seen from outside, a
flow shows for each name the provider that is nearest to its end. Unordered siblings never see each other.

Of two providers the nearer is the one that the other leads to. Where neither leads to the other, both are at the same
distance and asking for the name is an AmbiguousDependency: two members of an unordered flow seen from behind it, two
items of a graph that no path joins.

Each flow keeps one dict of what it shows so far; what was found further out is remembered in each flow that was
passed, so that a name costs the depth of the nesting once per flow, not once per atom.
"""

from __future__ import annotations

from typing import NamedTuple

from ...errors import AmbiguousDependency
from ..definition.arguments import Binding
from ..definition.task import Task
from .fingerprint import FROM_INJECT, FROM_INPUT, INPUT
from .outline import ATOM, ENTER, Outline
from .specs import Argument, Source


class Contest(NamedTuple):
    """Several providers at the same distance: two of them to name, and the last in the definition."""

    first: int
    second: int
    last: int


Found = int | Contest | None


def _contest(one: int | Contest, other: int | Contest) -> Contest:
    a, b = sorted((one, other), key=lambda found: found if isinstance(found, int) else found.first)
    first = a if isinstance(a, int) else a.first
    second = b if isinstance(b, int) else b.first
    return Contest(first, second, max(a if isinstance(a, int) else a.last, b if isinstance(b, int) else b.last))


class _Scope:
    """One open flow. `shows`: name -> provider nearest to its end so far. `outer`: what was found beyond it."""

    def __init__(self) -> None:
        self.shows: dict[str, int | Contest] = {}
        self.outer: dict[str, Found] = {}

    def sees(self, name: str) -> Found:
        """The provider that the item at hand sees in this flow."""
        raise NotImplementedError

    def saves(self, names: dict[str, int | Contest]) -> None:
        """The item at hand is done, and shows these."""
        raise NotImplementedError

    def done(self) -> dict[str, int | Contest]:
        """What the whole flow shows to those behind it."""
        return self.shows


class _Linear(_Scope):
    def sees(self, name: str) -> Found:
        return self.shows.get(name)

    def saves(self, names: dict[str, int | Contest]) -> None:
        if len(names) <= len(self.shows):
            self.shows.update(names)
        else:  # the longer dict takes in the shorter one
            for name, found in self.shows.items():
                names.setdefault(name, found)
            self.shows = names


class _Unordered(_Scope):
    def sees(self, name: str) -> Found:
        return None

    def saves(self, names: dict[str, int | Contest]) -> None:
        if len(names) > len(self.shows):
            self.shows, names = names, self.shows
        for name, found in names.items():
            other = self.shows.get(name)
            self.shows[name] = found if other is None else _contest(found, other)


class _Graph(_Scope):
    """Takes its items in an order in which links point forward.

    `providers`: name -> [(place, provider)], in that order.
    """

    def __init__(self, links: list[list[int]], turns: list[int]) -> None:
        super().__init__()
        self.turns = iter(turns)
        self.before: list[list[int]] = [[] for _ in links]
        for place, behind in enumerate(links):
            for other in behind:
                self.before[other].append(place)
        self.providers: dict[str, list[tuple[int, int | Contest]]] = {}
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

    def saves(self, names: dict[str, int | Contest]) -> None:
        for name, found in names.items():
            self.providers.setdefault(name, []).append((self.at, found))
        self.at = next(self.turns, -1)

    def done(self) -> dict[str, int | Contest]:
        for name, found in self.providers.items():
            nearest = self._nearest(found)
            if nearest is not None:
                self.shows[name] = nearest
        return self.shows

    def _nearest(self, found: list[tuple[int, int | Contest]]) -> Found:
        """Of providers in order: the last one, if all others lead to it; else a contest of those that lead to none."""
        if len(found) < 2:
            return found[0][1] if found else None
        place, nearest = found[-1]
        passed = self._ancestors(place)
        for other, provider in reversed(found[:-1]):
            if other not in passed:
                nearest = _contest(nearest, provider)
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


class Lookup:
    """The arguments of every atom of an outline, by index.

    `contested` has (name, atom) for each name that several atoms provide: the one nearest to the end, the last in the
    definition where several are.

    Raises:
        AmbiguousDependency: two providers are equally near; names the atom, the argument and both.
    """

    def __init__(self, outline: Outline) -> None:
        self.outline = outline
        self.execute: list[tuple[Argument, ...]] = [()] * len(outline.atoms)
        self.revert: list[tuple[Argument, ...]] = [()] * len(outline.atoms)
        self.contested: tuple[tuple[str, int], ...] = ()
        self._open: list[_Scope] = []
        self._known: dict[tuple[tuple[Binding, ...], tuple[Found, ...]], tuple[Argument, ...]] = {}
        self._providers: dict[str, int] = {}
        self._walk()

    def _walk(self) -> None:
        outline, open_flows = self.outline, self._open
        for event, index in outline.walk():
            if event == ENTER:
                open_flows.append(self._scope(index))
            elif event == ATOM:
                self._atom(index, outline.atoms[index])
            else:
                shows = open_flows.pop().done()
                if open_flows:
                    open_flows[-1].saves(shows)
                else:
                    self._settle(shows)

    def _atom(self, index: int, task: Task) -> None:
        plan = task.plan
        self.execute[index] = self._call(task, plan.execute.bindings)
        if plan.revert is not None:
            self.revert[index] = self._call(task, plan.revert.bindings)
        shows: dict[str, int | Contest] = {}
        for name, _ in plan.options.saves:
            self._providers[name] = self._providers.get(name, 0) + 1
            shows[name] = index
        self._open[-1].saves(shows)

    def _settle(self, shows: dict[str, int | Contest]) -> None:
        several = sorted(name for name, count in self._providers.items() if count > 1)
        found = ((name, shows[name]) for name in several)
        self.contested = tuple((name, at if isinstance(at, int) else at.last) for name, at in found)

    def _scope(self, flow: int) -> _Scope:
        links, turns = self.outline.links[flow], self.outline.turns[flow]
        if links is not None and turns is not None:
            return _Graph(links, turns)
        return _Linear() if self.outline.flows[flow].pattern == "linear" else _Unordered()

    def _call(self, task: Task, bindings: tuple[Binding, ...]) -> tuple[Argument, ...]:
        inject = task.inject
        # -1: the atom's own constants; atoms of one function that find the same things share the arguments
        found = tuple(-1 if bound.name in inject else self._find(bound.name) for bound in bindings)
        key = (bindings, found)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = tuple(
                Argument(bound.parameter, bound.name, bound.optional, self._sources(task, bound, at))
                for bound, at in zip(bindings, found, strict=True)
            )
        return known

    def _find(self, name: str) -> Found:
        found: Found = None
        passed: list[_Scope] = []
        for scope in reversed(self._open):
            found = scope.sees(name)
            if found is None and name in scope.outer:
                found = scope.outer[name]
                break
            if found is not None:
                break
            passed.append(scope)
        for scope in passed:
            scope.outer[name] = found
        return found

    def _sources(self, task: Task, bound: Binding, found: Found) -> tuple[Source, ...]:
        if found is None:
            return FROM_INPUT
        if isinstance(found, Contest):
            raise self._ambiguous(task, bound, found)
        if found < 0:
            return FROM_INJECT
        return (INPUT, Source("atom", found, self.outline.atoms[found].save_as[bound.name]))

    def _ambiguous(self, task: Task, bound: Binding, found: Contest) -> AmbiguousDependency:
        one, other = self.outline.atoms[found.first].name, self.outline.atoms[found.second].name
        return AmbiguousDependency(
            f"flow {self.outline.flows[0].name!r}: task {task.name!r} needs {bound.name!r} (its parameter "
            f"{bound.parameter!r}), which {one!r} and {other!r} provide at the same distance; link one behind "
            "the other, let one of them provide another name, or rebind the parameter"
        )
