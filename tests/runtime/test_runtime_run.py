"""A flow from its inputs to its end, blocking and on an event loop: what tasks are handed, what callers get back."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import attrs
import pytest

from sagalog.config import Settings
from sagalog.engine.core.states import RunState, TaskState
from sagalog.engine.definition import Context, FunctorTask, Task, linear, task, unordered
from sagalog.engine.runtime.engine import Engine
from sagalog.errors import DefinitionChanged, FlowFailed, MissingArgument, NotStorable, UnknownRun, ValueTooLarge


def run(engine: Engine, how: str, flow: Any, inputs: dict[str, Any] | None = None, **options: Any) -> Any:
    """Run a flow the blocking way or on an event loop; both must do the same."""
    if how == "blocking":
        return engine.run(flow, inputs, **options)

    async def on_loop() -> Any:
        async with Engine.open(settings=engine.settings, app=engine.app) as other:
            return await other.arun(flow, inputs, **options)

    return asyncio.run(on_loop())


both = pytest.mark.parametrize("how", ["blocking", "async"])


def types(engine: Engine, run_id: Any) -> list[str]:
    return [f"{record.type} {record.atom}" if record.atom else record.type for record in engine.history(run_id)]


@both
def test_results_flow_from_task_to_task_and_to_the_caller(engine: Engine, how: str) -> None:
    @task(provides="double")
    def double(n: int) -> int:
        return 2 * n

    @task(provides=("low", "high"))
    async def bounds(double: int) -> tuple[int, int]:
        await asyncio.sleep(0)
        return double - 1, double + 1

    @task(provides="text")
    def say(low: int, high: int, unit: str = "EUR") -> str:
        return f"{low}..{high} {unit}"

    done = run(engine, how, linear("sums").add(double, bounds, say), {"n": 21})
    assert done.state is RunState.SUCCESS
    assert done.results == {"double": 42, "low": 41, "high": 43, "text": "41..43 EUR"}
    assert done.inputs == {"n": 21}
    assert [view.state for view in done.atoms.values()] == [TaskState.SUCCESS] * 3
    assert done.finished_at >= done.created_at


@both
def test_a_linear_flow_of_n_tasks_costs_n_plus_one_commits(engine: Engine, how: str) -> None:
    flow = linear("steps").add(*(FunctorTask(lambda: None, name=f"t{n}") for n in range(5)))
    done = run(engine, how, flow)
    moments = [record.at for record in engine.history(done.id)]
    assert len(set(moments)) == 6


@both
def test_intent_is_in_the_log_before_the_code_runs(engine: Engine, how: str) -> None:
    seen: list[str] = []

    @task
    def look(context: Context) -> None:
        with Engine.open(settings=engine.settings) as other:
            seen.extend(record.type for record in other.history(context.run_id))

    run(engine, how, linear("looking").add(look))
    assert seen == ["run.created", "run.claimed", "run.running", "task.running"]


@both
def test_a_failing_task_reverts_what_ran_and_raises_with_the_exception_as_cause(engine: Engine, how: str) -> None:
    undone: list[Any] = []

    @task(provides="held")
    def reserve() -> dict[str, int]:
        return {"seats": 2}

    @reserve.revert
    def release(result: Any, flow_failures: Any) -> None:
        undone.append((result, flow_failures["charge"].type, flow_failures["charge"].message))

    error = ValueError("card refused")

    @task
    def charge(held: Any) -> None:
        raise error

    @charge.revert
    def refund(result: Any) -> None:
        undone.append(result.check(ValueError))

    with pytest.raises(FlowFailed) as caught:
        run(engine, how, linear("order").add(reserve, charge))
    assert caught.value.__cause__ is error
    assert [failure.atom for failure in caught.value.failures] == ["charge"]
    assert undone == [ValueError, ({"seats": 2}, "ValueError", "card refused")]
    again = engine.state(caught.value.run_id)
    assert again.state is RunState.REVERTED
    assert again.results == {}
    assert again.failures[0].message == "card refused"


@both
def test_each_hand_out_is_a_value_of_its_own(engine: Engine, how: str) -> None:
    seen: list[Any] = []

    @task(provides="basket")
    def make(items: list[int]) -> dict[str, list[int]]:
        items.append(99)
        return {"items": items}

    @task
    def spoil(basket: dict[str, list[int]], items: list[int]) -> None:
        basket["items"].append(100)
        seen.append(list(items))

    @task
    def look(basket: dict[str, list[int]], items: list[int]) -> None:
        seen.append((basket, items))

    mine = [1]
    done = run(engine, how, linear("mutation").add(make, spoil, look), {"items": mine})
    assert seen == [[1], ({"items": [1, 99]}, [1])]
    assert done.inputs == {"items": [1]} and mine == [1]


@both
@pytest.mark.parametrize(
    ("raised", "kind"),
    [(SystemExit(3), "SystemExit"), (BaseException("odd"), "BaseException"), (GeneratorExit(), "GeneratorExit")],
)
def test_base_exceptions_of_a_task_are_its_failure(engine: Engine, how: str, raised: BaseException, kind: str) -> None:
    @task
    def leave() -> None:
        raise raised

    done = run(engine, how, linear("leaving").add(leave), raises=False)
    assert done.state is RunState.REVERTED
    assert done.failures[0].type == kind


@both
def test_an_unstorable_result_is_a_failure_that_names_path_and_type(engine: Engine, how: str) -> None:
    @task
    def price() -> Any:
        return {"items": [1, object()]}

    done = run(engine, how, linear("pricing").add(price), raises=False)
    assert done.failures[0].check(NotStorable)
    assert "result.items[1]" in done.failures[0].message and "object" in done.failures[0].message


@both
def test_a_coroutine_or_generator_returned_by_mistake_is_a_failure(engine: Engine, how: str) -> None:
    @task
    def lazy() -> Any:
        return (n for n in range(3))

    done = run(engine, how, linear("lazing").add(lazy), raises=False)
    assert "generator" in done.failures[0].message


@both
def test_hooks_run_around_the_code_and_the_post_hook_always(engine: Engine, how: str) -> None:
    told: list[str] = []

    class Noisy(Task):
        def pre_execute(self) -> None:
            told.append("pre")

        def execute(self) -> None:
            told.append("execute")
            raise KeyError("x")

        def post_execute(self) -> None:
            told.append("post")

        def revert(self, result: Any) -> None:
            told.append(f"revert {result.type}")

        def post_revert(self) -> None:
            told.append("post_revert")

    run(engine, how, linear("hooks").add(Noisy()), raises=False)
    assert told == ["pre", "execute", "post", "revert KeyError", "post_revert"]


@both
def test_the_context_tells_the_call_and_keys_differ_by_atom_and_direction(engine: Engine, how: str) -> None:
    keys: dict[str, str] = {}

    @task
    def first(context: Context) -> None:
        keys["first"] = context.idempotency_key
        assert (context.atom, context.execution, context.attempt) == ("first", 1, 1)
        context.logger.info("hello")

    @first.revert
    def back(context: Context) -> None:
        keys["revert"] = context.idempotency_key

    @task
    def second(context: Context) -> None:
        keys["second"] = context.idempotency_key
        raise ValueError

    run(engine, how, linear("keys").add(first, second), raises=False)
    assert len(set(keys.values())) == 3


@both
def test_a_missing_input_is_said_before_anything_is_written(engine: Engine, how: str) -> None:
    @task
    def ship(address: str) -> None: ...

    with pytest.raises(MissingArgument, match=r"ship.*address"):
        run(engine, how, linear("shipping").add(ship))
    assert list(engine.runs()) == []


@both
def test_an_input_that_cannot_be_stored_is_refused_before_anything_is_written(engine: Engine, how: str) -> None:
    with pytest.raises(NotStorable, match=r"inputs\.n"):
        run(engine, how, linear("shipping").add(FunctorTask(lambda n: n, name="t")), {"n": object()})
    assert list(engine.runs()) == []


@both
def test_the_same_key_means_the_same_run(engine: Engine, how: str) -> None:
    calls: list[int] = []
    flow = linear("once").add(FunctorTask(lambda: calls.append(1), name="t"))
    first = run(engine, how, flow, key="order-1")
    again = run(engine, how, flow, key="order-1")
    assert first.id == again.id and calls == [1]


def test_independent_branches_run_side_by_side_on_a_loop_and_one_by_one_when_blocking(engine: Engine) -> None:
    under_way, most = 0, 0

    async def work() -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        under_way -= 1

    flow = unordered("wide").add(*(FunctorTask(work, name=f"t{n}") for n in range(6)))
    run(engine, "blocking", flow)
    assert most == 1
    run(engine, "async", flow)
    assert most == 6


def test_independent_branches_are_reverted_side_by_side_on_a_loop(engine: Engine) -> None:
    under_way, most = 0, 0

    async def undo() -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        under_way -= 1

    async def nothing() -> None: ...

    def bad() -> None:
        raise ValueError

    parts = unordered("wide").add(*(FunctorTask(nothing, name=f"t{n}", revert=undo) for n in range(4)))
    flow = linear("all").add(parts, FunctorTask(bad, name="bad"))
    assert run(engine, "async", flow, raises=False).state is RunState.REVERTED
    assert most == 4


def test_hundreds_of_runs_share_a_loop(settings: Settings) -> None:
    flow = linear("small").add(*(FunctorTask(lambda: {"ok": True}, name=f"t{n}") for n in range(3)))

    async def crowd() -> list[Any]:
        async with Engine.open(settings=settings) as engine:
            return await asyncio.gather(*(engine.arun(flow) for _ in range(200)))

    runs = asyncio.run(crowd())
    assert {done.state for done in runs} == {RunState.SUCCESS}
    with Engine.open(settings=settings) as engine:
        result = engine.verify()
        assert result.ok and result.runs == 200 and result.records == 200 * 10


def test_a_task_may_run_a_flow_of_its_own(engine: Engine) -> None:
    inner = linear("inner").add(FunctorTask(lambda: 7, name="seven", provides="n"))

    @task(provides="n")
    def outer() -> int:
        n: int = engine.run(inner).results["n"]
        return n

    assert engine.run(linear("outer").add(outer)).results == {"n": 7}


def test_an_unknown_run_is_said(engine: Engine) -> None:
    with pytest.raises(UnknownRun):
        engine.state(uuid4())
    with pytest.raises(UnknownRun):
        engine.resume(uuid4())


@both
def test_a_value_over_the_limit_is_a_failure_that_says_so(settings: Settings, how: str) -> None:
    small = attrs.evolve(settings, value_limit=200)
    with Engine.open(settings=small) as engine:
        flow = linear("big").add(FunctorTask(lambda: "x" * 300, name="t"))
        failure = run(engine, how, flow, raises=False).failures[0]
        assert failure.check(ValueTooLarge) and "302 bytes" in failure.message and "200" in failure.message
        with pytest.raises(ValueTooLarge, match=r"inputs\.n"):
            run(engine, how, linear("in").add(FunctorTask(lambda n: n, name="t")), {"n": "x" * 300})


def test_a_run_inside_a_transactional_task_is_no_part_of_its_transaction(engine: Engine) -> None:
    inner = linear("inner").add(FunctorTask(lambda: 7, name="seven", provides="n"))
    ids: list[Any] = []

    @task(transactional=True)
    def outer(conn: Any) -> int:
        ids.append(engine.run(inner).id)
        raise ValueError("rolled back")

    assert engine.run(linear("outer").add(outer), raises=False).state is RunState.REVERTED
    assert engine.state(ids[0]).state is RunState.SUCCESS


def test_one_run_that_cannot_go_on_keeps_no_other_from_it(engine: Engine, settings: Settings) -> None:
    good = linear("good").add(FunctorTask(lambda: 1, name="t"))
    runs = [engine.start(good), engine.start(linear("gone").add(FunctorTask(lambda: 1, name="t"))), engine.start(good)]
    with Engine.open(settings=settings, flows=[good]) as other:
        with pytest.raises(DefinitionChanged, match="gone"):
            other.resume_all()
        assert [other.state(run.id).state for run in runs] == [RunState.SUCCESS, RunState.PENDING, RunState.SUCCESS]
