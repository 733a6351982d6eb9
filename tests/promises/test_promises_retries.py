"""What the TaskFlow page promises of retries (its lines 132 to 202, 343 to 377), and SEMANTICS §3."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sagalog_story import ALWAYS, Refused, Step, lines, of_type, states, story

from sagalog import (
    AlwaysRevert,
    AlwaysRevertAll,
    Atom,
    Decision,
    Engine,
    FlowError,
    History,
    Retry,
    RunState,
    Times,
    linear,
)


class Deciding(Retry):
    """Answers what it was told, in turn; notes its calls and the histories it saw."""

    def __init__(self, *answers: Any, name: str = "deciding", notes: list[Any] | None = None, **options: Any) -> None:
        self.answers = answers
        self.notes = [] if notes is None else notes
        self.asked: list[list[Any]] = []
        self.seen: list[list[Any]] = []
        super().__init__(name, **options)

    def execute(self, history: History) -> str:
        self.notes.append(self.name)
        self.seen.append(list(history))
        return f"{self.name} {len(history) + 1}"

    def on_failure(self, history: History) -> Any:
        self.notes.append(f"?{self.name}")
        self.asked.append([(provided, {n: f.message for n, f in failures.items()}) for provided, failures in history])
        return self.answers[min(len(self.asked), len(self.answers)) - 1]

    def revert(self, history: History) -> None:
        self.notes.append(f"-{self.name}")
        self.reverted = [provided for provided, _ in history]


RETRY, REVERT, REVERT_ALL = Decision.RETRY, Decision.REVERT, Decision.REVERT_ALL


def test_a_retry_is_an_atom_with_a_name_that_takes_and_provides(engine: Engine) -> None:
    retry = Deciding(REVERT, provides="value")
    assert isinstance(retry, Atom) and list(retry.provides) == ["value"]
    done = engine.run(linear("f", retry).add(Step("a", requires=["value"])))
    assert done.results["value"] == "deciding 1"
    assert (done.atoms["deciding"].kind, done.atoms["deciding"].state) == ("retry", "SUCCESS")


def test_decisions_are_these_three_texts() -> None:
    assert [str(decision) for decision in (RETRY, REVERT, REVERT_ALL)] == ["RETRY", "REVERT", "REVERT_ALL"]
    assert isinstance(RETRY, str) and Decision("RETRY") is RETRY
    assert len(Decision) == 3


def test_a_retry_must_have_execute_and_on_failure_and_both_may_do_nothing(engine: Engine) -> None:
    class Nothing(Retry):
        def execute(self, history: History) -> None: ...

    with pytest.raises(FlowError, match="on_failure"):
        Nothing()

    class Little(Nothing):
        def on_failure(self, history: History) -> Decision:
            return REVERT

    assert engine.run(linear("f", Little()).add(Step("a"))).state is RunState.SUCCESS


def test_a_failed_atom_asks_the_nearest_retry_around_it(engine: Engine) -> None:
    inner, outer = Deciding(RETRY, name="inner"), Deciding(RETRY, name="outer")
    flow = linear("f", outer).add(linear("g", inner).add(linear("h").add(Step("a", fails=[1]))))
    assert engine.run(flow).state is RunState.SUCCESS
    assert (len(inner.asked), len(outer.asked)) == (1, 0)


@pytest.mark.parametrize("failing", ["before", "behind"])
def test_a_retry_is_not_asked_about_what_is_outside_of_its_flow(engine: Engine, failing: str) -> None:
    inner = Deciding(RETRY, name="inner")
    steps = {name: Step(name, fails=ALWAYS if name == failing else ()) for name in ("before", "a", "behind")}
    flow = linear("f").add(steps["before"], linear("g", inner).add(steps["a"]), steps["behind"])
    assert engine.run(flow, raises=False).state is RunState.REVERTED
    assert inner.asked == []


def test_retry_reverts_what_came_after_the_retry_and_runs_it_again_without_reverting_the_retry(engine: Engine) -> None:
    notes: list[str] = []
    retry = Deciding(RETRY, name="r", notes=notes)
    inner = linear("g", retry).add(Step("a", notes), Step("b", notes, fails=[1]), Step("c", notes))
    done = engine.run(linear("f").add(Step("first", notes), inner, Step("last", notes)))
    assert notes == ["first", "r", "a", "b", "?r", "-b", "-a", "r", "a", "b", "c", "last"]
    assert {name: view.execution for name, view in done.atoms.items()} == {
        "first": 1, "r": 2, "a": 2, "b": 2, "c": 1, "last": 1,
    }  # fmt: skip


def test_the_whole_order_of_a_retry_is_in_the_log(engine: Engine) -> None:
    done = engine.run(linear("f", Deciding(RETRY, name="r")).add(Step("a"), Step("b", fails=[1])))
    assert story(engine, done) == lines("""
        run.running
        retry.running r
        retry.success r
        task.running a
        task.success a
        task.running b
        task.failure b
        retry.consulted r RETRY
        task.reverting b
        task.reverted b
        task.reverting a
        task.reverted a
        retry.retrying r
        retry.running r
        retry.success r
        task.running a
        task.success a
        task.running b
        task.success b
        run.success
    """)


def test_each_consultation_is_a_record_of_who_was_asked_about_what_and_what_was_done(engine: Engine) -> None:
    inner, outer = Deciding(REVERT, name="inner"), Deciding(RETRY, REVERT, name="outer")
    done = engine.run(linear("f", outer).add(linear("g", inner).add(Step("a", fails=ALWAYS))), raises=False)
    consulted = of_type(engine, done, "retry.consulted")
    told = [(record.atom, record.facts["decision"], record.facts["done"]) for record in consulted]
    assert told[:3] == [("inner", "REVERT", "deferred"), ("outer", "RETRY", "retry"), ("inner", "REVERT", "deferred")]
    assert told[3][:2] == ("outer", "REVERT")
    assert [record.facts["tries"] for record in consulted if record.atom == "outer"] == [1, 2]


def test_a_retry_may_give_other_values_each_time_to_what_it_governs(engine: Engine) -> None:
    asks = Step("asks", requires=["value"], fails=[1, 2])
    seen: list[Any] = []
    asks.notes = seen
    done = engine.run(linear("f", Deciding(RETRY, provides="value")).add(asks))
    assert asks.given == {"value": "deciding 3"} and done.results["value"] == "deciding 3"


def test_the_history_holds_what_was_provided_and_the_failures_by_the_name_of_the_atom(engine: Engine) -> None:
    retry = Deciding(RETRY, name="r")
    engine.run(linear("f", retry).add(Step("a", fails=[1, 2])))
    assert retry.asked == [[("r 1", {"a": "a 1"})], [("r 1", {"a": "a 1"}), ("r 2", {"a": "a 2"})]]
    assert [len(seen) for seen in retry.seen] == [0, 1, 2]


def test_execute_sees_the_failures_of_the_tries_before(engine: Engine) -> None:
    seen: list[Any] = []

    class Careful(Times):
        def execute(self, history: History, *args: Any, **kwargs: Any) -> int:
            seen.append(history.caused_by(Refused))
            return super().execute(history)

    engine.run(linear("f", Careful(2)).add(Step("a", fails=[1])))
    assert seen == [False, True]


def test_revert_consults_the_parent_first_and_its_retry_wins(engine: Engine) -> None:
    notes: list[str] = []
    inner, outer = Deciding(REVERT, name="inner", notes=notes), Deciding(RETRY, name="outer", notes=notes)
    flow = linear("f", outer).add(Step("a", notes), linear("g", inner).add(Step("b", notes, fails=[1])))
    assert engine.run(flow).state is RunState.SUCCESS
    assert notes == ["outer", "a", "inner", "b", "?inner", "?outer", "-b", "-inner", "-a", "outer", "a", "inner", "b"]


def test_a_failure_enters_the_parents_history_under_the_childs_name(engine: Engine) -> None:
    outer = Deciding(RETRY, name="outer")
    engine.run(linear("f", outer).add(linear("g", Deciding(REVERT, name="inner")).add(Step("b", fails=[1]))))
    assert outer.asked == [[("outer 1", {"inner": "b 1"})]]


def around(engine: Engine, *, defer_reverts: bool, outer: Any = None, inner: Any = REVERT) -> tuple[Any, dict[str, str]]:
    """first, then a flow whose retry answers `inner` to the failure of its second step."""
    nested = linear("g", Deciding(inner, name="inner")).add(Step("a"), Step("bad", fails=ALWAYS))
    flow = linear("f", outer).add(Step("first"), nested, Step("last"))
    done = engine.run(flow, raises=False, defer_reverts=defer_reverts)
    return done, states(done)


def test_with_defer_reverts_and_no_parent_the_whole_run_is_reverted(engine: Engine) -> None:
    done, seen = around(engine, defer_reverts=True)
    assert done.state is RunState.REVERTED
    assert seen == {"first": "REVERTED", "inner": "REVERTED", "a": "REVERTED", "bad": "REVERTED", "last": "PENDING"}


def test_defer_reverts_is_the_default(engine: Engine) -> None:
    nested = linear("g", AlwaysRevert(name="r")).add(Step("bad", fails=ALWAYS))
    assert states(engine.run(linear("f").add(Step("first"), nested), raises=False))["first"] == "REVERTED"


def test_without_defer_reverts_and_no_parent_only_the_flow_of_the_retry_is_reverted(engine: Engine) -> None:
    done, seen = around(engine, defer_reverts=False)
    assert done.state is RunState.REVERTED_PARTLY
    assert seen == {"first": "SUCCESS", "inner": "REVERTED", "a": "REVERTED", "bad": "REVERTED", "last": "PENDING"}


def test_without_defer_reverts_a_parents_revert_leaves_it_at_the_local_one(engine: Engine) -> None:
    _, seen = around(engine, defer_reverts=False, outer=AlwaysRevert(name="outer"))
    assert (seen["first"], seen["a"]) == ("SUCCESS", "REVERTED")


def test_without_defer_reverts_a_parents_retry_outranks_the_local_revert(engine: Engine) -> None:
    done, seen = around(engine, defer_reverts=False, outer=Times(2, name="outer", revert_all=True))
    assert done.atoms["first"].execution == 2 and seen["first"] == "REVERTED"


def test_without_defer_reverts_a_parents_revert_all_outranks_the_local_revert(engine: Engine) -> None:
    _, seen = around(engine, defer_reverts=False, outer=AlwaysRevertAll(name="outer"))
    assert (seen["first"], seen["a"]) == ("REVERTED", "REVERTED")


@pytest.mark.parametrize("defer_reverts", [True, False])
def test_revert_all_reverts_everything_whatever_the_parent_would_say(engine: Engine, defer_reverts: bool) -> None:
    outer = Deciding(RETRY, name="outer")
    done, seen = around(engine, defer_reverts=defer_reverts, outer=outer, inner=REVERT_ALL)
    assert done.state is RunState.REVERTED and outer.asked == []
    assert set(seen.values()) == {"REVERTED", "PENDING"}


def test_with_no_retry_anywhere_everything_that_ran_is_reverted(engine: Engine) -> None:
    notes: list[str] = []
    flow = linear("f").add(Step("a", notes), linear("g").add(Step("b", notes)), Step("c", notes, ALWAYS), Step("d", notes))
    assert engine.run(flow, raises=False).state is RunState.REVERTED
    assert notes == ["a", "b", "c", "-c", "-b", "-a"]


@pytest.mark.parametrize("failing", ["A", "B", "C", "1", "2", "3"])
def test_the_two_retries_of_the_pages_diagram_are_asked_as_it_says(engine: Engine, failing: str) -> None:
    """Retry (1) governs tasks 1, 2, 3 and the flow of retry (2), which governs A, B and C and delegates."""
    notes: list[str] = []
    one, two = Deciding(RETRY, name="one", notes=notes), Deciding(REVERT, name="two", notes=notes)
    steps = {name: Step(name, fails=[1] if name == failing else ()) for name in "123ABC"}
    nested = linear("nested", two).add(steps["A"], steps["B"], steps["C"])
    flow = linear("f", one).add(steps["1"], steps["2"], nested, steps["3"])
    assert engine.run(flow).state is RunState.SUCCESS
    asked = [note for note in notes if note.startswith("?")]
    assert asked == (["?two", "?one"] if failing in "ABC" else ["?one"])


def test_a_parent_does_not_hear_of_what_its_child_resolves(engine: Engine) -> None:
    one, two = Deciding(REVERT, name="one"), Deciding(RETRY, name="two")
    assert engine.run(linear("f", one).add(linear("g", two).add(Step("a", fails=[1, 2])))).state is RunState.SUCCESS
    assert (len(one.asked), len(two.asked)) == (0, 2)


def test_a_parents_retry_empties_the_histories_within_its_scope(engine: Engine) -> None:
    asks = Step("asks", requires=["n"], fails=[1, 2, 3])
    inner = Times(2, name="inner", provides="n")
    done = engine.run(linear("f", Times(2, name="outer")).add(linear("g", inner).add(asks)))
    assert asks.calls == 4 and done.results["n"] == 2
    provided = [record.value for record in of_type(engine, done, "retry.success") if record.atom == "inner"]
    assert provided == [1, 2, 1, 2]


def test_the_retrys_revert_is_called_only_when_its_flow_is_reverted_without_it(engine: Engine) -> None:
    notes: list[str] = []
    retry = Deciding(RETRY, REVERT, name="r", notes=notes)
    engine.run(linear("f", retry).add(Step("a", notes, fails=[1, 2])), raises=False)
    assert notes == ["r", "a", "?r", "-a", "r", "a", "?r", "-a", "-r"]
    assert retry.reverted == ["r 1", "r 2"]


def test_a_retry_takes_arguments_from_outside_of_its_flow(engine: Engine) -> None:
    class Counted(Retry):
        def execute(self, history: History, times: int) -> int:
            return times - len(history)

        def on_failure(self, history: History, times: int) -> Decision:
            return RETRY if len(history) < times else REVERT

    asks = Step("asks", fails=[1, 2])
    done = engine.run(linear("f", Counted("r", provides="left", rebind={"times": "tries"})).add(asks), {"tries": 3})
    assert asks.calls == 3 and done.results["left"] == 1


def test_the_functions_of_a_retry_may_be_async(engine: Engine) -> None:
    class Later(Retry):
        async def execute(self, history: History) -> int:
            await asyncio.sleep(0)
            return len(history)

        async def on_failure(self, history: History) -> Decision:
            await asyncio.sleep(0)
            return RETRY

    assert engine.run(linear("f", Later("r", provides="n")).add(Step("a", fails=[1]))).results["n"] == 1


def test_a_retry_whose_own_execute_raises_asks_its_parent(engine: Engine) -> None:
    class Broken(Deciding):
        def execute(self, history: History) -> str:
            if not outer.asked:
                raise Refused("no idea")
            return super().execute(history)

    outer = Deciding(RETRY, name="outer")
    inner = Broken(RETRY, name="inner")
    done = engine.run(linear("f", outer).add(linear("g", inner).add(Step("a"))))
    assert done.state is RunState.SUCCESS
    assert inner.asked == [] and outer.asked == [[("outer 1", {"inner": "no idea"})]]


@pytest.mark.parametrize("answer", [None, "AGAIN", 7])
def test_an_on_failure_that_raises_or_answers_something_else_leaves_it_to_a_person(engine: Engine, answer: Any) -> None:
    class Raises(Deciding):
        def on_failure(self, history: History) -> Any:
            if answer is None:
                raise Refused("cannot decide")
            return answer

    done = engine.run(linear("f", Raises(name="r")).add(Step("a"), Step("bad", fails=ALWAYS)), raises=False)
    assert done.state is RunState.FAILURE
    assert (states(done)["a"], states(done)["bad"]) == ("SUCCESS", "FAILURE")
    assert "'r'" in str(done.reason)
    (consulted,) = of_type(engine, done, "retry.consulted")
    assert ("cannot decide" if answer is None else repr(answer)) in consulted.value["message"]


def test_a_retry_whose_revert_raises_is_a_failed_revert(engine: Engine) -> None:
    class Raises(Deciding):
        def revert(self, history: History) -> None:
            raise Refused("stays")

    done = engine.run(linear("f", Raises(REVERT, name="r")).add(Step("bad", fails=ALWAYS)), raises=False)
    assert done.state is RunState.FAILURE and states(done)["r"] == "REVERT_FAILURE"
    assert {failure.message for failure in done.failures} >= {"bad 1", "stays"}
