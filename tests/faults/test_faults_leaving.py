"""Leaving in the middle: Ctrl-C in a task, an `arun` that is cancelled. The run stays resumable, for anybody, at once."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sagalog_children import Child, Line
from sagalog_faults import Business, both, new_id, told, verified, write

from sagalog import telemetry
from sagalog.config import Settings
from sagalog.engine.core.states import RunState
from sagalog.engine.definition import Context, FunctorTask, linear, unordered
from sagalog.engine.runtime.app import Sagalog
from sagalog.engine.runtime.engine import Engine
from sagalog.errors import FlowFailed

KINDS = ("plain", "async", "transactional")


def interrupted(kind: str, times: int, calls: list[str], error: type[BaseException] = KeyboardInterrupt) -> FunctorTask:
    """A task that is interrupted the first `times` times."""

    def stumble() -> str:
        calls.append(kind)
        if len(calls) <= times:
            raise error
        return kind

    async def on_loop() -> str:
        await asyncio.sleep(0)
        return stumble()

    def inside(context: Context, conn: Any) -> str:
        write(conn, context.run_id, kind)
        return stumble()

    codes: dict[str, Callable[..., Any]] = {"plain": stumble, "async": on_loop, "transactional": inside}
    return FunctorTask(codes[kind], name="stumble", transactional=kind == "transactional", provides="stumble")


def attempt(engine: Engine, how: str, flow: Any, **options: Any) -> None:
    """Run a flow, with one engine for both ways."""
    if how == "blocking":
        engine.run(flow, **options)
        return

    async def on_loop() -> None:
        await engine.arun(flow, **options)

    asyncio.run(on_loop())


@both
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("parallel", [False, True])
def test_an_interrupt_in_a_task_leaves_the_run_to_whoever_comes(
    settings: Settings, business: Business, how: str, kind: str, parallel: bool
) -> None:
    calls: list[str] = []
    items = [
        FunctorTask(lambda: None, name="before"),
        interrupted(kind, 1, calls),
        FunctorTask(lambda: 1, name="after"),
    ]
    flow = (unordered if parallel else linear)("f").add(*items)
    run_id = new_id()
    with Engine.open(settings=settings) as engine:
        with pytest.raises(KeyboardInterrupt):
            attempt(engine, how, flow, run_id=run_id)
        assert engine.state(run_id).state is RunState.RUNNING
        # The interrupted process lives on; another one need not wait for anything.
        with Engine.open(settings=settings, app=Sagalog(flows=[flow])) as other:
            done = other.resume(run_id, steal=False)
        # And it can be used as before: nothing of what was interrupted is left on its connections.
        attempt(engine, how, linear("next").add(FunctorTask(lambda: 1, name="one")), key="next")
    assert done.state is RunState.SUCCESS
    assert len(calls) == 2
    assert business.effects() == (["transactional"] if kind == "transactional" else [])
    assert "task.unknown stumble" in told(settings, run_id)
    assert verified(settings)


@both
def test_an_interrupt_in_a_revert_leaves_it_to_whoever_comes(settings: Settings, how: str) -> None:
    calls: list[str] = []

    def undo() -> None:
        calls.append("undo")
        if len(calls) == 1:
            raise KeyboardInterrupt

    def fail() -> None:
        raise ValueError("no")

    flow = linear("f").add(FunctorTask(lambda: None, name="first", revert=undo), FunctorTask(fail, name="second"))
    run_id = new_id()
    with Engine.open(settings=settings) as engine:
        with pytest.raises(KeyboardInterrupt):
            attempt(engine, how, flow, run_id=run_id)
        with Engine.open(settings=settings, app=Sagalog(flows=[flow])) as other:
            done = other.resume(run_id, steal=False, raises=False)
    assert (done.state, calls) == (RunState.REVERTED, ["undo", "undo"])


@pytest.mark.parametrize("event", ["append.before", "append.after", "call.before", "call.after"])
def test_an_interrupt_between_two_steps_leaves_nothing_open(settings: Settings, business: Business, event: str) -> None:
    """Ctrl-C comes when it likes, also while the transaction of a task is open."""

    def book(context: Context, conn: Any) -> None:
        write(conn, context.run_id, "book")

    flow = linear("f").add(FunctorTask(book, name="book", transactional=True), FunctorTask(lambda: None, name="last"))
    for nth in itertools.count(1):
        run_id, seen = new_id(), itertools.count(1)

        def strike(name: str, facts: dict[str, Any], nth: int = nth, seen: Any = seen) -> None:
            if name == event and next(seen) == nth:
                raise KeyboardInterrupt

        with Engine.open(settings=settings, app=Sagalog(flows=[flow])) as engine:
            stop = telemetry.listen(strike)
            try:
                engine.run(flow, run_id=run_id)
                break
            except KeyboardInterrupt:
                pass
            finally:
                stop()
            proof = engine.run(linear("proof").add(FunctorTask(lambda: 1, name="one")))
            with Engine.open(settings=settings, app=Sagalog(flows=[flow])) as other:
                assert other.state(proof.id).state is RunState.SUCCESS, "acknowledged, and not committed"
                if engine.find(run_id.hex):
                    assert other.resume(run_id, steal=False).state is RunState.SUCCESS
                    assert business.effects(run_id) == ["book"]
                else:
                    assert (event, nth) == ("append.before", 1)
    assert nth > 2
    assert verified(settings)


def saga() -> Any:
    """A flow in which there is always something to be cancelled: sleeping, in a thread, in a transaction, in a commit."""

    async def sleep() -> None:
        await asyncio.sleep(0.001)

    def book(name: str) -> Callable[..., None]:
        def inside(context: Context, conn: Any) -> None:
            write(conn, context.run_id, name)

        return inside

    return linear("saga").add(
        FunctorTask(sleep, name="sleep"),
        FunctorTask(book("one"), name="one", transactional=True),
        unordered("both").add(
            FunctorTask(book("two"), name="two", transactional=True),
            FunctorTask(book("three"), name="three", transactional=True),
            FunctorTask(lambda: None, name="thread"),
        ),
        FunctorTask(sleep, name="again"),
        FunctorTask(book("last"), name="last", transactional=True),
    )


def test_an_arun_can_be_cancelled_at_any_moment(settings: Settings, business: Business) -> None:
    """Whatever was under way: the run is nobody's at once, it goes on elsewhere, and each row is there once."""
    chance, count = random.Random(7), 60
    flow = saga()
    ids = [new_id() for _ in range(count)]
    left: list[UUID] = []

    async def scene() -> None:
        async with Engine.open(settings=settings) as engine:

            async def one(run_id: UUID, patience: float) -> None:
                going = asyncio.create_task(engine.arun(flow, run_id=run_id))
                await asyncio.sleep(chance.uniform(0, patience))
                if going.cancel():
                    left.append(run_id)
                await asyncio.gather(going, return_exceptions=True)
                assert going.cancelled() or not going.exception()

            began = time.monotonic()
            await asyncio.gather(*(engine.arun(flow) for _ in range(12)))
            unharmed = time.monotonic() - began
            for start in range(0, count, 12):
                await asyncio.gather(*(one(run_id, unharmed / 2) for run_id in ids[start : start + 12]))
            # The process that has let go of them lives, and goes on with something else.
            await engine.arun(flow)
            await asyncio.to_thread(elsewhere)

    def elsewhere() -> None:
        with Engine.open(settings=settings, app=Sagalog(flows=[flow])) as other:
            for run_id in ids:
                if not other.find(run_id.hex):
                    continue  # it was cancelled before it began
                done = other.resume(run_id, steal=False)
                assert done.state is RunState.SUCCESS
                assert business.effects(run_id) == ["last", "one", "three", "two"]
            assert other.verify().ok

    asyncio.run(scene())
    assert len(left) > count // 4


def test_a_cancelled_arun_is_cancelled_and_nothing_else(settings: Settings) -> None:
    started = asyncio.Event()

    async def wait() -> None:
        started.set()
        await asyncio.sleep(60)

    flow = linear("f").add(FunctorTask(wait, name="wait"), FunctorTask(lambda: None, name="after"))
    run_id = new_id()

    async def scene() -> None:
        async with Engine.open(settings=settings) as engine:
            going = asyncio.create_task(engine.arun(flow, run_id=run_id))
            await started.wait()
            going.cancel()
            with pytest.raises(asyncio.CancelledError):
                await going
            assert engine.state(run_id).state is RunState.RUNNING

    asyncio.run(scene())
    records = told(settings, run_id)
    assert records[-1] == "task.running wait"


@pytest.mark.parametrize("manner", ["closed first", "cancelled first"])
def test_an_engine_that_is_left_while_others_still_run_comes_to_an_end(
    settings: Settings, business: Business, manner: str
) -> None:
    """One of many runs fails, its caller leaves, and the loop is closed over the others: nothing hangs, nothing is lost."""
    flow = saga()

    def fail() -> None:
        time.sleep(0.05)
        raise ValueError("no")

    ids = [new_id() for _ in range(40)]

    def body(line: Line) -> None:
        async def scene() -> None:
            async with Engine.open(settings=settings) as engine:
                ways = [asyncio.create_task(engine.arun(flow, run_id=run_id)) for run_id in ids]
                try:
                    await engine.arun(linear("bad").add(FunctorTask(fail, name="fail")))
                finally:
                    for way in ways if manner == "cancelled first" else []:
                        way.cancel()

        with pytest.raises(FlowFailed):
            asyncio.run(scene())
        line.say("left")

    with Child(body) as child:
        assert child.next() == "left"
        assert child.wait() == 0
    with Engine.open(settings=settings, app=Sagalog(flows=[flow])) as other:
        for run_id in ids:
            if other.find(run_id.hex):
                assert other.resume(run_id, steal=False).state is RunState.SUCCESS
                assert business.effects(run_id) == ["last", "one", "three", "two"]
        assert other.verify().ok
