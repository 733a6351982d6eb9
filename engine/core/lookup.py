"""Where each argument comes from: the nearest provider that is certainly there before the atom starts.

An atom looks first among its own constants, then in the run's inputs, then for a provider: in the flow it stands in,
among the items before it, the latest first; then in the flow around that, and so on outward. Seen from outside, a
flow shows for each name the provider that is nearest to its end. Unordered siblings never see each other.

Of two providers the nearer is the one that the other leads to. Where neither leads to the other, both are at the same
distance and asking for the name is an AmbiguousDependency: two members of an unordered flow seen from behind it, two
items of a graph that no path joins.

The retry of a flow looks outside that flow, and shows what it provides to all in it as an earlier item would. A group
shows the results of its members under a name of its own.

Where a decider, or a failed member of a group, may have the nearest provider ignored and not the atom that asks, an
argument lists behind it what that provider itself would see under the name, and so on to one that is always there.

Each flow keeps one dict of what it shows so far; what was found further out is remembered in each flow that was
passed, so that a name costs the depth of the nesting once per flow, not once per atom.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from ...errors import AmbiguousDependency
from ..definition.arguments import Binding, Call
from ..definition.each import Each
from .fingerprint import FROM_INJECT, FROM_INPUT, INPUT
from .outline import ATOM, ENTER, Outline, Placed, kind_of
from .specs import Argument, Source
from .visible import Contest, Found, Scope, Shows, scope_of

_CONSTANT = -1


class Lookup:
    """The arguments of every atom of an outline, by index.

    `asked`: those of the on_failure of retries; `over`: the lists of fan-outs. `contested` has (name, provider) for each
    name that several provide: the one nearest to the end, the last in the definition where several are.
    `ignorable`: the atoms and groups, as providers, that a decider or a failed member of a group may keep from running.

    Raises:
        AmbiguousDependency: two providers are equally near; names the atom, the argument and both.
    """

    def __init__(self, outline: Outline, ignorable: AbstractSet[int] = frozenset()) -> None:
        self.outline = outline
        self.execute: list[tuple[Argument, ...]] = [()] * len(outline.atoms)
        self.revert: list[tuple[Argument, ...]] = [()] * len(outline.atoms)
        self.asked: dict[int, tuple[Argument, ...]] = {}
        self.over: dict[int, Argument] = {}
        self.contested: tuple[tuple[str, int], ...] = ()
        self._ignorable = set(ignorable)
        self._beneath: dict[tuple[int, str], Found] = {}  # what an ignorable provider would see itself
        self._open: list[Scope] = []
        self._known: dict[tuple[tuple[Binding, ...], tuple[Found, ...]], tuple[Argument, ...]] = {}
        self._providers: dict[str, int] = {}
        self._walk()

    def _walk(self) -> None:
        outline, open_flows = self.outline, self._open
        for event, index in outline.walk():
            if event == ENTER:
                self._enter(index)
            elif event == ATOM:
                open_flows[-1].saves(self._atom(index, outline.atoms[index]))
            else:
                shows = open_flows.pop().done()
                gathers = outline.flows[index].gathers
                if gathers is not None:
                    shows[gathers] = len(outline.atoms) + index
                if open_flows:
                    open_flows[-1].saves(shows)
                else:
                    self._settle(shows)

    def _enter(self, flow: int) -> None:
        gathers, retry = self.outline.flows[flow].gathers, self.outline.retries[flow]
        if gathers is not None:
            self._provides(len(self.outline.atoms) + flow, gathers)
        base = {} if retry is None else self._atom(retry, self.outline.atoms[retry])
        self._open.append(scope_of(self.outline, flow, base))

    def _atom(self, index: int, atom: Placed) -> Shows:
        """Find the arguments of an atom; what it provides."""
        plan = atom.plan
        self.execute[index] = self._call(atom, plan.execute)
        if plan.revert is not None:
            self.revert[index] = self._call(atom, plan.revert)
        if plan.on_failure is not None:
            self.asked[index] = self._call(atom, plan.on_failure)
        if isinstance(atom, Each):
            (self.over[index],) = self._arguments(atom, (atom.over,))
        shows: Shows = {}
        if self._may_lack(index):
            self._ignorable.add(index)
        for name, _ in plan.options.saves:
            self._provides(index, name)
            shows[name] = index
        return shows

    def _may_lack(self, index: int) -> bool:
        """Whether something that an atom must have may be ignored, so that the atom is too."""
        if not self._ignorable:
            return False
        wanted = self.execute[index] if index not in self.over else (self.over[index], *self.execute[index])
        last = [argument.sources[-1] for argument in wanted if not argument.optional]
        places = {"atom": 0, "group": len(self.outline.atoms)}
        return any(source.kind in places and places[source.kind] + source.atom in self._ignorable for source in last)

    def _provides(self, provider: int, name: str) -> None:
        self._providers[name] = self._providers.get(name, 0) + 1
        if provider in self._ignorable:
            self._beneath[provider, name] = self._find(name)

    def _settle(self, shows: Shows) -> None:
        several = sorted(name for name, count in self._providers.items() if count > 1)
        found = ((name, shows[name]) for name in several)
        self.contested = tuple((name, at.last if isinstance(at, Contest) else at) for name, at in found)

    def _call(self, atom: Placed, call: Call) -> tuple[Argument, ...]:
        return self._arguments(atom, call.bindings)

    def _arguments(self, atom: Placed, bindings: tuple[Binding, ...]) -> tuple[Argument, ...]:
        inject = atom.inject
        # atoms of one function that find the same things share the arguments
        found = tuple([_CONSTANT if bound.name in inject else self._find(bound.name) for bound in bindings])
        key = (bindings, found)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = tuple(
                Argument(bound.parameter, bound.name, bound.optional, self._sources(atom, bound, at))
                for bound, at in zip(bindings, found, strict=True)
            )
        return known

    def _find(self, name: str) -> Found:
        found: Found = None
        passed: list[Scope] = []
        for scope in reversed(self._open):
            found = scope.sees(name)
            if found is None:
                found = scope.base.get(name)
            if found is None and name in scope.outer:
                found = scope.outer[name]
                break
            if found is not None:
                break
            passed.append(scope)
        for scope in passed:
            scope.outer[name] = found
        return found

    def _sources(self, atom: Placed, bound: Binding, found: Found) -> tuple[Source, ...]:
        if found is None:
            return FROM_INPUT
        if isinstance(found, Contest):
            raise self._ambiguous(atom, bound, found)
        if found == _CONSTANT:
            return FROM_INJECT
        sources = [INPUT]
        at: Found = found
        while isinstance(at, int):  # two that are equally near are no fallback
            sources.append(self._source(at, bound.name))
            at = self._beneath.get((at, bound.name))
        return tuple(sources)

    def _source(self, provider: int, name: str) -> Source:
        atoms = self.outline.atoms
        if provider >= len(atoms):
            return Source("group", provider - len(atoms))
        return Source("atom", provider, atoms[provider].save_as[name])

    def _ambiguous(self, atom: Placed, bound: Binding, found: Contest) -> AmbiguousDependency:
        return AmbiguousDependency(
            f"flow {self.outline.flows[0].name!r}: {kind_of(atom)} {atom.name!r} needs {bound.name!r} (its parameter "
            f"{bound.parameter!r}), which {self._named(found.first)} and {self._named(found.second)} provide at the same "
            "distance; link one behind the other, let one of them provide another name, or rebind the parameter"
        )

    def _named(self, provider: int) -> str:
        atoms = self.outline.atoms
        if provider >= len(atoms):
            return f"group {self.outline.flows[provider - len(atoms)].name!r}"
        return repr(atoms[provider].name)
