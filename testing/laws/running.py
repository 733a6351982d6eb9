"""The laws of the way forward: what may be begun, and what an outcome is the outcome of."""

from __future__ import annotations

from ...engine.core.states import RunState, TaskState
from . import groups, provided
from .broken import broken
from .seen import Facts, Key, Seen, key_of
from .shape import bits

T, U = TaskState, RunState
PASSED = (T.SUCCESS, T.IGNORED, T.FAILURE, T.REVERTED)
"""States of an atom with which what comes behind it may start: FAILURE and REVERTED only within a group."""


def begun(seen: Seen, facts: Facts, slot: int) -> None:
    """Something is started, or begun again."""
    state, atom, key = seen.state, facts["atom"], key_of(facts)
    if state.run is not U.RUNNING or state.undo is not None:
        broken("closed flow", f"{seen.one(key)} is started in a run that is {state.run}")
    if seen.shut(atom):
        broken("closed flow", f"{seen.one(key)} is started in a flow whose retry is asked, or which is undone")
    _number(seen, facts, slot, key)
    task = state.task[slot]
    if task is T.WAITING and state.waiting[slot] in seen.timers:
        due = seen.timers[state.waiting[slot]]
        broken("timers", f"{seen.one(key)} is begun again before its timer went off, which is due at {due}")
    elif task is T.UNKNOWN:
        _known(seen, slot, key)
    elif task is T.PENDING:
        groups.judged_first(seen, slot)
        _next(seen, slot, atom)
        if slot >= state.atoms:
            groups.element_spared(seen, atom, slot)
        else:
            provided.argued(seen, facts, atom)
            if slot not in seen.amended and not state.execution[slot]:  # not what a RETRY begins anew
                _spoiled(seen, atom)
    _behind(seen, atom, key)
    seen.intents["execute", key, facts["attempt"]] = seen.epoch


def _number(seen: Seen, facts: Facts, slot: int, key: Key) -> None:
    """Attempts and executions count on."""
    state, attempt, before = seen.state, facts["attempt"], seen.begun.get(key, 0)
    if attempt != before + 1:
        detail = f"attempt {attempt} of {seen.one(key)} is begun, and {before} of it were before"
        broken("started once", detail)
    seen.begun[key] = attempt
    if key in seen.undone:
        broken("started once", f"{seen.one(key)} is started, and was reverted")
    afresh = state.task[slot] is T.PENDING or str(state.task[slot]) == "RETRYING"
    highest = seen.highest.get(key[:2], 0)
    if afresh and key[2] <= highest:
        broken("started once", f"{seen.one(key)} is started afresh, and execution {highest} was before")
    if not afresh and key[2] != state.execution[slot]:
        broken("started once", f"{seen.one(key)} is begun again, and it is at execution {state.execution[slot]}")
    seen.highest[key[:2]] = max(highest, key[2])


def _known(seen: Seen, slot: int, key: Key) -> None:
    """It is begun again, and nobody knows what became of the attempt before."""
    recovery = seen.state.spec(slot).recovery
    if recovery in ("ASK", "SKIP"):
        broken("recovery", f"{seen.one(key)} is UNKNOWN and is begun again; its recovery is {recovery}")
    if recovery == "PROBE" and seen.hears and ("execute", key) not in seen.probed:
        broken("recovery", f"{seen.one(key)} is UNKNOWN and is begun again without having been probed")
    if recovery == "PROBE" and ("execute", key) in seen.known:
        broken("recovery", f"{seen.one(key)} is UNKNOWN and is begun again, and its probe could say that it had happened")


def _behind(seen: Seen, atom: int, key: Key) -> None:
    """All that it waits for has come to an end."""
    state, shape = seen.state, seen.shape
    for other in bits(shape.ahead[atom]):
        found = state.task[other]
        if found is T.SUCCESS or found is T.IGNORED:
            continue
        counts = found in PASSED
        if found is T.FAILURE:
            counts = shape.who[other] < -1
        elif found is T.REVERTED:
            counts = other in state.dead or any(retry in state.dead for retry in shape.around[other])
        if not counts:
            name = seen.definition.atoms[other].name
            detail = f"{seen.one(key)} is started, and {name}, which it waits for, is {found}"
            broken("outcome before dependents", detail)


def _spoiled(seen: Seen, atom: int) -> None:
    """Nothing is begun of a member of a group that has failed, but by a retry in it that had answered RETRY before."""
    flows, state, shape = seen.definition.flows, seen.state, seen.shape
    if not state.failures:
        return
    flow: int | None = seen.definition.atoms[atom].flow
    if flow is not None and flows[flow].retry == atom:
        flow = flows[flow].parent
    inner = None
    while flow is not None:
        if flows[flow].outcome is not None and inner is not None:
            member = range(*shape.span[inner])
            again = any(state.execution[retry] > 1 for retry in shape.around[atom] if retry in member)
            for other in () if again else member:
                if state.task[other] is T.FAILURE and shape.who[other] == -2 - flow:
                    names = f"{seen.names([atom])} is begun, and {seen.names([other])}"
                    broken("group spares", f"{names} of the same member of group {flows[flow].name} has failed")
        inner, flow = flow, flows[flow].parent


def _next(seen: Seen, slot: int, atom: int) -> None:
    """Nothing that might be begun comes before it."""
    state, order = seen.state, seen.shape.order
    task, waits = state.task, state.waits
    for place in range(seen.shape.rank[atom]):
        other = order[place]
        if task[other] is T.PENDING and not waits[other] and not seen.shut(other):
            broken("order", f"{seen.names([atom])} is started, and {seen.names([other])} comes before it")


def succeeded(seen: Seen, facts: Facts, slot: int) -> None:
    """It succeeded: its code did, or somebody says so."""
    state, key, task = seen.state, key_of(facts), seen.state.task[slot]
    if facts.get("amended"):
        _said(seen, facts, key)
    elif facts.get("skipped"):
        if task is T.UNKNOWN and state.spec(slot).recovery != "SKIP":
            broken("recovery", f"{seen.one(key)} is passed over; its recovery is {state.spec(slot).recovery}")
        if task is not T.UNKNOWN and task is not T.FAILURE:
            broken("recovery", f"{seen.one(key)} is passed over, and it is {task}")
    elif facts.get("probed"):
        _probed(seen, "execute", task is T.UNKNOWN and state.spec(slot).recovery == "PROBE", key)
    else:
        _of_attempt(seen, facts, slot, key)
    if slot < state.atoms and seen.definition.atoms[slot].kind == "retry":
        seen.tries[slot] = seen.tries.get(slot, 0) + 1


def failed(seen: Seen, facts: Facts, slot: int) -> None:
    """It failed: its code raised, somebody says so, or it was given up before it could."""
    state, key, task = seen.state, key_of(facts), seen.state.task[slot]
    if facts.get("amended"):
        _said(seen, facts, key)
    elif facts.get("given_up"):
        if state.undo is None and not seen.shut(key[0]) and not state.regions:
            broken("outcome of an intent", f"{seen.one(key)} is given up, and nothing is being undone")
        if task is not T.WAITING and slot not in state.opening and slot not in state.spread:
            broken("outcome of an intent", f"{seen.one(key)} is given up, and its code is under way")
    else:
        _of_attempt(seen, facts, slot, key)


def waits(seen: Seen, facts: Facts, slot: int) -> None:
    """An attempt failed, and its policy has it made again; or the database broke it off."""
    key = key_of(facts)
    _of_attempt(seen, facts, slot, key)
    if facts.get("cause") == "policy":
        count = seen.failed[key] = seen.failed.get(key, 0) + 1
        most = seen.most.get(seen.definition.atoms[key[0]].name)
        if most is not None and count >= most:
            broken("attempts", f"{seen.one(key)} has failed {count} times and is tried again, at most {most} times in all")


def unknown(seen: Seen, facts: Facts, slot: int) -> None:
    """Its owner is gone."""
    key = key_of(facts)
    _of_attempt(seen, facts, slot, key)
    seen.probed.discard(("execute", key))


def _of_attempt(seen: Seen, facts: Facts, slot: int, key: Key) -> None:
    """The outcome is that of the attempt under way."""
    state = seen.state
    if state.task[slot] is not T.RUNNING:
        broken("outcome of an intent", f"an outcome of {seen.one(key)}, which is {state.task[slot]}")
    found, own = (state.execution[slot], state.attempt[slot]), (facts["execution"], facts["attempt"])
    if found != own and slot not in state.fans:
        detail = f"execution and attempt {own} of {seen.name(facts)} has an outcome, and {found} is under way"
        broken("outcome of an intent", detail)


def _said(seen: Seen, facts: Facts, key: Key) -> None:
    if not seen.by_person(facts, "amend"):
        broken("recovery", f"{seen.one(key)} is amended, and no person has said so")


def _probed(seen: Seen, direction: str, fits: bool, key: Key) -> None:
    if not fits or (seen.hears and (direction, key) not in seen.probed):
        broken("recovery", f"{seen.one(key)} is settled by a probe that nobody asked")


def put_back(seen: Seen, facts: Facts, slot: int) -> None:
    """A person says that it never took place."""
    _said(seen, facts, key_of(facts))
    seen.undone.add(key_of(facts))
    if facts.get("instance") is None:
        seen.amended.add(facts["atom"])
        seen.tries.pop(facts["atom"], None)
