"""`Case`, a flow with all that belongs to it, and `make`, which makes one of choices."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...engine.definition import Flow
from .choices import Choose
from .flows import Scope, flow
from .making import Making
from .world import World

TRIES = 6
"""How often an atom is executed at most for the sake of all the retries around it."""


class Case(NamedTuple):
    """A flow, what it is run with, and the world that its code acts on.

    Attributes:
        options: `defer_reverts` and `never_resolve`, as `Engine.run` takes them.
        traits: what is in it, in the words of `histogram.TRAITS`.
        atoms: how many tasks, fan-outs and retries; depth: how many flows are in each other at most.
    """

    flow: Flow
    inputs: dict[str, Any]
    options: dict[str, Any]
    world: World
    traits: frozenset[str]
    atoms: int
    depth: int


def make(choose: Choose, size: int = 40, depth: int = 4) -> Case:
    """A case of at most `size` atoms, in flows nested at most `depth` deep; the same choices, the same case.

    With choices that are all 0 it is one task that succeeds.
    """
    m = Making(choose)
    options: dict[str, Any] = {}
    if m.once_in(4):
        m.has("no defer_reverts")
        options["defer_reverts"] = False
    if m.once_in(12):
        m.has("never_resolve")
        options["never_resolve"] = True
    most = max(1, size if m.once_in(5) else size // 2)
    made, provides = flow(m, 1 + m.choose(most), Scope(1, depth, {}, TRIES, 0, []))
    if provides and m.once_in(25):
        m.has("input over a result")
        m.inputs[m.pick(list(provides))] = [1, 2]
    return Case(made, m.inputs, options, m.world, frozenset(m.part.traits), m.part.atoms, m.part.depth)
