"""Going back and looking: revert after the end, with its time limit; the run as it was; what a history tells."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from sagalog.codec.compose import wrap
from sagalog.codec.registry import Registry
from sagalog.codec.values import encode
from sagalog.config import Settings
from sagalog.engine.core.states import RunState, TaskState
from sagalog.engine.definition import FunctorTask, Unknown, linear, task
from sagalog.engine.runtime.app import Sagalog
from sagalog.engine.runtime.clock import SystemClock
from sagalog.engine.runtime.engine import Engine
from sagalog.errors import CorruptLog, DefinitionChanged, FlowFailed


class Clock(SystemClock):
    """A clock that a test can put forward, in hours."""

    hours = 0.0

    def now(self) -> int:
        return super().now() + int(self.hours * 3_600_000_000)


def test_a_finished_run_is_compensated_with_a_reason_that_is_kept(engine: Engine) -> None:
    undone: list[Any] = []

    @task(provides="seat")
    def book() -> str:
        return "12A"

    @book.revert
    def cancel(result: str) -> dict[str, str]:
        undone.append(result)
        return {"cancelled": result}

    done = engine.run(linear("trip").add(book))
    back = engine.revert(done.id, reason="customer withdrew", by="agent 7")
    assert undone == ["12A"]
    assert back.state is RunState.REVERTED and back.reason == "customer withdrew"
    assert back.atoms["book"].state is TaskState.REVERTED
    assert back.atoms["book"].revert_result == {"cancelled": "12A"}
    assert back.results == {}
    again = engine.revert(done.id, reason="twice")
    assert again.version == back.version and undone == ["12A"]


def test_a_task_is_not_reverted_after_its_time(settings: Settings) -> None:
    undone: list[str] = []

    def back() -> None:
        undone.append("back")

    flow = linear("goods").add(
        FunctorTask(lambda: None, name="post", revert=back, revertible_for=timedelta(days=14)),
        FunctorTask(lambda: None, name="bill", revert=back),
    )
    clock = Clock()
    with Engine.open(settings=settings, flows=[flow], clock=clock) as engine:
        soon, late = engine.run(flow), engine.run(flow)
        clock.hours = 24.0
        assert engine.revert(soon.id, reason="returned").state is RunState.REVERTED
        assert undone == ["back", "back"]
        clock.hours = 15 * 24.0
        run = engine.revert(late.id, reason="returned")
        assert run.state is RunState.REVERTED_PARTLY
        assert undone == ["back"] * 3
        facts = [record.facts for record in engine.history(late.id) if record.type == "task.reverted"]
        assert [fact["outcome"] for fact in facts] == ["reverted", "not_revertible"] and facts[1]["expired"]


def test_a_run_can_be_seen_as_it_was_at_a_version_and_at_a_time(engine: Engine) -> None:
    done = engine.run(linear("two").add(*(FunctorTask(lambda: 1, name=name, provides=name) for name in "ab")))
    records = engine.history(done.id)
    at = next(record.version for record in records if record.type == "task.success" and record.atom == "a")
    then = engine.state(done.id, at)
    assert (then.version, then.state, then.results) == (at, RunState.RUNNING, {"a": 1})
    assert then.atoms["b"].state is TaskState.PENDING
    assert engine.state(done.id, records[-1].at + timedelta(minutes=1)).version == done.version
    assert [record.version for record in engine.history(done.id, from_version=at)] == list(range(at, done.version + 1))


def test_looking_needs_no_code_and_reverting_does(settings: Settings) -> None:
    flow = linear("gone").add(FunctorTask(lambda: 1, name="a", provides="x", revert=lambda: None))
    with Engine.open(settings=settings) as engine:
        done = engine.run(flow)
    with Engine.open(settings=settings) as stranger:
        assert stranger.state(done.id).results == {"x": 1}
        with pytest.raises(DefinitionChanged, match="flow 'gone' is not in the App, which has: none"):
            stranger.revert(done.id, reason="no code")
        assert stranger.state(done.id).version == done.version
    with Engine.open(settings=settings, app=Sagalog(flows=[flow])) as engine:
        assert engine.revert(done.id, reason="with code").state is RunState.REVERTED


def test_another_definition_is_refused_with_what_differs(settings: Settings) -> None:
    def crash() -> None:
        raise KeyboardInterrupt

    with Engine.open(settings=settings) as engine:
        flow = linear("order").add(FunctorTask(lambda: 1, name="pay"), FunctorTask(crash, name="ship"))
        with pytest.raises(KeyboardInterrupt):
            engine.run(flow, key="k")
    other = linear("order").add(FunctorTask(lambda: 1, name="pay"), FunctorTask(lambda: 1, name="post"))
    with Engine.open(settings=settings, flows=[other]) as engine:
        (run,) = list(engine.runs())
        with pytest.raises(DefinitionChanged, match="ship"):
            engine.resume(run.id)
        assert engine.state(run.id).version == run.version
    with Engine.open(settings=settings, flows=[other, linear("x").add(flow)]) as engine:
        pass


def test_an_app_holds_several_versions_of_a_flow(settings: Settings) -> None:
    old = linear("order").add(FunctorTask(lambda: "old", name="a", provides="x", revert=lambda: None))
    new = linear("order").add(FunctorTask(lambda: "new", name="b", provides="x", revert=lambda: None))
    with Engine.open(settings=settings, flows=[old, new]) as engine:
        runs = [engine.run(old), engine.run(new)]
    with Engine.open(settings=settings, flows=[new, old]) as engine:
        assert [engine.revert(run.id, reason="both").state for run in runs] == [RunState.REVERTED] * 2


def test_a_factory_is_made_again_from_the_arguments_that_the_run_kept(settings: Settings) -> None:
    undone: list[int] = []

    def parts(count: int) -> Any:
        return linear("parts").add(
            *(FunctorTask(lambda: None, name=f"p{n}", revert=lambda n=n: undone.append(n)) for n in range(count))
        )

    app = Sagalog(flows=[parts])
    with Engine.open(settings=settings, app=app) as engine:
        done = engine.run(app.make(parts, {"count": 3}))
    with Engine.open(settings=settings, app=Sagalog(flows=[parts])) as engine:
        engine.revert(done.id, reason="all")
    assert undone == [2, 1, 0]


def test_a_flow_that_has_grown_is_compiled_anew(engine: Engine) -> None:
    flow = linear("growing").add(FunctorTask(lambda: 1, name="a"))
    assert list(engine.run(flow).atoms) == ["a"]
    flow.add(FunctorTask(lambda: 2, name="b"))
    assert list(engine.run(flow).atoms) == ["a", "b"]


def test_a_revert_is_handed_unknown_for_what_nobody_knows(settings: Settings) -> None:
    seen: list[Any] = []
    hurt = True

    def work() -> str:
        if hurt:
            raise KeyboardInterrupt
        return "done"

    flow = linear("lost").add(FunctorTask(work, name="work", revert=lambda result: seen.append(result)))
    with Engine.open(settings=settings, flows=[flow]) as engine:
        with pytest.raises(KeyboardInterrupt):
            engine.run(flow)
        (run,) = list(engine.runs())
        assert engine.revert(run.id, reason="give up").state is RunState.REVERTED
    assert seen == [Unknown]


@attrs.frozen
class Parcel:
    """A user's class; its program is not always the one that looks."""

    grams: int


def test_a_run_with_a_users_class_can_be_seen_where_that_is_not_known(settings: Settings) -> None:
    known = Registry()
    known.register(Parcel, name="parcel.of.this.test")
    stored = encode(Parcel(5), registry=known)
    flow = linear("post").add(FunctorTask(lambda n: n, name="t", provides="n2"))
    with Engine.open(settings=settings) as engine:
        order = engine.order(flow, {"n": 1})
        order.inputs = {"n": stored}
        order.value = wrap({"inputs": wrap(order.inputs), "arguments": b"{}", "tags": b'{"team": "a"}'})
        (run_id,) = engine.start_many([order])
        seen = engine.state(run_id)
        assert (seen.state, seen.tags) == (RunState.PENDING, {"team": "a"})
        with pytest.raises(CorruptLog, match=r"parcel\.of\.this\.test"):
            seen.inputs  # noqa: B018  # asking is what raises


def test_a_run_that_needs_an_answer_says_what_about(settings: Settings) -> None:
    def work() -> None:
        raise KeyboardInterrupt

    flow = linear("asking").add(FunctorTask(work, name="pay", recovery="ASK"))
    with Engine.open(settings=settings, flows=[flow]) as engine:
        with pytest.raises(KeyboardInterrupt):
            engine.run(flow)
        (run,) = list(engine.runs())
        with pytest.raises(FlowFailed, match="a person has to say what became of 'pay'"):
            engine.resume(run.id)
        assert engine.state(run.id).state is RunState.FAILURE
