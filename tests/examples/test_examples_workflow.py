"""A workflow file as a flow: every task runs, after all its parents."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples import workflow
from examples.data.make_workflow import OUT, make_workflow
from sagalog import Engine, FlowError

SMALL: dict[str, Any] = {
    "name": "small",
    "tasks": [
        {"id": "b", "parents": ["a"], "runtime_s": 2.0},
        {"id": "a", "parents": [], "runtime_s": 1},
        {"id": "c", "parents": ["a", "b"], "runtime_s": 0.0},
    ],
}


def write(tmp_path: Path, document: Any) -> str:
    file = tmp_path / "workflow.json"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return str(file)


def started_after_all_parents(engine: Engine, run_id: Any, document: dict[str, Any]) -> None:
    """Every task started and succeeded once, its start behind the success of each parent in the log."""
    places: dict[tuple[str, str], list[int]] = {}
    for record in engine.history(run_id):
        if record.type in ("task.running", "task.success"):
            places.setdefault((record.atom, record.type), []).append(record.version)
    for task in document["tasks"]:
        (start,) = places[task["id"], "task.running"]
        assert len(places[task["id"], "task.success"]) == 1
        assert all(places[parent, "task.success"] < [start] for parent in task["parents"]), task["id"]
    assert len(places) == 2 * len(document["tasks"])


def test_examples_workflow_runs_every_task_after_its_parents(migrated: str) -> None:
    with Engine.open(migrated, app=workflow.app) as engine:
        run = engine.run(workflow.flow(str(OUT)))
        assert run.state == "SUCCESS"
        started_after_all_parents(engine, run.id, make_workflow())


def test_examples_workflow_runs_tasks_side_by_side(migrated: str) -> None:
    async def go() -> None:
        async with Engine.open(migrated, app=workflow.app) as engine:
            run = await engine.arun(workflow.flow(str(OUT), scale=0.0001))
            assert run.state == "SUCCESS"
            started_after_all_parents(engine, run.id, make_workflow())

    asyncio.run(go())


def test_examples_workflow_takes_tasks_in_any_order_of_the_file(migrated: str, tmp_path: Path) -> None:
    with Engine.open(migrated, app=workflow.app) as engine:
        run = engine.run(workflow.flow(write(tmp_path, SMALL), scale="0.001"))
        started_after_all_parents(engine, run.id, SMALL)
        assert run.atoms["b"].result == {"step": "b", "seconds": 0.002}


def test_examples_workflow_is_named_as_its_file_says(tmp_path: Path) -> None:
    assert workflow.flow(write(tmp_path, SMALL)).name == "small"


def test_examples_workflow_sleeps_a_fraction_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(workflow.time, "sleep", slept.append)
    assert workflow.work("a", 0.0) == {"step": "a", "seconds": 0.0}
    assert workflow.work("b", 0.25) == {"step": "b", "seconds": 0.25}
    assert slept == [0.25]


def changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(SMALL))
    change(document)
    return document


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "expected an object with name and tasks"),
        ([], "expected an object with name and tasks"),
        (changed(lambda d: d.pop("name")), "found KeyError('name')"),
        (changed(lambda d: d["tasks"][0].pop("parents")), "found KeyError('parents')"),
        (changed(lambda d: d["tasks"].append(d["tasks"][0])), "task b is there twice"),
        (changed(lambda d: d["tasks"][0]["parents"].append("z")), "task b follows z, which is not in the file"),
        (changed(lambda d: d["tasks"][1].update(runtime_s=-1)), "runtime_s of task a: expected a number of 0 or more"),
        (changed(lambda d: d["tasks"][1]["parents"].append("c")), "a"),
    ],
)
def test_examples_workflow_refuses_a_file_that_is_none(tmp_path: Path, document: Any, message: str) -> None:
    with pytest.raises(FlowError) as refused:
        workflow.flow(write(tmp_path, document))
    assert message in str(refused.value)


@pytest.mark.parametrize("scale", ["fast", "-1", "nan", "inf"])
def test_examples_workflow_refuses_a_scale_that_is_none(scale: str) -> None:
    with pytest.raises(FlowError, match="scale: expected a number of 0 or more"):
        workflow.flow(str(OUT), scale)
