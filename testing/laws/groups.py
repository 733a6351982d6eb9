"""The laws of groups, fan-outs and deciders: verdicts, and what is passed by on their account."""

from __future__ import annotations

from collections.abc import Iterable

from ...engine.core.states import TaskState
from . import provided
from .broken import broken
from .seen import Facts, Seen, key_of
from .shape import DEPTHS, VERDICTS, bits

T = TaskState
SETTLED = (T.SUCCESS, T.FAILURE, T.IGNORED, T.REVERTED)


# --- verdicts -----------------------------------------------------------------------------------------------------


def settled(seen: Seen, facts: Facts) -> None:
    """A group has its verdict."""
    state, flow = seen.state, facts["flow"]
    spec = seen.definition.flows[flow]
    for atom in range(*seen.shape.span[flow]):
        if state.task[atom] not in SETTLED:
            broken("group", f"group {spec.name} has its verdict, and {seen.names([atom])} in it is {state.task[atom]}")
    atoms, flows = seen.shape.children[flow]
    members = [_of_atom(seen, atom) for atom in atoms if atom != spec.retry] + [_of_flow(seen, inner) for inner in flows]
    ok, errors = members.count(True), members.count(False)
    _judged(seen, f"group {spec.name}", str(spec.outcome), (ok, errors), facts)
    if facts["ok"] != _verdict(str(spec.outcome), ok, errors):
        broken("group", f"group {spec.name} with {ok} successes and {errors} errors: its verdict is {facts['ok']}")
    if not facts["ok"]:
        who = seen.shape.outward[flow] if spec.retry is None else spec.retry
        seen.passed_on |= {(who, atom) for atom in facts["failed"] or [spec.first]}


def _verdict(policy: str, ok: int, errors: int) -> bool:
    return VERDICTS[policy][(ok > 0) + 2 * (errors > 0)]


def _judged(seen: Seen, whose: str, policy: str, counted: tuple[int, int], facts: Facts) -> None:
    said = facts["successes"], facts["errors"]
    if said != counted:
        broken("group", f"{whose} ({policy}): (successes, errors) is said to be {said}, and is {counted}")


def _of_atom(seen: Seen, atom: int) -> bool | None:
    """What an atom comes to as a member: True, False, or None where it did not run."""
    task = seen.state.task[atom]
    return True if task is T.SUCCESS else False if task is T.FAILURE else None


def _of_flow(seen: Seen, flow: int) -> bool | None:
    """What a flow comes to as a member: it fails with any of its atoms, but for what a group in it has made good."""
    found = [_of_atom(seen, atom) for atom in range(*seen.shape.span[flow])]
    if _fails(seen, flow):
        return False
    return True if True in found else None


def _fails(seen: Seen, flow: int) -> bool:
    spec, state = seen.definition.flows[flow], seen.state
    if spec.retry in state.dead:
        return True
    atoms, flows = seen.shape.children[flow]
    if any(state.task[atom] is T.FAILURE for atom in atoms if atom == spec.retry):
        return True
    if spec.outcome is not None:
        return spec.retry is None and state.verdicts.get(flow) is False
    return any(state.task[atom] is T.FAILURE for atom in atoms) or any(_fails(seen, inner) for inner in flows)


def spread(seen: Seen, facts: Facts, slot: int, ok: bool) -> None:
    """A fan-out succeeded or failed as one: by its policy, once no element is under way."""
    state = seen.state
    spec, fan = state.spec(slot), state.fans.get(slot)
    if "successes" not in facts:
        return
    name = seen.one(key_of(facts))
    if fan is None:
        broken("elements", f"{name} has its verdict before its list was read")
    tasks = state.task[fan.base : fan.base + fan.count]
    counted = tasks.count(T.SUCCESS), tasks.count(T.FAILURE)
    _judged(seen, f"fan-out {name}", str(spec.outcome), counted, facts)
    open = [place for place, task in enumerate(tasks) if task not in (T.SUCCESS, T.FAILURE)]
    lost = counted[1] > 0 and _lost(str(spec.outcome))
    if any(tasks[place] is not T.PENDING for place in open) or (open and not lost):
        broken("elements", f"{name} has its verdict, and its element {open[0]} is {tasks[open[0]]}")
    good = _verdict(str(spec.outcome), *counted) or (not tasks and spec.on_empty == "ok")
    if ok != good:
        said = "succeeded" if ok else "failed"
        broken("group", f"fan-out {name} with (successes, errors) of {counted} is said to have {said}")


def judged_first(seen: Seen, slot: int) -> None:
    """Something is begun for the first time: no group waits for its verdict, which might have it undone at once."""
    for node in seen.state.gates:
        gate = seen.definition.gate_at[node]
        if gate.kind == "group" and not seen.closed(seen.shape.retries(gate.flow)):
            name = seen.definition.flows[gate.flow].name
            broken("group", f"{seen.state.name(slot)} is begun, and group {name}, of which all is settled, is not judged")


def element_spared(seen: Seen, atom: int, slot: int) -> None:
    """An element is begun: not after the failure of others has decided the verdict."""
    state = seen.state
    fan, spec = state.fans[atom], state.definition.atoms[atom]
    decided = _lost(str(spec.outcome)) and T.FAILURE in state.task[fan.base : fan.base + fan.count]
    if decided and not state.execution[slot]:  # what a person has put back is begun again
        broken("group spares", f"{state.name(slot)} is begun, and fan-out {spec.name} ({spec.outcome}) has failed already")


def listed(seen: Seen, facts: Facts) -> None:
    """Some elements of a list: right behind those before."""
    atom, execution = facts["atom"], facts["execution"]
    before = seen.listed.get(atom, (execution, 0))
    so_far = before[1] if before[0] == execution and facts["first"] else 0
    if facts["first"] != so_far:
        broken("elements", f"elements of {seen.name(facts)} from {facts['first']} on, and {so_far} were listed")
    seen.listed[atom] = execution, so_far + facts["count"]


def opened(seen: Seen, facts: Facts) -> None:
    """A list was read to its end."""
    atom, execution = facts["atom"], facts["execution"]
    told_of = seen.listed.get(atom, (0, 0))
    found = told_of[1] if told_of[0] == execution else 0
    if facts["count"] != found:
        broken("elements", f"{seen.name(facts)} is opened over {facts['count']} elements, and {found} were listed")


# --- what is passed by --------------------------------------------------------------------------------------------


def ignored(seen: Seen, facts: Facts, slot: int) -> None:
    """Something is passed by: for a decider only what it refused."""
    if facts["cause"] == "provider":
        provided.lacked(seen, facts, slot)
    if facts["cause"] == "decider" and (slot not in seen.spared or seen.law != "decider"):
        broken("decider", f"{seen.name(facts)} is ignored, and no decider has refused it")
    if facts["execution"] != seen.state.execution[slot]:
        broken("moves", f"{seen.name(facts)} is ignored as execution {facts['execution']}")


def _expect(seen: Seen, law: str, atoms: Iterable[int]) -> None:
    """These of the atoms have to be passed by next, as far as they were not begun."""
    task = seen.state.task
    seen.spared = {atom for atom in atoms if task[atom] is T.PENDING}
    seen.law = law


def spares(seen: Seen, facts: Facts, slot: int) -> None:
    """An atom failed: what is not begun of its member is passed by, or all of the group."""
    if slot < seen.state.atoms and not facts.get("given_up"):
        _expect(seen, "group spares", _spared(seen, seen.shape.who[slot], slot, None))


def group_spares(seen: Seen, facts: Facts) -> None:
    """A group without a retry failed, which may be the member of another."""
    flow = facts["flow"]
    if not facts["ok"] and seen.definition.flows[flow].retry is None:
        _expect(seen, "group spares", _spared(seen, seen.shape.outward[flow], None, flow))


def retry_spares(seen: Seen, facts: Facts, slot: int) -> None:
    """The flow of a retry failed for good, which may be the member of a group."""
    flow = seen.definition.atoms[slot].flow
    who = seen.shape.heard(flow)
    if who < -1:
        own = range(*seen.shape.span[flow])
        _expect(seen, "group spares", {*own, *_spared(seen, who, None, flow)})


def _spared(seen: Seen, who: int, atom: int | None, flow: int | None) -> Iterable[int]:
    """What of a group is not begun once a member of it has failed, which is an atom or stands in a flow."""
    if who >= -1:
        return ()
    group, shape = -2 - who, seen.shape
    if _lost(str(seen.definition.flows[group].outcome)):
        return range(*shape.span[group])
    if atom is not None:
        flow = seen.definition.atoms[atom].flow
        if flow == group:
            return ()
    return () if flow is None else range(*shape.span[shape.member(group, flow)])


def _lost(policy: str) -> bool:
    """Whether one failed member decides the verdict."""
    return not VERDICTS[policy][2] and not VERDICTS[policy][3]


def decided(seen: Seen, facts: Facts) -> None:
    """The deciders of a gate answered."""
    if facts.get("raised"):
        return
    gate = seen.definition.gate_at[facts["gate"]]
    known = {(spec.kind, spec.source, spec.name): spec.depth for spec in gate.deciders}
    refused = []
    for kind, source, name, answer in facts["answers"]:
        if (kind, source, name) not in known:
            broken("decider", f"decider {name} answered, and does not stand before {seen.names([gate.first])}")
        if not _has_vote(seen, kind, source):
            broken("decider", f"decider {name} answered, and what it goes by was not run")
        refused += [] if answer else [known[kind, source, name]]
    widest = next((depth for depth in DEPTHS if depth in refused), None)
    if facts.get("depth") != widest:
        broken("decider", f"before {seen.names([gate.first])}: the widest refusal is {widest}, found {facts.get('depth')}")


def _has_vote(seen: Seen, kind: str, source: int) -> bool:
    atoms = range(source, source + 1) if kind == "atom" else range(*seen.shape.span[source])
    return not atoms or any(seen.state.task[atom] is T.SUCCESS for atom in atoms)


def refused(seen: Seen, facts: Facts) -> None:
    """What a refusal reaches has to be passed by next."""
    depth = facts.get("depth")
    if depth is None:
        return
    gate, shape = seen.definition.gate_at[facts["gate"]], seen.shape
    target = set(range(gate.first, gate.last))
    found = set(target)
    if depth in ("ALL", "FLOW"):
        found |= set(bits(shape.reach[gate.node]))
        for atom in target:
            found |= set(bits(shape.behind[atom]))
        if depth == "FLOW":
            first, last = shape.span[gate.flow]
            found = {atom for atom in found if first <= atom < last}
    elif depth == "NEIGHBORS":
        for node in (gate.node, *target):
            found |= set(_direct(seen, node))
    task = seen.state.task
    for retry in [atom for atom in found if seen.definition.atoms[atom].kind == "retry" and task[atom] is T.PENDING]:
        found |= set(range(*shape.of_retry(retry)))
    _expect(seen, "decider", found)


def _direct(seen: Seen, node: int) -> list[int]:
    """The atoms right behind a node, through the invisible ones."""
    found: list[int] = []
    walk = [node]
    while walk:
        for other in seen.definition.after[walk.pop()]:
            if other < seen.state.atoms:
                found.append(other)
            else:
                walk.append(other)
    return found
