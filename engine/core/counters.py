"""The counters of a state: what may start, as what is before it settles, and what may not, as it is undone again."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from .graph import NOBODY, Definition
from .state import State
from .states import TaskState
from .undo import IGNORED, PENDING, Undo


def initial(definition: Definition) -> State:
    """The state before the first record: everything PENDING, what has no predecessor ready to start."""
    state = State(definition)
    begin(state)
    return state


def begin(state: State) -> None:
    """Make ready what waits for nothing."""
    rank, fan_in = state.rank, state.definition.fan_in
    state.ready = [rank[atom] for atom in range(state.atoms) if not fan_in[atom]]
    for entry in state.ready:
        state.queued[state.definition.order[entry]] = 1
    heapify(state.ready)
    for node in range(state.atoms, len(fan_in)):
        if not fan_in[node]:
            pass_through(state, node)


def settle(state: State, node: int) -> None:
    """Count `node` as met for whatever comes after it; atoms that nothing holds back any more become ready.

    What came to its end before its turn (ignored early, or kept while something before it is run again) counts in its
    turn: so nothing overtakes what it waits for.
    """
    waits, atoms, task = state.waits, state.atoms, state.task
    todo = [node]
    for node in todo:  # grows while it is walked
        state.done[node] = 1
        for successor in state.after[node]:
            left = waits[successor] - 1
            waits[successor] = left
            if left:
                continue
            if successor >= atoms:
                if decided(state, successor):
                    state.gates[successor] = "due"
                else:
                    todo.append(successor)
            elif task[successor] is PENDING or _has_elements(state, successor):
                enqueue(state, successor)
            elif not state.done[successor] and _met(state, successor):
                state.open -= 1
                todo.append(successor)


def unplain(state: State) -> None:
    """From here on the state is no longer a plain one."""
    state.plain = False
    state.queued = bytearray(state.atoms)
    for entry in state.ready:
        state.queued[state.definition.order[entry]] = 1


def _met(state: State, atom: int) -> bool:
    """Whether the atom has come to an end with which what is behind it may start: within a group, any end."""
    task = state.task[atom]
    if task is TaskState.FAILURE:
        return state.definition.asks[atom] < NOBODY
    return task is TaskState.SUCCESS or task is IGNORED or (task is TaskState.REVERTED and closed(state, atom))


def pass_through(state: State, node: int) -> None:
    """An invisible node has all that it waits for: go on behind it, unless something is to be decided there."""
    if decided(state, node):
        state.gates[node] = "due"
    else:
        settle(state, node)


def decided(state: State, node: int) -> bool:
    """Whether something is to be decided at an invisible node: not in a flow whose retry failed, or has given up."""
    gate = state.definition.gate_at.get(node)
    if gate is None:
        return False
    flows = state.definition.flows
    flow: int | None = gate.flow
    while flow is not None:
        retry = flows[flow].retry
        if retry is not None and state.task[retry] is not TaskState.SUCCESS:
            return False
        flow = flows[flow].parent
    return True


def unsettle(state: State, node: int) -> None:
    """Count a settled node as unmet again, and the invisible ones behind it."""
    waits, done = state.waits, state.done
    if node >= state.atoms:
        state.execution[node] += 1  # whoever is just deciding there decides on what is no more
    if not done[node]:
        state.gates.pop(node, None)
        return
    done[node] = 0
    if node < state.atoms:
        state.open += 1
    for successor in state.after[node]:
        if successor >= state.atoms and not waits[successor]:
            unsettle(state, successor)
        waits[successor] += 1


def settled(state: State, atom: int) -> None:
    """An atom is settled, by whatever came of it; where its turn has not come, it will be then."""
    if not state.done[atom] and not state.waits[atom]:
        state.open -= 1
        settle(state, atom)


def closed(state: State, atom: int) -> bool:
    """Whether the atom stands in a flow in which nothing is started now."""
    if not state.regions and not state.dead:
        return False
    spec = state.definition.atoms[atom]
    return shut(state, state.definition.flows[spec.flow].parent if spec.kind == "retry" else spec.flow)


def shut(state: State, flow: int | None) -> bool:
    """Whether the flow is one in which nothing is started now, or stands in one."""
    flows = state.definition.flows
    while flow is not None:
        retry = flows[flow].retry
        if retry is not None and (retry in state.regions or retry in state.dead):
            return True
        flow = flows[flow].parent
    return False


def tidy(state: State) -> None:
    """Take from the top of the ready heap what may not start, so that what stands there may."""
    ready, order = state.ready, state.definition.order
    while ready:
        atom = order[ready[0]]
        if not state.waits[atom] and (state.task[atom] is PENDING or _has_elements(state, atom)):
            if not closed(state, atom):
                return
            state.parked.append(atom)
        heappop(ready)
        state.queued[atom] = 0


def _has_elements(state: State, atom: int) -> bool:
    fan = state.fans.get(atom)
    return fan is not None and fan.more and state.task[atom] is TaskState.RUNNING


def reopen(state: State) -> None:
    """Some flow is not closed any more: what stood in it may start, where it still may."""
    parked, state.parked = state.parked, []
    for atom in parked:
        enqueue(state, atom)
    tidy(state)


def enqueue(state: State, atom: int) -> None:
    """Put an atom into the ready heap; `tidy` takes it out again where it may not start."""
    if not state.queued[atom]:
        state.queued[atom] = 1
        heappush(state.ready, state.rank[atom])


def recount(state: State) -> None:
    """Compute all counters anew from the states of the atoms: after a person has put some back."""
    definition = state.definition
    state.waits = list(definition.fan_in)
    state.done = bytearray(len(definition.after))
    state.queued = bytearray(state.atoms)
    state.ready, state.parked, state.gates = [], [], {}
    state.open = state.atoms
    begin(state)
    for atom in range(state.atoms):
        if _met(state, atom):
            settled(state, atom)
        elif _has_elements(state, atom):
            enqueue(state, atom)
    for node in iter(lambda: next((node for node in state.gates if _passed(state, node)), None), None):
        del state.gates[node]
        settle(state, node)
    tidy(state)


def _passed(state: State, node: int) -> bool:
    """Whether what is behind the gate was started before, so that it was passed."""
    gate = state.definition.gate_at[node]
    return gate.kind == "decider" and any(state.execution[atom] for atom in range(gate.first, gate.last))


def heard(state: State, retry: int) -> int:
    """Who is told that the flow of a retry is undone alone: the nearest group around it (-2 - flow), or nobody.

    The retries in between have been asked, and had no other answer.
    """
    atoms, beyond = state.definition.atoms, state.definition.beyond
    who = beyond[atoms[retry].flow]
    while who >= 0:
        who = beyond[atoms[who].flow]
    return who


def forget(state: State, atom: int) -> None:
    """Put an atom back to PENDING: nothing of its last execution counts any more."""
    fan = state.fans.pop(atom, None)
    if fan is not None and fan.count:  # its next elements are other executions than these, which may have been more
        slots = range(fan.base, fan.base + fan.count)
        state.execution[atom] = max(state.execution[atom], *(next_execution(state, slot) - 1 for slot in slots))
    for slot in [atom] if fan is None else [atom, *range(fan.base, fan.base + fan.count)]:
        if slot != atom:  # its slot is never used again
            state.earlier.pop(slot, None)
            state.counted.pop(slot, None)
        state.task[slot] = PENDING
        state.result[slot] = 0
        for kept in (
            state.failures, state.revert_result, state.outcome, state.progress, state.stuck, state.waiting, state.overdue,
            state.running, state.reverting, state.unknown, state.lost, state.asked, state.unresolved, state.halted,
            state.opening, state.spread, state.full,
        ):  # fmt: skip
            kept.pop(slot, None)
    state.history.pop(atom, None)
    state.dead.pop(atom, None)


def keep(state: State, slot: int) -> None:
    """Remember an execution that is put aside without being undone: a revert has to come back to it."""
    task = state.task[slot]
    if task in (PENDING, TaskState.IGNORED, TaskState.REVERTED):
        return
    failed = TaskState.FAILURE if slot in state.failures else TaskState.SUCCESS
    was = TaskState.UNKNOWN if task is TaskState.UNKNOWN else failed
    state.earlier.setdefault(slot, []).append((state.execution[slot], state.result[slot], str(was)))


def come_back(state: State, slot: int) -> bool:
    """The execution before the present one, if that was never undone, is the next to be reverted; whether there is one."""
    entries = state.earlier.get(slot)
    if not entries:
        return False
    state.counted[slot] = max(state.counted.get(slot, 0), state.execution[slot])
    state.execution[slot], state.result[slot], was = entries.pop()
    if not entries:
        del state.earlier[slot]
    state.task[slot] = TaskState(was)
    state.failures.pop(slot, None)
    if state.task[slot] is TaskState.FAILURE:
        state.failures[slot] = state.result[slot]
    elif state.task[slot] is TaskState.UNKNOWN:
        state.unknown[slot] = None
    return True


def next_execution(state: State, slot: int) -> int:
    """The number of a slot's next execution: none is ever used twice."""
    return max(state.execution[slot], state.counted.get(slot, 0)) + 1


def undo_of(state: State, roots: list[int], first: int, last: int) -> Undo:
    """The way back over what was touched behind `roots`, among the atoms from `first` to before `last`."""
    # What was put back by a person, or passed by, must not hide what stands behind it.
    holes = state.lacking or bool(state.earlier)
    for slot in list(state.earlier):  # it is reverted too
        if first <= state.atom_of(slot) < last and state.task[slot] in (PENDING, TaskState.IGNORED):
            come_back(state, slot)
    undo = Undo(state.definition, state.task)
    atoms, task, done, waits = state.atoms, state.task, state.done, state.waits

    def touched(node: int) -> bool:
        if node < atoms:
            return first <= node < last and (holes or task[node] is not PENDING)
        return holes or bool(done[node]) or not waits[node]

    undo.find(roots, touched)
    for node in undo.nodes:
        if task[node] is TaskState.REVERTING and node in state.fans:
            fan = state.fans[node]
            undo.elements(node, fan.back > 0, fan.left)
    return undo
