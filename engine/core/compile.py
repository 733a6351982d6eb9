"""`compile`: a flow into a `Definition`, once, in time and memory linear in its atoms and links."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from ...errors import FlowError
from ..definition.atom import Atom, priority_of, version_of
from ..definition.declarations import declarations_of
from ..definition.flow import Flow, LinearFlow
from ..definition.task import Task
from .fingerprint import Parts
from .graph import Definition
from .lookup import Lookup
from .outline import Outline, outline
from .specs import AtomSpec, FlowSpec
from .weave import weave

Encode = Callable[[Any, str], bytes]


@attrs.frozen(eq=False)
class Compiled:
    """A definition and the code for it: `atoms` by the index that the definition gives them.

    `prepared` is a place for what the runtime works out of it once, by (atom, kind of call).
    """

    definition: Definition
    atoms: tuple[Task, ...]
    prepared: dict[tuple[int, str], Any] = attrs.field(factory=dict, repr=False)


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
    lookup = Lookup(made)
    specs = tuple(_spec(made, index, lookup, encode) for index in range(len(made.atoms)))
    parts = Parts(root.name, specs, _flows(made), weave(made), lookup.contested)
    return Compiled(Definition.of(parts), tuple(made.atoms))


def _spec(made: Outline, index: int, lookup: Lookup, encode: Encode) -> AtomSpec:
    task = made.atoms[index]
    declared = declarations_of(task)
    return AtomSpec(
        index=index,
        name=task.name,
        kind="task",
        version=version_of(task),
        priority=priority_of(task),
        flow=made.flow_of[index],
        execute=lookup.execute[index],
        revert=lookup.revert[index],
        saves=task.plan.options.saves,
        inject=_inject(task, task.inject, encode),
        recovery=declared.recovery,
        revert_recovery=declared.revert_recovery,
        compensation=declared.compensation,
        transactional=bool(task.transactional),
        reverts=task.has_revert,
        revertible_for=declared.revertible_for,
    )


def _inject(task: Task, values: Mapping[str, Any], encode: Encode) -> bytes | None:
    return encode(dict(values), f"{task.name}.inject") if values else None


def _flows(made: Outline) -> tuple[FlowSpec, ...]:
    rows = enumerate(zip(made.flows, made.parents, strict=True))
    return tuple(FlowSpec(index, flow.name, flow.pattern, parent, None) for index, (flow, parent) in rows)
