"""SEMANTICS §2: deciders on the links of a graph, their four depths, and those whose provider was ignored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from sagalog_story import Step, of_type, states

from sagalog import Engine, FlowError, FunctorTask, RunState, graph, linear

NAMES = "abcde"


def no(history: Mapping[str, Any]) -> bool:
    return False


def yes(history: Mapping[str, Any]) -> bool:
    return True


def chain(decider: Callable[..., Any], depth: str | None = None, notes: list[str] | None = None) -> Any:
    """(a -[decider]-> b -> c -> d) before e."""
    a, b, c, d = (Step(name, notes) for name in "abcd")
    flow = graph("g").add(a, b, c, d)
    flow.link(a, b, decider=decider, decider_depth=depth)
    flow.link(b, c)
    flow.link(c, d)
    return linear("f").add(flow, Step("e", notes))


def ignored(done: Any) -> str:
    return "".join(name for name, state in states(done).items() if state == "IGNORED")


def test_a_decider_that_says_yes_lets_its_target_run(engine: Engine) -> None:
    notes: list[str] = []
    done = engine.run(chain(yes, notes=notes))
    assert ignored(done) == "" and "".join(notes) == NAMES


@pytest.mark.parametrize(
    ("depth", "passed_by"), [(None, "bcde"), ("ALL", "bcde"), ("FLOW", "bcd"), ("NEIGHBORS", "bc"), ("ATOM", "b")]
)
def test_a_no_reaches_as_far_as_its_depth(engine: Engine, depth: str | None, passed_by: str) -> None:
    notes: list[str] = []
    done = engine.run(chain(no, depth, notes))
    assert done.state is RunState.SUCCESS
    assert ignored(done) == passed_by
    assert "".join(notes) == "".join(name for name in NAMES if name not in passed_by)


def test_a_depth_may_be_written_in_any_case_and_must_be_known(engine: Engine) -> None:
    assert ignored(engine.run(chain(no, "neighbors"))) == "bc"
    with pytest.raises(FlowError, match="sideways"):
        chain(no, "sideways")


def test_a_decider_is_handed_the_results_of_its_sources_by_name(engine: Engine) -> None:
    seen: list[Any] = []

    def decide(history: Mapping[str, Any]) -> bool:
        seen.append(dict(history))
        return True

    engine.run(chain(decide))
    assert seen == [{"a": "a 1"}]


def test_a_decider_may_be_async(engine: Engine) -> None:
    async def later(history: Mapping[str, Any]) -> bool:
        return history["a"] == "not this"

    assert ignored(engine.run(chain(later, "ATOM"))) == "b"


def test_what_a_decider_answered_is_a_record(engine: Engine) -> None:
    done = engine.run(chain(no, "ATOM"))
    (answered,) = of_type(engine, done, "decider.answered")
    assert [(answer[1], answer[-1]) for answer in answered.facts["answers"]] == [(0, False)]
    assert answered.facts["depth"] == "ATOM"
    assert [record.atom for record in of_type(engine, done, "task.ignored")] == ["b"]


def test_an_ignored_source_does_not_vote(engine: Engine) -> None:
    asked: list[Any] = []

    def second(history: Mapping[str, Any]) -> bool:
        asked.append(dict(history))
        return False

    a, b, c = (Step(name) for name in "abc")
    flow = graph("g").add(a, b, c)
    flow.link(a, b, decider=no, decider_depth="ATOM")
    flow.link(b, c, decider=second)
    done = engine.run(flow)
    assert ignored(done) == "b" and asked == []


def test_the_widest_refusing_depth_wins(engine: Engine) -> None:
    a, b, c, d = (Step(name) for name in "abcd")
    flow = graph("g").add(a, b, c, d)
    flow.link(a, c, decider=no, decider_depth="ATOM")
    flow.link(b, c, decider=no, decider_depth="FLOW")
    flow.link(c, d)
    assert ignored(engine.run(linear("f").add(flow, Step("e")))) == "cd"


def test_one_no_among_several_answers_is_enough(engine: Engine) -> None:
    a, b, c = (Step(name) for name in "abc")
    flow = graph("g").add(a, b, c)
    flow.link(a, c, decider=yes)
    flow.link(b, c, decider=no)
    assert ignored(engine.run(flow)) == "c"


def test_a_decider_before_a_nested_flow_rules_the_whole_of_it_out(engine: Engine) -> None:
    a, nested = Step("a"), linear("n").add(Step("b"), Step("c"))
    flow = graph("g").add(a, nested)
    flow.link(a, nested, decider=no)
    assert ignored(engine.run(flow)) == "bc"


def consumer(name: str, function: Callable[..., Any]) -> Any:
    """a -[no, ATOM]-> p, which provides x for the consumer."""
    a, p, asks = Step("a"), Step("p", provides="x"), FunctorTask(function, name, provides="seen")
    flow = graph("g").add(a, p, asks)
    flow.link(a, p, decider=no, decider_depth="ATOM")
    flow.link(p, asks) if name == "maybe" else None
    return flow


def test_a_consumer_whose_only_provider_was_ignored_is_ignored_and_the_log_says_why(engine: Engine) -> None:
    done = engine.run(consumer("needs", lambda x: x))
    assert done.state is RunState.SUCCESS and states(done) == {"a": "SUCCESS", "p": "IGNORED", "needs": "IGNORED"}
    (why,) = [record.facts for record in of_type(engine, done, "task.ignored") if record.atom == "needs"]
    assert "x" in str(why)


def test_a_consumer_with_a_default_gets_it_when_its_provider_was_ignored(engine: Engine) -> None:
    done = engine.run(consumer("maybe", lambda x="default": x))
    assert states(done)["maybe"] == "SUCCESS" and done.results["seen"] == "default"


def test_the_next_provider_counts_when_the_nearest_was_ignored(engine: Engine) -> None:
    a, p, asks = Step("a"), Step("p", provides="x"), Step("asks", requires=["x"])
    inner = graph("g").add(a, p, asks)
    inner.link(a, p, decider=no, decider_depth="ATOM")
    done = engine.run(linear("f").add(FunctorTask(lambda: "far", "far", provides="x"), inner))
    assert asks.given == {"x": "far"} and done.fetch("x") == "far"


@pytest.mark.parametrize("answer", ["yes", None, 1])
def test_an_answer_that_is_no_bool_leaves_it_to_a_person(engine: Engine, answer: Any) -> None:
    done = engine.run(chain(lambda history: answer), raises=False)
    assert done.state is RunState.FAILURE and "'b'" in str(done.reason)
    (answered,) = of_type(engine, done, "decider.answered")
    assert repr(answer) in answered.value["message"]


def test_a_decider_that_raises_leaves_it_to_a_person_and_is_asked_again_when_the_run_goes_on(engine: Engine) -> None:
    broken = [True]

    def breaks(history: Mapping[str, Any]) -> bool:
        if broken:
            raise KeyError("what")
        return True

    done = engine.run(chain(breaks), raises=False)
    assert done.state is RunState.FAILURE and states(done) == dict.fromkeys(NAMES, "PENDING") | {"a": "SUCCESS"}
    (answered,) = of_type(engine, done, "decider.answered")
    assert answered.value["type"] == "KeyError"
    broken.clear()
    assert engine.resume(done.id).state is RunState.SUCCESS
