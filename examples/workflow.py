"""A workflow file as a graph flow: each of its tasks is an atom that starts when all its parents are done.

    sagalog run examples.workflow:flow --arg file=examples/data/workflow.json [--arg scale=0.001]
    sagalog resume RUN --app examples.workflow:app

The file is one JSON object: ``name``, and ``tasks``, each with ``id``, ``parents`` (ids) and ``runtime_s`` (seconds
it once took). A task here does no work; it sleeps for ``runtime_s * scale`` seconds, by default not at all.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sagalog import FlowError, FunctorTask, Sagalog, graph
from sagalog.engine.definition import Flow


class Step(NamedTuple):
    """One task of a workflow file; ``runtime`` in seconds."""

    id: str
    parents: Sequence[str]
    runtime: float


def flow(file: str, scale: float | str = 0.0) -> Flow:
    """The workflow in ``file`` as a flow that is named as the file says.

    Raises ``FlowError`` naming the file and what in it is not as described, ``OSError`` when it cannot be read.
    """
    factor = _number(scale, "scale")
    name, steps = read_workflow(Path(file))
    tasks = {step.id: _task(step, factor) for step in steps}
    made = graph(name).add(*tasks.values())
    for step in steps:
        for parent in step.parents:
            made.link(tasks[parent], tasks[step.id])
    return made


def read_workflow(file: Path) -> tuple[str, list[Step]]:
    """The name and the steps of a workflow file, in the file's order; raises as ``flow`` does."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        name, rows = str(document["name"]), document["tasks"]
        steps = [Step(str(row["id"]), [str(parent) for parent in row["parents"]], row["runtime_s"]) for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise FlowError(
            f"{file}: expected an object with name and tasks, each task with id, parents and runtime_s; found {error!r}"
        ) from error
    known = set[str]()
    for step in steps:
        if step.id in known:
            raise FlowError(f"{file}: task {step.id} is there twice; each task needs an id of its own")
        known.add(step.id)
    for step in steps:
        _number(step.runtime, f"{file}: runtime_s of task {step.id}")
        for parent in step.parents:
            if parent not in known:
                raise FlowError(f"{file}: task {step.id} follows {parent}, which is not in the file")
    return name, steps


def work(step: str, seconds: float) -> dict[str, Any]:
    """Sleep, and say what was done."""
    if seconds:
        time.sleep(seconds)
    return {"step": step, "seconds": seconds}


def _task(step: Step, factor: float) -> FunctorTask:
    # Atom-local constants, so that one function serves every task and the definition holds no code.
    constants = {"step": step.id, "seconds": step.runtime * factor}
    return FunctorTask(work, name=step.id, inject=constants, compensation="not_needed")


def _number(value: Any, where: str) -> float:
    """A number of 0 or more; arguments of a command line come as text."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise FlowError(f"{where}: expected a number of 0 or more, found {value!r}")
    return number


app = Sagalog(flows=[flow])
