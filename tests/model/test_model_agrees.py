"""The model of SEMANTICS §1 to §5 and the real engine: scenes of the pages, with ends by hand, and generated cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from sagalog_agreement import agreed, both
from sagalog_story import ALWAYS, Refused, Step

from sagalog import (
    AlwaysRevert,
    AlwaysRevertAll,
    Decision,
    Flow,
    ForEach,
    FunctorTask,
    History,
    Outcome,
    Retry,
    Times,
    each,
    graph,
    linear,
    unordered,
)
from sagalog.testing.generated import make, seeded

ALL, SOME = "SUCCESS_ON_ALL_EVENTS_SUCCESS", "SUCCESS_FOR_PARTIAL_SUCCESS"
NO_ERROR, NOT_ALL_FAILED = "FAILURE_FOR_PARTIAL_ERROR", "FAILURE_FOR_ALL_EVENTS_FAILURE"
Make = Callable[[list[Any]], Any]


def no(history: Mapping[str, Any]) -> bool:
    return False


class Stuck(Step):
    """Its revert fails."""

    def revert(self, **arguments: Any) -> None:
        super().revert(**arguments)
        raise Refused(f"{self.name} stays")


class Noted(Retry):
    """Answers what it was told, in turn; notes each call of its own."""

    def __init__(self, name: str, notes: list[Any], *answers: Any) -> None:
        self.notes, self.answers = notes, answers
        super().__init__(name)

    def execute(self, history: History) -> int:
        self.notes.append(self.name)
        return len(history)

    def on_failure(self, history: History) -> Any:
        self.notes.append(f"?{self.name}:{'|'.join('+'.join(sorted(failures)) for _, failures in history)}")
        return self.answers[len(history) - 1]

    def revert(self, history: History) -> None:
        self.notes.append(f"-{self.name}")


def nested(notes: list[Any]) -> Flow:
    """first, then a flow whose retry gives up about its second step, in one that is tried twice."""
    inner = linear("g", AlwaysRevert("inner")).add(Step("a", notes), Step("bad", notes, fails=ALWAYS))
    return linear("f", Times(2, "outer")).add(Step("first", notes), inner)


def alone(notes: list[Any]) -> Flow:
    """The same, with nothing around the retry, and something behind it."""
    inner = linear("g", AlwaysRevert("inner")).add(Step("a", notes), Step("bad", notes, fails=ALWAYS))
    return linear("f").add(Step("first", notes), inner, Step("last", notes))


def refused(depth: str) -> Make:
    """(a -[no]-> b -> c -> d) before e."""

    def made(notes: list[Any]) -> Flow:
        a, b, c, d = (Step(name, notes) for name in "abcd")
        flow = graph("g").add(a, b, c, d).link(a, b, no, depth).link(b, c).link(c, d)
        return linear("f").add(flow, Step("e", notes))

    return made


def group(policy: str, *fails: str) -> Make:
    """A group of a (a flow with something behind), b and c, before z."""

    def made(notes: list[Any]) -> Flow:
        a, b, c = (Step(name, notes, fails=ALWAYS if name in fails else ()) for name in "abc")
        members = unordered("g", outcome=policy).add(linear("m").add(a, Step("after a", notes)), b, c)
        return linear("f").add(members, Step("z", notes))

    return made


def fan(policy: str) -> Make:
    """A task for each of the items, of which 2 is bad."""

    def made(notes: list[Any]) -> Flow:
        def one(item: int) -> Outcome:
            notes.append(item)
            return Outcome.error("bad") if item == 2 else Outcome.ok(item)

        def back(item: int) -> None:
            notes.append(-item)

        return linear("f").add(each(FunctorTask(one, "one", revert=back), outcome=policy), Step("z", notes))

    return made


def policy(notes: list[Any]) -> Flow:
    """One that waits for its third call when another, whose second call is its last, has everything undone."""
    good = Step("good", notes, fails=[1, 2], retry_policy={"max_attempts": 3})
    return unordered("f").add(good, Step("bad", notes, fails=ALWAYS, retry_policy={"max_attempts": 2}))


def provided(notes: list[Any]) -> Flow:
    """What is needed is not provided, as its provider was passed by: by its default, and not at all."""
    a, p = Step("a"), FunctorTask(lambda: 1, "p", provides="x")
    needs = FunctorTask(lambda x: notes.append(x), "needs")
    maybe = FunctorTask(lambda x=7: notes.append(x), "maybe")
    return linear("f").add(graph("g").add(a, p).link(a, p, no, "ATOM"), needs, maybe)


def stuck(notes: list[Any]) -> Flow:
    return linear("f").add(Step("first", notes), Stuck("stuck", notes), Step("bad", notes, fails=ALWAYS))


def irreversible(notes: list[Any]) -> Flow:
    sent = FunctorTask(lambda: notes.append("sent"), "sent", compensation="irreversible")
    return linear("f").add(Step("a", notes), sent, Step("bad", notes, fails=ALWAYS))


def parallel(notes: list[Any]) -> Flow:
    """The flow of a retry fails while something beside it may start; the larger priority goes first, both ways."""
    inner = linear("g", Noted("r", notes, Decision.RETRY)).add(Step("a", notes), Step("b", notes, fails=[1]))
    return unordered("f").add(inner, Step("c", notes), Step("d", notes, priority=3))


def both_asked(notes: list[Any]) -> Flow:
    """The failure that a child passes on, and one beside it, stand in the history of the parent."""
    inner = linear("g", Noted("r", notes, Decision.REVERT)).add(Step("a", notes, fails=ALWAYS))
    return unordered("f", Noted("o", notes, Decision.REVERT_ALL)).add(inner, Step("b", notes, fails=ALWAYS))


def raises(notes: list[Any]) -> Flow:
    return linear("f", Noted("r", notes, "AGAIN")).add(Step("a", notes), Step("bad", notes, fails=ALWAYS))


def given_up(notes: list[Any]) -> Flow:
    """A member of a group that gives up is undone, and counts as failed."""
    member = linear("m", Noted("r", notes, Decision.REVERT)).add(Step("a", notes), Step("bad", notes, fails=ALWAYS))
    return linear("f").add(unordered("g", outcome=SOME).add(member, Step("b", notes)), Step("z", notes))


def values(notes: list[Any]) -> Flow:
    step = Step("t", notes, fails=[1, 2], requires=["value"], provides="got")
    return linear("f", ForEach(["x", "y", "z"], "r", provides="value")).add(step)


def twice(notes: list[Any]) -> Flow:
    """A RETRY of the parent empties the history of the child: it is tried two times again."""
    return linear("f", Times(2, "o")).add(linear("g", Times(2, "r")).add(Step("t", notes, fails=ALWAYS)))


def all_at_once(notes: list[Any]) -> Flow:
    inner = linear("g", AlwaysRevertAll("r")).add(Step("bad", notes, fails=ALWAYS))
    return linear("f", Times(5, "o")).add(Step("a", notes), inner)


def itself(notes: list[Any]) -> Flow:
    """The execute of a retry fails: its parent is asked."""
    inner = linear("g", Fails("r")).add(Step("b", notes))
    return linear("f", Noted("o", notes, Decision.RETRY, Decision.REVERT)).add(Step("a", notes), inner)


class Fails(AlwaysRevert):
    """Its execute fails."""

    def execute(self, *args: Any, **kwargs: Any) -> None:
        raise Refused(self.name)


SCENES: dict[str, tuple[Make, dict[str, Any], str, str]] = {
    # name: (flow, options, state of the run, the calls)
    "a parent's RETRY outranks": (
        nested, {}, "REVERTED", "first a bad -bad -a -first first a bad -bad -a -first",
    ),
    "the same, not deferred": (
        nested, {"defer_reverts": False}, "REVERTED_PARTLY", "first a bad -bad -a -first first a bad -bad -a",
    ),
    "nobody around, deferred": (alone, {}, "REVERTED", "first a bad -bad -a -first"),
    "nobody around, not deferred": (alone, {"defer_reverts": False}, "REVERTED_PARTLY", "first a bad -bad -a"),
    "a refusal of depth ALL": (refused("ALL"), {}, "SUCCESS", "a"),
    "a refusal of depth FLOW": (refused("FLOW"), {}, "SUCCESS", "a e"),
    "a refusal of depth NEIGHBORS": (refused("NEIGHBORS"), {}, "SUCCESS", "a d e"),
    "a refusal of depth ATOM": (refused("ATOM"), {}, "SUCCESS", "a c d e"),
    "all must succeed, and do": (group(ALL), {}, "SUCCESS", "a,after a,b,c,z"),
    "all must succeed, and one does not": (group(ALL, "a"), {}, "REVERTED", "a -a"),
    "no error, but one": (group(NO_ERROR, "b"), {}, "REVERTED", "a,after a,b,-b,-after a,-a"),
    "one success is enough": (group(SOME, "a", "b"), {}, "SUCCESS", "a b c z"),
    "no success": (group(SOME, "a", "b", "c"), {}, "REVERTED", "a b c -c -b -a"),
    "not all failed": (group(NOT_ALL_FAILED, "a", "c"), {}, "SUCCESS", "a b c z"),
    "all failed": (group(NOT_ALL_FAILED, "a", "b", "c"), {}, "REVERTED", "a b c -c -b -a"),
    "a fan-out in which one fails": (fan(ALL), {}, "REVERTED", "1 2 -2 -1"),
    "a fan-out in which one may fail": (fan(SOME), {}, "SUCCESS", "1 2 3 z"),
    "attempts by the policies of tasks": (policy, {}, "REVERTED", "good good bad bad -bad -good"),
    "what is not provided": (provided, {}, "SUCCESS", "7"),
    "a revert that fails": (stuck, {}, "FAILURE", "first stuck bad -bad -stuck"),
    "something irreversible": (irreversible, {}, "REVERTED_PARTLY", "a sent bad -bad -a"),
    "a retry beside other things": (parallel, {}, "SUCCESS", "d,r,a,b,?r:b,c,-b,-a,r,a,b"),
    "never resolved": (nested, {"never_resolve": True}, "FAILURE", "first a bad"),
    "an answer that is none": (raises, {}, "FAILURE", "r,a,bad,?r:bad"),
    "two matters of one retry": (both_asked, {}, "REVERTED", "o,r,a,?r:a,b,?o:b+r,-b,-a,-r,-o"),
    "a member that gives up": (given_up, {}, "SUCCESS", "r,a,bad,?r:bad,b,-bad,-a,-r,z"),
    "a value for each try": (values, {}, "SUCCESS", "t -t t -t t"),
    "histories are emptied": (twice, {}, "REVERTED", "t -t t -t t -t t -t"),
    "everything is reverted at once": (all_at_once, {}, "REVERTED", "a bad -bad -a"),
    "a retry that fails itself": (itself, {}, "REVERTED", "o,a,?o:r,-a,o,a,?o:r|r,-a,-o"),
}  # fmt: skip


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_ends_as_the_pages_say_in_both(name: str) -> None:
    make_flow, options, state, calls = SCENES[name]
    inputs = {"items": [1, 2, 3]} if "fan-out" in name else None
    seen = agreed(make_flow, inputs, **options)
    assert [str(call) for call in seen.calls] == calls.split("," if "," in calls else " ")
    assert seen.state == state


def test_what_becomes_of_each_atom_and_what_is_provided() -> None:
    seen = agreed(values)
    assert seen.atoms == {"r": ("SUCCESS", 3), "t": ("SUCCESS", 3)}
    assert seen.results == {"value": "z", "got": "t 3"}
    seen = agreed(group(SOME, "a"))
    assert seen.atoms == {
        "a": ("FAILURE", 1), "after a": ("IGNORED", 0), "b": ("SUCCESS", 1), "c": ("SUCCESS", 1), "z": ("SUCCESS", 1),
    }  # fmt: skip
    seen = agreed(fan(ALL), {"items": [1, 2, 3]})
    assert seen.atoms == {
        "one": ("REVERTED", 1), "one[0]": ("REVERTED", 1), "one[1]": ("REVERTED", 1), "one[2]": ("PENDING", 0),
        "z": ("PENDING", 0),
    }  # fmt: skip


BLOCK = 125
"""Seeds of one test."""
KNOWN = {
    91: "results", 190: "results",  # an element that was passed by within a group: None, and []
    938: "atoms",  # how often a retry within a flow that was undone counts as executed
    # which failures of elements, and of fan-outs that were given up, a revert is told of
    231: "calls", 384: "calls", 612: "calls", 654: "calls", 670: "calls", 671: "calls", 806: "calls", 972: "calls",
}  # fmt: skip
"""Seed -> in what engine and model still differ, and the text does not say who is right (docs/limits.md)."""


@pytest.mark.parametrize("block", range(8))
def test_generated_cases_end_alike(block: int) -> None:
    """Also what each call was handed, what each revert was told, and the order of all of them."""
    different = {}
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        engine, model = both(make(seeded(seed)))
        assert engine.state == model.state, f"seed {seed}"
        if engine != model:
            parts = (part for part in ("atoms", "results", "calls") if getattr(engine, part) != getattr(model, part))
            different[seed] = next(parts)
    assert different == {seed: part for seed, part in KNOWN.items() if seed // BLOCK == block}
