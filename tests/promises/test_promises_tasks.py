"""What the TaskFlow page promises of tasks (its lines 112 to 131 and 268 to 342), and SEMANTICS §1 of their kinds."""

from __future__ import annotations

import operator
from typing import Any

import pytest
from sagalog_story import ALWAYS, Refused, Step

from sagalog import (
    Atom,
    Engine,
    FlowError,
    FunctorTask,
    MapFunctorTask,
    ReduceFunctorTask,
    RunState,
    Task,
    linear,
    task,
)


class Room(Task):
    """A task of the user's own, with a revert."""

    def __init__(self, taken: list[str], **options: Any) -> None:
        self.taken = taken
        super().__init__(**options)

    def execute(self, guest: str) -> str:
        self.taken.append(guest)
        return guest

    def revert(self, result: str, **others: Any) -> None:
        self.taken.remove(result)


def test_a_task_has_execute_and_revert(engine: Engine) -> None:
    taken: list[str] = []
    room = Room(taken)
    assert isinstance(room, Task) and isinstance(room, Atom)
    engine.run(linear("stay").add(room), {"guest": "ann"})
    assert taken == ["ann"]
    engine.run(linear("no stay").add(room, Step("bad", fails=ALWAYS)), {"guest": "bob"}, raises=False)
    assert taken == ["ann"]


def test_task_takes_every_parameter_of_atom(engine: Engine) -> None:
    taken: list[str] = []
    room = Room(
        taken,
        name="room",
        provides="key",
        requires=["guest"],
        auto_extract=True,
        rebind={"guest": "who"},
        inject={"who": "eve"},
        ignore_list=[],
        revert_rebind={"guest": "who"},
        revert_requires=["more"],
    )
    assert (room.name, list(room.provides), list(room.requires)) == ("room", ["key"], ["more"])
    assert engine.run(linear("all").add(room), {"more": 1}).results == {"key": "eve"}


def book(room: str) -> str:
    return f"booked {room}"


def test_a_functor_task_runs_a_callable_and_its_revert(engine: Engine) -> None:
    undone: list[Any] = []

    def cancel(room: str, result: str, **others: Any) -> None:
        undone.append((room, result))

    flow = linear("booking").add(FunctorTask(book, provides="booking", revert=cancel), Step("bad", fails=ALWAYS))
    assert engine.run(flow, {"room": "12"}, raises=False).state is RunState.REVERTED
    assert undone == [("12", "booked 12")]


def test_a_functor_task_is_named_after_its_execute_and_not_after_its_revert() -> None:
    assert FunctorTask(book, revert=lambda room: None).name == "book"
    assert FunctorTask(book, name="other").name == "other"


def test_a_functor_task_takes_version_rebind_inject_and_provides(engine: Engine) -> None:
    booking = FunctorTask(book, provides="x", version=(2, 1), rebind={"room": "hall"}, inject={"hall": "big"})
    assert booking.version == (2, 1)
    assert engine.run(linear("booking").add(booking)).results == {"x": "booked big"}


def test_the_decorator_makes_a_functor_task_of_a_function(engine: Engine) -> None:
    @task(provides="n")
    def count(n: int) -> int:
        return n + 1

    assert isinstance(count, FunctorTask) and count.name == "count"
    assert engine.run(linear("counting").add(count), {"n": 1}).inputs == {"n": 1}


def test_any_callable_will_do_also_a_lambda_or_an_async_one(engine: Engine) -> None:
    class Adds:
        def __call__(self, a: int) -> int:
            return a + 1

    async def later(b: int) -> int:
        return b + 1

    flow = linear("callables").add(
        FunctorTask(Adds(), "adds", provides="b"),
        FunctorTask(later, provides="c"),
        FunctorTask(lambda c: c + 1, "small", provides="d"),
    )
    assert engine.run(flow, {"a": 1}).results == {"b": 2, "c": 3, "d": 4}


def test_map_calls_its_function_for_each_value_and_keeps_the_order(engine: Engine) -> None:
    mapped = MapFunctorTask(lambda n: n * n, requires=["a", "b", "c"], name="squares", provides="all")
    assert engine.run(linear("mapping").add(mapped), {"c": 3, "a": 1, "b": 2}).results == {"all": [1, 4, 9]}


def test_each_value_of_a_map_can_be_bound_to_a_name_of_its_own(engine: Engine) -> None:
    mapped = MapFunctorTask(lambda n: n * n, requires=["a", "b"], name="squares", provides=["x", "y"])
    assert engine.run(linear("mapping").add(mapped), {"a": 1, "b": 2}).results == {"x": 1, "y": 4}


def test_reduce_folds_the_named_values_with_its_function(engine: Engine) -> None:
    reduced = ReduceFunctorTask(operator.sub, requires=["a", "b", "c"], name="rest", provides="n")
    assert engine.run(linear("reducing").add(reduced), {"a": 10, "b": 2, "c": 3}).results == {"n": 5}


@pytest.mark.parametrize("kind", [MapFunctorTask, ReduceFunctorTask])
def test_map_and_reduce_take_name_provides_rebind_and_inject(engine: Engine, kind: Any) -> None:
    def add(*values: int) -> int:
        return sum(values)

    functor = operator.neg if kind is MapFunctorTask else operator.add
    made = kind(functor, ["a", "b"], "made", "x", rebind={"a": "first"}, inject={"b": 5})
    assert (made.name, list(made.provides), list(made.requires)) == ("made", ["x"], ["first"])
    assert engine.run(linear("making").add(made), {"first": 1}).results == {"x": [-1, -5] if kind is MapFunctorTask else 6}


def test_what_map_and_reduce_raise_is_their_failure(engine: Engine) -> None:
    def no(n: int) -> int:
        raise Refused(str(n))

    done = engine.run(linear("mapping").add(MapFunctorTask(no, ["a"], "m")), {"a": 1}, raises=False)
    assert (done.failures[0].atom, done.failures[0].message) == ("m", "1")


def test_a_task_of_a_task_is_refused() -> None:
    with pytest.raises(FlowError, match="is a task already"):
        FunctorTask(FunctorTask(book))
