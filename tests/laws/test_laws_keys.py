"""Idempotency keys: one for each run, atom, execution and direction, and the same however often that is tried."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from sagalog_play import compiled

from sagalog.config import Settings
from sagalog.engine.core.states import RunState
from sagalog.engine.definition import Context, FunctorTask, linear
from sagalog.engine.runtime.app import Sagalog
from sagalog.engine.runtime.engine import Engine
from sagalog.engine.runtime.held import Held
from sagalog.store.shape import Head


def held(run_id: UUID) -> Held:
    flow = linear("f").add(FunctorTask(lambda: None, name="a"), FunctorTask(lambda: None, name="b"))
    return Held(compiled(flow), Head(run_id))


def test_a_key_is_that_of_its_call_and_of_no_other() -> None:
    one, other = uuid4(), uuid4()
    calls = [
        (run, atom, execution, way)
        for run in (one, other) for atom in (0, 1) for execution in (1, 2, 11) for way in ("execute", "revert")
    ]  # fmt: skip
    keys = [held(run).idempotency_key(atom, execution, way) for run, atom, execution, way in calls]
    assert len(set(keys)) == len(calls)
    assert keys == [held(run).idempotency_key(atom, execution, way) for run, atom, execution, way in calls]
    assert all(str(UUID(key)) == key for key in keys)


def test_a_rerun_in_another_process_has_the_key_of_the_first_try(settings: Settings) -> None:
    seen: list[tuple[str, int, str]] = []
    stops = [KeyboardInterrupt, KeyboardInterrupt]

    def code(context: Context) -> None:
        seen.append(("execute", context.attempt, context.idempotency_key))
        if len(stops) == 2:
            raise stops.pop()

    def back(context: Context) -> None:
        seen.append(("revert", context.attempt, context.idempotency_key))
        if stops:
            raise stops.pop()

    def flow() -> Any:
        return linear("f").add(FunctorTask(code, name="t", revert=back))

    with Engine.open(settings=settings) as engine, pytest.raises(KeyboardInterrupt):
        engine.run(flow(), key="k")
    with Engine.open(settings=settings, app=Sagalog(flows=[flow()])) as engine:
        (run,) = engine.resume_all()
        with pytest.raises(KeyboardInterrupt):
            engine.revert(run.id, reason="test")
    with Engine.open(settings=settings, app=Sagalog(flows=[flow()])) as engine:
        assert engine.resume(run.id, raises=False).state is RunState.REVERTED
    assert [(way, attempt) for way, attempt, _ in seen] == [
        ("execute", 1), ("execute", 2), ("revert", 1), ("revert", 2),
    ]  # fmt: skip
    keys = [key for _, _, key in seen]
    assert keys[0] == keys[1] and keys[2] == keys[3] and keys[0] != keys[2]
