"""The laws of what a state counts, looked at between two turns: everything is counted anew."""

from __future__ import annotations

from ...engine.core.states import RunState, TaskState
from .broken import broken
from .seen import Seen

T, U = TaskState, RunState
LISTS = {
    T.RUNNING: "running", T.REVERTING: "reverting", T.WAITING: "waiting", T.UNKNOWN: "unknown",
    T.REVERT_UNKNOWN: "lost", T.REVERT_FAILURE: "stuck",
}  # fmt: skip
"""The list of a state in which the slots of a task's state stand."""


def at_most(seen: Seen, capacity: int | None) -> None:
    """Not more is under way than may be."""
    state = seen.state
    under_way = len(state.running) + len(state.reverting)
    if capacity is not None and under_way > capacity:
        broken("capacity", f"{under_way} calls are under way, and at most {capacity} may be")


def top(seen: Seen) -> None:
    """What stands next in the heap may be started."""
    state = seen.state
    if state.ready and state.run is U.RUNNING and state.undo is None:
        first = seen.definition.order[state.ready[0]]
        if not _startable(seen, first):
            broken("ready set", f"{state.name(first)} is next, and may not be started: it is {state.task[first]}")


def heap(seen: Seen) -> None:
    """All that may be started stands in the heap."""
    state, order = seen.state, seen.definition.order
    if state.run is not U.RUNNING or state.undo is not None:
        return
    queued = {order[entry] for entry in state.ready}
    if not (state.halted or state.asked or state.stuck):
        for atom in range(state.atoms):
            if atom not in queued and _startable(seen, atom):
                broken("ready set", f"{state.name(atom)} may be started, and is not in the heap")
    if not state.plain:
        noted = {atom for atom in range(state.atoms) if state.queued[atom]}
        if len(queued) != len(state.ready) or queued != noted:
            broken("ready set", f"in the heap are {seen.names(queued)}; noted are {seen.names(noted)}")


def _startable(seen: Seen, atom: int) -> bool:
    state = seen.state
    if state.waits[atom] or seen.shut(atom):
        return False
    task = state.task[atom]
    return task is T.PENDING or (task is T.RUNNING and atom in state.fans and state.fans[atom].more)


def counted(seen: Seen) -> None:
    """The counters are what can be counted."""
    state, definition = seen.state, seen.definition
    waits = list(definition.fan_in)
    for node, successors in enumerate(definition.after):
        if state.done[node]:
            for other in successors:
                waits[other] -= 1
    if waits != state.waits:
        node = next(node for node, count in enumerate(waits) if count != state.waits[node])
        whose = definition.atoms[node].name if node < state.atoms else f"node {node}"
        broken("counters", f"{whose} is said to wait for {state.waits[node]} more, and it is {waits[node]}")
    left = state.atoms - sum(state.done[: state.atoms])
    if state.open != left:
        broken("counters", f"{state.open} atoms are said to be open, and {left} are")
    _lists(seen)
    if state.fans:
        _fans(seen)


def _lists(seen: Seen) -> None:
    state, atoms, count = seen.state, seen.definition.atoms, len(seen.definition.after)
    found: dict[str, set[int]] = {name: set() for name in LISTS.values()}
    live = {slot for fan in state.fans.values() for slot in range(fan.base, fan.base + fan.count)}
    for slot, task in enumerate(state.task):
        if task is T.PENDING or task is T.SUCCESS or task not in LISTS:
            continue
        whole = slot < state.atoms and atoms[slot].over is not None
        if whole or (slot >= count and slot not in live):
            continue
        # A fan-out that is not reverted element by element leaves what is unknown of it so.
        if task is T.UNKNOWN and state.task[state.atom_of(slot)] is T.REVERTED:
            continue
        found[LISTS[task]].add(slot)  # type: ignore[index]  # a retry's states are those of a task, and RETRYING
    for name, slots in found.items():
        said = set(getattr(state, name))
        if slots != said:
            odd = ", ".join(state.name(slot) for slot in sorted(slots ^ said))
            broken("counters", f"the list {name} and the states of the atoms do not agree on {odd}")


def _fans(seen: Seen) -> None:
    state = seen.state
    spread = {atom for atom in state.fans if state.task[atom] is T.RUNNING}
    if set(state.spread) != spread:
        broken("counters", f"fan-outs under way are {seen.names(spread)}; said are {seen.names(state.spread)}")
    for atom, fan in state.fans.items():
        own, name = state.task[fan.base : fan.base + fan.count], state.name(atom)
        if state.task[atom] is T.RUNNING and state.undo is None and not seen.shut(atom):  # else nobody asks for its verdict
            live = sum(task not in (T.PENDING, T.SUCCESS, T.FAILURE) for task in own)
            counts = live, own.count(T.SUCCESS), own.count(T.FAILURE)
            if (fan.live, fan.ok, fan.errors) != counts:
                said = fan.live, fan.ok, fan.errors
                broken("counters", f"{name}: elements under way, succeeded, failed are said to be {said}, and are {counts}")
        elif state.task[atom] is T.REVERTING:
            left = sum(task not in (T.PENDING, T.REVERTED) for task in own)
            if fan.left != left:
                broken("counters", f"{name}: {fan.left} elements are said to be left to revert, and {left} are")


def remembered(seen: Seen) -> None:
    """Each retry that has run remembers each failure that it is to be asked about, in its last try."""
    state = seen.state
    if state.undo is not None:
        return
    for atom, failure in state.failures.items():
        who = seen.shape.who[atom] if atom < state.atoms else -1
        tries = state.history.get(who) if who >= 0 else None
        # A failure from before its last try is that of an execution which a revert has come back to.
        if tries and failure > tries[-1][0] and tries[-1][1].get(atom) != failure:
            broken("history", f"{seen.names([who])} does not remember the failure of {seen.names([atom])}")
    for retry, tries in state.history.items():
        first, last = seen.shape.of_retry(retry)
        for _, failures in tries:
            for atom in failures:
                if not first <= atom < last:  # its own place stands for a group that failed without any of its atoms
                    broken("history", f"{seen.names([retry])} remembers {seen.names([atom])}, which is not in its flow")
        made = seen.tries.get(retry, 0)
        if len(tries) != made:
            broken("history", f"{seen.names([retry])} remembers {len(tries)} tries, and has made {made}")
