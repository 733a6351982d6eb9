"""Law 10: a state can be laid down and taken up at any record, and goes on as if nothing had been."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sagalog_play import Play

from sagalog.engine.core.counters import initial
from sagalog.engine.core.decide import Aborted, Recover, Resume, Revert, Suspend
from sagalog.engine.core.evolve import evolve, fold
from sagalog.engine.core.state import State
from sagalog.engine.definition import FunctorTask, Recovery, linear, unordered
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


def everything(state: State) -> dict[str, Any]:
    """All that a state has, whatever its own comparison looks at; in order, where it has an order."""
    found = {name: getattr(state, name) for name in State.__slots__ if name not in ("definition", "undo")}
    told = {name: list(kept.items()) if isinstance(kept, dict) else kept for name, kept in found.items()}
    undo = state.undo
    return told | {"undo": undo and [getattr(undo, name) for name in sorted(type(undo).__slots__)]}


@pytest.mark.parametrize("story", [refuses_to_revert, is_cut_short])
@pytest.mark.parametrize("capacity", [1, 3])
def test_a_state_laid_down_at_any_record_goes_on_as_the_whole_log_does(
    story: Callable[[Play], None], capacity: int
) -> None:
    play = Play(flow(), capacity)
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
    for story in (refuses_to_revert, is_cut_short):
        for capacity in (1, 3):
            play = Play(flow(), capacity)
            story(play)
            state = initial(play.definition)
            for version, draft in enumerate(play.records, 1):
                evolve(state, version, draft.type, draft.facts)
                seen |= {name for name in State.__slots__ if getattr(state, name)}
    assert seen == set(State.__slots__)


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
