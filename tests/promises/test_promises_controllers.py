"""The retries that come with sagalog (lines 176 to 186 and 397 to 518 of the TaskFlow page), and `History` (378 to 396)."""

from __future__ import annotations

from typing import Any

import pytest
from sagalog_story import ALWAYS, Refused, Step, of_type, states

from sagalog import (
    AlwaysRevert,
    AlwaysRevertAll,
    Engine,
    Failure,
    FlowError,
    ForEach,
    FunctorTask,
    History,
    NotStorable,
    ParameterizedForEach,
    Retry,
    RunState,
    Times,
    linear,
)


def nested(retry: Retry, step: Step, *before: Any) -> Any:
    """before, then the retry's own flow of one step."""
    return linear("f").add(Step("first"), *before, linear("g", retry).add(step))


def tried(engine: Engine, flow: Any, name: str = "r", inputs: Any = None) -> tuple[Any, list[Any]]:
    """The run, and what its retry has provided."""
    done = engine.run(flow, inputs, raises=False, defer_reverts=False)
    return done, [record.value for record in of_type(engine, done, "retry.success") if record.atom == name]


def test_always_revert_reverts_its_flow(engine: Engine) -> None:
    done, _ = tried(engine, nested(AlwaysRevert(name="r"), Step("a", fails=ALWAYS)))
    assert (states(done)["first"], states(done)["a"]) == ("SUCCESS", "REVERTED")
    assert done.atoms["a"].execution == 1


def test_always_revert_all_reverts_the_whole_run(engine: Engine) -> None:
    done, _ = tried(engine, nested(AlwaysRevertAll(name="r"), Step("a", fails=ALWAYS)))
    assert done.state is RunState.REVERTED and states(done)["first"] == "REVERTED"


@pytest.mark.parametrize("kind", [AlwaysRevert, AlwaysRevertAll])
def test_the_two_that_always_revert_provide_nothing_themselves(engine: Engine, kind: Any) -> None:
    _, provided = tried(engine, nested(kind(name="r"), Step("a")))
    assert provided == [None]


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_times_gives_so_many_tries_in_all(engine: Engine, attempts: int) -> None:
    step = Step("a", fails=ALWAYS)
    done, provided = tried(engine, nested(Times(attempts, name="r"), step))
    assert step.calls == attempts and provided == list(range(1, attempts + 1))
    assert (states(done)["first"], states(done)["a"]) == ("SUCCESS", "REVERTED")


def test_times_tries_once_unless_told(engine: Engine) -> None:
    step = Step("a", fails=ALWAYS)
    tried(engine, nested(Times(name="r"), step))
    assert step.calls == 1


def test_times_provides_the_number_of_the_try(engine: Engine) -> None:
    step = Step("a", requires=["n"], fails=[1, 2])
    done = engine.run(nested(Times(3, name="r", provides="n"), step))
    assert step.given == {"n": 3} and done.results["n"] == 3


@pytest.mark.parametrize(
    "retry",
    [
        Times(2, name="r", revert_all=True),
        ForEach([1, 2], name="r", revert_all=True),
        ParameterizedForEach(name="r", revert_all=True),
    ],
    ids=lambda retry: type(retry).__name__,
)
def test_with_revert_all_giving_up_reverts_the_whole_run(engine: Engine, retry: Retry) -> None:
    step = Step("a", fails=ALWAYS)
    done, _ = tried(engine, nested(retry, step), inputs={"values": [1, 2]})
    assert step.calls == 2 and states(done)["first"] == "REVERTED"


@pytest.mark.parametrize("values", [["a", "b", "c"], ("a", "b", "c")])
def test_for_each_gives_the_next_value_after_each_failure_and_gives_up_behind_the_last(engine: Engine, values: Any) -> None:
    step = Step("a", requires=["value"], fails=ALWAYS)
    done, provided = tried(engine, nested(ForEach(values, name="r", provides="value"), step))
    assert provided == ["a", "b", "c"] and step.given == {"value": "c"}
    assert (states(done)["first"], states(done)["a"]) == ("SUCCESS", "REVERTED")


def test_for_each_stops_at_the_first_value_that_works(engine: Engine) -> None:
    step = Step("a", requires=["value"], fails=[1])
    assert engine.run(nested(ForEach(["a", "b", "c"], provides="value"), step)).results["value"] == "b"


@pytest.mark.parametrize("source", ["inputs", "predecessor"])
def test_parameterized_for_each_takes_its_values_from_storage_or_a_predecessor(engine: Engine, source: str) -> None:
    step = Step("a", requires=["value"], fails=[1, 2])
    before = [] if source == "inputs" else [FunctorTask(lambda: ["x", "y", "z"], "gives", provides="values")]
    flow = nested(ParameterizedForEach(name="r", provides="value"), step, *before)
    done, provided = tried(engine, flow, inputs={"values": ["x", "y", "z"]} if source == "inputs" else None)
    assert provided == ["x", "y", "z"] and done.results["value"] == "z"


def test_each_hand_out_of_the_values_is_afresh(engine: Engine) -> None:
    seen: list[Any] = []

    def spoil(value: list[int]) -> None:
        seen.append(list(value))
        value.append(99)
        raise Refused("once more")

    shared = [1]
    flow = linear("f", ForEach([shared, shared], provides="value")).add(FunctorTask(spoil))
    engine.run(flow, raises=False)
    assert seen == [[1], [1]] and shared == [1]


@pytest.mark.parametrize("values", [[], (), "abc", {"a": 1}, None, {1, 2}])
def test_for_each_over_nothing_or_over_what_has_no_order_is_refused(values: Any) -> None:
    with pytest.raises(FlowError, match="values"):
        ForEach(values)


def test_for_each_over_what_cannot_be_stored_is_refused_before_anything_runs(engine: Engine) -> None:
    with pytest.raises(NotStorable):
        engine.run(linear("f", ForEach([object()])).add(Step("a")))


@pytest.mark.parametrize("values", [[], "abc", {"a": 1}, None])
def test_values_that_turn_out_to_be_no_list_are_a_failure_of_the_retry(engine: Engine, values: Any) -> None:
    step = Step("a")
    done, _ = tried(engine, linear("g", ParameterizedForEach(name="r")).add(step), inputs={"values": values})
    assert step.calls == 0 and [failure.atom for failure in done.failures] == ["r"]


@pytest.mark.parametrize("attempts", [0, -1, 1.5, True, "2", None])
def test_attempts_must_be_a_whole_number_above_zero(attempts: Any) -> None:
    with pytest.raises(FlowError, match="attempts"):
        Times(attempts)


@pytest.mark.parametrize("kind", [AlwaysRevert, AlwaysRevertAll, Times, ParameterizedForEach])
def test_all_take_name_provides_requires_auto_extract_and_rebind(kind: Any) -> None:
    first = [2] if kind is Times else []
    rebind = {"values": "list"} if kind is ParameterizedForEach else None
    retry = kind(*first, "named", "given", ["more"], True, rebind)
    assert (retry.name, list(retry.provides)) == ("named", ["given"])
    assert "more" in retry.requires
    assert kind is not ParameterizedForEach or "list" in retry.requires


CONTENTS = [
    ("one", {"a": Failure.of(ValueError("a 1")), "b": Failure.of(KeyError("b"))}),
    ("two", {"a": Failure.of(ConnectionResetError("a 2"))}),
]


def test_a_history_is_a_sequence_of_what_was_provided_and_the_failures() -> None:
    history = History(CONTENTS)
    assert len(history) == 2 and list(history) == CONTENTS and history[1][0] == "two" and history[-1] == CONTENTS[1]
    assert list(history.provided_iter()) == ["one", "two"]
    assert list(History([])) == []


def test_the_failure_of_a_history_is_the_retrys_own_or_none() -> None:
    own = Failure.of(OSError("own"))
    assert History(CONTENTS).failure is None and History(CONTENTS, own).failure is own


def test_outcomes_iter_goes_over_all_tries_or_over_one() -> None:
    history = History(CONTENTS, Failure.of(OSError("own")))
    assert [(name, failure.message) for name, failure in history.outcomes_iter()] == [
        ("a", "a 1"), ("b", "'b'"), ("a", "a 2"),
    ]  # fmt: skip
    assert [name for name, _ in history.outcomes_iter(index=0)] == ["a", "b"]


def test_caused_by_looks_for_a_class_in_all_tries_or_in_one() -> None:
    history = History(CONTENTS)
    assert history.caused_by(ValueError) and history.caused_by(OSError) and not history.caused_by(IndexError)
    assert history.caused_by(ValueError, index=0) and not history.caused_by(ValueError, index=1)


def test_caused_by_looks_at_the_retrys_own_failure_only_if_told() -> None:
    history = History(CONTENTS, Failure.of(PermissionError("own")))
    assert not history.caused_by(PermissionError)
    assert history.caused_by(PermissionError, include_retry=True)


def test_a_long_history_is_not_walked_to_decide(engine: Engine) -> None:
    class Sparse:
        """A history's contents that refuse to be walked."""

        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: Any) -> Any:
            raise AssertionError("walked")

        __iter__ = __getitem__

    history = History(Sparse())  # type: ignore[arg-type]  # it is as much of a sequence as is needed
    assert Times(4).execute(history) == 4 and Times(4).on_failure(history) == "RETRY"
    assert ForEach([1, 2, 3]).on_failure(history, values=[1, 2, 3]) == "REVERT"
