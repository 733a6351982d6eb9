"""`update_progress`, `notifier` (lines 273 to 275 of the TaskFlow page), and what subscribers are told."""

from __future__ import annotations

from typing import Any

import pytest
from sagalog_story import ALWAYS, Step, of_type, story

from sagalog import Context, Engine, RunState, Task, linear, task


class Copying(Task):
    """Tells how far it is."""

    def __init__(self, *parts: float) -> None:
        self.parts = parts
        super().__init__("copying")

    def execute(self) -> None:
        for part in self.parts:
            self.update_progress(part, {"files": part * 10})


def test_a_task_tells_its_progress_and_details(engine: Engine) -> None:
    done = engine.run(linear("copy").add(Copying(0.5, 1.0)))
    assert done.atoms["copying"].progress == 1.0
    told = of_type(engine, done, "task.progress")
    assert told and told[-1].atom == "copying"
    assert told[-1].facts["progress"] == 1.0 and told[-1].value == {"files": 10.0}


def test_progress_is_told_to_a_tasks_notifier(engine: Engine) -> None:
    heard: list[Any] = []
    copying = Copying(0.25, 0.5)
    copying.notifier.register("update_progress", lambda *event: heard.append(event))
    engine.run(linear("copy").add(copying))
    assert len(heard) == 2
    assert "0.25" in str(heard[0]) and "0.5" in str(heard[1])


def test_who_deregisters_from_a_notifier_hears_no_more(engine: Engine) -> None:
    heard: list[Any] = []

    def hear(*event: Any) -> None:
        heard.append(event)

    copying = Copying(0.5)
    copying.notifier.register("update_progress", hear)
    copying.notifier.deregister("update_progress", hear)
    engine.run(linear("copy").add(copying))
    assert heard == []


def test_a_plain_function_tells_its_progress_by_its_context(engine: Engine) -> None:
    @task
    def half(context: Context) -> None:
        context.update_progress(0.5)

    assert engine.run(linear("function").add(half)).atoms["half"].progress == 0.5


@pytest.mark.parametrize("part", [-0.1, 1.1, float("nan"), "half"])
def test_progress_outside_of_0_to_1_is_a_failure_of_the_task(engine: Engine, part: Any) -> None:
    @task
    def odd(context: Context) -> None:
        context.update_progress(part)

    assert engine.run(linear("odd").add(odd), raises=False).state is RunState.REVERTED


def test_much_progress_is_little_log(engine: Engine) -> None:
    done = engine.run(linear("copy").add(Copying(*(n / 1000 for n in range(1001)))))
    assert 1 <= len(of_type(engine, done, "task.progress")) < 100
    assert done.atoms["copying"].progress == 1.0


def test_subscribers_are_told_of_what_they_asked_for_after_its_commit(engine: Engine) -> None:
    heard: list[str] = []

    def hear(run: Any, record: Any) -> None:
        assert record.id in {other.id for other in engine.history(run.id)}
        heard.append(f"{record.type} {record.atom}")

    engine.subscribe("task.*", hear)
    engine.run(linear("told").add(Step("a"), Step("b")))
    assert heard == ["task.running a", "task.success a", "task.running b", "task.success b"]


def test_a_star_is_told_of_everything(engine: Engine) -> None:
    heard: list[Any] = []
    engine.subscribe("*", lambda run, record: heard.append(record))
    done = engine.run(linear("told").add(Step("a")))
    assert [record.version for record in heard] == [record.version for record in engine.history(done.id)]


def test_who_has_unsubscribed_is_told_nothing(engine: Engine) -> None:
    heard: list[Any] = []
    engine.unsubscribe(engine.subscribe("*", lambda run, record: heard.append(record)))
    engine.run(linear("told").add(Step("a")))
    assert heard == []


def test_what_a_subscriber_raises_does_not_disturb_the_run(engine: Engine) -> None:
    heard: list[Any] = []

    def raises(run: Any, record: Any) -> None:
        raise ValueError("not my day")

    engine.subscribe("*", raises)
    engine.subscribe("run.*", lambda run, record: heard.append(record.type))
    done = engine.run(linear("told").add(Step("a"), Step("b", fails=ALWAYS)), raises=False)
    assert done.state is RunState.REVERTED
    assert heard[-1] == "run.reverted" and story(engine, done)[-1] == "run.reverted"
