"""What tasks declare, their hooks, and the tasks made of functions."""

from __future__ import annotations

import pickle
from datetime import timedelta
from operator import add
from typing import Any

import pytest

from sagalog.engine.core.compile import compile
from sagalog.engine.definition import (
    Atom,
    FunctorTask,
    MapFunctorTask,
    ProbeAnswer,
    Recovery,
    ReduceFunctorTask,
    Task,
    Unknown,
    did_not_happen,
    dont_know,
    happened,
    linear,
    task,
)
from sagalog.engine.definition.declarations import declarations_of
from sagalog.errors import FlowError


def step() -> None: ...
def undo() -> None: ...


def declared(**options: Any) -> Any:
    return declarations_of(FunctorTask(step, "t", **options))


@pytest.mark.parametrize(
    ("options", "compensation"),
    [
        ({}, "undeclared"),
        ({"revert": undo}, "revert"),
        ({"revert": undo, "compensation": "revert"}, "revert"),
        ({"compensation": "not_needed"}, "not_needed"),
        ({"compensation": "irreversible"}, "irreversible"),
    ],
)
def test_compensation_is_declared(options: dict[str, Any], compensation: str) -> None:
    assert declared(**options).compensation == compensation


def with_conn(conn: object) -> None: ...


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"compensation": "revert"}, "compensation is 'revert' but it has no revert"),
    ({"compensation": "not_needed", "revert": undo}, "compensation is 'not_needed' but it has a revert"),
    ({"compensation": "irreversible", "revert": undo}, "compensation is 'irreversible' but it has a revert"),
    ({"compensation": "maybe"}, "compensation must be one of 'revert', 'not_needed', 'irreversible', 'undeclared'"),
    ({"recovery": "PROBE"}, "recovery is PROBE but it has no probe"),
    ({"recovery": "rerun"}, "recovery must be one of 'RERUN', 'SKIP', 'PROBE', 'ASK'; found 'rerun'"),
    ({"recovery": {"ACTIVE": "rerun"}}, "recovery for ACTIVE must be one of 'RERUN', 'SKIP', 'PROBE', 'ASK'"),
    ({"recovery": {"SUCCESS": "ASK"}}, "recovery for SUCCESS must be one of 'RERUN', 'SKIP'; found 'ASK'"),
    ({"recovery": {"FAILURE": Recovery.PROBE}}, "recovery for FAILURE must be one of 'RERUN', 'SKIP'"),
    ({"recovery": {"READY": None}}, "recovery for READY must be one of 'RERUN', 'SKIP'; found None"),
    ({"recovery": {"RUNNING": "RERUN"}}, "recovery has 'RUNNING'; a map may have ACTIVE, FAILURE, READY, SUCCESS"),
    ({"recovery": {"ACTIVE": "PROBE"}}, "recovery is PROBE but it has no probe"),
    ({"transactional": True, "execute": with_conn, "recovery": {"ACTIVE": "ASK"}}, "is never unknown"),
    ({"revert_recovery": "SKIP"}, "revert_recovery cannot be SKIP"),
    ({"revert": undo, "probe": step, "revert_recovery": "PROBE"}, "it has no probe_revert"),
    ({"transactional": True}, "is transactional but its execute does not take 'conn'"),
    ({"transactional": True, "execute": with_conn, "recovery": "PROBE", "probe": step}, "is never unknown"),
    ({"transactional": True, "execute": with_conn, "recovery": "ASK"}, "is never unknown"),
    ({"transactional": True, "execute": with_conn, "revert_recovery": "ASK"}, "is never unknown"),
    ({"revertible_for": timedelta(1)}, "revertible_for is for a task with a revert; this one is undeclared"),
    ({"revertible_for": timedelta(0), "revert": undo}, "must be a timedelta above zero"),
    ({"revertible_for": 5, "revert": undo}, "must be a timedelta above zero"),
]


@pytest.mark.parametrize(("options", "message"), WRONG, ids=[message for _, message in WRONG])
def test_declarations_that_contradict_each_other_are_refused_when_the_task_is_used(
    options: dict[str, Any], message: str
) -> None:
    rest = {option: value for option, value in options.items() if option != "execute"}
    made = FunctorTask(options.get("execute", step), "t", **rest)
    with pytest.raises(FlowError, match="task 't'") as caught:
        linear("f").add(made)
    assert message in str(caught.value)


def test_declarations_are_kept() -> None:
    found = declared(revert=undo, revertible_for=timedelta(seconds=1.5), recovery=Recovery.ASK, revert_recovery="ASK")
    assert (found.recovery, found.revert_recovery, found.revertible_for) == ("ASK", "ASK", 1_500_000)


@pytest.mark.parametrize(
    ("recovery", "active", "others"),
    [
        ({}, "RERUN", ()),
        ({"ACTIVE": "ASK"}, "ASK", ()),
        ({"READY": "RERUN", "FAILURE": "RERUN", "SUCCESS": "SKIP"}, "RERUN", ()),
        ({"SUCCESS": "RERUN", "READY": "SKIP"}, "RERUN", (("READY", "SKIP"), ("SUCCESS", "RERUN"))),
        ({"FAILURE": Recovery.SKIP, "ACTIVE": Recovery.SKIP}, "SKIP", (("FAILURE", "SKIP"),)),
        ("ASK", "ASK", ()),
    ],
)
def test_recovery_may_be_a_map(recovery: Any, active: str, others: Any) -> None:
    found = declared(recovery=recovery)
    assert (found.recovery, found.recoveries) == (active, others)
    kept = declared(recovery=recovery, revert=undo, revertible_for=timedelta(1))
    assert (kept.recovery, kept.recoveries) == (active, others)


def test_a_transactional_task_may_say_what_becomes_of_it_in_a_recovered_run() -> None:
    made = FunctorTask(with_conn, "t", transactional=True, recovery={"SUCCESS": "RERUN"})
    assert declarations_of(made).recoveries == (("SUCCESS", "RERUN"),)


def test_a_class_declares_for_its_tasks_and_a_task_for_itself() -> None:
    class Charge(Task):
        version = (2, 1)
        priority = 5
        transactional = True
        compensation = "irreversible"

        def execute(self, conn: object) -> None: ...

    assert Charge().wants("execute") == ("conn",)
    assert declarations_of(Charge()).compensation == "irreversible"
    assert [Charge().priority, Charge(priority=-1).priority, Charge(version="3").version] == [5, -1, "3"]
    assert Charge.priority == 5


@pytest.mark.parametrize("bad", [{"version": 1}, {"version": (1, "a")}, {"version": ""}, {"priority": "high"}])
def test_versions_and_priorities_are_checked(bad: dict[str, Any]) -> None:
    with pytest.raises(FlowError, match=r"version|priority"):
        compile(FunctorTask(step, **bad), lambda value, path: b"")


def test_an_unknown_option_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="compensate"):
        FunctorTask(step, compensate="revert")  # type: ignore[call-arg]  # the mistake


@pytest.mark.parametrize("name", ["", "a\0", "\ud800", 5])
def test_a_name_is_text_that_the_log_can_hold(name: Any) -> None:
    with pytest.raises(FlowError, match="the name of a task"):
        FunctorTask(step, name)


def test_hooks_are_called_only_where_they_are_defined() -> None:
    class Hooked(Task):
        def execute(self) -> None: ...
        def revert(self) -> None: ...
        def pre_execute(self) -> str:
            return "before"

        def post_revert(self) -> str:
            return "after"

    class More(Hooked):
        def post_execute(self) -> None: ...

    atom = Hooked()
    execute, revert = atom.code("execute"), atom.code("revert")
    assert execute.before is not None
    assert revert.after is not None
    assert (execute.before(), revert.after()) == ("before", "after")
    assert execute.after is None
    assert revert.before is None
    assert More().code("execute").after is not None
    assert FunctorTask(step).code("execute") == (step, None, None)
    assert atom.pre_revert() is None


def test_a_task_without_the_function_has_no_code_for_it() -> None:
    class Plain(Task):
        def execute(self) -> None: ...

    atom = Plain()
    assert not atom.has_revert
    assert not atom.has_probe
    assert atom.wants("revert") == ()
    with pytest.raises(FlowError, match="'Plain' has no revert"):
        atom.code("revert")
    with pytest.raises(NotImplementedError):
        atom.revert()


def test_what_cannot_be_run_is_refused() -> None:
    class Nothing(Task):
        pass

    class Forgetful(Task):
        def __init__(self) -> None:
            self.x = 1

        def execute(self) -> None: ...

    with pytest.raises(FlowError, match="Nothing has no execute"):
        Nothing()
    with pytest.raises(FlowError, match=r"Forgetful: its __init__ did not call super\(\)\.__init__"):
        linear("f").add(Forgetful())
    with pytest.raises(NotImplementedError, match="derive from Task"):
        Atom("a")
    with pytest.raises(FlowError, match="execute of a FunctorTask must be callable; found 5"):
        FunctorTask(5)  # type: ignore[arg-type]  # the mistake
    with pytest.raises(FlowError, match="is a task already"):
        FunctorTask(FunctorTask(step))


def test_a_task_can_be_had_under_another_name() -> None:
    first = FunctorTask(step, "first", provides="x", revert=undo, priority=3)
    second = first.named("second")
    assert (first.name, second.name) == ("first", "second")
    assert second.has_revert
    assert (list(second.provides), second.priority, second.plan) == (["x"], 3, first.plan)


def test_the_decorator_works_bare_and_with_options() -> None:
    @task
    def bare() -> None: ...

    @task(name="named", priority=2, version="7", compensation="not_needed")
    def other() -> None: ...

    assert (bare.name, other.name, other.priority, other.version) == ("bare", "named", 2, "7")
    with pytest.raises(FlowError, match="@task takes its options by keyword"):
        task("reservation")  # type: ignore[call-overload]  # the mistake


def test_map_calls_the_function_for_each_value_in_the_order_of_requires() -> None:
    atom = MapFunctorTask(lambda n: n * 10, ["b", "a", "b"], name="m", provides="all")
    assert list(atom.requires) == ["b", "a"]
    assert atom.code("execute").function(a=1, b=2) == [20, 10, 20]
    renamed = MapFunctorTask(str, ["a"], rebind={"a": "z"})
    assert list(renamed.requires) == ["z"]


def test_reduce_folds_from_the_left() -> None:
    atom = ReduceFunctorTask(lambda a, b: f"({a}{b})", ["x", "y", "z"], name="r")
    assert atom.code("execute").function(z=3, x=1, y=2) == "((12)3)"
    assert ReduceFunctorTask(add, ["x", "y"]).name == "add"


async def later(n: int) -> int:
    return n


@pytest.mark.parametrize(
    ("kind", "functor", "requires", "message"),
    [
        (MapFunctorTask, lambda a, b: 0, ["a"], "exactly 1 argument"),
        (ReduceFunctorTask, lambda a: 0, ["a", "b"], "exactly 2 argument"),
        (ReduceFunctorTask, add, ["a"], "at least 2 names; found 1"),
        (MapFunctorTask, later, ["a"], "coroutine function"),
        (MapFunctorTask, str.upper, "ab", "must be a list or tuple"),
        (ReduceFunctorTask, add, {"a", "b"}, "must be a list or tuple"),
        (MapFunctorTask, 5, ["a"], "expected a function"),
    ],
)
def test_map_and_reduce_refuse_what_they_cannot_call(kind: Any, functor: Any, requires: Any, message: str) -> None:
    with pytest.raises(FlowError, match=message):
        kind(functor, requires, name="t")


def test_unknown_is_one_false_thing() -> None:
    assert type(Unknown)() is Unknown
    assert pickle.loads(pickle.dumps(Unknown)) is Unknown
    assert not Unknown
    assert Unknown != None  # noqa: E711  # None may be a result; Unknown is none
    assert repr(Unknown) == "Unknown"


def test_answers_of_a_probe() -> None:
    assert happened(5) == ProbeAnswer("happened", 5)
    assert happened().value is None
    assert (did_not_happen.answer, dont_know.answer) == ("did_not_happen", "dont_know")
