"""SEMANTICS §3: what becomes of branches that run at the same time when one of them fails."""

from __future__ import annotations

import asyncio
from typing import Any

from sagalog_story import Refused, Step, of_type, states

from sagalog import AlwaysRevertAll, Decision, Engine, FunctorTask, Retry, RunState, Times, linear, unordered


def branches(first: Retry, second: Retry) -> Any:
    """Two branches that run at once: the first fails once the second has begun, that a little later."""

    async def soon() -> None:
        await asyncio.wait_for(begun.wait(), 10)
        raise Refused("soon")

    async def late() -> None:
        calls.append("late")
        begun.set()
        await asyncio.sleep(0.05)
        raise Refused("late")

    calls: list[str] = []
    begun = asyncio.Event()
    flow = unordered("u").add(
        linear("g", first).add(FunctorTask(soon)), linear("h", second).add(FunctorTask(late))
    )
    return linear("f").add(Step("before"), flow), calls


def test_a_retry_of_one_branch_does_not_override_a_revert_that_was_decided(engine: Engine) -> None:
    flow, calls = branches(AlwaysRevertAll(name="one"), Times(3, name="two"))
    done = asyncio.run(engine.arun(flow, raises=False))
    assert done.state is RunState.REVERTED and calls == ["late"]
    assert states(done)["before"] == "REVERTED"


def test_an_answer_that_comes_after_a_revert_was_decided_is_recorded_and_overruled(engine: Engine) -> None:
    undoing, answered = asyncio.Event(), asyncio.Event()

    class Slow(Times):
        async def on_failure(self, *args: Any, **kwargs: Any) -> Decision:  # type: ignore[override]  # it may be async
            await asyncio.wait_for(undoing.wait(), 10)
            answered.set()
            return Decision.RETRY

    async def undo() -> None:
        undoing.set()
        await asyncio.wait_for(answered.wait(), 10)
        await asyncio.sleep(0.05)

    flow, calls = branches(Slow(3, name="slow"), AlwaysRevertAll(name="all"))
    first = FunctorTask(lambda: None, "first", revert=undo)
    done = asyncio.run(engine.arun(linear("whole").add(first, flow), raises=False))
    assert done.state is RunState.REVERTED and calls == ["late"] and done.atoms["soon"].execution == 1
    consulted = of_type(engine, done, "retry.consulted")
    told = [(record.atom, record.facts["decision"], record.facts["done"]) for record in consulted]
    assert told == [("all", "REVERT_ALL", "revert_all"), ("slow", "RETRY", "overruled")]


def test_siblings_that_run_finish_first_and_are_then_reverted_like_the_others(engine: Engine) -> None:
    notes: list[str] = []

    async def bad() -> None:
        raise Refused("bad")

    async def slow() -> str:
        await asyncio.sleep(0.05)
        notes.append("slow ends")
        return "slow"

    def undo(result: str) -> None:
        notes.append(f"-{result}")

    flow = unordered("u").add(FunctorTask(bad), FunctorTask(slow, revert=undo))
    assert asyncio.run(engine.arun(flow, raises=False)).state is RunState.REVERTED
    assert notes == ["slow ends", "-slow"]


def test_each_of_two_branches_is_retried_for_itself(engine: Engine) -> None:
    a, b = Step("a", fails=[1]), Step("b", fails=[1, 2])
    flow = unordered("u").add(linear("g", Times(2, name="one")).add(a), linear("h", Times(3, name="two")).add(b))
    assert engine.run(flow).state is RunState.SUCCESS
    assert (a.calls, b.calls) == (2, 3)
