"""Many runs that wait for a retry in one process, and cost it next to nothing; the process is killed, and others go on.

Each call of the task leaves a line in a file that none of the processes can take back: run, attempt. Two processes whose
clocks stand behind the due time go on with all of the runs at once: each run is to be gone on with by one of them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest
from attrs import frozen
from sagalog_children import Child, Line

from sagalog.config import Settings
from sagalog.engine.core.states import RunState
from sagalog.engine.definition import Context, Flow, FunctorTask, RetryPolicy, linear
from sagalog.engine.runtime.clock import SystemClock
from sagalog.engine.runtime.engine import Engine

WAIT = 3600.0
"""Seconds from the second attempt to the third; the second follows the first at once."""
CPU_SECONDS = 0.5 / 60
"""Of each second that a process only waits."""
WARM = 64
"""Runs before the threads are counted, so that those for plain functions are there."""
PATIENCE = 120.0


@frozen
class Size:
    """How many runs wait, for how long that is watched, in so many parts, and what is forgiven besides (CPU seconds)."""

    runs: int
    seconds: float
    parts: int
    slack: float


class Later(SystemClock):
    """A clock that shows what will be when all the waiting is over."""

    def now(self) -> int:
        return super().now() + int(2 * WAIT * 1e6)


@frozen
class Stage:
    """A database, and the file of calls."""

    settings: Settings
    calls: Path

    def flow(self) -> Flow:
        """One task that fails in its first two attempts and succeeds in the third."""

        def work(context: Context) -> None:
            line = f"{context.run_id} {context.attempt}\n".encode()
            out = os.open(self.calls, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            try:
                assert os.write(out, line) == len(line)
            finally:
                os.close(out)
            if context.attempt < 3:
                raise ConnectionError("not yet")

        return linear("waiting").add(FunctorTask(work, retry_policy=RetryPolicy(3, WAIT / 2, WAIT)))

    def wait(self, line: Line, size: Size) -> None:
        """What the process does that is killed."""

        async def scene() -> None:
            flow, warm = self.flow(), linear("warm").add(FunctorTask(lambda: time.sleep(0.01), "warm"))
            async with Engine.open(settings=self.settings, flows=[flow, warm]) as engine:
                await asyncio.gather(*(engine.arun(warm) for _ in range(WARM)))
                before = threading.active_count()
                waiting = [asyncio.create_task(engine.arun(flow)) for _ in range(size.runs)]
                while not line.heard()[0]:
                    await asyncio.sleep(0.05)
                began = time.process_time()
                for _ in range(size.parts):
                    await asyncio.sleep(size.seconds / size.parts)
                    over = sum(task.done() for task in waiting)
                    threads = threading.active_count() - before
                    line.say({"cpu": time.process_time() - began, "threads": threads, "over": over})
                await asyncio.gather(*waiting)

        asyncio.run(scene())

    def go_on(self, line: Line) -> None:
        """What each of the processes does that come after it."""
        line.hear(PATIENCE)
        with Engine.open(settings=self.settings, flows=[self.flow()], clock=Later()) as engine:
            engine.resume_all()

    def attempts(self) -> Counter[tuple[str, ...]]:
        """{(run, attempt): calls}"""
        return Counter(tuple(line.split()) for line in self.calls.read_text().splitlines())

    def number(self, query: Any) -> int:
        with psycopg.connect(str(self.settings.database_url), autocommit=True) as conn:
            (number,) = conn.execute(query).fetchone() or (0,)
        return int(number)


@pytest.fixture
def stage(migrated: str, tmp_path: Path) -> Stage:
    return Stage(Settings(home=tmp_path, database_url=migrated, lease=2.0), tmp_path / "calls")


def test_runs_that_wait_for_a_retry_cost_next_to_nothing_and_survive_their_process(stage: Stage) -> None:
    check(stage, Size(runs=300, seconds=3, parts=1, slack=0.3))


@pytest.mark.sweep
def test_ten_thousand_runs_wait_for_a_retry_within_half_a_cpu_second_a_minute(stage: Stage) -> None:
    check(stage, Size(runs=10_000, seconds=60, parts=12, slack=0))


def check(stage: Stage, size: Size) -> None:
    with Child(lambda line: stage.wait(line, size)) as child:
        until(lambda: stage.number("SELECT count(*) FROM sagalog.timer") == size.runs, child)
        child.tell("measure")
        said = [child.next() for _ in range(size.parts)]
        child.kill()
        assert child.wait() == -signal.SIGKILL
    assert {(word["threads"], word["over"]) for word in said} == {(0, 0)}
    assert said[-1]["cpu"] <= size.seconds * CPU_SECONDS + size.slack
    before = stage.attempts()
    runs = {run for run, _ in before}
    assert len(runs) == size.runs
    assert before == Counter((run, attempt) for run in runs for attempt in ("1", "2"))

    time.sleep(stage.settings.lease)  # the runs are anybody's now
    with Engine.open(settings=stage.settings, flows=[stage.flow()]) as engine:
        assert engine.tick() == 0  # nothing is due yet
    assert stage.attempts() == before

    with Child(stage.go_on) as one, Child(stage.go_on) as other:
        for child in (one, other):
            child.tell("go")
        assert (one.wait(PATIENCE), other.wait(PATIENCE)) == (0, 0)
    assert stage.attempts() == before + Counter((run, "3") for run in runs)
    assert stage.number("SELECT count(*) FROM sagalog.timer") == 0
    with Engine.open(settings=stage.settings) as engine:
        rows = engine.rows(flow="waiting")
        assert Counter(row.state for row in rows) == {RunState.SUCCESS: size.runs}
        history = engine.history(rows[0].run_id)
    running = [record.attempt for record in history if record.type == "task.running"]
    fired = [record.type for record in history].count("timer.fired")
    assert (running, fired) == ([1, 2, 3], 1)


def until(there: Any, child: Child) -> None:
    """Wait for something that the child is about."""
    deadline = time.monotonic() + PATIENCE
    while not there():
        assert child.alive() and not child.rest() and time.monotonic() < deadline
        time.sleep(0.1)
