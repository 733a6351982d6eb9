"""`Definition`: what a flow compiles to, one immutable graph of data.

Nodes 0 … n-1 are the atoms in the order of the definition (depth first); behind them come invisible joins, put in only
where many ends meet many beginnings, so that the number of links stays linear.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import attrs

from ...errors import MissingArgument
from .diff import differences
from .fingerprint import Parts, dump, fingerprint_of, load
from .specs import Argument, AtomSpec, FlowSpec, Source

__all__ = ["Argument", "AtomSpec", "Definition", "FlowSpec", "Source", "diff"]


@attrs.frozen
class Definition:
    """A flow as data, with all that the machine reads from it.

    Attributes:
        after, fan_in: per node its successors, and how many nodes it waits for.
        order, rank: the atoms by (-priority, index), and the place of each atom in that.
        requires: names that the run's inputs must have. provides: names that its atoms provide. Both in order.
        contested: (name, atom) where several atoms provide a name: which one is meant when the run is over.
        bounded: whether the time in which some atom can be reverted is.
        body, fingerprint: the stored form (`load` reads it, without any code) and its SHA-256 in hex.
    """

    name: str
    atoms: tuple[AtomSpec, ...] = attrs.field(repr=False)
    flows: tuple[FlowSpec, ...] = attrs.field(repr=False)
    fan_in: tuple[int, ...] = attrs.field(repr=False)
    after: tuple[tuple[int, ...], ...] = attrs.field(repr=False)
    order: tuple[int, ...] = attrs.field(repr=False)
    rank: tuple[int, ...] = attrs.field(repr=False)
    requires: tuple[str, ...]
    provides: tuple[str, ...]
    contested: tuple[tuple[str, int], ...] = attrs.field(repr=False)
    bounded: bool
    body: bytes = attrs.field(repr=False)
    fingerprint: str

    @classmethod
    def of(cls, parts: Parts) -> Definition:
        """The definition made of `parts`."""
        return cls._built(parts, dump(parts))

    @classmethod
    def load(cls, body: bytes) -> Definition:
        """The definition that was stored as `body`; CorruptLog where it is none."""
        return cls._built(load(body), body)

    @classmethod
    def _built(cls, parts: Parts, body: bytes) -> Definition:
        name, atoms, flows, after, contested = parts
        fan_in = [0] * len(after)
        for successors in after:
            for node in successors:
                fan_in[node] += 1
        order, rank = _ranked(atoms)
        return cls(
            name=name,
            atoms=atoms,
            flows=flows,
            fan_in=tuple(fan_in),
            after=after,
            order=order,
            rank=rank,
            requires=tuple(dict.fromkeys(argument.name for _, argument in _needed(atoms))),
            provides=tuple(dict.fromkeys(saved for atom in atoms for saved, _ in atom.saves)),
            contested=contested,
            bounded=any(atom.revertible_for is not None for atom in atoms),
            body=body,
            fingerprint=fingerprint_of(body),
        )

    @property
    def parts(self) -> Parts:
        """What the definition is made of."""
        return Parts(self.name, self.atoms, self.flows, self.after, self.contested)

    def results(self) -> dict[str, Source]:
        """For each provided name, in order, the atom that it means when the run is over; computed anew at each call."""
        found = {name: Source("atom", atom.index, key) for atom in self.atoms for name, key in atom.saves}
        for name, index in self.contested:
            found[name] = Source("atom", index, dict(self.atoms[index].saves)[name])
        return {name: found[name] for name in self.provides}

    def check_inputs(self, names: Collection[str]) -> None:
        """Check that inputs with these names are all that is needed.

        Raises:
            MissingArgument: for the first name that is not; tells which atom needs it and what that atom can see.
        """
        if all(name in names for name in self.requires):
            return
        for atom, argument in _needed(self.atoms):
            if argument.name not in names:
                raise MissingArgument(_missing(self, atom, argument, sorted(names)))


def diff(old: Definition, new: Definition) -> list[str]:
    """What has changed from `old` to `new`, one readable line each; empty where the fingerprints are equal."""
    if old.fingerprint == new.fingerprint:
        return []
    return list(differences(old.parts, new.parts)) or ["the stored form differs, in nothing that has a name"]


def _needed(atoms: tuple[AtomSpec, ...]) -> Iterable[tuple[AtomSpec, Argument]]:
    """The arguments that nothing but the inputs can fill, in order."""
    for atom in atoms:
        for argument in (*atom.execute, *atom.revert):
            if not argument.optional and argument.sources[-1].kind == "input":
                yield atom, argument


def _ranked(atoms: tuple[AtomSpec, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    order = tuple(range(len(atoms)))
    if len({atom.priority for atom in atoms}) < 2:
        return order, order
    order = tuple(sorted(order, key=lambda index: -atoms[index].priority))
    rank = [0] * len(order)
    for place, index in enumerate(order):
        rank[index] = place
    return order, tuple(rank)


def _missing(definition: Definition, atom: AtomSpec, argument: Argument, inputs: list[str]) -> str:
    earlier = _before(definition, atom.index)
    visible = dict.fromkeys(saved for index in sorted(earlier) for saved, _ in definition.atoms[index].saves)
    elsewhere = [a.name for a in definition.atoms if any(saved == argument.name for saved, _ in a.saves)]
    alias = "" if argument.parameter == argument.name else f" (for its parameter {argument.parameter!r})"
    text = (
        f"flow {definition.name!r}: task {atom.name!r} needs {argument.name!r}{alias}. Inputs: {_listed(inputs)}; "
        f"provided before it: {_listed(list(visible))}"
    )
    if elsewhere:
        text += f"; {elsewhere[0]!r} provides it, but is not before {atom.name!r}"
    elif argument.name == "conn":
        text += "; declare the task transactional=True to be given the connection"
    return f"{text}. Give it as an input, or provide it earlier"


def _before(definition: Definition, atom: int) -> set[int]:
    """The atoms that an atom waits for, directly or not."""
    before: list[list[int]] = [[] for _ in definition.after]
    for node, successors in enumerate(definition.after):
        for successor in successors:
            before[successor].append(node)
    seen, walk = {atom}, [atom]
    while walk:
        for node in before[walk.pop()]:
            if node not in seen:
                seen.add(node)
                walk.append(node)
    return {node for node in seen if node < len(definition.atoms) and node != atom}


def _listed(names: list[str], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(map(repr, names[:most])) or "none") + more
