"""Law 10: a step costs the same however large the flow is. What is looked at is counted, not timed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import attrs
import pytest
from sagalog_play import compiled

from sagalog.codec.values import encode
from sagalog.config import Settings
from sagalog.engine.core.compile import Compiled
from sagalog.engine.core.decide import Recover, Resume, Revert, Succeeded
from sagalog.engine.core.states import RunState
from sagalog.engine.definition import Flow, FunctorTask, graph, linear, unordered
from sagalog.engine.runtime.drive import drive
from sagalog.engine.runtime.engine import Engine
from sagalog.engine.runtime.held import Held
from sagalog.store import session
from sagalog.store.io import ask
from sagalog.store.shape import Head
from sagalog.testing import Play

LOOKED: Counter[str] = Counter()
"""How many elements were looked at one after the other."""
LISTS = ("task", "execution", "attempt", "result", "waits", "ready")
TUPLES = ("atoms", "after", "fan_in", "order", "rank")


class WatchedList(list[Any]):
    """Counts what a loop over it, or a copy of it, looks at."""

    def __iter__(self) -> Iterator[Any]:
        for item in super().__iter__():
            LOOKED["list"] += 1
            yield item

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        LOOKED["list"] += len(found) if isinstance(at, slice) else 0
        return found

    def copy(self) -> Any:
        return [*self]


class WatchedTuple(tuple[Any, ...]):
    """The same for what the definition holds."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        for item in super().__iter__():
            LOOKED["tuple"] += 1
            yield item

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        LOOKED["tuple"] += len(found) if isinstance(at, slice) else 0
        return found


def watched(flow: Flow) -> Held:
    """A new run of the flow, which nobody stores; nothing has been looked at."""
    made = compiled(flow)
    watching: dict[str, Any] = {name: WatchedTuple(getattr(made.definition, name)) for name in TUPLES}
    definition = attrs.evolve(made.definition, **watching)
    held = Held(Compiled(definition, made.atoms), Head(uuid4(), epoch=1))
    held.create({"definition": definition.fingerprint, "flow": definition.name}, {}, b"{}")
    return held


def played(held: Held, wishes: list[Any]) -> int:
    """Drive the run until it rests, every call a success; the number of turns."""
    calls, turns = [], 0
    work = drive(held, wishes, 1)
    turn = next(work)
    while True:
        turns += 1
        state: Any = held.state
        for name in LISTS:
            if type(getattr(state, name)) is list:
                setattr(state, name, WatchedList(getattr(state, name)))
        held.rows(turn.drafts)
        if turn.last:
            return turns
        calls += turn.calls
        turn = work.send([Succeeded(calls.pop(0), encode(None))])


def looked(make: Callable[[int], Flow], count: int) -> tuple[int, int]:
    """What is looked at in a run of `count` tasks, forward, and then back."""
    held = watched(make(count))
    LOOKED.clear()
    assert played(held, [Resume()]) == count + 1
    forward = LOOKED.total()
    assert str(held.state.run) == RunState.SUCCESS
    LOOKED.clear()
    assert played(held, [Recover(), Revert({}, None), Resume()]) == count + 1
    assert str(held.state.run) == RunState.REVERTED
    return forward, LOOKED.total()


def tasks(count: int) -> Iterator[FunctorTask]:
    return (FunctorTask(lambda: None, name=f"t{n}", revert=lambda: None) for n in range(count))


@pytest.mark.parametrize(
    "make",
    [
        lambda n: linear("f").add(*tasks(n)),
        lambda n: unordered("f").add(*tasks(n)),
        lambda n: linear("f").add(*(unordered(f"u{i}").add(*_named(i)) for i in range(n // 10))),
    ],
    ids=["linear", "unordered", "nested"],
)
def test_a_step_looks_at_as_much_in_a_large_flow_as_in_a_small_one(make: Callable[[int], Flow]) -> None:
    small, large = looked(make, 100), looked(make, 800)
    for way in (0, 1):
        assert large[way] <= 9 * max(small[way], 100), f"{small} for 100 tasks, {large} for 800"
        assert large[way] <= 20 * 800, "a few for each task"


def _named(place: int) -> Iterator[FunctorTask]:
    return (FunctorTask(lambda: None, name=f"t{place}.{n}", revert=lambda: None) for n in range(10))


def test_a_blocking_step_is_one_round_trip(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commit, and nothing else: the history is not read again, the inbox only now and then."""
    asked: Counter[str] = Counter()

    def counting(cursor: Any, query: Any) -> Any:
        asked[query.name] += 1
        return ask(cursor, query)

    count = 30
    with Engine.open(settings=settings) as engine:
        engine.run(linear("warm").add(*tasks(1)))
        flow = linear("f").add(*tasks(count))
        monkeypatch.setattr(session, "ask", counting)
        engine.run(flow)
        monkeypatch.undo()
    assert asked == {"append": 1, "append_one": count}


class WatchedGates(dict[int, Any]):
    """Counts which gates are looked at."""

    def __getitem__(self, node: int) -> Any:
        LOOKED["gate"] += 1
        return super().__getitem__(node)


def looked_at_gates(count: int) -> float:
    """Gates looked at for a step, where so many deciders are due at once."""
    flow, first = graph("f"), FunctorTask(lambda: 1, name="first")
    flow.add(first)
    for number in range(count):
        then = FunctorTask(lambda: 1, name=f"then {number}")
        flow.add(then)
        flow.link(first, then, decider=lambda history: True)
    play = Play(flow, 1)
    object.__setattr__(play.state.definition, "gate_at", WatchedGates(play.state.definition.gate_at))
    LOOKED.clear()
    play.take(Resume())
    play.advance()
    steps = 0
    while play.calls:
        steps += 1
        if play.calls[0].kind == "decide":
            play.vote(True)
        else:
            play.succeed()
    assert play.state.run is RunState.SUCCESS and steps == 2 * count + 1
    return LOOKED["gate"] / steps


def test_a_step_costs_the_same_however_many_deciders_are_due() -> None:
    small, large = looked_at_gates(10), looked_at_gates(200)
    assert 0 < large <= small * 1.5
