"""Where an argument comes from (SEMANTICS §1): own constants, the run's inputs, the nearest earlier provider."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from sagalog.engine.definition.arguments import Binding
from sagalog.engine.definition.resultset import ResultSet

from .tree import Branch, Leaf, Node

NOWHERE = object()


class Missing(Exception):
    """A required argument that nobody provides."""


def find(leaf: Leaf, name: str, inputs: Mapping[str, Any], providers: Iterable[Node]) -> Any:
    """The value of an argument, each time afresh; NOWHERE where there is none."""
    if name in leaf.atom.inject:
        return deepcopy(leaf.atom.inject[name])
    if name in inputs:
        return deepcopy(inputs[name])
    near = [node for node in providers if node in leaf.earlier and gives(node, name)]
    while near:
        last = nearest(near)
        if len(last) > 1:
            return NOWHERE
        if not passed_by(last[0]):
            return given_by(last[0], name) if has(last[0]) else NOWHERE
        near.remove(last[0])  # an ignored one gives nothing: then the next that is before it
    return NOWHERE


def gives(node: Node, name: str) -> bool:
    """Whether the node, an atom or a group, is declared to provide the name."""
    return node.gathers == name if isinstance(node, Branch) else isinstance(node, Leaf) and name in node.atom.save_as


def nearest(providers: list[Node]) -> list[Node]:
    """Those that lead to no other of them."""
    inside = {inner for node in providers for inner in node.nodes() if inner is not node}
    return [node for node in providers if node not in inside and not any(node in other.earlier for other in providers)]


def passed_by(node: Node) -> bool:
    """Whether it was ignored: all of it."""
    return all(leaf.state == "IGNORED" for leaf in node.leaves())


def has(node: Node) -> bool:
    """Whether it has anything to give: only what succeeded does."""
    if isinstance(node, Branch):
        return bool(node.verdict) and not node.undone and not passed_by(node)
    return isinstance(node, Leaf) and node.state == "SUCCESS"


def given_by(node: Node, name: str) -> Any:
    """What it provides under the name: the whole of its result, or a part by index or key."""
    if isinstance(node, Branch):
        return ResultSet.of([outcome(member) for member in node.items if member.leaves()])
    assert isinstance(node, Leaf)
    key = node.atom.save_as[name]
    return outcome(node) if key is None else outcome(node)[key]


def outcome(node: Node) -> Any:
    """What an atom came to: its value, or its Failure; of a flow in a group what is provided in it, or why it failed."""
    if isinstance(node, Branch):
        failed = [leaf for leaf in node.leaves() if leaf.failure is not None]
        return outcome(failed[0]) if failed else provided(node)
    assert isinstance(node, Leaf)
    if node.failure is not None:
        return node.failure
    if node.is_fan:
        return ResultSet.of([outcome(element) for element in node.elements])
    return deepcopy(node.value)


def provided(node: Node) -> dict[str, Any]:
    """{name: value} of what succeeded in it."""
    return {
        name: given_by(leaf, name) for leaf in node.leaves() if leaf.state == "SUCCESS" for name in leaf.atom.save_as
    }


def arguments(leaf: Leaf, wanted: Iterable[Binding], inputs: Mapping[str, Any], all: list[Node]) -> dict[str, Any]:
    """{parameter: value} of a call. Raises Missing."""
    found = {}
    for bound in wanted:
        value = find(leaf, bound.name, inputs, all)
        if value is not NOWHERE:
            found[bound.parameter] = value
        elif not bound.optional:
            raise Missing(f"{leaf.name!r} needs {bound.name!r}")
    return found


def results(root: Branch) -> dict[str, Any]:
    """{provided name: value} as one would see it at the end of the flow: of several the nearest, the last in order."""
    nodes = list(root.nodes())
    names = {name: None for node in nodes if isinstance(node, Leaf) for name in node.atom.save_as}
    names |= {node.gathers: None for node in nodes if isinstance(node, Branch) and node.gathers}
    found = {}
    for name in names:
        last = nearest([node for node in nodes if gives(node, name)])[-1]
        if has(last):
            found[name] = given_by(last, name)
    return found
