"""Law 10: a state can be laid down and taken up at any record, and goes on as if nothing had been."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sagalog_play import Play

from sagalog.engine.core.counters import initial
from sagalog.engine.core.decide import (
    DECIDE,
    EXECUTE,
    EXPAND,
    ON_FAILURE,
    Aborted,
    Progressed,
    Recover,
    Restore,
    Resume,
    Revert,
    Suspend,
)
from sagalog.engine.core.evolve import evolve, fold
from sagalog.engine.core.region import Fan, Region
from sagalog.engine.core.state import SELDOM, State
from sagalog.engine.core.states import RunState
from sagalog.engine.core.undo import Undo
from sagalog.engine.definition import AlwaysRevert, FunctorTask, Recovery, each, graph, linear, unordered
from sagalog.errors import CorruptLog


def task(name: str, **options: Any) -> FunctorTask:
    options.setdefault("revert", lambda: None)
    return FunctorTask(lambda: None, name=name, **options)


def refuses_to_revert(play: Play) -> None:
    """Priorities, something irreversible, a failure, a failed revert, another try."""
    play.take(Resume())
    play.advance()
    while not any(call.atom == 5 for call in play.calls):
        play.succeed()
    play.fail()
    while play.state.stuck == {} and play.calls:
        play.fail() if play.calls[0].kind == "revert" and len(play.calls) == 1 else play.succeed()
    play.take(Recover(), Resume())
    play.advance()
    while play.calls:
        play.succeed()


def is_cut_short(play: Play) -> None:
    """Suspended with a reason, crashed in the middle, broken off by the database, asked about, reverted by a person."""
    play.take(Resume())
    play.advance()
    play.take(Aborted(play.next(), "40001"))
    play.take(Suspend({"reason": True}, b"{}"))
    play.calls.clear()
    play.take(Recover(), Resume())
    play.advance()
    while play.calls and play.state.open:
        play.calls.pop() if len(play.calls) > 2 else play.succeed()
    play.take(Recover(), Revert({"reason": True}, b"{}"), Resume())
    play.advance()
    play.calls.clear()
    play.take(Recover(), Resume())
    play.advance()


def flow() -> Any:
    return linear("f").add(
        task("a", priority=1),
        unordered("u").add(
            task("b", compensation="irreversible", revert=None), task("c", priority=2), task("d", priority=2),
        ),
        task("e", recovery=Recovery.ASK),
        task("g", revert_recovery=Recovery.ASK),
    )  # fmt: skip


def is_tried_again(play: Play) -> None:
    """Retries that pass on, give up and raise; a group, a refusal, a fan-out, timers; a flow that is reverted alone."""
    play.take(Resume(1))
    play.advance()
    answers = iter(["raise", "RETRY", "REVERT", "REVERT", "REVERT"])
    failing = iter(["wait", "fail", "fail", "fail", "fail", "fail"])
    for _ in range(200):
        if not play.calls:
            if play.state.run is RunState.FAILURE:
                play.take(Recover(), Resume())
                play.advance()
            elif play.state.timers and play.state.run in (RunState.RUNNING, RunState.WAITING):
                play.fire()
            else:
                return
            continue
        call = play.calls[0]
        if call.kind == ON_FAILURE:
            answer = next(answers)
            play.fail() if answer == "raise" else play.answer(answer)
        elif call.kind == DECIDE:
            play.vote(False)
        elif call.kind == EXPAND:
            play.expand(3)
        elif call.kind == EXECUTE and play.whose(call).startswith(("bad", "e[1]")):
            play.wait(7) if next(failing, "fail") == "wait" else play.fail()
        else:
            play.take(Progressed(call, 0.5, b"{}"))
            play.succeed()


def is_put_aside_and_reverted(play: Play) -> None:
    """Executed anew without having been undone, then reverted, each execution of it."""
    play.take(Resume())
    play.advance()
    for _ in range(2):
        play.fail()
        play.take(Recover(), Restore(None, {}, None), Resume())
        play.advance()
    play.fail()
    play.take(Recover(), Revert({}, None), Resume())
    play.advance()
    while play.calls:
        play.succeed()


def one(element: Any) -> None: ...


def governed() -> Any:
    fan = each(FunctorTask(one, "e", revert=lambda: None), into="element", outcome="SUCCESS_FOR_PARTIAL_SUCCESS")
    refused = graph("refused")
    source, target = task("source"), task("target")
    refused.add(source, target).link(source, target, lambda history: False, "ATOM")
    inner = linear("inner", AlwaysRevert("ri")).add(task("first"), unordered("pair").add(task("bad"), task("later")))
    member = linear("m").add(task("bad member"), task("n"))
    group = unordered("group", outcome="SUCCESS_FOR_PARTIAL_SUCCESS").add(fan, member)
    return linear("f").add(group, refused, linear("outer", AlwaysRevert("ro")).add(inner, task("never")))


STORIES: list[tuple[Callable[[Play], None], Callable[[], Any], dict[str, Any]]] = [
    (refuses_to_revert, flow, {}),
    (is_cut_short, flow, {}),
    (is_put_aside_and_reverted, lambda: linear("f").add(task("a")), {"never_resolve": True}),
    (is_tried_again, governed, {"defer_reverts": False, "timeout": 5, "given": ["x"]}),
]


PARTS = {*State.__slots__, *SELDOM} - {"__dict__"}


def everything(state: State) -> dict[str, Any]:
    """All that a state has, whatever its own comparison looks at; in order, where it has an order."""
    found = {name: getattr(state, name) for name in PARTS if name != "definition"}
    return {name: told(kept) for name, kept in found.items()}


def told(kept: Any) -> Any:
    """A value of a state, the objects in it by their slots, and what has an order in it."""
    if isinstance(kept, dict):
        return [(key, told(value)) for key, value in kept.items()]
    if isinstance(kept, Undo | Region | Fan):
        names = sorted(set(type(kept).__slots__) - {"definition", "task"})
        return [(name, told(getattr(kept, name))) for name in names]
    return kept


@pytest.mark.parametrize(("story", "make", "created"), STORIES)
@pytest.mark.parametrize("capacity", [1, 3])
def test_a_state_laid_down_at_any_record_goes_on_as_the_whole_log_does(
    story: Callable[[Play], None], make: Callable[[], Any], created: dict[str, Any], capacity: int
) -> None:
    play = Play(make(), capacity, **created)
    story(play)
    whole = everything(play.refold())
    assert everything(play.state) == whole
    state = initial(play.definition)
    for version, draft in enumerate(play.records, 1):
        evolve(state, version, draft.type, draft.facts)
        taken_up = State.load(play.definition, json.loads(json.dumps(state.dump())))
        assert everything(taken_up) == everything(state), f"at record {version}, {draft.type}"
        for behind, later in enumerate(play.records[version:], version + 1):
            evolve(taken_up, behind, later.type, later.facts)
        assert everything(taken_up) == whole


def test_the_stories_come_by_all_that_a_state_has() -> None:
    """Else the test above would be blind to what it never sees."""
    seen: set[str] = set()
    for story, make, created in STORIES:
        for capacity in (1, 3):
            play = Play(make(), capacity, **created)
            story(play)
            state = initial(play.definition)
            for version, draft in enumerate(play.records, 1):
                evolve(state, version, draft.type, draft.facts)
                seen |= {name for name in PARTS if getattr(state, name)}
    assert seen == PARTS


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda rows: rows.pop(4), "does not follow version 4"),
        (lambda rows: rows.pop(0), "does not follow version 0"),
        (lambda rows: rows.insert(4, rows[3]), "does not follow version 4"),
        (lambda rows: rows.insert(4, (5, "task.exploded", {})), "does not know the type 'task.exploded'"),
    ],
    ids=["missing", "first missing", "doubled", "unknown"],
)
def test_many_records_are_folded_as_one_by_one_and_refused_as_well(
    spoil: Callable[[list[Any]], object], said: str
) -> None:
    play = Play(flow())
    refuses_to_revert(play)
    rows = [(version, draft.type, draft.facts) for version, draft in enumerate(play.records, 1)]
    state = initial(play.definition)
    for start in range(0, len(rows), 7):
        _folded(state, rows[start : start + 7])
    assert everything(state) == everything(play.refold())
    spoil(rows)
    with pytest.raises(CorruptLog, match=said):
        _folded(initial(play.definition), rows)


def _folded(state: State, rows: list[Any]) -> None:
    versions, types, facts = (list(column) for column in zip(*rows, strict=True))
    fold(state, versions, types, facts)
