"""Arguments for user code: found as the definition says, decoded afresh for every hand-out (law 8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from ...codec.values import decode
from ...errors import Failure, FlowError, GroupFailed, MissingArgument
from ..core.decide import EXECUTE
from ..core.graph import Argument, Definition, FlowSpec, Source
from ..core.groups import giver
from ..core.state import State
from ..core.states import TaskState
from ..definition.resultset import ResultSet
from ..definition.unknown import Unknown
from .held import Held

_NOT_FOUND = object()
GONE = Failure("unknown", (), "nothing is kept of it: the database rolled it back, or it was erased")
NOTHING_RAN = Failure.of(GroupFailed("nothing ran in the group, which its policy takes for a failure"))
UNREAD = Failure.of(FlowError("given up before its list was read: what it stands in is undone"))
NAMED = 3
"""Failures of a group's members that are told with the group's."""


def arguments(held: Held, atom: int, wanted: Sequence[Argument]) -> dict[str, Any]:
    """Keyword arguments for one atom's code.

    Raises:
        MissingArgument: a required one has no value in this run.
    """
    found: dict[str, Any] = {}
    for argument in wanted:
        value = argument_of(held, atom, argument)
        if value is not _NOT_FOUND:
            found[argument.parameter] = value
        elif not argument.optional:
            name = held.compiled.definition.atoms[atom].name
            raise MissingArgument(f"{name!r} needs {argument.name!r}: no input and no earlier result of that name")
    return found


def needed(held: Held, atom: int, argument: Argument) -> Any:
    """One argument that has to be there; MissingArgument where it is not."""
    return arguments(held, atom, (argument,))[argument.parameter]


def argument_of(held: Held, atom: int, argument: Argument) -> Any:
    """What is found for an argument: among the atom's constants, the inputs, or with the provider that has to give it."""
    sources = argument.sources
    if sources[0].kind == "inject":
        return decode(held.compiled.definition.atoms[atom].inject or b"{}")[argument.name]
    if sources[0].kind == "input":
        data = held.inputs.get(argument.name)
        if data is not None:
            return decode(data)
        sources = sources[1:]
    found = giver(held.state, sources)
    return _NOT_FOUND if found is None else provided_by(held, found)


def provided_by(held: Held, source: Source) -> Any:
    """What an atom or a group provides."""
    if source.kind == "group":
        return group_results(held, source.atom)
    return provided(held, source.atom, source.key)


def provided(held: Held, provider: int, key: int | str | None) -> Any:
    """What an atom provides under `key` (None: its whole result). A skipped one provides None, a fan-out a ResultSet."""
    if provider in held.state.fans:
        return elements(held, provider)
    data = held.values[held.state.result[provider]]
    if data is None:
        return None
    result = decode(data)
    if key is None:
        return result
    try:
        return result[key]
    except (LookupError, TypeError) as error:
        name = held.compiled.definition.atoms[provider].name
        found = f"{len(result)} items" if isinstance(result, list | tuple) else type(result).__name__
        text = f"task {name!r} is declared to provide item {key!r} of its result, which is {found}"
        raise MissingArgument(text) from error


def elements(held: Held, atom: int) -> ResultSet:
    """The results of a fan-out's elements, in order; a Failure for each that failed."""
    state, fan = held.state, held.state.fans[atom]
    return ResultSet(
        fan.count, lambda i: outcome(held, fan.base + i), lambda i: state.task[fan.base + i] is TaskState.FAILURE
    )


def group_results(held: Held, flow: int) -> ResultSet:
    """What the members of a group came to, in order; of a member that is a flow, what it provides, by name."""
    found = members_of(held.compiled.definition, flow)
    return ResultSet(len(found), lambda i: _of_member(held, found[i]))


def members_of(definition: Definition, group: int) -> list[int | FlowSpec]:
    """The members of a group, in order: atoms by index, and flows."""
    spec = definition.flows[group]
    found: list[int | FlowSpec] = []
    atom = spec.first if spec.retry is None else spec.first + 1
    while atom < spec.last:
        flow = definition.atoms[atom].flow
        if flow == group:
            found.append(atom)
            atom += 1
            continue
        while definition.flows[flow].parent != group:
            flow = definition.flows[flow].parent or 0
        found.append(definition.flows[flow])
        atom = definition.flows[flow].last
    return found


def _of_member(held: Held, member: int | FlowSpec) -> Any:
    if isinstance(member, int):
        return outcome(held, member)
    atoms = range(member.first, member.last)
    for atom in atoms:
        if atom in held.state.failures:
            return outcome(held, atom)
    for atom in atoms:
        if atom in held.state.dead:
            return failure_at(held, held.state.dead[atom], atom)
    given = [(name, atom, key) for atom in atoms for name, key in held.compiled.definition.atoms[atom].saves]
    done = held.state.task
    return {name: provided(held, atom, key) for name, atom, key in given if done[atom] is TaskState.SUCCESS}


def outcome(held: Held, slot: int) -> Any:
    """The result of a slot, or its Failure; None for one that was never run."""
    if slot in held.state.failures:
        return failure_at(held, held.state.failures[slot], slot)
    if slot in held.state.fans:
        return elements(held, slot)
    data = held.values[held.state.result[slot]]
    return None if data is None else decode(data)


def own_outcome(held: Held, slot: int) -> Any:
    """What a revert is handed as `result`: the value, the atom's own Failure, or Unknown."""
    state = held.state
    if slot not in state.failures and not state.result[slot]:
        return Unknown
    return outcome(held, slot)


def failure_at(held: Held, version: int, slot: int, kind: str = EXECUTE, alive: bool = False) -> Failure:
    """The failure that the record at `version` describes; `alive`: with the exception itself, if this process has it.

    Inside a flow it is only ever described (law 8): a resumed run could not hand out what a live one did.
    """
    data = held.values[version]
    if data is not None:
        failure = Failure.from_data(decode(data))
    elif kind == EXECUTE and slot in held.state.fans and version:
        failure = _of_group(held, slot)
    else:
        failure = untold(held.state, version, slot, kind) or GONE
    live = held.live.get((slot, kind)) if alive else None
    return attrs.evolve(failure, atom=held.state.name(slot), exception=live)


def untold(state: State, version: int, slot: int, kind: str = EXECUTE) -> Failure | None:
    """The failure of what no code has failed in, so that no record describes it; None where code did."""
    if not version:
        return NOTHING_RAN
    unread = kind == EXECUTE and slot < state.atoms and slot not in state.fans and state.spec(slot).over is not None
    return UNREAD if unread else None


def _of_group(held: Held, atom: int) -> Failure:
    """The failure of a fan-out, from those of its elements."""
    state, fan = held.state, held.state.fans[atom]
    failed = [slot for slot in range(fan.base, fan.base + fan.count) if slot in state.failures]
    error = group_failed(state, atom)
    causes = tuple(failure_at(held, state.failures[slot], slot) for slot in failed[:NAMED])
    return attrs.evolve(Failure.of(error), causes=causes, traceback="")


def group_failed(state: State, atom: int) -> GroupFailed:
    """Why a fan-out is a failure."""
    fan, policy = state.fans[atom], state.definition.atoms[atom].outcome
    return GroupFailed(
        f"{fan.errors} of {fan.count} elements failed and {fan.ok} succeeded, which {policy} takes for a failure"
    )


def flow_failures(held: Held) -> dict[str, Failure]:
    """{atom name: Failure}, oldest first, of the atoms that failed in this run."""
    return {held.state.name(slot): failure_at(held, at, slot) for slot, at in held.state.failures.items()}
