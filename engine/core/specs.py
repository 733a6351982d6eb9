"""What the machine knows of atoms and flows: data, without the code behind it."""

from __future__ import annotations

import attrs


@attrs.frozen
class Source:
    """One place where an argument may be found.

    `kind` "inject": among the atom's own constants; "input": among the run's inputs; "atom": in the result of atom
    `atom`: all of it (`key` None), an item by index, or by key; "group": the results of the members of flow `atom`.
    """

    kind: str
    atom: int = -1
    key: int | str | None = None


@attrs.frozen
class Argument:
    """One argument of a call: python's name for it, the resource's, and where to look.

    `sources`, in turn: the inputs, then the nearest provider, then, where that one may be ignored, the next nearest, …
    """

    parameter: str
    name: str
    optional: bool
    sources: tuple[Source, ...]


@attrs.frozen
class AtomSpec:
    """One atom: `kind` "task", or "retry" of the flow that it stands in, whose first atom it is.

    `saves`: (provided name, index or key of the result, or None for the whole of it).
    `inject`: its constants, encoded. `compensation`: revert, not_needed, irreversible or undeclared;
    `revertible_for` in microseconds; `reverts`: it has code of its own to be undone by.
    `recoveries`: (key, answer) of the recovery map, besides `recovery`. `asked`: what on_failure of a retry takes.
    A fan-out has `over`, where its list is found, `element`, the parameter that takes one of it, which stands in no
    call, `outcome`, the policy for its instances, and `on_empty`: ok or policy. All None for what is no fan-out.
    """

    index: int
    name: str
    kind: str
    version: str
    priority: int | float
    flow: int
    execute: tuple[Argument, ...]
    revert: tuple[Argument, ...]
    saves: tuple[tuple[str, int | str | None], ...]
    inject: bytes | None
    recovery: str
    revert_recovery: str
    compensation: str
    transactional: bool
    reverts: bool
    revertible_for: int | None
    recoveries: tuple[tuple[str, str], ...] = ()
    asked: tuple[Argument, ...] = ()
    over: Argument | None = None
    element: str | None = None
    outcome: str | None = None
    on_empty: str | None = None


@attrs.frozen
class FlowSpec:
    """One flow: `pattern` linear, unordered or graph; `parent` (a flow) and `retry` (an atom) by index, or None.

    `outcome`: the policy that makes it a group; `provides`: the name of its members' results; `gate`: the node behind
    its members. Its atoms are `first` <= i < `last`, its retry among them; both 0 where it has none.
    """

    index: int
    name: str
    pattern: str
    parent: int | None
    retry: int | None
    outcome: str | None = None
    provides: str | None = None
    first: int = 0
    last: int = 0
    gate: int | None = None


@attrs.frozen
class DeciderSpec:
    """One decider of a gate: `kind` "atom" or "flow" and `source`, its index: what the link comes from.

    `depth`, how much a refusal ignores: ALL, FLOW, NEIGHBORS or ATOM.
    """

    kind: str
    source: int
    name: str
    version: str
    depth: str


@attrs.frozen
class Gate:
    """A node at which something is decided before what is behind it may go on; it stands in `flow`.

    `kind` "decider": before the atoms `first` <= i < `last` of an item, which `deciders` may refuse; "group": behind
    the members `first` <= i < `last` of the group `flow`.
    """

    node: int
    kind: str
    flow: int
    first: int
    last: int
    deciders: tuple[DeciderSpec, ...] = ()
