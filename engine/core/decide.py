"""`decide(state, input)`: what happens next, as records to append and calls to make, in order.

The core's contract is three functions: `initial(definition)`, `decide(state, input)` and `evolve(state, record)`.
`decide` reads the state and changes nothing. It yields one record at a time and **goes on only after that record
has been folded**, so that a batch is decided against the state it leads to:

    for step in decide(state, input):
        if isinstance(step, Draft): evolve(state, state.version + 1, step.type, step.facts)

A `Call` that runs a task, or reverts one, follows the record of its intent, and may be made only once that record is
durable (law 2). Questions (`inputs.QUESTIONS`) have no such record: they are given again until their answer is there.

Here is what the inputs of a run under way mean; how it goes on after a stop is in `going`, what a person may do in
`operator`, who is asked about a failure in `resolution`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..definition.deciders import Depth
from ..definition.decision import Decision
from . import going, operator
from . import records as r
from .forward import backward, forward, undone
from .groups import refuse, spoil
from .inputs import (
    DECIDE,
    DID_NOT_HAPPEN,
    DONT_KNOW,
    EXECUTE,
    EXPAND,
    HAPPENED,
    ON_FAILURE,
    PROBE,
    PROBE_REVERT,
    QUESTIONS,
    REVERT,
    Aborted,
    Advance,
    Amend,
    Call,
    Consulted,
    Decided,
    Expanded,
    Expired,
    Failed,
    Fired,
    Input,
    Probed,
    Progressed,
    Recover,
    Reset,
    Restore,
    Resume,
    RetryRevert,
    Revert,
    SkipRevert,
    Succeeded,
    Suspend,
)
from .operator import may_revert, may_suspend, reverts_left
from .parts import Step, of_slot
from .records import Draft, of_atom
from .resolution import meaning, resolve
from .state import State
from .states import RunState, TaskState

__all__ = [
    "DECIDE", "DID_NOT_HAPPEN", "DONT_KNOW", "EXECUTE", "EXPAND", "HAPPENED", "ON_FAILURE", "PROBE", "PROBE_REVERT",
    "QUESTIONS", "REVERT", "Aborted", "Advance", "Amend", "Call", "Consulted", "Decided", "Expanded", "Expired", "Failed",
    "Fired", "Input", "Probed", "Progressed", "Recover", "Reset", "Restore", "Resume", "RetryRevert", "Revert",
    "SkipRevert", "Step", "Succeeded", "Suspend", "decide", "may_revert", "may_suspend", "reverts_left",
]  # fmt: skip

U, T = RunState, TaskState
OVER = (U.SUCCESS, U.REVERTED, U.REVERTED_PARTLY, U.ABANDONED)


def decide(state: State, input: Input) -> Iterator[Step]:
    """What follows from `input`; see the module's text for how to consume it."""
    return _DECIDERS[type(input)](state, input)


def _advance(state: State, input: Advance) -> Iterator[Step]:
    limit = len(state.running) + len(state.reverting) + input.room
    if state.run is U.RUNNING:
        return forward(state, limit)
    if state.run is U.REVERTING:
        return backward(state, limit)
    return _rest(state)


def _rest(state: State) -> Iterator[Step]:
    if state.run is U.SUSPENDING and not state.running and not state.reverting:
        yield Draft(r.RUN_SUSPENDED, {})


def _succeeded(state: State, input: Succeeded) -> Iterator[Step]:
    call, value = input
    kind, atom, execution, attempt, instance = call
    if kind != EXECUTE:
        slot = state.slot(atom, instance)
        draft = of_slot(state, r.TASK_REVERTED, slot, execution, attempt, value, outcome="reverted")
    elif state.plain:
        draft = of_atom(r.TASK_SUCCESS, atom, execution, attempt, value)
    else:
        draft = of_slot(state, r.TASK_SUCCESS, state.slot(atom, instance), execution, attempt, value)
    return iter((draft,))  # one step: half the cost of a generator


def _failed(state: State, input: Failed) -> Iterator[Step]:
    call, classes, value = input.call, list(input.classes), input.value
    if call.kind in (PROBE, PROBE_REVERT):
        yield from going.unanswered(state, call, value)
    elif call.kind == ON_FAILURE:
        if not _late(state, call):
            yield _answer(state, call, value, decision=None, done="raised", classes=classes)
    elif call.kind == DECIDE:
        if _asked_of(state, call):
            yield Draft(r.DECIDER_ANSWERED, {"gate": call.atom, "answers": [], "raised": True, "classes": classes}, value)
    elif call.kind == EXPAND:
        if _wanted(state, call):
            yield from _fails(state, call.atom, call, classes, value)
    elif call.kind == EXECUTE:
        slot = state.slot(call.atom, call.instance)
        if input.due is not None and not undone(state, slot):
            yield from _again(state, slot, input)
        else:
            yield from _fails(state, slot, call, classes, value, **(input.facts or {}))
    else:
        slot = state.slot(call.atom, call.instance)
        more = input.facts or {}
        yield of_slot(
            state, r.TASK_REVERT_FAILURE, slot, call.execution, call.attempt, value, classes=classes, **more
        )


def _fails(state: State, slot: int, call: Call, classes: list[str], value: bytes | None, **more: Any) -> Iterator[Step]:
    yield of_slot(state, r.TASK_FAILURE, slot, call.execution, call.attempt, value, classes=classes, **more)
    if slot < state.atoms:
        yield from spoil(state, slot, state.definition.asks[slot])


def _again(state: State, slot: int, input: Failed) -> Iterator[Step]:
    """Its policy has the attempt made again, now or later."""
    call, due = input.call, input.due
    facts = {"classes": list(input.classes), "cause": "policy", "due": due, **(input.facts or {})}
    yield of_slot(state, r.TASK_WAITING, slot, call.execution, call.attempt, input.value, **facts)
    if input.at_once and state.run is U.RUNNING:
        yield of_slot(state, r.TASK_RUNNING, slot, call.execution, call.attempt + 1)
        yield call._replace(attempt=call.attempt + 1)
        return
    of = {"atom": call.atom} if call.instance is None else {"atom": call.atom, "instance": call.instance}
    yield Draft(r.TIMER_SET, {"timer": state.version + 1, **of, "due": due})


def _expired(state: State, input: Expired) -> Iterator[Step]:
    call = input.call
    slot = state.slot(call.atom, call.instance)
    yield of_slot(state, r.TASK_REVERTED, slot, call.execution, call.attempt, outcome="not_revertible", expired=True)


def _aborted(state: State, input: Aborted) -> Iterator[Step]:
    call, cause = input
    slot = state.slot(call.atom, call.instance)
    if call.kind == EXECUTE and undone(state, slot):  # nothing is executed again just to be reverted
        yield from _fails(state, slot, call, [], None, cause=cause)
        return
    again = call._replace(attempt=call.attempt + 1)
    before, after = (
        (r.TASK_WAITING, r.TASK_RUNNING) if call.kind == EXECUTE else (r.TASK_REVERT_FAILURE, r.TASK_REVERTING)
    )
    yield of_slot(state, before, slot, call.execution, call.attempt, cause=cause)
    if state.run is not U.SUSPENDING:  # else when it is resumed
        yield of_slot(state, after, slot, call.execution, again.attempt)
        yield again


def _consulted(state: State, input: Consulted) -> Iterator[Step]:
    done = meaning(state, input.call.atom, Decision(input.decision))
    if _late(state, input.call):
        return
    yield _answer(state, input.call, None, decision=input.decision, **done)
    yield from resolve(state) if state.run is U.RUNNING else ()


def _late(state: State, call: Call) -> bool:
    """Whether a retry answers when nobody listens any more: the run is over, or the retry has been executed anew."""
    return state.run in OVER or state.execution[call.atom] != call.execution


def _wanted(state: State, call: Call) -> bool:
    """Whether the list of a fan-out is still to be read."""
    return call.atom in state.opening and state.execution[call.atom] == call.execution


def _answer(state: State, call: Call, value: bytes | None, **more: Any) -> Draft:
    """The record of a consultation: who was asked, about what, having seen how much, and what is done about it."""
    region, tries = state.regions.get(call.atom), state.history.get(call.atom, [])
    seen = {"failed": None if region is None else region.failed, "tries": len(tries), "through": state.version}
    return of_atom(r.RETRY_CONSULTED, call.atom, call.execution, call.attempt, value, **seen, **more)


def _decided(state: State, input: Decided) -> Iterator[Step]:
    node = input.call.atom
    if not _asked_of(state, input.call):
        return
    gate = state.definition.gate_at[node]
    asked = gate.deciders
    answers = [[asked[place].kind, asked[place].source, asked[place].name, answer] for place, answer in input.answers]
    facts: dict[str, Any] = {"gate": node, "answers": answers}
    depths = [asked[place].depth for place, answer in input.answers if not answer]
    if not depths:
        yield Draft(r.DECIDER_ANSWERED, facts)
        return
    widest = next(depth.value for depth in Depth if depth in depths)
    yield Draft(r.DECIDER_ANSWERED, {**facts, "depth": widest})
    yield from refuse(state, gate, widest)


def _asked_of(state: State, call: Call) -> bool:
    """Whether a gate still awaits this answer: nothing that it was about has been undone since."""
    due = state.gates.get(call.atom) == "due" and state.undo is None
    return due and call.execution == 1 + state.execution[call.atom]


def _expanded(state: State, input: Expanded) -> Iterator[Step]:
    atom = input.call.atom
    if not _wanted(state, input.call):
        return
    execution, first = state.execution[atom], 0
    for count, elements in input.chunks:
        yield Draft(r.EACH_ELEMENTS, {"atom": atom, "execution": execution, "first": first, "count": count}, elements)
        first += count
    yield Draft(r.EACH_OPENED, {"atom": atom, "execution": execution, "count": first})


def _fired(state: State, input: Fired) -> Iterator[Step]:
    if input.timer not in state.timers:
        return
    slot, _ = state.timers[input.timer]
    if state.run is U.WAITING and slot >= 0:
        yield Draft(r.RUN_RUNNING, {"cause": "timer"})
    of = {} if slot < 0 else {"atom": state.atom_of(slot), "instance": state.instance(slot)}
    yield Draft(r.TIMER_FIRED, {"timer": input.timer, **{name: value for name, value in of.items() if value is not None}})
    if slot < 0 and state.run in (U.RUNNING, U.WAITING):
        yield Draft(r.RUN_REVERTING, {"cause": "timeout", "atoms": []})


def _progressed(state: State, input: Progressed) -> Iterator[Step]:
    call = input.call
    slot = state.found(call.atom, call.instance)
    if slot is not None and slot in state.running and state.attempt[slot] == call.attempt:
        facts = of_slot(state, r.TASK_PROGRESS, slot, call.execution, call.attempt, progress=input.fraction).facts
        yield Draft(r.TASK_PROGRESS, facts, input.value)  # a retry's too


_DECIDERS: dict[type, Callable[[State, Any], Iterator[Step]]] = {
    Advance: _advance,
    Succeeded: _succeeded,
    Failed: _failed,
    Expired: _expired,
    Aborted: _aborted,
    Probed: going.probed,
    Consulted: _consulted,
    Decided: _decided,
    Expanded: _expanded,
    Fired: _fired,
    Progressed: _progressed,
    Recover: going.recover,
    Resume: going.resume,
    Suspend: operator.suspend,
    Revert: operator.revert,
    Restore: going.restore,
    Reset: going.reset,
    Amend: operator.amend,
    RetryRevert: operator.retry_revert,
    SkipRevert: operator.skip_revert,
}
