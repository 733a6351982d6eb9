"""A resume that is cancelled lets the run go, wherever that finds it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sagalog import Engine, RunState, linear, task
from sagalog.config import Settings


@task
def step() -> None:
    pass


@pytest.mark.parametrize("mode", ["CONTINUE", "RECOVER"])
def test_a_resume_cancelled_right_after_it_took_the_run_lets_it_go(
    settings: Settings, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cancelled(engine: Engine, run: Any) -> None:
        take = engine._owning.atake

        async def then_cancelled(*args: Any) -> Any:
            held = await take(*args)
            resume.cancel()
            return held

        monkeypatch.setattr(engine._owning, "atake", then_cancelled)
        resume = asyncio.ensure_future(engine.aresume(run, mode=mode, raises=False))
        with pytest.raises(asyncio.CancelledError):
            await resume

    with Engine.open(settings=settings) as engine, Engine.open(settings=settings, flows=[linear("f").add(step)]) as other:
        run = engine.start(linear("f").add(step)).id
        asyncio.run(cancelled(engine, run))
        assert other.resume(run, steal=False).state is RunState.SUCCESS, "neither this engine nor its lease holds it"


def test_a_resume_cancelled_while_it_takes_the_run_lets_it_go(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cancelled(engine: Engine, run: Any) -> None:
        aio = await engine._shells.aio()
        perform = aio.perform
        taken = asyncio.Event()

        async def slowly(make: Any) -> Any:
            found = await perform(make)
            if not taken.is_set():
                taken.set()
                await asyncio.sleep(0.2)
            return found

        monkeypatch.setattr(aio, "perform", slowly)
        resume = asyncio.ensure_future(engine.aresume(run, raises=False))
        await taken.wait()
        resume.cancel()
        with pytest.raises(asyncio.CancelledError):
            await resume

    with Engine.open(settings=settings) as engine, Engine.open(settings=settings, flows=[linear("f").add(step)]) as other:
        run = engine.start(linear("f").add(step)).id
        asyncio.run(cancelled(engine, run))
        assert other.resume(run, steal=False).state is RunState.SUCCESS
