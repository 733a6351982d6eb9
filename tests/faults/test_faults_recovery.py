"""A process killed inside a task, or inside a revert: what becomes of it is what the task declares, and nothing else."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sagalog_children import Line, run_all
from sagalog_faults import both, new_id, resume, run, told, verified

from sagalog.config import Settings
from sagalog.engine.core.states import RunState, TaskState
from sagalog.engine.definition import Recovery, Task, did_not_happen, dont_know, happened, linear
from sagalog.engine.definition.unknown import Unknown
from sagalog.engine.runtime.app import Sagalog
from sagalog.engine.runtime.engine import Engine

HAPPENED, NOT, NO_IDEA = "happened", "did not happen", "don't know"
ANSWERS: dict[str, Callable[[], Any]] = {
    HAPPENED: lambda: happened("seen"),
    NOT: lambda: did_not_happen,
    NO_IDEA: lambda: dont_know,
}


class Noting(Task):
    """A task that notes its calls in a file, and is killed in the first call of the kind that it was told."""

    def __init__(self, name: str, folder: Path, deadly: str = "", answer: str = HAPPENED, **options: Any) -> None:
        self.folder = folder
        self.deadly = deadly
        self.answer = answer
        super().__init__(name=name, provides=name, **options)

    def note(self, what: str) -> None:
        first = what not in calls(self.folder)
        with open(self.folder / "calls", "a", encoding="utf-8") as file:
            file.write(f"{what}\n")
        if what == self.deadly and first:
            os.kill(os.getpid(), signal.SIGKILL)

    def execute(self) -> str:
        self.note("execute")
        return "executed"

    def revert(self, result: Any) -> str:
        self.note("revert of Unknown" if result is Unknown else "revert")
        return "reverted"


class Probed(Noting):
    """The same, that can be asked."""

    def probe(self) -> Any:
        self.note("probe")
        return ANSWERS[self.answer]()

    def probe_revert(self) -> Any:
        return self.probe()


class Failing(Task):
    def execute(self) -> None:
        raise ValueError("no")


def calls(folder: Path) -> list[str]:
    file = folder / "calls"
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def killed(settings: Settings, how: str, flow: Any) -> UUID:
    """Run the flow in a child that is killed in it."""
    run_id = new_id()

    def body(line: Line) -> None:
        run(settings, how, flow, run_id=run_id)

    assert run_all([body]) == [(-signal.SIGKILL, [])]
    return run_id


FORWARD = [
    (Recovery.RERUN, "", ["execute", "execute"], RunState.SUCCESS, "executed"),
    (Recovery.SKIP, "", ["execute"], RunState.SUCCESS, None),
    (Recovery.PROBE, HAPPENED, ["execute", "probe"], RunState.SUCCESS, "seen"),
    (Recovery.PROBE, NOT, ["execute", "probe", "execute"], RunState.SUCCESS, "executed"),
    (Recovery.PROBE, NO_IDEA, ["execute", "probe"], RunState.FAILURE, None),
    (Recovery.ASK, "", ["execute"], RunState.FAILURE, None),
]


@both
@pytest.mark.parametrize(("recovery", "answer", "expected", "state", "result"), FORWARD)
def test_a_task_that_was_cut_short_goes_by_its_recovery(
    settings: Settings,
    tmp_path: Path,
    how: str,
    recovery: Any,
    answer: str,
    expected: list[str],
    state: Any,
    result: Any,
) -> None:
    kind = Probed if recovery is Recovery.PROBE else Noting
    flow = linear("f").add(kind("task", tmp_path, "execute", answer, recovery=recovery))
    run_id = killed(settings, how, flow)
    done = resume(settings, how, flow, run_id, raises=False)
    assert calls(tmp_path) == expected
    assert (done.state, done.atoms["task"].result) == (state, result)
    if state is RunState.FAILURE:
        assert done.atoms["task"].state is TaskState.UNKNOWN and "'task'" in str(done.reason)
    # Once more changes nothing: a run that waits for a person is not executed again, nor is one that has ended.
    again = resume(settings, how, flow, run_id, raises=False)
    assert (again.state, again.version, calls(tmp_path)) == (done.state, done.version, expected)
    assert verified(settings)


BACKWARD = [
    (Recovery.RERUN, "", ["execute", "revert", "revert"], RunState.REVERTED),
    (Recovery.PROBE, HAPPENED, ["execute", "revert", "probe"], RunState.REVERTED),
    (Recovery.PROBE, NOT, ["execute", "revert", "probe", "revert"], RunState.REVERTED),
    (Recovery.PROBE, NO_IDEA, ["execute", "revert", "probe"], RunState.FAILURE),
    (Recovery.ASK, "", ["execute", "revert"], RunState.FAILURE),
]


@both
@pytest.mark.parametrize(("recovery", "answer", "expected", "state"), BACKWARD)
def test_a_revert_that_was_cut_short_goes_by_its_own_recovery(
    settings: Settings, tmp_path: Path, how: str, recovery: Any, answer: str, expected: list[str], state: Any
) -> None:
    kind = Probed if recovery is Recovery.PROBE else Noting
    flow = linear("f").add(kind("task", tmp_path, "revert", answer, revert_recovery=recovery), Failing(name="fails"))
    run_id = killed(settings, how, flow)
    done = resume(settings, how, flow, run_id, raises=False)
    assert (calls(tmp_path), done.state) == (expected, state)
    if state is RunState.REVERTED:
        assert told(settings, run_id).count("task.reverted task") == 1
    assert verified(settings)


WITHDRAWN = [
    (Recovery.RERUN, "", ["execute", "revert of Unknown"]),
    (Recovery.SKIP, "", ["execute", "revert of Unknown"]),
    (Recovery.ASK, "", ["execute", "revert of Unknown"]),
    (Recovery.PROBE, HAPPENED, ["execute", "probe", "revert"]),
    (Recovery.PROBE, NOT, ["execute", "probe"]),
    (Recovery.PROBE, NO_IDEA, ["execute", "probe", "revert of Unknown"]),
]


@pytest.mark.parametrize(("recovery", "answer", "expected"), WITHDRAWN)
def test_what_is_unknown_is_never_executed_again_just_to_be_reverted(
    settings: Settings, tmp_path: Path, recovery: Any, answer: str, expected: list[str]
) -> None:
    kind = Probed if recovery is Recovery.PROBE else Noting
    flow = linear("f").add(kind("task", tmp_path, "execute", answer, recovery=recovery))
    run_id = killed(settings, "blocking", flow)
    with Engine.open(settings=settings, app=Sagalog(flows=[flow])) as engine:
        done = engine.revert(run_id, reason="withdrawn")
    assert (calls(tmp_path), done.state) == (expected, RunState.REVERTED)
    assert verified(settings)
