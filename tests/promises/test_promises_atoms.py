"""What the TaskFlow page promises of atoms (its lines 3 to 111), and SEMANTICS §1 of their constructor."""

from __future__ import annotations

from typing import Any

import pytest
from sagalog_story import ALWAYS, Refused, Step, states

from sagalog import (
    Atom,
    DefinitionChanged,
    DuplicateName,
    Engine,
    FlowError,
    FunctorTask,
    NotStorable,
    RunState,
    Settings,
    Task,
    graph,
    linear,
    unordered,
)


class Sum(Task):
    """Takes two by name, one of which is optional."""

    default_provides = "total"

    def execute(self, a: int, b: int = 10) -> int:
        return a + b


def test_an_atom_takes_named_inputs_and_provides_named_outputs(engine: Engine) -> None:
    flow = linear("named").add(Sum("first", provides="a"), Sum("second"))
    assert engine.run(flow, {"a": 1}).results == {"a": 11, "total": 11}
    chain = linear("chain").add(Sum("first"), Sum("second", rebind={"a": "total"}, provides="all"))
    assert engine.run(chain, {"a": 1}).results == {"total": 11, "all": 21}


def test_the_name_is_what_history_and_failures_call_the_atom(engine: Engine) -> None:
    done = engine.run(linear("naming").add(Step("pay the bill", fails=ALWAYS)), raises=False)
    assert list(done.atoms) == ["pay the bill"] and done.failures[0].atom == "pay the bill"
    assert {record.atom for record in engine.history(done.id)} == {None, "pay the bill"}
    assert Sum().name == "Sum"


def test_a_changed_version_of_an_atom_is_not_resumed(engine: Engine, shared: Settings) -> None:
    begun = engine.start(linear("versions").add(Sum(version=(1, 0))), {"a": 1})
    with (
        Engine.open(settings=shared, flows=[linear("versions").add(Sum(version="2.0"))]) as other,
        pytest.raises(DefinitionChanged, match=r"Sum.*1\.0.*2\.0"),
    ):
        other.resume(begun.id)
    assert engine.resume(begun.id).state is RunState.SUCCESS


@pytest.mark.parametrize(
    ("provides", "result", "expected"),
    [
        ("whole", [1, 2], {"whole": [1, 2]}),
        (["a", "b"], [1, 2], {"a": 1, "b": 2}),
        (("a", "b"), (1, 2, 3), {"a": 1, "b": 2}),
        ({"a", "b"}, {"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 2}),
    ],
)
def test_text_provides_the_whole_result_a_list_by_index_a_set_by_key(
    engine: Engine, provides: Any, result: Any, expected: dict[str, Any]
) -> None:
    atom = FunctorTask(lambda: result, "gives", provides=provides)
    assert list(atom.provides) == list(expected)
    assert engine.run(linear("providing").add(atom)).results == expected


def test_save_as_tells_the_index_or_key_of_each_provided_name() -> None:
    assert Sum(provides="x").save_as == {"x": None}
    assert Sum(provides=["x", "y"]).save_as == {"x": 0, "y": 1}
    assert Sum(provides={"x", "y"}).save_as == {"x": "x", "y": "y"}


def test_inject_gives_constants_to_that_atom_alone(engine: Engine) -> None:
    one, other = Step("one", requires=["unit"], inject={"unit": "EUR"}), Step("other", requires=["unit"])
    engine.run(linear("injecting").add(one, other), {"unit": "USD"})
    assert (one.given, other.given) == ({"unit": "EUR"}, {"unit": "USD"})
    assert list(one.requires) == [] and list(other.requires) == ["unit"]


def test_inject_cannot_be_changed() -> None:
    given = {"unit": "EUR"}
    atom = Step("one", requires=["unit"], inject=given)
    given["unit"] = "USD"
    assert dict(atom.inject) == {"unit": "EUR"}
    with pytest.raises(TypeError):
        atom.inject["unit"] = "USD"  # type: ignore[index]  # it is read-only


@pytest.mark.parametrize("rebind", [{"a": "x", "b": "y"}, ["x", "y"], ("x", "y")])
def test_rebind_renames_inputs_by_dict_or_by_place(engine: Engine, rebind: Any) -> None:
    atom = Sum(rebind=rebind)
    assert atom.rebind == {"a": "x", "b": "y"}
    assert engine.run(linear("renaming").add(atom), {"x": 1, "y": 2, "a": 50, "b": 60}).results == {"total": 3}


class Undone(Task):
    """Its revert takes the argument that its execute takes."""

    def __init__(self, **options: Any) -> None:
        self.seen: list[Any] = []
        super().__init__("undone", **options)

    def execute(self, place: str) -> None: ...

    def revert(self, place: str) -> None:
        self.seen.append(place)


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({}, "home"),
        ({"rebind": {"place": "site"}}, "shop"),
        ({"rebind": {"place": "site"}, "revert_rebind": {"place": "back"}}, "depot"),
        ({"revert_rebind": ["back"]}, "depot"),
    ],
)
def test_revert_rebind_renames_for_the_revert_and_without_it_rebind_counts(
    engine: Engine, options: dict[str, Any], place: str
) -> None:
    atom = Undone(**options)
    inputs = {"place": "home", "site": "shop", "back": "depot"}
    flow = linear("undoing").add(atom, Step("bad", fails=ALWAYS))
    assert engine.run(flow, inputs, raises=False).state is RunState.REVERTED
    assert atom.seen == [place]


def test_requires_asks_for_more_and_revert_requires_for_more_in_the_revert(engine: Engine) -> None:
    atom = Step("asks", requires=["a"], revert_requires=["b"])
    assert list(atom.requires) == ["a", "b"]
    engine.run(linear("requiring").add(atom, Step("bad", fails=ALWAYS)), {"a": 1, "b": 2, "c": 3}, raises=False)
    assert atom.given == {"a": 1}
    assert atom.undone["b"] == 2 and "c" not in atom.undone


def test_without_revert_requires_the_revert_gets_what_execute_required(engine: Engine) -> None:
    atom = Step("asks", requires=["a"])
    engine.run(linear("requiring").add(atom, Step("bad", fails=ALWAYS)), {"a": 1}, raises=False)
    assert atom.undone["a"] == 1


def test_auto_extract_reads_the_signature_and_can_be_turned_off() -> None:
    def takes(a: int, b: int = 1) -> None: ...

    assert list(FunctorTask(takes).requires) == ["a"]
    assert list(FunctorTask(takes).optional) == ["b"]
    bare = FunctorTask(takes, requires=["a"], auto_extract=False)
    assert list(bare.requires) == ["a"] and list(bare.optional) == []


def test_an_optional_argument_is_taken_if_it_is_there(engine: Engine) -> None:
    assert list(Sum().optional) == ["b"]
    assert engine.run(linear("with").add(Sum()), {"a": 1, "b": 2}).results == {"total": 3}
    assert engine.run(linear("without").add(Sum()), {"a": 1}).results == {"total": 11}


def test_revert_optional_are_those_of_the_revert() -> None:
    def execute(a: int, b: int = 1) -> None: ...
    def revert(a: int, c: int = 2) -> None: ...

    atom = FunctorTask(execute, revert=revert)
    assert (list(atom.optional), list(atom.revert_optional)) == (["b"], ["c"])


def test_ignore_list_leaves_parameters_to_their_defaults(engine: Engine) -> None:
    atom = Sum(ignore_list=["b"])
    assert list(atom.optional) == []
    assert engine.run(linear("ignoring").add(atom), {"a": 1, "b": 2}).results == {"total": 11}


def test_names_are_unique_in_a_flow(engine: Engine) -> None:
    flow = linear("twice").add(Step("same"), unordered("inner").add(Step("same")))
    with pytest.raises(DuplicateName, match="same"):
        engine.run(flow)


def test_a_bare_task_can_be_run(engine: Engine) -> None:
    done = engine.run(Sum(), {"a": 1})
    assert done.results == {"total": 11} and states(done) == {"Sum": "SUCCESS"}


def branching(notes: list[Any], priorities: dict[str, int], last: Any = ()) -> Any:
    """The page's graph a -> b, b -> c, b -> e, b -> f, and a last step behind them all."""
    steps = {name: Step(name, notes, priority=priorities.get(name, 0)) for name in "abcef"}
    flow = graph("branching").add(*steps.values())
    for u, v in ("ab", "bc", "be", "bf"):
        flow.link(steps[u], steps[v])
    return linear("all").add(flow, *last)


@pytest.mark.parametrize(
    ("priorities", "order"), [({}, "abcef"), ({"f": 2, "e": 1}, "abfec"), ({"c": -1}, "abefc"), ({"e": 9}, "abecf")]
)
def test_of_candidates_the_larger_priority_runs_first_and_equal_ones_in_order(
    engine: Engine, priorities: dict[str, int], order: str
) -> None:
    notes: list[str] = []
    assert Atom.priority == 0
    engine.run(branching(notes, priorities))
    assert "".join(notes) == order


@pytest.mark.parametrize(("priorities", "order"), [({}, "fecba"), ({"e": 1, "c": 2}, "cefba")])
def test_the_larger_priority_is_reverted_first_and_equal_ones_the_last_in_order_first(
    engine: Engine, priorities: dict[str, int], order: str
) -> None:
    notes: list[str] = []
    engine.run(branching(notes, priorities, [Step("x", notes, ALWAYS)]), raises=False)
    assert "".join(notes[6:]) == "-x" + "".join(f"-{name}" for name in order)


class Hooked(Task):
    """Tells each hook; fails where it is told to."""

    def __init__(self, told: list[str], fails: str = "") -> None:
        self.told, self.fails = told, fails
        super().__init__("hooked")

    def tell(self, what: str) -> None:
        self.told.append(what)
        if self.fails == what:
            raise Refused(what)

    def pre_execute(self) -> None:
        self.tell("pre_execute")

    def execute(self) -> None:
        self.tell("execute")

    def post_execute(self) -> None:
        self.tell("post_execute")

    def pre_revert(self) -> None:
        self.tell("pre_revert")

    def revert(self) -> None:
        self.tell("revert")

    def post_revert(self) -> None:
        self.tell("post_revert")


def test_pre_execute_runs_just_before_execute_and_post_execute_just_after(engine: Engine) -> None:
    told: list[str] = []
    engine.run(linear("hooks").add(Hooked(told)))
    assert told == ["pre_execute", "execute", "post_execute"]


@pytest.mark.parametrize("fails", ["pre_execute", "execute"])
def test_post_execute_runs_whether_execute_succeeded_or_not(engine: Engine, fails: str) -> None:
    told: list[str] = []
    engine.run(linear("hooks").add(Hooked(told, fails)), raises=False)
    assert told[: told.index("pre_revert")] == {
        "pre_execute": ["pre_execute", "post_execute"],
        "execute": ["pre_execute", "execute", "post_execute"],
    }[fails]


@pytest.mark.parametrize("fails", ["", "revert"])
def test_pre_revert_and_post_revert_run_around_revert(engine: Engine, fails: str) -> None:
    told: list[str] = []
    engine.run(linear("hooks").add(Hooked(told, fails), Step("bad", fails=ALWAYS)), raises=False)
    assert told[3:] == ["pre_revert", "revert", "post_revert"]


def test_a_hook_of_a_base_class_serves_all_that_inherit_from_it(engine: Engine) -> None:
    told: list[str] = []

    class Base(Task):
        def pre_execute(self) -> None:
            told.append(self.name)

    class One(Base):
        def execute(self) -> None: ...

    class Two(Base):
        def execute(self) -> None: ...

    engine.run(linear("bases").add(One(), Two()))
    assert told == ["One", "Two"]


def test_a_result_must_be_storable(engine: Engine) -> None:
    done = engine.run(linear("storing").add(FunctorTask(lambda: object(), "t", provides="x")), raises=False)
    assert done.state is RunState.REVERTED and done.failures[0].check(NotStorable)


def test_revert_is_handed_the_result_and_the_failures(engine: Engine) -> None:
    first = Step("first")
    engine.run(linear("undo").add(first, Step("bad", fails=ALWAYS)), raises=False)
    assert first.undone["result"] == "first 1"
    assert {name: failure.message for name, failure in first.undone["flow_failures"].items()} == {"bad": "bad 1"}


def test_a_failed_atom_is_reverted_with_its_own_failure_as_result(engine: Engine) -> None:
    bad = Step("bad", fails=ALWAYS)
    engine.run(linear("undo").add(bad), raises=False)
    assert bad.undone["result"].check(Refused) is Refused


def test_a_result_is_handed_to_the_revert_also_by_another_process_later(engine: Engine, shared: Settings) -> None:
    done = engine.run(linear("later").add(Step("first")))
    again = Step("first")
    with Engine.open(settings=shared, flows=[linear("later").add(again)]) as other:
        assert other.revert(done.id, reason="withdrawn").state is RunState.REVERTED
    assert again.undone["result"] == "first 1" and again.undone["flow_failures"] == {}


def test_an_atom_needs_an_execute() -> None:
    class Nothing(Task):
        pass

    with pytest.raises(FlowError, match="Nothing has no execute"):
        Nothing()
