"""Deciders on the links of graph flows: what may decide, and how much is ignored."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from sagalog.engine.definition import Depth, FunctorTask, GraphFlow, graph
from sagalog.errors import CycleError, FlowError


def step() -> None: ...


def yes(history: Any) -> bool:
    return True


def no(history: Any, more: int = 1) -> bool:
    return False


def made() -> tuple[GraphFlow, FunctorTask, FunctorTask]:
    a, b = FunctorTask(step, "a"), FunctorTask(step, "b")
    return graph("f").add(a, b), a, b


def linked(*deciders: Any) -> list[tuple[str, str, str]]:
    """(name, version, depth) of what stands before b after links with these (decider, depth)."""
    flow, a, b = made()
    for decider, depth in deciders:
        flow.link(a, b, decider=decider, decider_depth=depth)
    return [(d.name, d.version, d.depth.value) for _, d in flow.members().deciders.get(1, [])]


def test_a_decider_has_the_name_and_version_of_its_function_and_ignores_all_by_default() -> None:
    assert linked((yes, None)) == [("yes", "1.0", "ALL")]

    def mine(history: Any) -> bool:
        return True

    mine.version = "2.1"  # type: ignore[attr-defined]  # said by the user
    assert linked((mine, None)) == [("mine", "2.1", "ALL")]
    assert linked() == []


@pytest.mark.parametrize("depth", ["flow", "FLOW", "Flow", Depth.FLOW])
def test_a_depth_is_given_in_any_case(depth: Any) -> None:
    assert linked((yes, depth)) == [("yes", "1.0", "FLOW")]


def test_any_callable_that_takes_history_may_decide() -> None:
    class Decides:
        def __call__(self, history: Any) -> bool:
            return True

    async def later(**anything: Any) -> bool:
        return True

    assert [name for name, _, _ in linked((no, None))] == ["no"]
    assert [name for name, _, _ in linked((Decides(), None))] == ["Decides"]
    assert [name for name, _, _ in linked((later, None))] == ["later"]
    assert [name for name, _, _ in linked((functools.partial(no, more=2), None))] == ["partial"]


@pytest.mark.parametrize(
    ("decider", "depth", "said"),
    [
        (None, "ALL", "decider_depth 'ALL' is given without a decider"),
        (yes, "SOME", "decider_depth must be one of 'ALL', 'FLOW', 'NEIGHBORS', 'ATOM'; found 'SOME'"),
        (yes, 3, "found 3"),
        ("yes", None, "decider must be a function .history. -> bool; found 'yes'"),
        (bool, None, "decider must be a function"),
        (lambda: True, None, "'<lambda>' is called with history=…, and nothing else; it takes nothing"),
        (lambda history, other: True, None, "it takes history, other"),
    ],
)
def test_what_cannot_decide_is_refused_where_it_is_linked(decider: Any, depth: Any, said: str) -> None:
    flow, a, b = made()
    with pytest.raises(FlowError, match=f"graph flow 'f': link from 'a' to 'b': .*{said}"):
        flow.link(a, b, decider=decider, decider_depth=depth)
    assert flow.successors() == [[], []]


def test_a_later_link_replaces_the_decider_if_it_has_one() -> None:
    assert linked((yes, "ATOM"), (no, None)) == [("no", "1.0", "ALL")]
    assert linked((yes, "ATOM"), (None, None)) == [("yes", "1.0", "ATOM")]
    assert linked((None, None), (yes, None)) == [("yes", "1.0", "ALL")]


def test_a_link_that_is_refused_leaves_no_decider() -> None:
    flow, a, b = made()
    flow.link(a, b)
    with pytest.raises(CycleError):
        flow.link(b, a, decider=yes)
    assert dict(flow.members().deciders) == {}


def test_deciders_stand_in_the_order_of_their_sources() -> None:
    flow, a, b = made()
    c = FunctorTask(step, "c")
    flow.add(c).link(b, c, decider=no).link(a, c, decider=yes)
    assert [(place, decider.name) for place, decider in flow.members().deciders[2]] == [(0, "yes"), (1, "no")]
    flow.set_target(b)
    assert dict(flow.members().deciders) == {}
