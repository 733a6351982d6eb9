"""Compiling a graph flow with many links, beside rustworkx building the same graph and sorting it topologically.

rustworkx is given nodes and links in bulk, without anything on the links: its shortest way. The flow is linked by hand,
and is there before the clock starts, as it is in an App; what building it takes is told besides.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import rustworkx

from sagalog.engine.definition import Flow, FunctorTask, graph
from sagalog.engine.runtime.app import Sagalog

from . import tasks
from .figures import Figure
from .ground import Ground, quiet
from .sizes import Sizes

Links = list[tuple[int, int]]
NEAR = 200
"""How far a link reaches, at most."""


def figures(ground: Ground, sizes: Sizes) -> Iterator[Figure]:
    """One figure, in seconds of this thread's CPU time: nothing here waits for anybody."""
    nodes, links = sizes.graph
    items = [tasks.plain.named(f"t{place}") for place in range(nodes)]
    pairs = _links(nodes, links)
    ours, floor, building = [], [], []
    for _ in range(2 * sizes.rounds + 1):  # each is over in a moment
        with quiet():
            began = time.thread_time()
            flow = _flow(items, pairs)
            building.append(time.thread_time() - began)
            began = time.thread_time()
            compiled = Sagalog().compiled(flow)
            ours.append(time.thread_time() - began)
            began = time.thread_time()
            bare = rustworkx.PyDiGraph()
            bare.add_nodes_from(items)
            bare.add_edges_from_no_data(pairs)
            order = rustworkx.topological_sort(bare)
            floor.append(time.thread_time() - began)
        assert sum(map(len, compiled.definition.after)) == bare.num_edges() == links
        assert len(order) == nodes
    yield Figure(
        f"compile {nodes:,} nodes, {links:,} links",
        "rustworkx",
        "s",
        ours,
        floor,
        at_most=30,
        more={"building_the_flow": min(building)},
    )


def _flow(items: list[FunctorTask], pairs: Links) -> Flow:
    made = graph("graph").add(*items)
    for one, other in pairs:
        made.link(items[one], items[other])
    return made


def _links(nodes: int, links: int) -> Links:
    """So many different links, always the same, each to a later node."""
    chance = random.Random(40)
    found: set[tuple[int, int]] = set()
    while len(found) < links:
        node = chance.randrange(1, nodes)
        found.add((chance.randrange(max(0, node - NEAR), node), node))
    return sorted(found)
