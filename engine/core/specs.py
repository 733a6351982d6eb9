"""What the machine knows of atoms and flows: data, without the code behind it."""

from __future__ import annotations

import attrs


@attrs.frozen
class Source:
    """One place where an argument may be found.

    `kind` "inject": among the atom's own constants; "input": among the run's inputs; "atom": in the result of atom
    `atom`: all of it (`key` None), an item by index, or by key.
    """

    kind: str
    atom: int = -1
    key: int | str | None = None


@attrs.frozen
class Argument:
    """One argument of a call: python's name for it, the resource's, and where to look, nearest last."""

    parameter: str
    name: str
    optional: bool
    sources: tuple[Source, ...]


@attrs.frozen
class AtomSpec:
    """One atom. `saves`: (provided name, index or key of the result, or None for the whole of it).

    `inject`: its constants, encoded. `compensation`: revert, not_needed, irreversible or undeclared;
    `revertible_for` in microseconds; `reverts`: it has code of its own to be undone by.
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


@attrs.frozen
class FlowSpec:
    """One flow: `pattern` linear, unordered or graph; `parent` (a flow) and `retry` (an atom) by index, or None."""

    index: int
    name: str
    pattern: str
    parent: int | None
    retry: int | None
