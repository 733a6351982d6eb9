"""Retries, groups, deciders and persons, folded: what their records do to the state.

`resolution` tells what the answers mean; here they are taken at their word.
"""

from __future__ import annotations

from heapq import heappush

from ...errors import CorruptLog
from .counters import (
    closed,
    decided,
    enqueue,
    forget,
    heard,
    keep,
    recount,
    reopen,
    settle,
    settled,
    tidy,
    undo_of,
    unsettle,
)
from .fans import again
from .graph import NOBODY
from .moves import Facts, illegal, leave
from .region import ASK, HALT, RETRY, REVERT, REVERT_ALL, Region
from .state import State
from .states import RetryState, RunState, TaskState, origins, run_origins
from .undo import IGNORED, Undo


def slots(state: State, facts: Facts) -> list[int]:
    """The slots that a record about several atoms names."""
    instances = facts.get("instances") or [None] * len(facts["atoms"])
    return [state.slot(atom, instance) for atom, instance in zip(facts["atoms"], instances, strict=True)]


def failed(state: State, atom: int) -> None:
    """An atom failed: its failure enters the history of whoever is asked about it; a group just counts it."""
    who = state.definition.asks[atom]
    if state.undo is not None:
        return
    if who < NOBODY:
        state.lacking = True
        settled(state, atom)
        tidy(state)
        return
    if who >= 0:
        _remember(state, who, atom, state.failures[atom])
    question(state, atom, who)


def question(state: State, atom: int, who: int) -> None:
    """A failure that somebody has to resolve: from now on nothing is started in the flow of whom it is asked."""
    if who == NOBODY or not state.resolves or closed(state, atom):
        state.unresolved[atom] = who
    else:
        state.regions[who] = Region(who, atom, who)
        tidy(state)


def _remember(state: State, retry: int, atom: int, failure: int) -> None:
    tries = state.history.get(retry)
    if tries:
        tries[-1][1][atom] = failure


def _about(state: State, region: Region) -> int:
    """The version of the failure that a region is about; 0 where that is of a group in which nothing had run."""
    tries = state.history.get(region.first)
    return tries[-1][1].get(region.failed, 0) if tries else 0


def consulted(state: State, facts: Facts) -> None:
    """A retry answered, or its code raised; `done` says what is done about it."""
    retry, done = facts["atom"], facts["done"]
    region = state.regions.get(retry)
    if done == "overruled" or region is None:
        return
    if done == "raised":
        region.goal = HALT
        state.halted[retry] = state.version
    elif done == "revert_all":
        region.goal = REVERT_ALL
    elif done == "retry":
        _undo(state, retry, RETRY)
    elif done == "deferred":
        _defer(state, region, facts["to"])
    elif done == "revert":
        scope = facts["scope"]
        if scope != retry:
            _lift(state, region)
            state.regions[scope] = Region(scope, region.failed, scope)
        _undo(state, scope, REVERT)
        question_again(state)


def _undo(state: State, retry: int, goal: str) -> None:
    """From here on the flow of `retry` is undone: all that ran in it, and for good the retry too."""
    first, last = state.span(retry)
    region = state.regions[retry]
    for other in [other for other in state.regions if first < other < last]:
        del state.regions[other]
    for atom in [atom for atom in state.unresolved if first < atom < last]:
        del state.unresolved[atom]
    region.goal = goal
    if goal == RETRY:
        region.undo = undo_of(state, list(state.after[retry]), first + 1, last)
    else:
        region.undo = undo_of(state, [retry], first, last)


def _defer(state: State, region: Region, to: int) -> None:
    """The retry outward is asked in its stead; while that is being asked about another failure already, after that."""
    del state.regions[region.retry]
    _remember(state, to, region.retry, _about(state, region))
    outer = state.regions.get(to)
    if outer is None:
        state.regions[to] = Region(to, region.failed, region.first)
    else:
        outer.queue.append((region.first, region.failed))
    tidy(state)


def _lift(state: State, region: Region) -> None:
    """A flow is not closed any more, unless there is another failure in it to be asked about."""
    del state.regions[region.retry]
    if region.queue:
        (first, failure), *rest = region.queue
        state.regions[region.retry] = Region(region.retry, failure, first)
        state.regions[region.retry].queue = rest


def question_again(state: State) -> None:
    """Ask about failures in flows that were closed, and are not any more."""
    for atom, who in list(state.unresolved.items()):
        if who != NOBODY and not closed(state, atom):
            del state.unresolved[atom]
            question(state, atom, who)
    reopen(state)


def way_back(state: State, atom: int) -> Undo | None:
    """The revert that an atom is part of."""
    if state.undo is not None or not state.regions:
        return state.undo
    for retry, region in state.regions.items():
        first, last = state.span(retry)
        if region.undo is not None and first <= atom < last:
            return region.undo
    return None


def retrying(state: State, facts: Facts) -> None:
    """Everything behind the retry is undone: it is as if none of it had run, and the retry is next."""
    retry = facts["atom"]
    region = state.regions.pop(retry, None)
    if region is None or region.undo is None or state.task[retry] is not TaskState.SUCCESS:
        raise illegal(state, retry, "RETRYING")
    put_aside(state, region.undo)
    first, last = state.span(retry)
    for atom in range(first + 1, last) if state.lacking else ():
        if state.task[atom] is IGNORED:  # before its turn came, behind what never ran, or since the undoing began
            unsettle(state, atom)
            forget(state, atom)
    unsettle(state, retry)
    state.progress.pop(retry, None)
    state.task[retry] = RetryState.RETRYING
    question_again(state)


def put_aside(state: State, undo: Undo) -> None:
    """Put everything that was undone back to PENDING; the histories of the retries among it are emptied."""
    for node in undo.nodes:
        unsettle(state, node)
        if node < state.atoms:
            forget(state, node)
        elif node in state.definition.gate_at:
            state.verdicts.pop(state.definition.gate_at[node].flow, None)


def given_up(state: State, facts: Facts) -> None:
    """The flow of a retry is undone for good. Within a group that is a failed member, which counts as settled."""
    retry = facts["atom"]
    first, last = state.span(retry)
    region = state.regions.pop(retry, None)
    if region is None:
        raise illegal(state, retry, "given up")
    state.dead[retry] = _about(state, region)
    gates = list(state.gates)
    if heard(state, retry) < NOBODY:
        state.lacking = True
        for atom in range(first, last):
            if state.task[atom] is TaskState.REVERTED:
                settled(state, atom)
        if region.undo is not None:  # the gates of groups that have failed in it stand open too
            gates += [node for node in region.undo.nodes if node in state.definition.gate_at]
    for node in gates:
        if not state.done[node] and not state.waits[node] and not decided(state, node):
            state.gates.pop(node, None)
            settle(state, node)
    question_again(state)


def unmade(state: State, atom: int) -> None:
    """Something of an atom is undone: the groups that it is in, as far as they had a verdict, have none any more."""
    flow: int | None = state.definition.atoms[atom].flow
    while flow is not None and state.verdicts:
        state.verdicts.pop(flow, None)
        flow = state.definition.flows[flow].parent


def answered(state: State, facts: Facts) -> None:
    """The deciders in front of an item answered, or one of them raised."""
    gate = facts["gate"]
    if state.gates.get(gate) != "due":
        raise CorruptLog(f"record {state.version}: there is nothing to decide at gate {gate}")
    if facts.get("raised"):
        state.halted[gate] = state.version
    else:  # what was refused is ignored, each by a record of its own
        del state.gates[gate]
        settle(state, gate)
        tidy(state)


def group_settled(state: State, facts: Facts) -> None:
    """All members of a group are settled: together they are a success, or they fail as one."""
    flow = state.definition.flows[facts["flow"]]
    gate = flow.gate
    if gate is None or state.gates.pop(gate, None) != "due":
        raise CorruptLog(f"record {state.version}: group {flow.name!r} is not at its end")
    state.verdicts[flow.index] = facts["ok"]
    who = state.definition.beyond[flow.index] if flow.retry is None else flow.retry
    if facts["ok"] or who < NOBODY:
        settle(state, gate)
        tidy(state)
        return
    failures = facts["failed"] or [flow.first]
    if who >= 0:
        for atom in facts["failed"]:
            _remember(state, who, atom, state.failures.get(atom) or state.dead.get(atom, 0))
    question(state, failures[0], who)


# --- persons ------------------------------------------------------------------------------------------------------


def ask_again(state: State) -> None:
    """The run goes on: what had raised is asked once more."""
    state.halted.clear()
    for region in state.regions.values():
        if region.goal == HALT:
            region.goal = ASK


def absolve(state: State, slot: int) -> None:
    """A failure is none after all: nobody needs to be asked about it, and whoever was asked does not remember it."""
    state.unresolved.pop(slot, None)
    for retry in [retry for retry, region in state.regions.items() if region.failed == slot and region.undo is None]:
        _lift(state, state.regions[retry])
    for tries in state.history.values():
        if tries:
            tries[-1][1].pop(slot, None)
    if slot < state.atoms:
        _judge_again(state, slot)
    question_again(state)


def _judge_again(state: State, atom: int) -> None:
    """The groups that had the failure of a member in their verdict have none any more."""
    who = state.definition.asks[atom]
    while who < NOBODY:
        flow = state.definition.flows[-2 - who]
        gate = flow.gate
        verdict = state.verdicts.pop(flow.index, None)
        who = state.definition.beyond[flow.index] if flow.retry is None else flow.retry
        if verdict is False:
            _withdraw(state, flow.first, flow.last, who)
        if verdict is not None and gate is not None:
            unsettle(state, gate)
            if not state.waits[gate]:
                state.gates[gate] = "due"


def _withdraw(state: State, first: int, last: int, who: int) -> None:
    """A group that had failed as one has not: whoever was asked about that need not be, and does not remember it."""
    for atom in [atom for atom, asked in state.unresolved.items() if asked == who and first <= atom < last]:
        del state.unresolved[atom]
    for region in [region for region in state.regions.values() if region.first == who and region.undo is None]:
        if first <= region.failed < last:
            _lift(state, region)
    for _, failures in state.history.get(who, [])[-1:]:
        for atom in [atom for atom in failures if first <= atom < last]:
            del failures[atom]


def put_back(state: State, facts: Facts) -> None:
    """A person says that it never took place: it is started afresh."""
    slot = state.slot(facts["atom"], facts.get("instance"))
    state.lacking = True
    if state.task[slot] is TaskState.FAILURE:
        absolve(state, slot)
    unknown = state.task[slot] is TaskState.UNKNOWN
    leave(state, slot, origins(TaskState.PENDING), TaskState.PENDING)
    if slot < state.atoms:
        unsettle(state, slot)
        forget(state, slot)
        if not state.waits[slot]:
            enqueue(state, slot)
    else:
        fan = state.fans[facts["atom"]]
        fan.live -= unknown
        heappush(fan.redo, slot - fan.base)
        enqueue(state, facts["atom"])
    tidy(state)


def recovered(state: State, facts: Facts) -> None:
    """The run goes on from where it failed: `atoms` are started afresh, and what failed of `fans`."""
    _run_to(state, RunState.RUNNING)
    state.lacking = True
    for atom in facts["fans"]:
        state.task[atom] = TaskState.RUNNING
        state.spread[atom] = None
        state.failures.pop(atom, None)
        state.result[atom] = 0
        again(state, atom)
    for atom in facts["atoms"]:
        keep(state, atom)
        forget(state, atom)
    _as_new(state)
    for slot in state.waiting:  # elements of a fan-out that goes on: they are waited for no longer
        state.waiting[slot] = 0
        state.overdue[slot] = None
    recount(state)


def reset(state: State, facts: Facts) -> None:
    """The run is as if it had never begun; what it did is in the log, and executions go on counting."""
    _run_to(state, RunState.PENDING)
    for atom in range(state.atoms):
        keep(state, atom)
        forget(state, atom)
    _as_new(state)
    state.stays.clear()
    state.lacking = False
    recount(state)


def _run_to(state: State, to: RunState) -> None:
    if state.run not in run_origins(to):
        raise CorruptLog(f"record {state.version}: the run is {state.run} and cannot become {to}")
    state.run, state.cause, state.reason = to, "", 0


def _as_new(state: State) -> None:
    for kept in (
        state.regions, state.unresolved, state.asked, state.halted, state.verdicts, state.timers, state.dead,
    ):  # fmt: skip
        kept.clear()
    state.undo = None
