"""What must hold for every flow: generated ones are run to their end, with failures, and their records looked at."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sagalog_play import Play

from sagalog.codec.values import encode
from sagalog.engine.core.decide import (
    EXECUTE,
    PROBE,
    PROBE_REVERT,
    Failed,
    Probed,
    Recover,
    Resume,
    Revert,
    Succeeded,
    Suspend,
)
from sagalog.engine.core.state import State
from sagalog.engine.core.states import (
    RUN_MOVES,
    TASK_MOVES,
    RunState,
    TaskState,
    origins,
    run_origins,
)
from sagalog.engine.definition import FunctorTask, Recovery, happened, linear, unordered

ENDS = (RunState.SUCCESS, RunState.REVERTED, RunState.REVERTED_PARTLY)


@st.composite
def flows(draw: st.DrawFn) -> Any:
    """Nested linear and unordered flows of up to about 20 tasks with drawn priorities and declarations."""
    counter = iter(range(10_000))

    def item(depth: int) -> Any:
        kind = draw(st.sampled_from(["task"] * 3 + ["linear", "unordered"])) if depth else "task"
        name = f"n{next(counter)}"
        if kind == "task":
            options = draw(st.sampled_from([{"revert": lambda: None}, {}, {"compensation": "irreversible"}]))
            recovery = draw(st.sampled_from([Recovery.RERUN, Recovery.SKIP, Recovery.PROBE, Recovery.ASK]))
            if recovery is Recovery.PROBE:
                options = {**options, "probe": lambda: happened()}
            if "revert" in options:
                back = draw(st.sampled_from([Recovery.RERUN, Recovery.PROBE]))
                more = {"probe_revert": lambda: happened()} if back is Recovery.PROBE else {}
                options = {**options, **more, "revert_recovery": back}
            return FunctorTask(lambda: None, name=name, priority=draw(st.integers(0, 2)), recovery=recovery, **options)
        make = linear if kind == "linear" else unordered
        return make(name).add(*(item(depth - 1) for _ in range(draw(st.integers(0, 4)))))

    root = draw(st.sampled_from([linear, unordered]))
    return root("root").add(*(item(3) for _ in range(draw(st.integers(1, 4)))))


def crash(play: Play, wish: str) -> None:
    """Lose what was under way, fold anew what the log has, and go on, or have a person suspend or revert it."""
    play.calls.clear()
    play.state = play.refold()
    wishes = {"resume": [Resume()], "suspend": [Suspend({}, None)], "revert": [Revert({}, None), Resume()]}
    play.take(Recover(), *wishes[wish])
    go(play)


def go(play: Play) -> None:
    """Start what may start, as the drive does: not while probes are out."""
    if not any(call.kind in (PROBE, PROBE_REVERT) for call in play.calls):
        play.advance()


def to_the_end(play: Play, data: st.DataObject) -> None:
    """Until the run has ended. After four crashes nothing bad happens any more, and a person has the last word."""
    play.take(Resume())
    go(play)
    crashes = 0
    while play.state.run not in ENDS:
        calm = crashes >= 4
        what = data.draw(st.integers(0, 11))
        if not play.calls or (what == 0 and not calm):
            crashes += 1
            crash(play, "revert" if calm else data.draw(st.sampled_from(["resume", "suspend", "revert"])))
            continue
        call = play.calls.pop(data.draw(st.integers(0, len(play.calls) - 1)))
        if call.kind in (PROBE, PROBE_REVERT):
            answer = "happened" if calm else data.draw(st.sampled_from(["happened", "did_not_happen", "dont_know"]))
            play.take(Probed(call, answer, encode(1) if answer == "happened" else None))
        elif what <= 2 and (call.kind == EXECUTE or not calm):
            play.take(Failed(call, ("ValueError",), b"{}"))
        else:
            play.take(Succeeded(call, encode(call.atom)))
        if what == 11 and not calm:
            play.take(Suspend({}, None))
        go(play)
        assert play.refold() == play.state
        assert State.load(play.definition, play.state.dump()) == play.state


@given(flows(), st.integers(1, 5), st.data())
@settings(max_examples=150, deadline=None)
def test_every_run_ends_and_a_fresh_fold_is_the_live_state_at_every_step(
    flow: Any, capacity: int, data: st.DataObject
) -> None:
    play = Play(flow, capacity)
    to_the_end(play, data)
    ends = [draft.type for draft in play.records if draft.type in ("run.success", "run.reverted", "run.reverted_partly")]
    assert len(ends) == 1
    state = play.state
    assert not (state.running or state.reverting or state.unknown or state.lost or state.stuck)
    if state.run is not RunState.SUCCESS:
        assert set(state.task) <= {TaskState.PENDING, TaskState.REVERTED}


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
