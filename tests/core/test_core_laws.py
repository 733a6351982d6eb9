"""What must hold for every flow: generated ones are run to their end, with failures, and their records looked at."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sagalog_play import Play

from sagalog.codec.values import encode
from sagalog.engine.core.decide import EXECUTE, Failed, Recover, Resume, Succeeded
from sagalog.engine.core.state import State
from sagalog.engine.core.states import (
    RUN_MOVES,
    SETTLED_RUN,
    TASK_MOVES,
    RunState,
    TaskState,
    origins,
    run_origins,
)
from sagalog.engine.definition import FunctorTask, Recovery, linear, unordered


@st.composite
def flows(draw: st.DrawFn) -> Any:
    """Nested linear and unordered flows of up to about 20 tasks with drawn priorities and declarations."""
    counter = iter(range(10_000))

    def item(depth: int) -> Any:
        kind = draw(st.sampled_from(["task"] * 3 + ["linear", "unordered"])) if depth else "task"
        name = f"n{next(counter)}"
        if kind == "task":
            options = draw(st.sampled_from([{"revert": lambda: None}, {}, {"compensation": "irreversible"}]))
            recovery = draw(st.sampled_from([Recovery.RERUN, Recovery.SKIP]))
            return FunctorTask(lambda: None, name=name, priority=draw(st.integers(0, 2)), recovery=recovery, **options)
        make = linear if kind == "linear" else unordered
        return make(name).add(*(item(depth - 1) for _ in range(draw(st.integers(0, 4)))))

    root = draw(st.sampled_from([linear, unordered]))
    return root("root").add(*(item(3) for _ in range(draw(st.integers(1, 4)))))


def crash(play: Play) -> None:
    """Lose what was under way, and fold anew what the log has."""
    play.calls.clear()
    play.state = play.refold()
    play.take(Recover(), Resume())
    play.advance()


def to_the_end(play: Play, data: st.DataObject) -> None:
    play.take(Resume())
    play.advance()
    crashes = 0
    while play.calls:
        what = data.draw(st.integers(0, 9))
        if what == 0 and crashes < 4:
            crashes += 1
            crash(play)
            continue
        call = play.calls.pop(data.draw(st.integers(0, len(play.calls) - 1)))
        if what <= 2 and call.kind == EXECUTE:
            play.take(Failed(call, ("ValueError",), b"{}"))
        else:
            play.take(Succeeded(call, encode(call.atom)))
        play.advance()
        assert play.refold() == play.state
        assert State.load(play.definition, play.state.dump()) == play.state


@given(flows(), st.integers(1, 5), st.data())
@settings(max_examples=150, deadline=None)
def test_every_run_ends_and_a_fresh_fold_is_the_live_state_at_every_step(
    flow: Any, capacity: int, data: st.DataObject
) -> None:
    play = Play(flow, capacity)
    to_the_end(play, data)
    assert play.state.run in SETTLED_RUN
    assert play.state.run is not RunState.FAILURE
    ends = [
        draft.type for draft in play.records if draft.type in ("run.success", "run.reverted", "run.reverted_partly")
    ]
    assert len(ends) == 1
    assert not (play.state.running or play.state.reverting or play.state.unknown)


@given(flows(), st.integers(1, 5), st.data())
@settings(max_examples=150, deadline=None)
def test_order_forward_and_back_follows_the_definition(flow: Any, capacity: int, data: st.DataObject) -> None:
    play = Play(flow, capacity)
    to_the_end(play, data)
    before = reachable(play.definition.after, len(play.definition.atoms))
    done: set[int] = set()
    undone: set[int] = set()
    started: set[int] = set()
    for draft in play.records:
        atom = draft.facts.get("atom")
        if draft.type == "task.running":
            assert before[atom] <= done, "started before what it waits for was done"
            started.add(atom)
        elif draft.type == "task.success":
            done.add(atom)
        elif draft.type == "task.reverting":
            assert atom in started, "reverted although it never started"
            after = {other for other in started if atom in before[other]}
            assert after <= undone, "reverted before what came after it"
        elif draft.type == "task.reverted":
            assert atom not in undone, "reverted twice"
            undone.add(atom)
    if play.state.run is RunState.SUCCESS:
        assert done == set(range(len(play.definition.atoms)))
    else:
        assert undone == started, "what ran was not undone"


def reachable(after: tuple[tuple[int, ...], ...], atoms: int) -> list[set[int]]:
    """Per atom the atoms that it waits for, directly or not: the naive closure."""
    before: list[set[int]] = [set() for _ in after]
    changed = True
    while changed:
        changed = False
        for node, successors in enumerate(after):
            for successor in successors:
                more = before[node] | {node}
                if not more <= before[successor]:
                    before[successor] |= more
                    changed = True
    return [{node for node in nodes if node < atoms} for nodes in before[:atoms]]


def test_the_tables_name_every_state_and_every_move_leads_to_a_state() -> None:
    assert set(TASK_MOVES) == set(TaskState)
    assert set(RUN_MOVES) == set(RunState)
    assert all(origins(state) for state in TaskState if state is not TaskState.PENDING)
    assert all(run_origins(state) for state in RunState)
