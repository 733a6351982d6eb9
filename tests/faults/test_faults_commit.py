"""A connection is cut at a commit, before, during or after it: each record is there once, each call is made once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from sagalog_faults import both, resume, run, told, verified
from sagalog_proxy import Cut, Proxy

from sagalog import telemetry
from sagalog.config import Settings
from sagalog.engine.core.states import RunState
from sagalog.engine.definition import Context, FunctorTask, linear
from sagalog.engine.runtime.engine import Engine


@pytest.fixture
def proxy(migrated: str) -> Iterator[Proxy]:
    with Proxy(migrated) as standing:
        yield standing


def counted(calls: Counter[str], *names: str, fail: str = "") -> Any:
    """A flow of tasks that count their calls, and those of their reverts."""

    def task(name: str) -> FunctorTask:
        def execute() -> str:
            calls[name] += 1
            if name == fail:
                raise ValueError(name)
            return name

        def revert() -> None:
            calls[f"undo {name}"] += 1

        return FunctorTask(execute, name=name, revert=revert)

    return linear("f").add(*map(task, names))


@both
@pytest.mark.parametrize("cut", list(Cut))
def test_each_commit_of_a_run_may_be_cut(settings: Settings, proxy: Proxy, how: str, cut: Cut) -> None:
    """Every one of the commits in turn, of a run that is created, fails, and is reverted."""
    through = attrs.evolve(settings, database_url=proxy.url)
    plain = Counter[str]()
    unharmed = run(settings, how, counted(plain, "a", "b", "c", fail="c"), raises=False)
    records = told(settings, unharmed.id)
    commits = 0
    while True:
        commits += 1
        calls, seen = Counter[str](), 0

        def strike(event: str, facts: dict[str, Any], nth: int = commits) -> None:
            nonlocal seen
            if event == "append.before":
                seen += 1
                if seen == nth:
                    # The name of the newest record's type goes over the wire with it.
                    proxy.arm(facts["records"][-1].encode(), cut)

        stop = telemetry.listen(strike)
        try:
            harmed = run(through, how, counted(calls, "a", "b", "c", fail="c"), raises=False)
        finally:
            stop()
        assert harmed.state is RunState.REVERTED
        assert calls == plain
        assert told(settings, harmed.id) == records
        if seen < commits:
            break
        assert proxy.cuts == commits
    assert commits - 1 == len({record.at for record in _history(settings, unharmed.id)})
    assert verified(settings)


def _history(settings: Settings, run_id: Any) -> Any:
    with Engine.open(settings=settings) as engine:
        return engine.history(run_id)


@pytest.mark.parametrize("cut", list(Cut))
def test_a_group_commit_of_many_runs_may_be_cut(settings: Settings, proxy: Proxy, cut: Cut) -> None:
    """Thirty runs share flushes; every so often one of these is cut."""
    through = attrs.evolve(settings, database_url=proxy.url)
    calls = Counter[Any]()

    async def count(context: Context) -> None:
        calls[context.run_id, context.atom] += 1
        if len(calls) % 40 == 0:
            proxy.arm(b"task.running", cut)

    flow = linear("f").add(*(FunctorTask(count, name=f"t{n}") for n in range(6)))

    async def scene() -> list[Any]:
        async with Engine.open(settings=through) as engine:
            return await asyncio.gather(*(engine.arun(flow) for _ in range(30)))

    runs = asyncio.run(scene())
    assert [done.state for done in runs] == [RunState.SUCCESS] * 30
    assert set(calls.values()) == {1} and len(calls) == 180
    assert proxy.cuts >= 2
    assert verified(settings)
    for done in runs[:3]:
        assert resume(settings, "blocking", flow, done.id).version == done.version
