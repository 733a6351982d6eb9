"""SEMANTICS §1: what an atom takes, from its signature and from what its constructor is told."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import Any

import pytest

from sagalog.engine.definition import Context, FunctorTask, Task, task
from sagalog.engine.definition.arguments import binding
from sagalog.engine.definition.plan import _plans
from sagalog.errors import FlowError, MissingArgument


class Order(Task):
    """Two that are required, one that is not."""

    def execute(self, order: str, customer: str, note: str = "") -> str:
        return order + customer + note

    def revert(self, order: str, result: str, **others: Any) -> None: ...


def pairs(task: Task) -> dict[str, str]:
    return dict(task.rebind)


def test_requires_is_taken_from_the_signature_and_defaults_are_optional() -> None:
    atom = Order()
    assert list(atom.requires) == ["order", "customer"]
    assert list(atom.optional) == ["note"]
    assert atom.requires == {"customer", "order"}


def test_the_name_is_that_of_the_class_unless_told() -> None:
    assert Order().name == "Order"
    assert Order("mine").name == "mine"


@pytest.mark.parametrize(
    ("rebind", "expected"),
    [
        ({"order": "a"}, {"order": "a", "customer": "customer", "note": "note"}),
        (["a", "b"], {"order": "a", "customer": "b", "note": "note"}),
        (("a", "b", "c"), {"order": "a", "customer": "b", "note": "c"}),
        (["a", "a"], {"order": "a", "customer": "a", "note": "note"}),
    ],
)
def test_rebind_renames_by_dict_or_by_place(rebind: Any, expected: dict[str, str]) -> None:
    atom = Order(rebind=rebind)
    assert pairs(atom) == expected
    assert list(atom.optional) == [expected["note"]]


def test_a_list_fills_the_required_places_first() -> None:
    def late(a: int, b: int = 0, *, c: int) -> None: ...

    assert pairs(FunctorTask(late, rebind=["x", "z"])) == {"a": "x", "c": "z", "b": "b"}


def test_requires_adds_to_the_signature_where_the_function_takes_any() -> None:
    def anything(a: int, **more: int) -> dict[str, int]:
        return {"a": a, **more}

    atom = FunctorTask(anything, requires=["b", "c"], rebind={"c": "z"})
    assert pairs(atom) == {"a": "a", "b": "b", "c": "z"}
    assert list(FunctorTask(anything, requires="b").requires) == ["a", "b"]
    assert list(FunctorTask(anything, requires={"q", "p"}).requires) == ["a", "p", "q"]
    assert list(FunctorTask(anything, rebind=["x", "extra"]).requires) == ["x", "extra"]


def test_requires_makes_an_optional_argument_required() -> None:
    assert list(Order(requires=["note"]).requires) == ["order", "customer", "note"]
    assert not Order(requires=["note"]).optional


def test_auto_extract_can_be_turned_off() -> None:
    atom = FunctorTask(lambda a, b=1: None, "f", requires=["a"], auto_extract=False)
    assert list(atom.requires) == ["a"]
    assert not atom.optional
    with pytest.raises(MissingArgument, match="execute of 'f' takes 'a', 'b', which nothing asks for"):
        FunctorTask(lambda a, b: None, "f", auto_extract=False)


@pytest.mark.parametrize("options", [{"requires": ["zzz"]}, {"rebind": {"zzz": "a"}}, {"rebind": list("abcd")}])
def test_what_the_function_does_not_take_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(FlowError, match=r"execute of 'Order' does not take '(zzz|d)'; it takes order, customer, note"):
        Order(**options)


def test_star_args_take_nothing_by_name() -> None:
    assert not FunctorTask(lambda *args: None, "f").requires
    with pytest.raises(FlowError, match="does not take 'a'"):
        FunctorTask(lambda *args: None, "f", requires=["a"])


def test_ignore_list_leaves_parameters_alone() -> None:
    atom = Order(ignore_list=["note"])
    assert not atom.optional
    assert "note" not in atom.rebind


def test_inject_is_no_requirement() -> None:
    atom = Order(inject={"order": 1, "note": 2})
    assert list(atom.requires) == ["customer"]
    assert not atom.optional
    assert dict(atom.inject) == {"order": 1, "note": 2}
    with pytest.raises(TypeError):
        atom.inject["order"] = 3  # type: ignore[index]  # it is read-only


def test_inject_goes_by_the_name_of_the_resource() -> None:
    assert list(Order(rebind={"order": "a"}, inject={"a": 1}).requires) == ["customer"]
    with pytest.raises(
        FlowError, match=r"inject has 'order', which it does not ask for; it asks for a, customer, note"
    ):
        Order(rebind={"order": "a"}, inject={"order": 1})


def test_what_is_injected_goes_to_a_function_that_takes_any() -> None:
    atom = FunctorTask(lambda **more: more, "f", inject={"a": 1})
    assert pairs(atom) == {"a": "a"}
    assert not atom.requires


@pytest.mark.parametrize(
    ("provides", "expected"),
    [
        (None, {}),
        ("whole", {"whole": None}),
        (["a", "b"], {"a": 0, "b": 1}),
        (("a",), {"a": 0}),
        ({"b", "a"}, {"a": "a", "b": "b"}),
        (frozenset("a"), {"a": "a"}),
    ],
)
def test_provides_saves_the_whole_by_index_or_by_key(provides: Any, expected: dict[str, Any]) -> None:
    atom = Order(provides=provides)
    assert atom.save_as == expected
    assert atom.provides == set(expected)
    assert list(atom.provides) == list(expected)


@pytest.mark.parametrize("provides", [["a", "a"], {"a": 1}, 5, b"a", [5], "", "a\0b", "\ud800"])
def test_what_cannot_be_provided_is_refused(provides: Any) -> None:
    with pytest.raises(FlowError, match="provides"):
        Order(provides=provides)


def test_default_provides_is_what_a_class_provides() -> None:
    class Named(Order):
        default_provides = "named"

    assert list(Named().provides) == ["named"]
    assert list(Named(provides="other").provides) == ["other"]


def test_a_revert_takes_its_arguments_as_execute_does_unless_told() -> None:
    def execute(a: int, b: int) -> None: ...
    def revert(b: int, c: int, result: object, flow_failures: object) -> None: ...

    atom = FunctorTask(execute, revert=revert, rebind=["x", "y"])
    assert atom.revert_rebind == {"b": "y", "c": "c"}
    assert list(atom.requires) == ["x", "y", "c"]
    assert atom.wants("revert") == ("result", "flow_failures")
    other = FunctorTask(execute, revert=revert, rebind=["x", "y"], revert_rebind={"c": "z"})
    assert other.revert_rebind == {"b": "y", "c": "z"}
    assert FunctorTask(execute, revert=revert, revert_rebind=["q", "r"]).revert_rebind == {"b": "q", "c": "r"}


def test_a_revert_that_takes_any_gets_all_of_them_and_the_result() -> None:
    atom = Order(rebind={"customer": "c"})
    assert atom.revert_rebind == {"order": "order", "customer": "c", "note": "note"}
    assert list(atom.revert_optional) == ["note"]
    assert atom.wants("revert") == ("result", "flow_failures")


def test_what_execute_requires_is_asked_for_again_only_where_the_revert_takes_it() -> None:
    def execute(**more: object) -> None: ...

    assert FunctorTask(execute, requires=["a", "b"], revert=lambda b: b).revert_rebind == {"b": "b"}
    assert list(FunctorTask(execute, requires="b", revert=lambda b=1: b).requires) == ["b"]


def test_a_renamed_optional_argument_stays_optional() -> None:
    for auto in (True, False):
        atom = FunctorTask(lambda a=1: a, "f", auto_extract=auto, rebind={"a": "x"})
        assert list(atom.optional) == ["x"]
        assert not atom.requires


def test_revert_requires_asks_for_more() -> None:
    def revert(**more: object) -> None: ...

    atom = FunctorTask(lambda a: a, "f", revert=revert, revert_requires=["b"])
    assert atom.revert_rebind == {"b": "b", "a": "a"}
    with pytest.raises(FlowError, match="revert of 'f' does not take 'b'"):
        FunctorTask(lambda a: a, "f", revert=lambda a: a, revert_requires=["b"])


def test_the_engine_fills_context_conn_result_and_flow_failures() -> None:
    def execute(a: int, context: Context, conn: object) -> None: ...
    def revert(conn: object, result: object, ctx: Context) -> None: ...

    atom = FunctorTask(execute, revert=revert, transactional=True)
    assert list(atom.requires) == ["a"]
    assert atom.wants("execute") == ("context", "conn")
    assert atom.wants("revert") == ("context", "conn", "result")
    assert atom.wants_context
    plain = FunctorTask(execute)
    assert list(plain.requires) == ["a", "conn"]
    assert plain.wants("execute") == ("context",)


@pytest.mark.parametrize("options", [{"requires": ["context"]}, {"rebind": {"context": "c"}}])
def test_what_the_engine_fills_cannot_be_required(options: dict[str, Any]) -> None:
    with pytest.raises(FlowError, match="'context' is handed over by the engine"):
        FunctorTask(lambda a, context: None, "f", **options)


def test_a_context_is_known_by_its_annotation_and_passed_under_the_name_it_has() -> None:
    def execute(a: int, ctx: Context) -> tuple[int, Any]:
        return a, ctx

    atom = FunctorTask(execute)
    assert list(atom.requires) == ["a"]
    assert atom.code("execute").function(a=1, context="the context") == (1, "the context")


def test_positional_only_parameters_are_passed_by_place() -> None:
    def execute(a: int, b: int = 2, /, c: int = 3, *, d: int) -> tuple[int, ...]:
        return a, b, c, d

    code = FunctorTask(execute).code("execute").function
    assert code(a=1, d=4) == (1, 2, 3, 4)
    assert code(a=1, b=5, c=6, d=4) == (1, 5, 6, 4)


def test_a_function_that_needs_no_help_is_called_itself() -> None:
    def execute(a: int, context: Context) -> None: ...

    assert FunctorTask(execute).code("execute").function is execute


def test_a_probe_is_handed_what_it_takes_of_the_call_it_is_asked_about() -> None:
    def revert(a: int, result: object) -> None: ...

    def probe(a: int, context: object) -> tuple[object, ...]:
        return a, context

    def probe_revert(result: object) -> object:
        return result

    atom = FunctorTask(lambda a, b: None, "f", revert=revert, probe=probe, probe_revert=probe_revert)
    assert atom.wants("probe") == ("context",)
    assert atom.wants("probe_revert") == ("result",)
    assert atom.code("probe").function(a=1, b=2, context=3) == (1, 3)
    assert atom.code("probe_revert").function(a=1, result=2) == 2
    with pytest.raises(FlowError, match=r"the probe of 'f' takes 'z'; it may take .* \(a\), context"):
        FunctorTask(lambda a: None, "f", probe=lambda z: None)


def numbers() -> Any:
    yield 1


async def stream() -> Any:
    yield 1


class Callable_:
    def __call__(self, a: int) -> int:
        return a


class Generating:
    def __call__(self) -> Any:
        yield 1


@pytest.mark.parametrize("function", [numbers, stream, functools.partial(numbers), Generating()])
def test_generators_are_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(FlowError, match="is a generator function"):
        FunctorTask(function)
    with pytest.raises(FlowError, match="revert of 'f' is a generator function"):
        FunctorTask(lambda: None, "f", revert=function)


def test_every_kind_of_callable_will_do() -> None:
    atom = FunctorTask(Callable_())
    assert (atom.name, list(atom.requires)) == ("Callable_", ["a"])
    part = FunctorTask(functools.partial(lambda a, b: None, b=1), "part")
    assert (list(part.requires), list(part.optional)) == (["a"], ["b"])
    bound = FunctorTask(Order().execute)
    assert (bound.name, list(bound.requires)) == ("execute", ["order", "customer"])


def test_a_callable_without_a_signature_is_refused() -> None:
    with pytest.raises(FlowError, match="no signature can be read"):
        FunctorTask(max)


def test_coroutine_functions_are_known() -> None:
    async def execute() -> None: ...
    def plain() -> None: ...

    assert FunctorTask(execute, revert=plain).is_async
    assert not FunctorTask(execute, revert=plain).revert_is_async
    assert FunctorTask(plain, revert=execute).revert_is_async
    assert FunctorTask(functools.partial(execute), "p").is_async
    assert not FunctorTask(plain).is_async


def test_atoms_made_alike_share_their_plan_and_leave_nothing_behind() -> None:
    def mine(a: int) -> None: ...

    alike = [FunctorTask(mine, f"t{i}", provides="x") for i in range(3)]
    assert len({id(atom.plan) for atom in alike}) == 1
    assert FunctorTask(mine, provides="y").plan is not alike[0].plan
    gc.collect()
    assert len(_plans[mine]) == 1
    assert binding("a", "a", False) is alike[0].plan.execute.bindings[0]


def test_a_decorated_function_declares_its_revert_and_probe() -> None:
    @task(provides="reservation", recovery="PROBE")
    def reserve(order: str) -> str:
        return order.upper()

    @reserve.revert
    def release(order: str, result: str) -> str:
        return f"released {order} {result}"

    @reserve.probe
    def reserved(order: str) -> bool:
        return bool(order)

    assert isinstance(reserve, FunctorTask)
    assert reserve("a") == "A"
    assert reserve.execute("a") == "A"
    assert release("a", "b") == reserve.revert("a", result="b") == "released a b"
    assert reserve.has_revert
    assert reserve.has_probe
    assert reserve.name == "reserve"
    with pytest.raises(FlowError, match="has a revert already: release"):
        reserve.revert(release)
    with pytest.raises(FlowError, match=r"has no probe_revert; declare one with @reserve\.probe_revert"):
        reserve.probe_revert(order="a")
