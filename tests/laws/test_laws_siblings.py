"""Law 2: a run rests when nothing of it is under way any more: no sibling is forgotten, forward or back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from sagalog.config import Settings
from sagalog.engine.core.decide import Call, Succeeded
from sagalog.engine.core.states import RunState, TaskState
from sagalog.engine.definition import FunctorTask, linear, unordered
from sagalog.engine.runtime.aio import Flight
from sagalog.engine.runtime.engine import Engine
from sagalog.engine.runtime.transactions import Open
from sagalog.engine.runtime.views import Run


def runs(settings: Settings, flow: Any) -> Run:
    """Run the flow on a loop; what the log says of it afterwards."""

    async def on_loop() -> Run:
        async with Engine.open(settings=settings) as engine:
            done = await engine.arun(flow, raises=False)
            assert done.version == engine.state(done.id).version, "the caller was shown what is in the log"
            return done

    return asyncio.run(on_loop())


def sleeping(seconds: float, what: str, ended: list[str], error: bool = False) -> Callable[[], Awaitable[str]]:
    async def code() -> str:
        await asyncio.sleep(seconds)
        ended.append(what)
        if error:
            raise ValueError(what)
        return what

    return code


def test_the_slowest_sibling_is_waited_for(settings: Settings) -> None:
    ended: list[str] = []
    flow = unordered("f").add(
        *(FunctorTask(sleeping(0.08 * n, f"t{n}", ended), name=f"t{n}", provides=f"r{n}") for n in range(4))
    )
    run = runs(settings, flow)
    assert run.state is RunState.SUCCESS
    assert ended == ["t0", "t1", "t2", "t3"]
    assert run.results == {f"r{n}": f"t{n}" for n in range(4)}


@pytest.mark.parametrize("slow_revert", [0, 1, 2])
def test_siblings_of_a_failure_end_and_are_reverted_and_waited_for(settings: Settings, slow_revert: int) -> None:
    ended: list[str] = []
    flow = linear("f").add(
        FunctorTask(lambda: None, name="first", revert=lambda: ended.append("undo first")),
        unordered("siblings").add(
            *(
                FunctorTask(
                    sleeping(0.08 * n, f"t{n}", ended, error=n == 0),
                    name=f"t{n}",
                    revert=sleeping(0.1 * (n == slow_revert), f"undo t{n}", ended),
                )
                for n in range(3)
            )
        ),
    )
    run = runs(settings, flow)
    assert run.state is RunState.REVERTED
    assert ended[:3] == ["t0", "t1", "t2"], "what runs is let finish, and then reverted"
    assert sorted(ended[3:6]) == ["undo t0", "undo t1", "undo t2"] and ended[5] == f"undo t{slow_revert}"
    assert ended[6:] == ["undo first"]
    assert {view.state for view in run.atoms.values()} == {TaskState.REVERTED}


def test_an_outcome_with_an_open_transaction_travels_alone() -> None:
    """Were it rolled back, the outcome of a sibling in the same commit would be lost with it."""
    mail: list[Any] = []
    mailbox = SimpleNamespace(has=lambda run: bool(mail), take=lambda run: [mail.pop() for _ in mail[:]])
    flight = Flight(SimpleNamespace(mailbox=mailbox), SimpleNamespace(id=uuid4(), reports=(), told=list))  # type: ignore[arg-type]
    calls = [Call("execute", atom, 1, 1) for atom in range(5)]
    done = [Succeeded(call, b"null") for call in calls]
    opened = [Open(call, object(), str(call.atom)) for call in calls]  # type: ignore[arg-type]

    async def scene() -> list[Any]:
        flight._landed.extend([
            (done[0], None), (done[1], None), (done[2], opened[2]), (done[3], opened[3]), (done[4], None),
        ])  # fmt: skip
        mail.append("message")
        return [await asyncio.wait_for(flight.next([]), 5) for _ in range(4)]

    assert asyncio.run(scene()) == [
        ([done[0], done[1], "message"], None), ([done[2]], opened[2]), ([done[3]], opened[3]), ([done[4]], None),
    ]  # fmt: skip


def test_what_is_under_way_ends_with_the_call_that_ran_it(settings: Settings) -> None:
    """When `arun` has been left nothing of it acts any more: whoever takes the run over is alone with it."""
    begun: list[str] = []
    broken_off: list[str] = []

    def waiting(name: str) -> Callable[[], Awaitable[None]]:
        async def code() -> None:
            begun.append(name)
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                broken_off.append(name)
                raise

        return code

    flow = unordered("f").add(*(FunctorTask(waiting(name), name=name) for name in "abc"))

    async def scene() -> None:
        async with Engine.open(settings=settings) as engine:
            going = asyncio.create_task(engine.arun(flow))
            while len(begun) < 3:
                await asyncio.sleep(0.01)
            going.cancel()
            with pytest.raises(asyncio.CancelledError):
                await going
            assert sorted(broken_off) == ["a", "b", "c"]

    asyncio.run(asyncio.wait_for(scene(), 20))
