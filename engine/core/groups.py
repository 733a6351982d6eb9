"""Gates and fan-outs, decided: the verdict over a group, what a refusal ignores, what a missing provider means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from . import records as r
from .counters import heard, shut
from .graph import NOBODY
from .inputs import DECIDE, EXPAND, Call
from .parts import Step, ignored, of_slot
from .records import Draft
from .region import policy_of
from .specs import Argument, FlowSpec, Gate, Source
from .state import PENDING, State
from .states import TaskState

T = TaskState
GROUP_FAILED = ("sagalog.errors.GroupFailed", "sagalog.errors.SagalogError", "Exception", "BaseException")


def gates(state: State, limit: int) -> Iterator[Step]:
    """Groups that can be are judged; deciders whose sources are settled are asked: so many at a time."""
    for node in _ripe(state):
        settled = verdict(state, state.definition.gate_at[node].flow)
        yield settled
        flow = state.definition.flows[settled.facts["flow"]]
        if not settled.facts["ok"] and flow.retry is None:
            yield from spoil(state, flow.first, state.definition.beyond[flow.index])
    groups, gate_at = state.definition.groups, state.definition.gate_at
    open = (node for node in state.gates if node not in groups and not shut(state, gate_at[node].flow))
    for node in list(islice(open, limit)):
        if node not in state.halted:
            yield Call(DECIDE, node, 1 + state.execution[node], 1)


def settling(state: State) -> bool:
    """Whether there are groups whose members are all settled, and that have not been judged yet."""
    return bool(state.gates and _ripe(state))


def _ripe(state: State) -> list[int]:
    """The gates of those groups, in the order in which they came to stand open; it looks at no decider."""
    gate_at = state.definition.gate_at
    found = state.gates.keys() & state.definition.groups
    ordered = [node for node in state.gates if node in found] if len(found) > 1 else found
    return [node for node in ordered if not shut(state, gate_at[node].flow)]


def verdict(state: State, flow: int) -> Draft:
    """What a group's policy says about its members: a member fails with any of its atoms."""
    spec = state.definition.flows[flow]
    members: dict[tuple[str, int], bool] = {}
    blamed = []
    for atom in range(spec.first, spec.last):
        if atom == spec.retry:
            continue
        member, task = _member(state, flow, atom), state.task[atom]
        who = heard(state, atom) if atom in state.dead else state.definition.asks[atom]
        if (task is T.FAILURE or atom in state.dead) and _counts(state, flow, who):
            blamed.append(atom)
            members[member] = False
        elif task is T.SUCCESS:
            members.setdefault(member, True)
    for inner in state.definition.flows[flow + 1 :]:  # the flows within come right behind it
        if inner.parent is None or inner.parent < flow:
            break
        failed = state.verdicts.get(inner.index) is False and inner.retry is None
        if failed and _counts(state, flow, state.definition.beyond[inner.index]):
            members[_member_flow(state, flow, inner.index)] = False
    ok = sum(members.values())
    errors = len(members) - ok
    good = policy_of(spec.outcome).verdict(ok, errors)
    return Draft(r.GROUP_SETTLED, {"flow": flow, "ok": good, "successes": ok, "errors": errors, "failed": blamed})


def _member(state: State, group: int, atom: int) -> tuple[str, int]:
    flow = state.definition.atoms[atom].flow
    return ("atom", atom) if flow == group else _member_flow(state, group, flow)


def _member_flow(state: State, group: int, flow: int) -> tuple[str, int]:
    while state.definition.flows[flow].parent != group:
        parent = state.definition.flows[flow].parent
        assert parent is not None
        flow = parent
    return "flow", flow


def _counts(state: State, group: int, who: int) -> bool:
    """Whether a failure of which `who` is told first is one of the group's: not one that a group within made good."""
    flows = state.definition.flows
    while who < NOBODY:
        flow = flows[-2 - who]
        if flow.index == group:
            return True
        if state.verdicts.get(flow.index) is not False:
            return False
        who = state.definition.beyond[flow.index] if flow.retry is None else flow.retry
    return False


def spoil(state: State, atom: int, who: int) -> Iterator[Step]:
    """A member of a group has failed: the rest of it is not begun, nor, if that decides the verdict, the others."""
    if who >= NOBODY:
        return
    spec = state.definition.flows[-2 - who]
    kind, flow = _member(state, spec.index, atom)
    first, last = (atom, atom)
    if policy_of(spec.outcome).lost(1):
        first, last = spec.first, spec.last
    elif kind == "flow":
        first, last = state.definition.flows[flow].first, state.definition.flows[flow].last
    yield from pass_by(state, range(first, last), "group")


def pass_by(state: State, atoms: range | list[int], cause: str) -> Iterator[Step]:
    """Ignore those of the atoms that were not begun; with a retry its flow."""
    for atom in atoms:
        if state.task[atom] is PENDING:
            yield ignored(state, atom, cause)
            yield from without(state, atom, cause)


def without(state: State, atom: int, cause: str) -> Iterator[Step]:
    """What is ignored with an atom: the flow of a retry."""
    if state.definition.atoms[atom].kind == "retry":
        yield from pass_by(state, range(atom + 1, state.span(atom)[1]), cause)


def refuse(state: State, gate: Gate, depth: str) -> Iterator[Step]:
    """Ignore what a decider has refused, as deep as it says."""
    target = range(gate.first, gate.last)
    if depth == "ATOM":
        yield from pass_by(state, target, "decider")
        return
    flow: FlowSpec = state.definition.flows[gate.flow]
    found = _behind(state, [gate.node, *target], None if depth == "ALL" else flow, deep=depth != "NEIGHBORS")
    yield from pass_by(state, found, "decider")


def _behind(state: State, atoms: list[int], within: FlowSpec | None, deep: bool) -> list[int]:
    """The atoms, and those that wait for them: within a flow, or all; directly, or however far."""
    seen, found = set(atoms), [node for node in atoms if node < state.atoms]
    walk = list(atoms)
    while walk:
        for node in state.after[walk.pop()]:
            if node in seen:
                continue
            if node < state.atoms:
                if within is not None and deep and not within.first <= node < within.last:
                    continue
                found.append(node)
            seen.add(node)
            if deep or node >= state.atoms:
                walk.append(node)
    return sorted(found)


def behind(state: State, atom: int) -> list[int]:
    """The atom and all that waits for it, however far."""
    return _behind(state, [atom], None, deep=True)


def lacking(state: State, wanted: tuple[Argument, ...]) -> tuple[list[str], Argument | None]:
    """Of the arguments whose providers have nothing to give: those that take their default, and one that cannot."""
    defaulted: list[str] = []
    for argument in wanted:
        if _there(state, argument):
            continue
        if not argument.optional:
            return defaulted, argument
        defaulted.append(argument.name)
    return defaulted, None


def _there(state: State, argument: Argument) -> bool:
    sources = [source for source in argument.sources if source.kind in ("atom", "group")]
    return not sources or argument.name in state.given or giver(state, sources) is not None


def giver(state: State, sources: Iterable[Source]) -> Source | None:
    """Which of several providers gives what they are all asked for: the first that was not ignored, if it has it."""
    for source in sources:
        if has_given(state, source):
            return source
        if not was_ignored(state, source):
            return None
    return None


def has_given(state: State, source: Source) -> bool:
    """Whether a provider has something to give: it succeeded, or, being a group, its policy is content.

    A group without members, which is never judged, gives nothing but that; one that was ignored gives nothing at all.
    """
    if source.kind == "group":
        if not state.definition.flows[source.atom].last:
            return True
        return bool(state.verdicts.get(source.atom)) and not was_ignored(state, source)
    return state.task[source.atom] is T.SUCCESS


def was_ignored(state: State, source: Source) -> bool:
    """Whether a provider was passed by; a group, all of it."""
    if source.kind == "group":
        flow = state.definition.flows[source.atom]
        return all(state.task[atom] is T.IGNORED for atom in range(flow.first, flow.last))
    return state.task[source.atom] is T.IGNORED


def full(state: State) -> Iterator[Step]:
    """Fan-outs of which nothing is left to do succeed or fail, by their policy."""
    for atom in [atom for atom in state.full if not state.waits[atom]]:
        spec, fan = state.definition.atoms[atom], state.fans[atom]
        execution = state.execution[atom]
        facts: dict[str, Any] = {"successes": fan.ok, "errors": fan.errors}
        if (not fan.count and spec.on_empty == "ok") or policy_of(spec.outcome).verdict(fan.ok, fan.errors):
            yield of_slot(state, r.TASK_SUCCESS, atom, execution, 1, **facts)
        else:
            yield of_slot(state, r.TASK_FAILURE, atom, execution, 1, classes=list(GROUP_FAILED), **facts)
            yield from spoil(state, atom, state.definition.asks[atom])


def openings(state: State) -> Iterator[Step]:
    """Fan-outs whose list is to be read."""
    for atom in [atom for atom in state.opening if not state.waits[atom]]:
        yield Call(EXPAND, atom, state.execution[atom], state.attempt[atom])

