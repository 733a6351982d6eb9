"""Generated cases: what is in them, that each can be run to an end, and that its world answers the same again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from sagalog.codec.values import encode
from sagalog.config import Settings
from sagalog.engine.core.compile import Compiled, compile
from sagalog.engine.core.states import RunState
from sagalog.engine.definition import Context, Each, Flow, Outcome, Task
from sagalog.engine.runtime.app import Sagalog
from sagalog.engine.runtime.engine import Engine
from sagalog.engine.runtime.views import Run
from sagalog.errors import Failure, FlowFailed
from sagalog.testing.generated import (
    TABLE,
    TRAITS,
    Case,
    Histogram,
    Script,
    World,
    calm,
    key_of,
    make,
    seeded,
    text,
)
from sagalog.testing.generated.script import Refused
from sagalog.testing.generated.world import checksum

CASES = 1000
RUNS = 60
ENDS = {RunState.SUCCESS, RunState.REVERTED, RunState.REVERTED_PARTLY, RunState.FAILURE}


def compiled(case: Case) -> Compiled:
    """The case's flow as an App compiles it; everything it needs is among the inputs."""
    made = compile(case.flow, lambda value, path: encode(value, path=path))
    made.definition.check_inputs(case.inputs)
    return made


@pytest.fixture(scope="module")
def histogram() -> Histogram:
    found = Histogram()
    for seed in range(CASES):
        found.add(make(seeded(seed)))
    return found


# ---- what is made


def test_the_calmest_case_is_one_task_that_succeeds() -> None:
    case = make(calm)
    (task,) = case.flow.items
    assert isinstance(task, Task)
    assert case.flow.retry is None and task.retry_policy is None and not task.requires and not task.provides
    assert (case.inputs, case.options, case.atoms, case.depth) == ({}, {}, 1, 1)
    assert case.world.scripts == {task.name: Script()}


def test_every_case_compiles_and_keeps_its_limits() -> None:
    for seed in range(CASES):
        case = make(seeded(seed))
        made = compiled(case)
        assert len(made.atoms) == case.atoms <= 40, f"seed {seed}"
        assert 1 <= case.depth <= 4, f"seed {seed}"
        own = {spec.name for spec in made.definition.atoms if spec.kind == "task"}
        assert own <= case.world.scripts.keys(), f"seed {seed}"


def test_cases_that_are_to_be_small_are() -> None:
    for seed in range(300):
        case = make(seeded(seed), size=4, depth=2)
        assert case.atoms <= 4 and case.depth <= 2, f"seed {seed}"


def test_the_same_seed_makes_the_same_case_in_another_process() -> None:
    program = "import test_testing_generated as it; print(it.prints(40))"
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    other = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": path},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert other.stdout.strip() == str(prints(40))


def prints(count: int) -> list[Any]:
    """What tells cases apart."""
    cases = [make(seeded(seed)) for seed in range(count)]
    return [
        (compiled(case).definition.fingerprint[:12], case.inputs, case.options, checksum(repr(case.world.scripts)))
        for case in cases
    ]


def test_cases_are_large_enough_and_nothing_is_left_out(histogram: Histogram) -> None:
    assert histogram.mean() >= 12
    assert histogram.share("nested retry") >= 0.3
    assert histogram.depths[4] >= 0.2 * CASES
    assert not [trait for trait in TRAITS if histogram.share(trait) < 0.01]
    assert not histogram.traits.keys() - set(TRAITS)


def test_a_histogram_is_printed_as_a_table(histogram: Histogram) -> None:
    few = Histogram()
    few.add(make(calm), crashes=7)
    few.add(make(calm), crashes=4)
    lines = [" ".join(line.split()) for line in str(few).splitlines()]
    assert lines[:3] == ["2 cases; a case has on average", "1.0 atoms", "5.5 crashes"]
    assert "100.0% 1 to 10 ########################################" in lines and "0.0% graph" in lines
    assert len(str(histogram).splitlines()) > len(TRAITS)


@st.composite
def chosen(draw: st.DrawFn, size: int = 8) -> Case:
    """A case of choices that hypothesis draws, and makes smaller when something does not hold."""
    return make(lambda n: draw(st.integers(0, n - 1)), size)


@given(chosen())
@hypothesis(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_is_chosen_the_flow_can_join_an_app(case: Case) -> None:
    Sagalog(flows=[case.flow])
    assert len(compiled(case).atoms) == case.atoms <= 8
    assert case.traits <= set(TRAITS)


def test_choices_are_within_their_bounds_and_none_is_left_out() -> None:
    choose = seeded(3)
    assert {choose(5) for _ in range(200)} == {0, 1, 2, 3, 4}
    assert {choose(1) for _ in range(20)} == {0}
    assert [seeded(8)(1000) for _ in range(3)] == [seeded(8)(1000)] * 3


# ---- the world


def call(world: World, atom: str, execution: int = 1, direction: str = "execute", conn: Any = None) -> Any:
    """What the world makes of a call, or the failure it gives."""
    context = Context(uuid4(), atom, execution, 1, "key", None)  # type: ignore[arg-type]  # nobody logs here
    try:
        return world.call(context, direction, (), conn)
    except Refused as refused:
        return str(refused)


def test_a_failure_hangs_on_what_is_recorded_and_not_on_how_often_it_was_called() -> None:
    world = World({"t": Script(executions=1, attempts=2)})
    key = ("t", 1, "execute")
    assert [call(world, "t"), call(world, "t")] == ["t 1 execute"] * 2
    world.rewind({key: 1})  # the second was never recorded
    assert call(world, "t") == "t 1 execute"
    assert not world.happened(key)[0]
    result = call(world, "t")
    assert result == ["t", 1, checksum(())] == call(world, "t")
    assert world.happened(key) == (True, result)
    assert world.failed == {key: 2}
    entries = world.ledger.calls("execute t")
    assert [entry.details["ends"] for entry in entries] == ["raises"] * 3 + ["returns"] * 2
    assert {entry.key for entry in entries} == {text(key)} and key_of(text(key)) == key


def test_failures_by_execution_by_element_and_by_direction() -> None:
    world = World({"t": Script(executions=2, reverts=1), "e": Script(executions=1, elements=0b101, error=None)})
    assert [call(world, "t", execution) for execution in (1, 2)] == ["t 1 execute", "t 2 execute"]
    assert call(world, "t", 3)[:2] == ["t", 3]
    assert call(world, "t", 3, "revert") == "t 3 revert"
    assert call(world, "t", 3, "revert")[:2] == ["t", 3]
    failed = [call(world, f"e[{place}]") for place in range(3)]
    assert failed[0] == Outcome.error("e[0] 1 execute") and failed[2] == Outcome.error("e[2] 1 execute")
    assert failed[1][:2] == ["e[1]", 1]
    assert call(world, "e[0]", 2)[:2] == ["e[0]", 2]


def test_an_effect_inside_a_transaction_is_there_when_that_is_committed() -> None:
    class Conn:
        said: list[Any] = []  # noqa: RUF012

        def execute(self, query: str, parameters: tuple[str]) -> None:
            self.said.append((query, parameters))

    world = World({"t": Script()})
    result = call(world, "t", conn=Conn())
    assert Conn.said == [("INSERT INTO world (key) VALUES (%s)", ("t 1 execute",))]
    assert not world.happened(("t", 1, "execute"))[0]
    world.committed("t 1 execute")
    assert world.happened(("t", 1, "execute")) == (True, result)


def test_a_world_goes_back_to_its_start() -> None:
    world = World({"t": Script(reverts=1)})
    before = world.ledger
    first = [call(world, "t"), call(world, "t", 1, "revert"), call(world, "t", 1, "revert")]
    world.reset()
    assert world.ledger is not before and world.ledger.count() == 0 and before.count() == 3
    assert not world.failed and not world.happened(("t", 1, "execute"))[0]
    assert [call(world, "t"), call(world, "t", 1, "revert"), call(world, "t", 1, "revert")] == first


def test_what_was_handed_in_is_told_by_its_contents() -> None:
    failure, same = Failure("a.B", ("a.B",), "no", "one way"), Failure("a.B", ("a.B",), "no", "another way")
    assert checksum([failure]) == checksum([same]) != checksum([Failure("a.B", ("a.B",), "yes")])
    assert checksum({"x": [1, "a"]}) != checksum({"x": [1, "b"]})


# ---- real runs


def ran(engine: Engine, case: Case) -> Run:
    try:
        return engine.run(case.flow, case.inputs, **case.options)
    except FlowFailed as failed:
        return engine.state(failed.run_id)


def picture(run: Run, case: Case) -> dict[str, Any]:
    """All that one run of a case and another have in common."""
    atoms = {
        name: (atom.state, atom.execution, atom.result, atom.revert_result, told(atom.failure), told(atom.revert_failure))
        for name, atom in run.atoms.items()
    }
    calls = [(entry.what, entry.key, entry.details["args"], entry.details["ends"]) for entry in case.world.ledger.calls()]
    calls.sort(key=repr)  # those that are made side by side are made in any order
    return {"state": run.state, "results": repr(run.results), "atoms": repr(atoms), "calls": calls}


def told(failure: Failure | None) -> Any:
    return failure and (failure.type, failure.message, failure.atom)


def tasks(flow: Flow) -> Iterator[Task]:
    for item in flow.items:
        if isinstance(item, Flow):
            yield from tasks(item)
        else:
            yield item.task if isinstance(item, Each) else item


def test_cases_run_to_an_end_that_is_the_same_the_second_time(migrated: str, tmp_path: Path) -> None:
    seen: Counter[str] = Counter()
    with Engine.open(settings=Settings(home=tmp_path, database_url=migrated)) as engine, psycopg.connect(migrated) as conn:
        conn.autocommit = True
        conn.execute(TABLE)
        for seed in range(RUNS):
            case = make(seeded(seed))
            run = ran(engine, case)
            first = picture(run, case)
            assert run.state in ENDS, f"seed {seed}"
            written = [key for (key,) in conn.execute("DELETE FROM world RETURNING key")]
            told_by_tables(case, written)
            told_by_log(engine, run, case)
            seen.update([run.state, *(record.type for record in engine.history(run.id))])
            case.world.reset()
            assert picture(ran(engine, case), case) == first, f"seed {seed}"
            conn.execute("DELETE FROM world")
    assert not [state for state in ENDS if not seen[state]]
    happens = ("task.waiting", "task.ignored", "retry.retrying", "task.reverted", "task.revert_failure", "group.settled")
    assert not [type for type in happens if not seen[type]]


def told_by_tables(case: Case, written: list[str]) -> None:
    """What transactional tasks wrote is what they were called for, and returned from."""
    inside = {task.name for task in tasks(case.flow) if task.transactional}
    returned = Counter(
        entry.key for entry in case.world.ledger.calls()
        if entry.details["ends"] == "returns" and entry.what.split()[1].partition("[")[0] in inside
    )  # fmt: skip
    assert set(written) <= returned.keys()
    assert all(count == 1 for count in Counter(written).values())
    assert {key for key in returned if key and key.endswith("execute")} <= set(written)


def told_by_log(engine: Engine, run: Run, case: Case) -> None:
    """Whatever was executed, was as often as the log says it was started; hooks come in pairs."""
    intents = Counter(f"execute {name_of(record)}" for record in engine.history(run.id) if record.type.endswith(".running"))
    calls = Counter(entry.what for entry in case.world.ledger.calls() if entry.what.startswith("execute "))
    assert calls == Counter({what: intents[what] for what in calls})
    hooks: Mapping[str, int] = case.world.hooks
    assert all(hooks[f"post_{name[4:]}"] == count for name, count in hooks.items() if name.startswith("pre_"))


def name_of(record: Any) -> str:
    return record.atom if record.instance is None else f"{record.atom}[{record.instance}]"
