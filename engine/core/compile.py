"""`compile`: a flow into a `Definition`, once, in time and memory linear in its atoms and links."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Any

import attrs

from ...errors import FlowError
from ..definition.atom import Atom, priority_of, version_of
from ..definition.deciders import Depth
from ..definition.declarations import Declarations, declarations_of
from ..definition.each import Each
from ..definition.flow import Flow, LinearFlow
from ..definition.plan import Plan
from ..definition.retry import Retry
from ..definition.task import Task
from .fingerprint import Parts
from .graph import Definition
from .lookup import Lookup
from .outline import Outline, kind_of, outline
from .specs import AtomSpec, FlowSpec
from .weave import Woven, weave

Encode = Callable[[Any, str], bytes]
Known = dict[tuple[Plan, tuple[object, ...]], Declarations]


@attrs.frozen(eq=False)
class Compiled:
    """A definition and the code for it: `atoms` by the index that the definition gives them; of a fan-out its task.

    `deciders`: the functions of each gate that has any, by its node, in the order of the gate's own. `prepared` is a
    place for what the runtime works out of it once, by (atom, kind of call).
    """

    definition: Definition
    atoms: tuple[Task | Retry, ...]
    prepared: dict[tuple[int, str], Any] = attrs.field(factory=dict, repr=False)
    deciders: dict[int, tuple[Callable[..., Any], ...]] = attrs.field(factory=dict, repr=False)


def compile(flow: Flow | Atom, encode: Encode) -> Compiled:
    """Compile a flow, or a task as a flow of one that is named like it.

    `encode(value, path)` gives the stored bytes of the atoms' constants, as UTF-8 JSON.

    Raises:
        FlowError: DuplicateName, AmbiguousDependency, MissingArgument (a parameter that nothing may fill), or a
        declaration that does not fit; each names the atoms. NotStorable (from `encode`): a constant.
    """
    root = LinearFlow(flow.name).add(flow) if isinstance(flow, Atom) else flow
    if not isinstance(root, Flow):
        raise FlowError(f"expected a flow or a task; found {flow!r} ({type(flow).__name__})")
    made = outline(root)
    woven = weave(made)
    lookup = Lookup(made, _ignorable(made, len(made.atoms), woven))
    known: Known = {}
    specs = tuple([_spec(made, index, lookup, encode, known) for index in range(len(made.atoms))])
    parts = Parts(root.name, specs, _flows(made), woven.after, lookup.contested, woven.gates)
    code = tuple([atom.task if isinstance(atom, Each) else atom for atom in made.atoms])
    return Compiled(Definition.of(parts), code, deciders=woven.deciders)


def _spec(made: Outline, index: int, lookup: Lookup, encode: Encode, known: Known) -> AtomSpec:
    atom = made.atoms[index]
    fan, code = (atom, atom.task) if isinstance(atom, Each) else (None, atom)
    declared = _declared(code, known)
    return AtomSpec(
        index=index,
        name=atom.name,
        kind=kind_of(atom),
        version=version_of(code),
        priority=priority_of(code),
        flow=made.flow_of[index],
        execute=lookup.execute[index],
        revert=lookup.revert[index],
        saves=atom.plan.options.saves,
        inject=_inject(atom, atom.inject, encode),
        recovery=declared.recovery,
        revert_recovery=declared.revert_recovery,
        compensation=declared.compensation,
        transactional=bool(code.transactional),
        reverts=code.has_revert,
        revertible_for=declared.revertible_for,
        recoveries=declared.recoveries,
        asked=lookup.asked.get(index, ()),
        over=lookup.over.get(index),
        element=None if fan is None else fan.into,
        outcome=None if fan is None else fan.outcome.value,
        on_empty=None if fan is None else fan.on_empty,
    )


def _declared(atom: Task | Retry, known: Known) -> Declarations:
    """The declarations of an atom, worked out once for all that say the same and have the same functions."""
    said = (atom.recovery, atom.revert_recovery, atom.compensation, atom.transactional, atom.revertible_for)
    try:
        found = known.get((atom.plan, said))
    except TypeError:  # a map, which cannot be a key
        return declarations_of(atom)
    if found is None:
        found = known[atom.plan, said] = declarations_of(atom)
    return found


def _inject(atom: Atom, values: Mapping[str, Any], encode: Encode) -> bytes | None:
    return encode(dict(values), f"{atom.name}.inject") if values else None


def _flows(made: Outline) -> tuple[FlowSpec, ...]:
    rows = enumerate(zip(made.flows, made.parents, made.retries, strict=True))
    return tuple(
        FlowSpec(index, flow.name, flow.pattern, parent, retry, flow.outcome and flow.outcome.value, flow.gathers)
        for index, (flow, parent, retry) in rows
    )


def _ignorable(made: Outline, count: int, woven: Woven) -> Set[int]:
    """The atoms and groups, as providers, that may be ignored although something behind them is not.

    They are behind a decider of limited depth (with ALL, whoever could take what they provide is ignored with them), or
    in a flow that is the member of a group: when something of a member fails, the rest of it is not begun.
    """
    walk = [gate.node for gate in woven.gates if any(decider.depth != Depth.ALL for decider in gate.deciders)]
    seen = set(walk)
    while walk:
        for node in woven.after[walk.pop()]:
            if node not in seen:
                seen.add(node)
                walk.append(node)
    found = {node for node in seen if node < count}
    found |= {count + gate.flow for gate in woven.gates if gate.kind == "group" and gate.node in seen}
    member: list[bool] = []  # per flow, whether it stands in a group
    for parent in made.parents:
        member.append(parent is not None and (made.flows[parent].outcome is not None or member[parent]))
        if parent is not None and member[parent] and made.flows[len(member) - 1].outcome is not None:
            found.add(count + len(member) - 1)
    if any(member):
        found |= {atom for atom, flow in enumerate(made.flow_of) if member[flow]}
    return found
