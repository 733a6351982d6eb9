"""`Definition`: what a flow compiles to, one immutable graph of data.

Nodes 0 … n-1 are the atoms in the order of the definition (depth first); behind them come invisible nodes: joins, put in
only where many ends meet many beginnings, so that the number of links stays linear, and gates, at which something is
decided.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import attrs

from ...errors import MissingArgument
from .diff import differences
from .fingerprint import Parts, dump, fingerprint_of, load
from .specs import Argument, AtomSpec, DeciderSpec, FlowSpec, Gate, Source

__all__ = ["Argument", "AtomSpec", "DeciderSpec", "Definition", "FlowSpec", "Gate", "Source", "diff"]

NOBODY = -1
"""In `asks` and `beyond`: there is nobody who is asked; what is below is a group."""


@attrs.frozen
class Definition:
    """A flow as data, with all that the machine reads from it.

    Attributes:
        after, fan_in: per node its successors, and how many nodes it waits for.
        order, rank: the atoms by (-priority, index), and the place of each atom in that.
        requires: names that the run's inputs must have. provides: names that its atoms provide. Both in order.
        contested: (name, provider) where several provide a name: which one is meant when the run is over; an atom, or
            a group, as the number of atoms plus the index of its flow.
        gates, gate_at: the gates in the order of their nodes, and by node. groups: the nodes of those of groups.
        asks: per atom who is asked when it fails: r >= 0 the retry r, -1 nobody, -2 - f the group of flow f.
        beyond: per flow, in the same words, who is asked when it gives up as a whole: never its own retry or group.
        bounded: whether the time in which some atom can be reverted is.
        plain: whether there are only tasks: no retries, gates or fan-outs.
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
    gates: tuple[Gate, ...] = attrs.field(repr=False)
    gate_at: dict[int, Gate] = attrs.field(repr=False, eq=False)
    groups: frozenset[int] = attrs.field(repr=False, eq=False)
    asks: tuple[int, ...] = attrs.field(repr=False)
    beyond: tuple[int, ...] = attrs.field(repr=False)
    bounded: bool
    plain: bool
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
        name, atoms, flows, after, contested, gates = parts
        fan_in = [0] * len(after)
        for successors in after:
            for node in successors:
                fan_in[node] += 1
        order, rank = _ranked(atoms)
        flows = _placed(atoms, flows, gates)
        asks, beyond = _resolvers(atoms, flows)
        return cls(
            name=name,
            atoms=atoms,
            flows=flows,
            fan_in=tuple(fan_in),
            after=after,
            order=order,
            rank=rank,
            requires=tuple(dict.fromkeys(argument.name for _, argument in _needed(atoms))),
            provides=_provided(atoms, flows),
            contested=contested,
            gates=gates,
            gate_at={gate.node: gate for gate in gates},
            groups=frozenset(gate.node for gate in gates if gate.kind == "group"),
            asks=asks,
            beyond=beyond,
            bounded=any(atom.revertible_for is not None for atom in atoms),
            plain=not gates and all(atom.kind == "task" and atom.over is None for atom in atoms),
            body=body,
            fingerprint=fingerprint_of(body),
        )

    @property
    def parts(self) -> Parts:
        """What the definition is made of."""
        return Parts(self.name, self.atoms, self.flows, self.after, self.contested, self.gates)

    def results(self) -> dict[str, Source]:
        """For each provided name, in order, what it means when the run is over: an atom or a group; computed anew."""
        count = len(self.atoms)
        found = {name: Source("atom", atom.index, key) for atom in self.atoms for name, key in atom.saves}
        found |= {flow.provides: Source("group", flow.index) for flow in self.flows if flow.provides is not None}
        for name, index in self.contested:
            if index < count:
                found[name] = Source("atom", index, dict(self.atoms[index].saves)[name])
            else:
                found[name] = Source("group", index - count)
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
        for argument in (*atom.execute, *atom.revert, *atom.asked, *(() if atom.over is None else (atom.over,))):
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


def _provided(atoms: tuple[AtomSpec, ...], flows: tuple[FlowSpec, ...]) -> tuple[str, ...]:
    """All names that are provided: those of the atoms, then those of the groups."""
    found = dict.fromkeys(saved for atom in atoms for saved, _ in atom.saves)
    found.update((flow.provides, None) for flow in flows if flow.provides is not None)
    return tuple(found)


def _placed(
    atoms: tuple[AtomSpec, ...], flows: tuple[FlowSpec, ...], gates: tuple[Gate, ...]
) -> tuple[FlowSpec, ...]:
    """The flows with their atoms and gates, which follow from those: an atom is in its flow and all around it."""
    first, last = [len(atoms)] * len(flows), [0] * len(flows)
    for atom in atoms:
        first[atom.flow] = min(first[atom.flow], atom.index)
        last[atom.flow] = atom.index + 1
    for flow in reversed(flows):
        if flow.parent is not None:
            first[flow.parent] = min(first[flow.parent], first[flow.index])
            last[flow.parent] = max(last[flow.parent], last[flow.index])
    gate = {gate.flow: gate.node for gate in gates if gate.kind == "group"}
    rows = zip(flows, first, last, strict=True)
    return tuple(
        attrs.evolve(flow, first=low if high else 0, last=high, gate=gate.get(flow.index)) for flow, low, high in rows
    )


def _resolvers(atoms: tuple[AtomSpec, ...], flows: tuple[FlowSpec, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Who is asked when an atom fails, per atom, and when a flow gives up, per flow."""
    beyond: list[int] = []
    within: list[int] = []
    for flow in flows:
        outside = NOBODY if flow.parent is None else within[flow.parent]
        beyond.append(outside)
        if flow.outcome is not None:
            within.append(-2 - flow.index)
        else:
            within.append(outside if flow.retry is None else flow.retry)
    asks = tuple([beyond[atom.flow] if atom.kind == "retry" else within[atom.flow] for atom in atoms])
    return asks, tuple(beyond)


def _missing(definition: Definition, atom: AtomSpec, argument: Argument, inputs: list[str]) -> str:
    earlier = _before(definition, atom.index)
    visible = dict.fromkeys(_provided(tuple(a for a in definition.atoms if a.index in earlier), ()))
    groups = [flow for flow in definition.flows if flow.provides is not None]
    visible |= dict.fromkeys(flow.provides for flow in groups if flow.gate in earlier and flow.provides)
    elsewhere = [a.name for a in definition.atoms if any(saved == argument.name for saved, _ in a.saves)]
    elsewhere += [flow.name for flow in groups if flow.provides == argument.name]
    alias = "" if argument.parameter == argument.name else f" (for its parameter {argument.parameter!r})"
    text = (
        f"flow {definition.name!r}: {atom.kind} {atom.name!r} needs {argument.name!r}{alias}. Inputs: {_listed(inputs)}; "
        f"provided before it: {_listed(list(visible))}"
    )
    if elsewhere:
        text += f"; {elsewhere[0]!r} provides it, but is not before {atom.name!r}"
    elif argument.name == "conn":
        text += "; declare the task transactional=True to be given the connection"
    return f"{text}. Give it as an input, or provide it earlier"


def _before(definition: Definition, atom: int) -> set[int]:
    """The nodes that an atom waits for, directly or not."""
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
    return seen - {atom}


def _listed(names: list[str], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(map(repr, names[:most])) or "none") + more
