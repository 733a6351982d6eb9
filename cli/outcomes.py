"""What the atoms of a run, and the names that they provide, came to: stored trees."""

from __future__ import annotations

from typing import Any

import orjson

from ..codec.values import decode, encode
from ..engine.core.specs import FlowSpec, Source
from ..engine.runtime.arguments import NAMED, group_failed, members_of, untold
from ..engine.runtime.views import decides, stands
from ..errors import Failure
from .seen import Seen

_TUPLE = "$tuple@1"
_MISSING = object()
# The database broke the transaction off: the record says by which SQLSTATE, there was no exception of the task's.
_ROLLED_BACK = {"type": "", "bases": [], "message": "rolled back by the database", "traceback": "", "causes": []}


def results_of(seen: Seen) -> dict[str, Any]:
    """{provided name: stored tree}, of what has succeeded and was not reverted; without what a result does not have."""
    found = {name: _provided(seen, source) for name, source in seen.definition.results().items()}
    return {name: tree for name, tree in found.items() if tree is not _MISSING}


def _provided(seen: Seen, source: Source) -> Any:
    """The tree of what a name means; of a group or a fan-out a list of what its members came to."""
    if not stands(seen.state, source):
        return _MISSING
    if source.kind == "group":
        return [_of_member(seen, member) for member in members_of(seen.definition, source.atom)]
    return came_to(seen, source.atom) if source.atom in seen.state.fans else _result(seen, source)


def _of_member(seen: Seen, member: int | FlowSpec) -> Any:
    if isinstance(member, int):
        return came_to(seen, member)
    atoms = range(member.first, member.last)
    for atom in atoms:
        if atom in seen.state.failures:
            return came_to(seen, atom)
    for atom in atoms:
        if atom in seen.state.dead:
            return failure_of(seen, seen.state.dead[atom], atom)
    sources = {name: Source("atom", atom, key) for atom in atoms for name, key in seen.definition.atoms[atom].saves}
    found = {name: _provided(seen, source) for name, source in sources.items()}
    return {name: tree for name, tree in found.items() if tree is not _MISSING}


def came_to(seen: Seen, slot: int) -> Any:
    """The tree of the result of a slot, or of its failure; a list where it is a fan-out."""
    state, fan = seen.state, seen.state.fans.get(slot)
    if slot in state.failures:
        return failure_of(seen, state.failures[slot], slot)
    if fan is not None:
        return [came_to(seen, fan.base + instance) for instance in range(fan.count)]
    return seen.tree(state.result[slot])


def failures_of(seen: Seen) -> list[dict[str, Any]]:
    """Of the atoms that failed, then of what was to decide about it and could not, then of reverts, each oldest first."""
    state = seen.state
    forward, back = (
        [failure_of(seen, version, slot) for slot, version in kept.items()] for kept in (state.failures, state.stuck)
    )
    raised = [{**_told(seen, version), "atom": decides(state, node)} for node, version in state.halted.items()]
    return [*forward, *raised, *back]


def shortened(seen: Seen, failures: list[dict[str, Any]], most: int) -> tuple[list[dict[str, Any]], int]:
    """The failures, but of those of elements of fan-outs only the first `most`; how many are left out."""
    own = {spec.name for spec in seen.definition.atoms}
    elements = [failure for failure in failures if failure["atom"].endswith("]") and failure["atom"] not in own]
    left_out = {id(failure) for failure in elements[most:]}
    return [failure for failure in failures if id(failure) not in left_out], len(left_out)


def failure_of(seen: Seen, version: int, slot: int) -> dict[str, Any]:
    """The failure that the record at `version` describes; that of a fan-out is made of those of its elements."""
    of_elements = seen.tree(version) is None and slot in seen.state.fans and slot not in seen.state.stuck and version
    told = _of_elements(seen, slot) if of_elements else _of_no_code(seen, version, slot) or _told(seen, version)
    return {**told, "atom": seen.state.name(slot)}


def _told(seen: Seen, version: int) -> dict[str, Any]:
    told: dict[str, Any] | None = seen.tree(version)
    return _ROLLED_BACK if told is None else told


def _of_no_code(seen: Seen, version: int, slot: int) -> dict[str, Any] | None:
    failure = untold(seen.state, version, slot) if seen.tree(version) is None else None
    return None if failure is None else failure.to_data()


def _of_elements(seen: Seen, atom: int) -> dict[str, Any]:
    """The failure of a fan-out, as the run itself tells it."""
    state, fan = seen.state, seen.state.fans[atom]
    failed = [slot for slot in range(fan.base, fan.base + fan.count) if slot in state.failures]
    failure = {**Failure.of(group_failed(state, atom)).to_data(), "traceback": ""}
    return {**failure, "causes": [failure_of(seen, state.failures[slot], slot) for slot in failed[:NAMED]]}


def _result(seen: Seen, source: Source) -> Any:
    """What an atom provides, as it is stored: all of its result, or one item; `_MISSING` where there is no such item."""
    tree, key = seen.tree(seen.state.result[source.atom]), source.key
    if key is None or tree is None:
        return tree
    items = tree.get(_TUPLE) if isinstance(tree, dict) and isinstance(key, int) else tree
    if isinstance(items, list) and isinstance(key, int):
        return items[key] if 0 <= key < len(items) else _MISSING
    if isinstance(items, dict) and isinstance(key, str) and (escaped := f"${key}" if key[:1] == "$" else key) in items:
        return items[escaped]
    try:
        # Something that takes its class, if it is known here, to look into; which is the user's code.
        return orjson.loads(encode(decode(orjson.dumps(tree))[key], limit=None))
    except Exception:
        return _MISSING
