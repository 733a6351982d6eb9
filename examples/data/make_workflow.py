"""Write ``workflow.json``: an invented laboratory workflow in the shape that ``examples/workflow.py`` reads.

``python -m examples.data.make_workflow [FILE]`` (default: ``workflow.json`` beside this file).
The same bytes every time. For each sample: check it, trim it, align it against one shared index, count what was
found; at the end one report over all samples.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SAMPLES = 5
OUT = Path(__file__).with_name("workflow.json")
# Stage, seconds it took, and the stages of the same sample it follows.
STAGES: tuple[tuple[str, float, tuple[str, ...]], ...] = (
    ("CHECK", 4.5, ()),
    ("TRIM", 21.0, ("CHECK",)),
    ("ALIGN", 63.25, ("TRIM",)),
    ("DEDUPLICATE", 17.0, ("ALIGN",)),
    ("COUNT", 9.75, ("DEDUPLICATE",)),
    ("COVERAGE", 12.5, ("ALIGN", "DEDUPLICATE")),
)


def make_workflow(samples: int = SAMPLES) -> dict[str, Any]:
    """The workflow over ``samples`` samples: tasks in an order in which parents come first."""
    tasks: list[dict[str, Any]] = []

    def add(stage: str, seconds: float, parents: list[str]) -> str:
        name = f"LAB.{stage}"
        task_id = f"{name}_{len(tasks) + 1}"
        tasks.append({"id": task_id, "name": name, "parents": parents, "runtime_s": seconds})
        return task_id

    index = add("PREPARE.INDEX", 38.0, [])
    ends: list[str] = []
    for sample in range(samples):
        made: dict[str, str] = {}
        for stage, seconds, after in STAGES:
            parents = [made[name] for name in after] + ([index] if stage == "ALIGN" else [])
            made[stage] = add(stage, seconds + sample / 4, parents)
        ends += [made["COUNT"], made["COVERAGE"]]
    add("REPORT", 6.0, ends)
    return {"name": "laboratory", "source": "examples/data/make_workflow.py", "tasks": tasks}


def text(workflow: dict[str, Any]) -> str:
    """The workflow as indented JSON."""
    return json.dumps(workflow, indent=1) + "\n"


def main(arguments: Sequence[str]) -> None:
    out = Path(arguments[0]) if arguments else OUT
    out.write_text(text(make_workflow()), encoding="utf-8", newline="\n")
    print(f"{out}: {len(make_workflow()['tasks'])} tasks")


if __name__ == "__main__":
    main(sys.argv[1:])
