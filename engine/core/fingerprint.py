"""The stored form of a definition, and its fingerprint: the SHA-256 of just those bytes.

One graph has one form, so equal definitions have equal bytes, and whoever reads a stored definition can tell by its
hash that it is the one the run was started with. It holds names, kinds, versions, argument maps, constants, nesting,
order, priorities, links, recovery and compensation; no code, no texts, nothing about executors or task retry policies.

Format 1 is one JSON object. What stands in brackets is there only where it says something, so that a definition which
has none of it is the same bytes as before there was such a thing:

    format, name
    flows       [name, pattern, parent, retry (, outcome, provides)]
    kinds       [kind, version, priority, execute, revert, saves, recovery, revert_recovery, compensation,
                transactional, reverts, revertible_for (, more)], each different one once, in order of first use;
                execute and revert are lists of [parameter, name, optional];
                more is [recoveries, asked, over, element, outcome, on_empty], over being one such list or null
    atoms       [name, flow, place in kinds, sources of execute, sources of revert, inject (, sources of asked and then
                of over)]; a source is the index of the providing atom, the number of atoms plus the index of a flow: the
                results of that group, -1: an input, -2: its own constants; or a list of such, the nearest first
    after       for each node its successors
    contested   [name, provider]: which of several a name means when the run is over
    (gates)     [node, kind, flow, first atom, behind the last atom, deciders], a decider being [kind of its source,
                index of that, name, version, depth]
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from ...errors import CorruptLog
from .specs import Argument, AtomSpec, DeciderSpec, FlowSpec, Gate, Source

FORMAT = 1
INPUT, INJECT = Source("input"), Source("inject")
FROM_INPUT, FROM_INJECT = (INPUT,), (INJECT,)


class Parts(NamedTuple):
    """What a definition is made of; all else follows from it."""

    name: str
    atoms: tuple[AtomSpec, ...]
    flows: tuple[FlowSpec, ...]
    after: tuple[tuple[int, ...], ...]
    contested: tuple[tuple[str, int], ...]
    gates: tuple[Gate, ...] = ()


def fingerprint_of(body: bytes) -> str:
    """The fingerprint of a stored definition, in hex."""
    return sha256(body).hexdigest()


def dump(parts: Parts) -> bytes:
    """The stored form of a definition, in UTF-8 JSON."""
    kinds: dict[tuple[Any, ...], int] = {}
    count = len(parts.atoms)
    atoms = []
    for atom in parts.atoms:
        place = kinds.setdefault(_kind(atom), len(kinds))
        inject = None if atom.inject is None else atom.inject.decode()
        row = (atom.name, atom.flow, place, _sources(atom.execute, count), _sources(atom.revert, count), inject)
        more = _sources(atom.asked if atom.over is None else (*atom.asked, atom.over), count)
        atoms.append((*row, more) if more else row)
    document: dict[str, Any] = {
        "format": FORMAT,
        "name": parts.name,
        "flows": [_flow(flow) for flow in parts.flows],
        "kinds": list(kinds),
        "atoms": atoms,
        "after": parts.after,
        "contested": parts.contested,
    }
    if parts.gates:
        document["gates"] = [_gate(gate) for gate in parts.gates]
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _flow(flow: FlowSpec) -> tuple[Any, ...]:
    row = (flow.name, flow.pattern, flow.parent, flow.retry)
    return row if flow.outcome is None and flow.provides is None else (*row, flow.outcome, flow.provides)


def _gate(gate: Gate) -> tuple[Any, ...]:
    deciders = [(d.kind, d.source, d.name, d.version, d.depth) for d in gate.deciders]
    return (gate.node, gate.kind, gate.flow, gate.first, gate.last, deciders)


def _kind(atom: AtomSpec) -> tuple[Any, ...]:
    row = (
        atom.kind,
        atom.version,
        atom.priority,
        _shape(atom.execute),
        _shape(atom.revert),
        atom.saves,
        atom.recovery,
        atom.revert_recovery,
        atom.compensation,
        atom.transactional,
        atom.reverts,
        atom.revertible_for,
    )
    if not atom.recoveries and not atom.asked and atom.over is None:
        return row
    over = None if atom.over is None else _shape((atom.over,))[0]
    return (*row, (atom.recoveries, _shape(atom.asked), over, atom.element, atom.outcome, atom.on_empty))


def _shape(arguments: Sequence[Argument]) -> tuple[tuple[str, str, bool], ...]:
    return tuple([(a.parameter, a.name, a.optional) for a in arguments]) if arguments else ()


def _sources(arguments: Sequence[Argument], atoms: int) -> tuple[int | tuple[int, ...], ...]:
    return tuple([_source(argument.sources, atoms) for argument in arguments]) if arguments else ()


def _source(sources: Sequence[Source], atoms: int) -> int | tuple[int, ...]:
    """One number where there is no fallback; the inputs, which come first, go without saying."""
    if len(sources) > 2:
        return tuple(_number(source, atoms) for source in sources[1:])
    return _number(sources[-1], atoms)


def _number(source: Source, atoms: int) -> int:
    if source.kind == "atom":
        return source.atom
    return -1 if source.kind == "input" else -2 if source.kind == "inject" else atoms + source.atom


def load(body: bytes) -> Parts:
    """The parts of a definition from its stored form.

    Raises:
        CorruptLog: the bytes are not what `dump` has written.
    """
    try:
        document = json.loads(body)
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r}")
        return _Loader(document).parts()
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise CorruptLog(
            f"stored definition {fingerprint_of(body)[:12]}…: expected format {FORMAT} of a sagalog definition; found "
            f"{error!r}; run `sagalog verify`, or a newer sagalog"
        ) from error


class _Loader:
    """Builds the specs of one document, sharing what is equal."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.rows: list[list[Any]] = document["atoms"]
        self.kinds = [_thawed(kind) for kind in document["kinds"]]
        self.keys = [dict(kind[5]) for kind in self.kinds]
        self.shared: dict[Any, Any] = {}

    def parts(self) -> Parts:
        document = self.document
        return Parts(
            name=document["name"],
            atoms=tuple(self.atom(index, row) for index, row in enumerate(self.rows)),
            flows=tuple(FlowSpec(index, *row) for index, row in enumerate(document["flows"])),
            after=tuple(map(tuple, document["after"])),
            contested=tuple((name, atom) for name, atom in document["contested"]),
            gates=tuple(map(_opened, document.get("gates", ()))),
        )

    def atom(self, index: int, row: list[Any]) -> AtomSpec:
        name, flow, place, execute, revert, inject, *others = row
        kind, version, priority, of_execute, of_revert, saves, *declared = self.kinds[place]
        recovery, revert_recovery, compensation, transactional, reverts, revertible_for, *more = declared
        recoveries, of_asked, of_over, element, outcome, on_empty = more[0] if more else _PLAIN
        shape = of_asked if of_over is None else (*of_asked, of_over)
        asked = self.arguments(shape, *others) if shape else ()
        return AtomSpec(
            index=index,
            name=name,
            kind=kind,
            version=version,
            priority=priority,
            flow=flow,
            execute=self.arguments(of_execute, execute),
            revert=self.arguments(of_revert, revert),
            saves=saves,
            inject=None if inject is None else inject.encode(),
            recovery=recovery,
            revert_recovery=revert_recovery,
            compensation=compensation,
            transactional=transactional,
            reverts=reverts,
            revertible_for=revertible_for,
            recoveries=recoveries,
            asked=asked[: len(of_asked)],
            over=None if of_over is None else asked[-1],
            element=element,
            outcome=outcome,
            on_empty=on_empty,
        )

    def arguments(self, shape: tuple[Any, ...], found: list[Any]) -> tuple[Argument, ...]:
        sources = _thawed(found)
        key = (shape, sources)
        known: tuple[Argument, ...] | None = self.shared.get(key)
        if known is None:
            known = self.shared[key] = tuple(
                Argument(parameter, name, optional, self.sources(name, source))
                for (parameter, name, optional), source in zip(shape, sources, strict=True)
            )
        return known

    def sources(self, name: str, source: int | tuple[int, ...]) -> tuple[Source, ...]:
        if isinstance(source, tuple):
            return (INPUT, *(self.source(name, other) for other in source))
        if source < 0:
            return FROM_INPUT if source == -1 else FROM_INJECT
        return (INPUT, self.source(name, source))

    def source(self, name: str, provider: int) -> Source:
        if provider < len(self.rows):
            return Source("atom", provider, self.keys[self.rows[provider][2]][name])
        group = provider - len(self.rows)
        if self.document["flows"][group][5:] != [name]:
            raise ValueError(f"flow {group} provides no {name!r}")
        return Source("group", group)


_PLAIN = ((), (), None, None, None, None)


def _opened(row: list[Any]) -> Gate:
    node, kind, flow, first, last, deciders = row
    return Gate(node, kind, flow, first, last, tuple(DeciderSpec(*decider) for decider in deciders))


def _thawed(value: Any) -> Any:
    return tuple(map(_thawed, value)) if isinstance(value, list) else value
