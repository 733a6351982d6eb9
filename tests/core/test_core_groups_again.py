"""Groups whose members are undone, amended, or not there at all."""

from __future__ import annotations

from typing import Any

import pytest
from sagalog_model_engine import run_in_memory
from sagalog_play import Play

from sagalog.codec.values import encode
from sagalog.engine.core.decide import Amend, Resume
from sagalog.engine.core.states import RunState
from sagalog.engine.definition import (
    AlwaysRevert,
    Decision,
    FunctorTask,
    History,
    ParameterizedForEach,
    each,
    graph,
    linear,
    unordered,
)
from sagalog.engine.runtime.arguments import untold

ALL, MOST = "SUCCESS_ON_ALL_EVENTS_SUCCESS", "FAILURE_FOR_ALL_EVENTS_FAILURE"


def step(name: str) -> FunctorTask:
    return FunctorTask(lambda: None, name=name)


def refuse(history: Any) -> bool:
    return False


@pytest.mark.parametrize("member", [0, 1])
def test_to_amend_any_blamed_member_takes_the_failure_of_the_group_back(member: int) -> None:
    play = Play(linear("f").add(unordered("g", outcome=MOST).add(step("a"), step("b")), step("z")), 2, never_resolve=True)
    play.take(Resume())
    play.advance()
    play.fail()
    play.fail()
    assert play.state.run is RunState.FAILURE
    play.take(Amend(member, None, "SUCCESS", encode(1), {}, None))
    assert play.state.unresolved == {}
    assert play.take(Resume()) + play.advance() == ["run.running", "group.settled", "task.running z"]


def test_a_group_without_members_gives_its_consumer_nothing_but_that_also_where_something_was_ignored() -> None:
    told: list[Any] = []
    a, b = step("a"), step("b")
    branch = graph("h").add(a, b).link(a, b, refuse, "ATOM")
    look = FunctorTask(lambda all: told.append(list(all)), "look")
    run = run_in_memory(linear("f").add(branch, unordered("g", outcome=ALL, provides="all"), look))
    assert (told, list(run.results["all"]), list(run.fetch("all"))) == ([[]], [], [])


def test_a_parameterized_for_each_goes_over_results_that_hold_results() -> None:
    told: list[Any] = []
    group = unordered("g", outcome=ALL, provides="values").add(each(FunctorTask(lambda item: item, "one")))
    look = FunctorTask(lambda value: told.append(value), "look")
    flow = linear("f").add(group, linear("m", ParameterizedForEach("r", provides="value")).add(look))
    assert str(run_in_memory(flow, {"items": [1, 2]}).state) == "SUCCESS"
    assert told == [[1, 2]]


def test_a_group_that_failed_without_anything_run_in_it_leaves_no_made_up_failure_in_a_history() -> None:
    class Asked(AlwaysRevert):
        def on_failure(self, history: History) -> Decision:
            told.append(dict(history[-1][1]))
            return Decision.REVERT

    told: list[Any] = []
    a, group = step("a"), unordered("g", outcome=ALL).add(step("b"))
    branch = graph("h", Asked("r")).add(a, group).link(a, group, refuse, "ATOM")
    run_in_memory(linear("f").add(branch))
    assert told == [{}]


def test_a_fan_out_given_up_before_its_list_was_read_says_so() -> None:
    play = Play(unordered("f").add(step("bad"), each(FunctorTask(lambda item: item, "one"))), 2)
    play.take(Resume())
    play.advance()
    play.fail()
    play.advance()
    failure = untold(play.state, play.state.failures[1], 1)
    assert failure is not None and failure.message.startswith("given up before its list was read")
    assert failure.check("FlowError")
