"""`decide(state, input)`: what happens next, as records to append and calls to make, in order.

The core's contract is three functions: `initial(definition)`, `decide(state, input)` and `evolve(state, record)`.
`decide` reads the state and changes nothing. It yields one record at a time and **goes on only after that record
has been folded**, so that a batch is decided against the state it leads to:

    for step in decide(state, input):
        if isinstance(step, Draft): evolve(state, state.version + 1, step.type, step.facts)

A `Call` follows the record of its intent. It may be made only once that record is durable (law 2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from . import records as r
from .records import Draft, of_atom
from .resolution import resolve
from .state import State
from .states import RunState, TaskState

EXECUTE, REVERT, PROBE, PROBE_REVERT = "execute", "revert", "probe", "probe_revert"
HAPPENED, DID_NOT_HAPPEN, DONT_KNOW = "happened", "did_not_happen", "dont_know"
U, T = RunState, TaskState


class Call(NamedTuple):
    """User code to be run: `kind` is execute, revert, probe or probe_revert; execution and attempt count from 1."""

    kind: str
    atom: int
    execution: int
    attempt: int


Step = Draft | Call


class Advance(NamedTuple):
    """Start what may start: at most `room` atoms more."""

    room: int


class Succeeded(NamedTuple):
    """A call's code returned; `value` is its encoded result."""

    call: Call
    value: bytes


class Failed(NamedTuple):
    """A call's code raised; `classes` are the names of the exception's class and its bases, nearest first."""

    call: Call
    classes: tuple[str, ...]
    value: bytes


class Expired(NamedTuple):
    """The time in which a task could be reverted has passed; its revert was not called."""

    call: Call


class Aborted(NamedTuple):
    """A transactional call was rolled back by the database, through no fault of its own; `cause` is the SQLSTATE."""

    call: Call
    cause: str


class Probed(NamedTuple):
    """A probe answered happened (with the encoded value), did_not_happen or dont_know."""

    call: Call
    answer: str
    value: bytes | None


class Recover(NamedTuple):
    """The run has a new owner: the outcome of whatever was under way is unknown now."""


class Resume(NamedTuple):
    """Go on: begin, leave a suspension, try what is stuck once more, settle what is unknown."""


class Suspend(NamedTuple):
    """Let running atoms finish and start nothing new."""

    facts: dict[str, Any]
    value: bytes | None


class Revert(NamedTuple):
    """A person wants the run compensated."""

    facts: dict[str, Any]
    value: bytes | None


Input = Advance | Succeeded | Failed | Expired | Aborted | Probed | Recover | Resume | Suspend | Revert


def decide(state: State, input: Input) -> Iterator[Step]:
    """What follows from `input`; see the module's text for how to consume it."""
    return _DECIDERS[type(input)](state, input)


def _advance(state: State, input: Advance) -> Iterator[Step]:
    if state.run is U.RUNNING:
        return _forward(state, input.room)
    if state.run is U.REVERTING:
        return _backward(state, input.room)
    return _rest(state)


def _rest(state: State) -> Iterator[Step]:
    if state.run is U.SUSPENDING and not state.running:
        yield Draft(r.RUN_SUSPENDED, {})


def _forward(state: State, room: int) -> Iterator[Step]:
    definition = state.definition
    if state.failures:
        yield from resolve(state)
        yield from _backward(state, room)
        return
    for atom in [*state.unknown, *state.waiting]:
        yield from _again(state, atom)
    order, ready = definition.order, state.ready
    while room > 0 and ready:
        atom = order[ready[0]]
        execution = state.execution[atom] + 1
        yield of_atom(r.TASK_RUNNING, atom, execution, 1)
        yield Call(EXECUTE, atom, execution, 1)
        room -= 1
    if not state.open:
        yield Draft(r.RUN_SUCCESS, {})


def _again(state: State, atom: int) -> Iterator[Step]:
    """An atom whose outcome nobody knows, or that was rolled back: run it once more, or pass it by."""
    execution, attempt = state.execution[atom], state.attempt[atom]
    if state.task[atom] is T.UNKNOWN and state.definition.atoms[atom].recovery == "SKIP":
        yield of_atom(r.TASK_SUCCESS, atom, execution, attempt, skipped=True)
        return
    yield of_atom(r.TASK_RUNNING, atom, execution, attempt + 1)
    yield Call(EXECUTE, atom, execution, attempt + 1)


def _backward(state: State, room: int) -> Iterator[Step]:
    if state.running:
        return
    if state.stuck or state.asked:
        if not state.reverting:
            cause = "revert_failure" if state.stuck else "ask"
            yield Draft(r.RUN_FAILURE, {"cause": cause, "atoms": list(state.stuck or state.asked)})
        return
    if state.lost:
        yield from _unknowns(state)
        return
    undo = state.undo
    while room > 0 and undo is not None and undo.ready:
        atom = -undo.ready[0][1]
        steps = _revert_one(state, atom)
        yield from steps
        room -= isinstance(steps[-1], Call)
    if undo is not None and not undo.ready and not state.reverting and not state.unknown:
        stayed = [atom for atom, outcome in state.outcome.items() if outcome == "not_revertible"]
        if stayed:
            yield Draft(r.RUN_REVERTED_PARTLY, {"atoms": stayed})
        else:
            yield Draft(r.RUN_REVERTED, {})


def _revert_one(state: State, atom: int) -> list[Step]:
    """The start of one atom's revert, and its end too where no code is to be run for it."""
    spec, execution = state.definition.atoms[atom], state.execution[atom]
    begin = of_atom(r.TASK_REVERTING, atom, execution, 1)
    if spec.compensation == "revert":
        return [begin, Call(REVERT, atom, execution, 1)]
    if spec.compensation == "irreversible" and state.task[atom] is not T.FAILURE:
        return [begin, of_atom(r.TASK_REVERTED, atom, execution, 1, outcome="not_revertible")]
    nothing = of_atom(r.TASK_REVERTED, atom, execution, 1, outcome="nothing_to_revert")
    if spec.compensation == "undeclared":
        nothing.facts["undeclared"] = True
    return [begin, nothing]


def _succeeded(state: State, input: Succeeded) -> Iterator[Step]:
    call, value = input
    if call.kind == EXECUTE:
        yield of_atom(r.TASK_SUCCESS, call.atom, call.execution, call.attempt, value)
    else:
        yield of_atom(r.TASK_REVERTED, call.atom, call.execution, call.attempt, value, outcome="reverted")


def _failed(state: State, input: Failed) -> Iterator[Step]:
    call, classes, value = input
    if call.kind in (PROBE, PROBE_REVERT):
        yield from _unanswered(state, call, value)
        return
    type = r.TASK_FAILURE if call.kind == EXECUTE else r.TASK_REVERT_FAILURE
    yield of_atom(type, call.atom, call.execution, call.attempt, value, classes=list(classes))


def _expired(state: State, input: Expired) -> Iterator[Step]:
    _, atom, execution, attempt = input.call
    yield of_atom(r.TASK_REVERTED, atom, execution, attempt, outcome="not_revertible", expired=True)


def _aborted(state: State, input: Aborted) -> Iterator[Step]:
    call, cause = input
    again = call._replace(attempt=call.attempt + 1)
    if call.kind == EXECUTE:
        yield of_atom(r.TASK_WAITING, call.atom, call.execution, call.attempt, cause=cause)
        yield of_atom(r.TASK_RUNNING, call.atom, call.execution, again.attempt)
    else:
        yield of_atom(r.TASK_REVERT_FAILURE, call.atom, call.execution, call.attempt, cause=cause)
        yield of_atom(r.TASK_REVERTING, call.atom, call.execution, again.attempt)
    yield again


def _recover(state: State, input: Recover) -> Iterator[Step]:
    for atom in list(state.running):
        yield of_atom(r.TASK_UNKNOWN, atom, state.execution[atom], state.attempt[atom])
    for atom in list(state.reverting):
        yield of_atom(r.TASK_REVERT_UNKNOWN, atom, state.execution[atom], state.attempt[atom])


def _resume(state: State, input: Resume) -> Iterator[Step]:
    if state.run is U.PENDING:
        yield Draft(r.RUN_RUNNING, {})
        return
    if state.run is U.FAILURE and state.cause == "revert_failure":
        yield Draft(r.RUN_REVERTING, {"cause": "resumed"})
        yield from _stuck_again(state)
    if state.run is U.SUSPENDING:
        yield Draft(r.RUN_SUSPENDED, {})
    if state.run is U.SUSPENDED:
        yield Draft(r.RUN_REVERTING if state.undo else r.RUN_RUNNING, {"cause": "resumed"})
    if state.run is U.RUNNING and state.failures:
        yield from resolve(state)  # what is unknown then is not executed again just to be reverted
    if state.run in (U.RUNNING, U.REVERTING):
        yield from _unknowns(state)


def _stuck_again(state: State) -> Iterator[Step]:
    for atom in list(state.stuck):
        yield from _revert_again(state, atom)


def _unknowns(state: State) -> Iterator[Step]:
    """Ask what can be asked about atoms whose outcome is unknown; stop the run where only a person can tell."""
    atoms, back = state.definition.atoms, state.run is U.REVERTING
    ask = [atom for atom in state.unknown if atoms[atom].recovery == "ASK" and state.cause != "operator"]
    lost = list(state.lost) if back else []
    ask += [atom for atom in lost if atoms[atom].revert_recovery == "ASK"]
    if ask:
        yield Draft(r.RUN_FAILURE, {"cause": "ask", "atoms": ask})
        return
    for atom in state.unknown:
        if atoms[atom].recovery == "PROBE":
            yield Call(PROBE, atom, state.execution[atom], state.attempt[atom])
    for atom in lost:
        if atoms[atom].revert_recovery == "PROBE":
            yield Call(PROBE_REVERT, atom, state.execution[atom], state.attempt[atom])
        else:
            yield from _revert_again(state, atom)


def _revert_again(state: State, atom: int) -> Iterator[Step]:
    execution, attempt = state.execution[atom], state.attempt[atom] + 1
    yield of_atom(r.TASK_REVERTING, atom, execution, attempt)
    yield Call(REVERT, atom, execution, attempt)


def _probed(state: State, input: Probed) -> Iterator[Step]:
    call, answer, value = input
    _, atom, execution, attempt = call
    if answer == DONT_KNOW:
        yield from _unanswered(state, call)
    elif call.kind == PROBE_REVERT:
        if answer == HAPPENED:
            yield of_atom(r.TASK_REVERTED, atom, execution, attempt, value, outcome="reverted", probed=True)
        else:
            yield from _revert_again(state, atom)
    elif answer == HAPPENED:
        yield of_atom(r.TASK_SUCCESS, atom, execution, attempt, value, probed=True)
    elif state.run is U.RUNNING:
        yield from _again(state, atom)
    elif state.run is U.REVERTING:
        yield of_atom(r.TASK_REVERTING, atom, execution, 1)
        yield of_atom(r.TASK_REVERTED, atom, execution, 1, outcome="nothing_to_revert", probed=True)


def _unanswered(state: State, call: Call, value: bytes | None = None) -> Iterator[Step]:
    """A probe could not tell (`value`: it raised, described). Forward, and for a revert, a person has to; a person who
    reverts has spoken already.
    """
    settled_by_person = call.kind == PROBE and state.run is U.REVERTING and state.cause == "operator"
    if state.run in (U.RUNNING, U.REVERTING) and not settled_by_person:
        yield Draft(r.RUN_FAILURE, {"cause": "ask", "atoms": [call.atom]}, value)


def _suspend(state: State, input: Suspend) -> Iterator[Step]:
    if state.run is U.PENDING:
        yield Draft(r.RUN_RUNNING, {})
    if state.run is U.RUNNING:
        yield Draft(r.RUN_SUSPENDING, input.facts, input.value)


def _revert(state: State, input: Revert) -> Iterator[Step]:
    if state.run is U.PENDING:
        yield Draft(r.RUN_RUNNING, {})
    if state.run is U.SUSPENDING and not state.running:
        yield Draft(r.RUN_SUSPENDED, {})
    if state.run is not U.PENDING and may_revert(state):
        yield Draft(r.RUN_REVERTING, {"cause": "operator", **input.facts}, input.value)
        yield from _stuck_again(state)


def may_revert(state: State) -> bool:
    """Whether a person may have the run reverted as it is now."""
    if state.run is U.SUSPENDING:
        return not state.running
    return state.run in (U.PENDING, U.RUNNING, U.WAITING, U.SUSPENDED, U.SUCCESS, U.FAILURE)


def may_suspend(state: State) -> bool:
    """Whether a person may have the run suspended as it is now."""
    return state.run in (U.PENDING, U.RUNNING)


def reverts_left(state: State) -> list[int]:
    """The atoms that ran and are not reverted, in the order of the definition: what a revert needs the code of."""
    return [atom for atom, task in enumerate(state.task) if task not in (T.PENDING, T.IGNORED, T.REVERTED)]


_DECIDERS: dict[type, Callable[[State, Any], Iterator[Step]]] = {
    Advance: _advance,
    Succeeded: _succeeded,
    Failed: _failed,
    Expired: _expired,
    Aborted: _aborted,
    Probed: _probed,
    Recover: _recover,
    Resume: _resume,
    Suspend: _suspend,
    Revert: _revert,
}
