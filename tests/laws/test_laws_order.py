"""Law 9: of what may start, the larger priority starts, then what stands first; and back the other way round."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from sagalog_play import Play

from sagalog.engine.core.decide import Recover, Resume, Revert, Suspend
from sagalog.engine.core.states import RunState
from sagalog.engine.definition import FunctorTask, linear, unordered

chains = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), min_size=2, max_size=5)
"""Chains side by side; a task for each number, which is its priority."""


@given(chains, st.integers(1, 3), st.data())
@settings(max_examples=200, deadline=None)
def test_at_each_moment_the_first_in_order_starts_and_is_reverted_last(
    given_chains: list[list[int]], capacity: int, data: st.DataObject
) -> None:
    flow = unordered("side by side")
    before: dict[int, int | None] = {}
    rank: dict[int, tuple[int, int]] = {}
    for place, chain in enumerate(given_chains):
        first = len(rank)
        for step, priority in enumerate(chain):
            before[first + step] = first + step - 1 if step else None
            rank[first + step] = (-priority, first + step)
        flow.add(linear(f"chain {place}").add(*(_task(f"{place}.{step}", p) for step, p in enumerate(chain))))
    after = {behind: atom for atom, behind in before.items() if behind is not None}
    play = Play(flow, capacity)
    play.take(Resume())
    _drawn(play, data)
    assert str(play.state.run) == RunState.SUCCESS
    forward = len(play.records)
    play.take(Recover(), Revert({}, None), Resume())
    _drawn(play, data)
    assert str(play.state.run) == RunState.REVERTED

    started, done = set[int](), set[int]()
    for draft in play.records[:forward]:
        atom = draft.facts.get("atom", -1)
        if draft.type == "task.running":
            free = [a for a, behind in before.items() if a not in started and (behind is None or behind in done)]
            assert atom == min(free, key=rank.__getitem__)
            started.add(atom)
        elif draft.type == "task.success":
            done.add(atom)
    begun, undone = set[int](), set[int]()
    for draft in play.records[forward:]:
        atom = draft.facts.get("atom", -1)
        if draft.type == "task.reverting":
            free = [a for a in before if a not in begun and (a not in after or after[a] in undone)]
            assert atom == min(free, key=lambda a: (rank[a][0], -a)), "larger priority first, then the later"
            begun.add(atom)
        elif draft.type == "task.reverted":
            undone.add(atom)


def _task(name: str, priority: int) -> FunctorTask:
    return FunctorTask(lambda: None, name=name, priority=priority, revert=lambda: None)


def _drawn(play: Play, data: st.DataObject) -> None:
    """To the end, the calls answered in an order that is drawn."""
    play.advance()
    while play.calls:
        play.calls.insert(0, play.calls.pop(data.draw(st.integers(0, len(play.calls) - 1))))
        play.succeed()


def test_names_come_in_the_order_of_the_definition() -> None:
    """Texts in a set would come in another order with each process."""
    names = [f"name {n}" for n in range(20)]
    flow = linear("f").add(
        *(FunctorTask(lambda given: given, name=f"t{n}", provides=name, rebind={"given": f"in {n}"})
          for n, name in enumerate(names))
    )  # fmt: skip
    definition = Play(flow).definition
    assert list(definition.provides) == names
    assert list(definition.results()) == names
    assert list(definition.requires) == [f"in {n}" for n in range(20)]


def test_failures_are_told_as_they_came() -> None:
    play = Play(unordered("f").add(_task("a", 0), _task("b", 0), _task("c", 0)), capacity=3)
    play.take(Resume())
    play.advance()
    play.take(Suspend({}, None))  # so that all of them fail before anything is reverted
    play.calls = [play.calls[1], play.calls[2], play.calls[0]]
    for _ in range(3):
        play.fail()
    play.take(Recover(), Resume())
    play.advance()
    (reverting,) = [draft for draft in play.records if draft.type == "run.reverting"]
    assert reverting.facts["atoms"] == [1, 2, 0]
    assert list(play.state.failures) == [1, 2, 0]
