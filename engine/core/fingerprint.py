"""The stored form of a definition, and its fingerprint: the SHA-256 of just those bytes.

One graph has one form, so equal definitions have equal bytes, and whoever reads a stored definition can tell by its
hash that it is the one the run was started with. It holds names, kinds, versions, argument maps, constants, nesting,
order, priorities, links, recovery and compensation; no code, no texts, nothing about executors or task retry policies.

Format 1 is one JSON object:

    format, name
    flows       [name, pattern, parent, retry]
    kinds       [kind, version, priority, execute, revert, saves, recovery, revert_recovery, compensation,
                transactional, reverts, revertible_for], each different one once, in order of first use;
                execute and revert are lists of [parameter, name, optional]
    atoms       [name, flow, place in kinds, sources of execute, sources of revert, inject]; a source is the index of
                the providing atom, -1: an input, -2: its own constants
    after       for each node its successors
    contested   [name, atom]: which of several providers a name means when the run is over
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from ...errors import CorruptLog
from .specs import Argument, AtomSpec, FlowSpec, Source

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


def fingerprint_of(body: bytes) -> str:
    """The fingerprint of a stored definition, in hex."""
    return sha256(body).hexdigest()


def dump(parts: Parts) -> bytes:
    """The stored form of a definition, in UTF-8 JSON."""
    kinds: dict[tuple[Any, ...], int] = {}
    atoms = []
    for atom in parts.atoms:
        place = kinds.setdefault(_kind(atom), len(kinds))
        inject = None if atom.inject is None else atom.inject.decode()
        atoms.append((atom.name, atom.flow, place, _sources(atom.execute), _sources(atom.revert), inject))
    document = {
        "format": FORMAT,
        "name": parts.name,
        "flows": [(flow.name, flow.pattern, flow.parent, flow.retry) for flow in parts.flows],
        "kinds": list(kinds),
        "atoms": atoms,
        "after": parts.after,
        "contested": parts.contested,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _kind(atom: AtomSpec) -> tuple[Any, ...]:
    return (
        atom.kind,
        atom.version,
        atom.priority,
        tuple((a.parameter, a.name, a.optional) for a in atom.execute),
        tuple((a.parameter, a.name, a.optional) for a in atom.revert),
        atom.saves,
        atom.recovery,
        atom.revert_recovery,
        atom.compensation,
        atom.transactional,
        atom.reverts,
        atom.revertible_for,
    )


def _sources(arguments: Sequence[Argument]) -> tuple[int, ...]:
    return tuple([_source(argument.sources[-1]) for argument in arguments])


def _source(last: Source) -> int:
    return last.atom if last.kind == "atom" else -1 if last.kind == "input" else -2


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
        )

    def atom(self, index: int, row: list[Any]) -> AtomSpec:
        name, flow, place, execute, revert, inject = row
        kind, version, priority, of_execute, of_revert, saves, *declared = self.kinds[place]
        recovery, revert_recovery, compensation, transactional, reverts, revertible_for = declared
        return AtomSpec(
            index=index,
            name=name,
            kind=kind,
            version=version,
            priority=priority,
            flow=flow,
            execute=self.arguments(of_execute, tuple(execute)),
            revert=self.arguments(of_revert, tuple(revert)),
            saves=saves,
            inject=None if inject is None else inject.encode(),
            recovery=recovery,
            revert_recovery=revert_recovery,
            compensation=compensation,
            transactional=transactional,
            reverts=reverts,
            revertible_for=revertible_for,
        )

    def arguments(self, shape: tuple[Any, ...], sources: tuple[int, ...]) -> tuple[Argument, ...]:
        key = (shape, sources)
        found: tuple[Argument, ...] | None = self.shared.get(key)
        if found is None:
            found = self.shared[key] = tuple(
                Argument(parameter, name, optional, self.sources(name, source))
                for (parameter, name, optional), source in zip(shape, sources, strict=True)
            )
        return found

    def sources(self, name: str, source: int) -> tuple[Source, ...]:
        if source < 0:
            return FROM_INPUT if source == -1 else FROM_INJECT
        return (INPUT, Source("atom", source, self.keys[self.rows[source][2]][name]))


def _thawed(value: Any) -> Any:
    return tuple(map(_thawed, value)) if isinstance(value, list) else value
