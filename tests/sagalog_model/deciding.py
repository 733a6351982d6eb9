"""Deciders: who votes, and how far a no reaches (SEMANTICS §2)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sagalog.engine.definition.deciders import Decider, Depth

from .calling import settled, tried
from .lookup import outcome, provided
from .tree import Leaf, Node

if TYPE_CHECKING:
    from .run import Run

WIDTH = [Depth.ATOM, Depth.NEIGHBORS, Depth.FLOW, Depth.ALL]


def ask_deciders(run: Run, node: Node) -> None:
    """Ask the deciders before an item, each about its source: one that was ignored, or failed, does not vote. The widest
    no is done.
    """
    run.deciding = False
    if run.decided(node):
        node.asked = False
        return
    node.answered = True
    refused = []
    for source, decider in node.deciders:
        if not any(leaf.state == "SUCCESS" for leaf in source.leaves()):
            continue
        answer, _ = tried(partial(vote, decider, source))
        if type(answer) is not bool:
            run.stopped = True
            return
        if not answer:
            refused.append(decider.depth)
    if refused:
        run.ignore(reach(run.leaves, node, max(refused, key=WIDTH.index)))


def vote(decider: Decider, source: Node) -> Any:
    return settled(decider.function(history={source.name: told(source)}))


def told(source: Node) -> Any:
    """What a decider is told of a source: an atom's result; what a flow provides, by name."""
    return outcome(source) if isinstance(source, Leaf) else provided(source)


def reach(leaves: list[Leaf], node: Node, depth: Depth) -> list[Leaf]:
    """What is ignored where the item is refused."""
    mine = node.leaves()
    if depth is Depth.ATOM:
        return mine
    if depth is Depth.NEIGHBORS:
        last = {node, *mine}
        return mine + [leaf for leaf in leaves if leaf.feeders & last and leaf not in mine]
    assert node.flow is not None
    behind = [leaf for leaf in leaves if node in leaf.earlier]
    return mine + [leaf for leaf in behind if depth is Depth.ALL or leaf.within(node.flow)]
