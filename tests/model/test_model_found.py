"""What the model has found: scenes in which the engine ended otherwise than the text says. Each names the sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from sagalog_agreement import agreed
from sagalog_story import ALWAYS, Step

from sagalog import (
    AlwaysRevert,
    Decision,
    Flow,
    FunctorTask,
    History,
    ResultSet,
    Times,
    each,
    graph,
    linear,
    unordered,
)

ALL, SOME, NO_ERROR = "SUCCESS_ON_ALL_EVENTS_SUCCESS", "SUCCESS_FOR_PARTIAL_SUCCESS", "FAILURE_FOR_PARTIAL_ERROR"


def no(history: Mapping[str, Any]) -> bool:
    return False


def elements(notes: list[Any], name: str = "e", **options: Any) -> Any:
    """A fan-out over the items, whose elements note what is done to them."""
    return each(FunctorTask(lambda item: notes.append(item), name, revert=lambda item: notes.append(-item), **options))


@pytest.mark.parametrize("inner", ["a group with a retry", "a group in the flow of a retry"])
def test_a_member_that_is_undone_is_an_error_of_its_group_and_holds_nothing_up(inner: str) -> None:
    """§5: when the verdict is ok, failed members stay as they are, and what is behind the group goes on."""

    def made(notes: list[Any]) -> Flow:
        bad = Step("bad", notes, fails=ALWAYS)
        if inner == "a group with a retry":
            member: Flow = unordered("m", Times(1, "r"), outcome=ALL).add(bad)
        else:
            member = linear("m", Times(1, "r")).add(unordered("n", outcome=ALL).add(bad))
        return linear("f").add(unordered("g", outcome=SOME).add(Step("a", notes), member), Step("z", notes))

    seen = agreed(made)
    assert (seen.state, seen.calls) == ("SUCCESS", ["a", "bad", "-bad", "z"])


def test_a_run_of_which_everything_was_undone_is_no_success() -> None:
    """§3: with `defer_reverts=False` and no parent, the flow of the retry is reverted: the run is REVERTED."""

    def made(notes: list[Any]) -> Flow:
        return unordered("f", Times(1, "r"), outcome=ALL).add(Step("bad", notes, fails=ALWAYS))

    seen = agreed(made, defer_reverts=False)
    assert (seen.state, seen.calls) == ("REVERTED", ["bad", "-bad"])


def test_a_member_that_gave_up_is_its_failure_in_the_results_of_the_group() -> None:
    """§5: consumers see the Failure of a failed member; and §1: a failed provider's value is never handed out."""
    told: list[Any] = []

    def look(all: ResultSet) -> None:
        told.append([type(one).__name__ for one in all])

    def made(notes: list[Any]) -> Flow:
        member = linear("m", Times(1, "r")).add(Step("bad", notes, fails=ALWAYS))
        return linear("f").add(unordered("g", outcome=SOME, provides="all").add(Step("a"), member), FunctorTask(look))

    agreed(made)
    assert told == [["str", "Failure"]] * 2


def test_elements_are_reverted_in_the_place_and_by_the_priority_of_their_fan_out() -> None:
    """§1: larger priority first, also of reverts; law 9: then the place (the last in order first)."""

    def by_place(notes: list[Any]) -> Flow:
        return linear("f").add(unordered("u").add(Step("a", notes), elements(notes)), Step("bad", notes, fails=ALWAYS))

    def by_priority(notes: list[Any]) -> Flow:
        members = unordered("u").add(elements(notes, priority=1), Step("a", notes))
        return linear("f").add(members, Step("bad", notes, fails=ALWAYS))

    assert agreed(by_place, {"items": [1, 2]}).calls[-3:] == [-2, -1, "-a"]
    assert agreed(by_priority, {"items": [1, 2]}).calls[-3:] == [-2, -1, "-a"]


@pytest.mark.parametrize("farther", [True, False])
def test_a_group_that_was_ignored_provides_nothing(farther: bool) -> None:
    """§1: a consumer whose only provider was ignored is ignored; where there is another, that counts."""

    def made(notes: list[Any]) -> Flow:
        a, group = Step("a"), unordered("g", outcome=NO_ERROR, provides="all").add(Step("m", notes))
        branch = graph("b").add(a, group).link(a, group, no, "ATOM")
        before = [FunctorTask(lambda: "far", "far", provides="all")] if farther else []
        return linear("f").add(*before, branch, FunctorTask(lambda all: notes.append(all), "look"))

    assert agreed(made).calls == (["far"] if farther else [])


def test_the_next_provider_counts_where_the_nearest_was_passed_by_with_a_failed_member() -> None:
    """§1: a consumer is ignored when its *only* provider was."""

    def made(notes: list[Any]) -> Flow:
        member = linear("m").add(Step("bad", notes, fails=ALWAYS), FunctorTask(lambda: "near", "near", provides="x"))
        group = unordered("g", outcome=SOME).add(member, Step("good", notes))
        far = FunctorTask(lambda: "far", "far", provides="x")
        return linear("f").add(far, group, FunctorTask(lambda x: notes.append(x), "look"))

    assert agreed(made).calls == ["bad", "good", "far"]


def test_a_group_that_was_reverted_has_no_result() -> None:
    """`Run.results`: of what succeeded and was not reverted."""

    def made(notes: list[Any]) -> Flow:
        group = unordered("g", outcome=ALL, provides="all").add(Step("a", notes))
        return linear("f").add(group, Step("bad", notes, fails=ALWAYS))

    assert agreed(made).results == {}


def test_a_fan_out_goes_over_results_that_hold_results() -> None:
    """§5: an instance for each element of a list; here of a ResultSet of a group, one member of which is a fan-out."""

    def made(notes: list[Any]) -> Flow:
        group = unordered("g", outcome=ALL, provides="all").add(each(FunctorTask(lambda item: item, "one")))
        return linear("f").add(group, each(FunctorTask(lambda got: notes.append(list(got)), "look"), "all"))

    assert agreed(made, {"items": [1, 2]}).calls == [[1, 2]]


def test_only_a_retry_or_a_revert_of_all_outranks_the_local_revert_also_within_a_group() -> None:
    """§3: with `defer_reverts=False` only a parent's RETRY or REVERT_ALL outranks the local revert."""

    def made(notes: list[Any]) -> Flow:
        inner = linear("n", AlwaysRevert("inner")).add(Step("bad", notes, fails=ALWAYS))
        member = linear("m", AlwaysRevert("outer")).add(Step("a", notes), inner, Step("behind", notes))
        return linear("f").add(unordered("g", outcome=SOME).add(member, Step("b", notes)), Step("z", notes))

    seen = agreed(made, defer_reverts=False)
    assert seen.calls == ["a", "bad", "b", "-bad", "z"]
    assert seen.atoms["a"] == ("SUCCESS", 1)


def test_what_was_done_for_good_in_an_earlier_try_stands() -> None:
    """DESIGN §5: a run in which something irreversible had run ends REVERTED_PARTLY."""

    def made(notes: list[Any]) -> Flow:
        sent = FunctorTask(lambda: notes.append("sent"), "sent", compensation="irreversible")
        return linear("f", Times(2, "r")).add(Step("a", notes, fails=[2]), sent, Step("bad", notes, fails=[1]))

    seen = agreed(made)
    assert (seen.state, seen.calls) == ("REVERTED_PARTLY", ["a", "sent", "bad", "-bad", "-a", "a", "-a"])


def test_a_failure_reaches_the_history_of_a_retry_around_a_group_as_it_was() -> None:
    """§3: the failure enters the parent's history under the child retry's name."""

    class Asked(AlwaysRevert):
        def on_failure(self, history: History) -> Decision:
            told.append({name: failure.message for name, failure in history[-1][1].items()})
            return Decision.REVERT

    told: list[Any] = []

    def made(notes: list[Any]) -> Flow:
        member = linear("m", Times(1, "r")).add(Step("bad", notes, fails=ALWAYS))
        return linear("f", Asked("o")).add(unordered("g", outcome=ALL).add(member))

    agreed(made)
    assert told == [{"r": "bad 1"}] * 2
