"""What has changed between two definitions, in lines that a person can act on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .fingerprint import Parts
from .specs import Argument, AtomSpec, DeciderSpec, FlowSpec, Gate, Source

_PLAIN = (
    "kind",
    "version",
    "priority",
    "recovery",
    "revert_recovery",
    "compensation",
    "transactional",
    "revertible_for",
    "element",
    "outcome",
    "on_empty",
)


def differences(old: Parts, new: Parts) -> Iterator[str]:
    """One line for each thing in which `new` is not `old`; none where they are the same."""
    if old.name != new.name:
        yield f"the flow was named {old.name!r}, now {new.name!r}"
    before, after = {atom.name: atom for atom in old.atoms}, {atom.name: atom for atom in new.atoms}
    for name in before:
        if name not in after:
            yield f"{before[name].kind} {name!r} is gone"
    for name in after:
        if name not in before:
            yield f"{after[name].kind} {name!r} is new"
    kept = [name for name in before if name in after]
    for name in kept:
        for change in _atom(old, before[name], new, after[name]):
            yield f"{before[name].kind} {name!r}: {change}"
    yield from _order(kept, [name for name in after if name in before])
    yield from _flows(old, new)
    yield from _links(old, new, kept)
    yield from _gates(old, new)


def _atom(old: Parts, a: AtomSpec, new: Parts, b: AtomSpec) -> Iterator[str]:
    for attribute in _PLAIN:
        was, now = getattr(a, attribute), getattr(b, attribute)
        if was != now:
            yield f"{attribute} was {was}, now {now}"
    for call, one, other in (
        ("execute", a.execute, b.execute),
        ("revert", a.revert, b.revert),
        ("on_failure", a.asked, b.asked),
        ("the fan-out", a.over and (a.over,), b.over and (b.over,)),
    ):
        was, now = _arguments(old, one or ()), _arguments(new, other or ())
        if was != now:
            yield f"{call} took {was}, now {now}"
    if a.recoveries != b.recoveries:
        yield f"its recovery map was {_map(a.recoveries)}, now {_map(b.recoveries)}"
    if a.saves != b.saves:
        yield f"it provided {_saves(a)}, now {_saves(b)}"
    if a.inject != b.inject:
        yield "its constants (inject) differ"
    if a.reverts != b.reverts:
        yield "it has a revert now" if b.reverts else "its revert is gone"
    was, now = _path(old, a.flow), _path(new, b.flow)
    if was != now:
        yield f"it was in {was}, now in {now}"


def _arguments(parts: Parts, arguments: Iterable[Argument]) -> str:
    return ", ".join(_argument(parts, argument) for argument in arguments) or "nothing"


def _argument(parts: Parts, argument: Argument) -> str:
    alias = "" if argument.parameter == argument.name else f"{argument.parameter}="
    sources = argument.sources[1:] or argument.sources
    found = ", or ".join(_source(parts, source) for source in sources)
    return f"{alias}{argument.name}{'?' * argument.optional} ({found})"


def _source(parts: Parts, source: Source) -> str:
    if source.kind == "atom":
        return f"from {parts.atoms[source.atom].name}"
    if source.kind == "group":
        return f"of group {parts.flows[source.atom].name}"
    return "an input" if source.kind == "input" else "a constant"


def _map(recoveries: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{key}: {answer}" for key, answer in recoveries) or "the usual one"


def _saves(atom: AtomSpec) -> str:
    shown = [name if key is None else f"{name}=[{key!r}]" for name, key in atom.saves]
    return ", ".join(shown) or "nothing"


def _path(parts: Parts, flow: int) -> str:
    names: list[str] = []
    at: int | None = flow
    while at is not None:
        names.append(repr(parts.flows[at].name))
        at = parts.flows[at].parent
    return " in ".join(names)


def _order(old: list[str], new: list[str]) -> Iterator[str]:
    for was, now in zip(old, new, strict=True):
        if was != now:
            yield f"the order of the definition differs: where {was!r} was, {now!r} is"
            return


def _flows(old: Parts, new: Parts) -> Iterator[str]:
    was = [(flow.pattern, _path(old, flow.index)) for flow in old.flows]
    now = [(flow.pattern, _path(new, flow.index)) for flow in new.flows]
    if was != now:
        lines = [f"{pattern} flow {path} is gone" for pattern, path in was if (pattern, path) not in set(now)]
        lines += [f"{pattern} flow {path} is new" for pattern, path in now if (pattern, path) not in set(was)]
        yield from lines or ["the flows stand in another order"]
        return
    for (pattern, path), a, b in zip(was, old.flows, new.flows, strict=True):
        if (a.outcome, a.provides) != (b.outcome, b.provides):
            yield f"{pattern} flow {path} was {_group(a)}, now {_group(b)}"


def _group(flow: FlowSpec) -> str:
    if flow.outcome is None:
        return "no group"
    return f"a group ({flow.outcome})" + (f" that provides {flow.provides}" if flow.provides else "")


def _gates(old: Parts, new: Parts) -> Iterator[str]:
    """Changed deciders, by what they stand before."""
    was, now = _decided(old), _decided(new)
    for before in dict.fromkeys((*was, *now)):
        one, other = was.get(before, "nothing"), now.get(before, "nothing")
        if one != other:
            yield f"before {before}, {one} decided, now {other}"


def _decided(parts: Parts) -> dict[str, str]:
    """For each item with deciders, those that there are."""
    found: dict[str, list[str]] = {}
    for gate in parts.gates:
        if gate.deciders:
            deciders = found.setdefault(_item(parts, gate), [])
            deciders += [_decider(parts, decider) for decider in gate.deciders]
    return {item: ", ".join(deciders) for item, deciders in found.items()}


def _decider(parts: Parts, decider: DeciderSpec) -> str:
    atoms, flows = parts.atoms, parts.flows
    source = atoms[decider.source].name if decider.kind == "atom" else flows[decider.source].name
    return f"{decider.name} {decider.version} behind {source!r} ({decider.depth})"


def _item(parts: Parts, gate: Gate) -> str:
    """What a gate stands before, named by its atoms."""
    names = [repr(atom.name) for atom in parts.atoms[gate.first : gate.last]]
    item = " to ".join(dict.fromkeys((names[0], names[-1]))) if names else "an empty flow"
    return f"{item} in {_path(parts, gate.flow)}"


def _links(old: Parts, new: Parts, kept: list[str]) -> Iterator[str]:
    """Changed links of tasks that both have. Links to or from tasks that are gone or new go without saying."""
    was, now, both = _behind(old), _behind(new), frozenset(kept)
    kinds = {atom.name: atom.kind for atom in old.atoms}
    for name in kept:
        gone = [other for other in was[name] if other not in now[name] and _among(other, both)]
        come = [other for other in now[name] if other not in was[name] and _among(other, both)]
        if gone:
            yield f"{kinds[name]} {name!r} no longer leads to {_named(gone)}"
        if come:
            yield f"{kinds[name]} {name!r} leads to {_named(come)} now"


def _behind(parts: Parts) -> dict[str, dict[Any, None]]:
    """What waits for each task: names, and for a join the tuple of what waits for that. Each join is made once.

    A gate before one atom counts as that atom: what is decided there is told by itself.
    """
    count = len(parts.atoms)
    label: list[Any] = [atom.name for atom in parts.atoms] + [None] * (len(parts.after) - count)
    gates = {gate.node for gate in parts.gates}
    for node in range(len(parts.after) - 1, count - 1, -1):  # what a join leads to was made after it
        behind = tuple(label[other] for other in parts.after[node])
        label[node] = behind[0] if node in gates and len(behind) == 1 else behind
    return {atom.name: dict.fromkeys(label[other] for other in parts.after[atom.index]) for atom in parts.atoms}


def _among(label: Any, names: frozenset[str]) -> bool:
    return label in names if isinstance(label, str) else all(_among(part, names) for part in label)


def _named(labels: list[Any], most: int = 5) -> str:
    shown = [repr(label) if isinstance(label, str) else f"({_named(list(label))})" for label in labels[:most]]
    return ", ".join(shown) + (f" and {len(labels) - most} more" if len(labels) > most else "")
