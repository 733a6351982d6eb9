"""What somebody found who looked for it: runs that may last only so long and are stopped, recovered, broken off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import psycopg
import pytest

from sagalog.engine.core.decide import Amend, Resume, RetryRevert, SkipRevert
from sagalog.engine.definition import FunctorTask, RetryPolicy, Times, each, linear, task, unordered
from sagalog.engine.runtime.app import Sagalog
from sagalog.engine.runtime.desk import Desk
from sagalog.engine.runtime.drive import Arrival, drive
from sagalog.engine.runtime.held import Held
from sagalog.engine.runtime.taking import Order, take_over
from sagalog.engine.runtime.wishes import body, refusal, said, wish
from sagalog.testing import FakeClock
from sagalog.testing.log import SimulatedLog
from sagalog.testing.session import SimulatedSession
from sagalog.testing.simulator import CALM, Chance, simulate
from sagalog.testing.simulator.process import SETTINGS
from sagalog.testing.simulator.scene import RUN, Scene
from sagalog.testing.simulator.shells import WORKER, Impatient
from sagalog.testing.simulator.simulate import trial

SAID = said("somebody", "to see")
RECOVER = wish("restore", body(SAID, {}))
SUSPEND = wish("suspend", SAID)


class Table:
    """One run on a simulated log, and one process, in which time passes only as tasks say."""

    def __init__(self, flow: Any, **options: Any) -> None:
        self.clock = FakeClock()
        self.log = SimulatedLog(self.clock)
        connect: Any = partial(SimulatedSession, self.log)
        self.desk = Desk(SETTINGS, self.clock, "a shell", WORKER, connect)
        self.app = Sagalog([flow])
        self.held, self.drafts = Order(self.app, flow, run_id=RUN, **options).held(self.desk, owned=True)

    def goes_on(self, *first: Arrival) -> str:
        """How the run rests after this."""
        session: Any = SimulatedSession(self.log)
        shell = Impatient(session, self.desk)
        try:
            shell.run(self.held, drive(self.held, first, 1, self.drafts))
        finally:
            shell.close()
        self.drafts = []
        return str(self.held.state.run)

    def read(self) -> None:
        """Another process takes the run: what it knows is what the log holds."""
        self.log.tables.workers.clear()
        self.held: Held = self.log.once(take_over(self.desk, self.app, RUN, True))


def lasting(seconds: Iterator[float], clock: Callable[[], FakeClock]) -> Any:
    """A flow whose one task takes as long as it is told, each time."""

    def works() -> str:
        clock().advance(next(seconds))
        return "done"

    return linear("f").add(FunctorTask(works, "works", revert=lambda **given: None))


def timed(*seconds: float, timeout: float) -> Table:
    table: list[Table] = []
    flow = lasting(iter(seconds), lambda: table[0].clock)
    table.append(Table(flow, timeout=timeout))
    return table[0]


@pytest.mark.parametrize("read", [False, True])
def test_a_run_that_took_too_long_has_its_time_anew_when_it_is_recovered(read: bool) -> None:
    table = timed(10, 1, timeout=5)
    assert table.goes_on(Resume()) == "REVERTED"
    if read:
        table.read()
    assert table.goes_on(RECOVER, Resume()) == "SUCCESS"


def test_a_run_that_is_recovered_may_take_too_long_again() -> None:
    table = timed(10, 10, timeout=5)
    assert table.goes_on(Resume()) == "REVERTED"
    assert table.goes_on(RECOVER, Resume()) == "REVERTED"


def test_a_run_that_was_suspended_before_it_began_may_take_too_long() -> None:
    table = timed(10, timeout=5)
    assert table.goes_on(SUSPEND) == "SUSPENDED"
    table.clock.advance(100)
    table.read()
    assert table.goes_on(Resume()) == "REVERTED"


def test_a_run_that_is_gone_on_with_has_no_second_timer() -> None:
    table = timed(1, timeout=5)
    assert table.goes_on(Resume(), SUSPEND) == "SUSPENDED"
    first = dict(table.held.state.timers)
    assert len(first) == 1
    table.goes_on(Resume())
    assert [row[4] for row in table.log.tables.records].count("timer.set") == 1


def test_what_cannot_be_executed_anew_from_an_atom_on_is_refused_and_not_passed_over() -> None:
    @task(provides="all")
    def one(item: int) -> int:
        return item

    def fails() -> None:
        raise ValueError("no")

    flow = linear("f").add(FunctorTask(lambda: [1, 2], "list", provides="items"), each(one), FunctorTask(fails, "fails"))
    table = Table(flow, never_resolve=True)
    assert table.goes_on(Resume()) == "FAILURE"
    state = table.held.state
    assert refusal(state, "restore", body(SAID, {})) is None
    assert refusal(state, "restore", body(SAID, {"since": 2})) is None
    assert "'one'" in str(refusal(state, "restore", body(SAID, {"since": 0})))
    assert "no atom of this run" in str(refusal(state, "restore", body(SAID, {"since": -1})))
    assert "no atom of this run" in str(refusal(state, "restore", body(SAID, {"since": 3})))


def inside(outcomes: Sequence[Exception | None], attempts: list[int]) -> Any:
    """A flow of a transactional task that may fail twice in all, and ends its calls as it is told."""

    def writes(context: Any, conn: Any) -> str:
        attempts.append(context.attempt)
        outcome = outcomes[len(attempts) - 1]
        if outcome is not None:
            raise outcome
        return "written"

    policy = RetryPolicy(max_attempts=2, backoff_factor=0.001)
    return linear("f").add(FunctorTask(writes, "writes", transactional=True, retry_policy=policy, revert=lambda **_: None))


BROKEN = psycopg.errors.SerializationFailure("could not serialize access")
OWN = ValueError("its own")


@pytest.mark.parametrize(
    "outcomes",
    [(BROKEN, OWN, None), (OWN, BROKEN, None), (BROKEN, BROKEN, OWN, BROKEN, None)],
    ids=["before", "behind", "all"],
)
def test_what_the_database_breaks_off_uses_no_policy_up(outcomes: Sequence[Exception | None]) -> None:
    attempts: list[int] = []
    found = simulate(inside(outcomes, attempts), faults=CALM)
    assert str(found.run.state) == "SUCCESS", "\n".join(found.story)
    assert attempts == list(range(1, len(outcomes) + 1))


def test_in_a_row_is_what_no_failure_of_its_own_stands_between() -> None:
    attempts: list[int] = []
    found = simulate(inside([*[BROKEN] * 4, OWN, *[BROKEN] * 4, None], attempts), faults=CALM)
    assert str(found.run.state) == "SUCCESS", "\n".join(found.story)


def test_what_the_database_breaks_off_is_none_of_the_failures_that_a_world_has_told() -> None:
    flow = inside([BROKEN, OWN, None], [])
    scene = Scene(Sagalog([flow]), flow, None, Chance(script=()))
    scene.play()
    assert dict(scene.onlooker.failed) == {("writes", 1, "execute"): 1}


def test_no_decider_of_a_case_stands_behind_a_graph_that_reaches_nothing() -> None:
    """Its target was a flow without atoms: the case could not be compiled, and a soak that came to it ended there."""
    assert str(trial(704075).run.state) == "SUCCESS"


def test_how_many_calls_there_may_be_at_a_time_is_not_taken_for_what_a_crash_has_done() -> None:
    """What follows the one that fails is ignored before or not at all, as there is room for one call or for two."""
    assert trial(26586).compared


@pytest.mark.parametrize("seed", [1007163, 1012666, 1014543, 1017727])
def test_no_law_is_broken_by_what_is_as_it_should_be(seed: int) -> None:
    """A probe that says "no" in the midst of an undo, a retry that answered before its group failed, ignored or not yet."""
    assert trial(seed).crashes


def refused() -> None:
    raise ValueError("refused")


ALL = "SUCCESS_ON_ALL_EVENTS_SUCCESS"


def within() -> Any:
    """A task that fails, in a group within a group; beside those one more task, which comes behind it."""
    inner = unordered("inner", outcome=ALL).add(FunctorTask(refused, "refused"), FunctorTask(refused, "passed by"))
    around = unordered("around", outcome=ALL).add(inner)
    return unordered("f").add(around, FunctorTask(lambda: "charged", "charge", revert=lambda **_: None))


def test_nothing_is_begun_before_all_groups_are_judged_that_can_be() -> None:
    """The verdict over the inner group lets the outer one be judged, and that undoes the run: nobody is charged first."""
    found = simulate(within(), seed=0, faults=CALM)
    assert str(found.run.state) == "REVERTED"
    assert [line for line in found.story if "charge" in line] == []


@pytest.mark.parametrize("seed", [5045691, 5096316])
def test_a_crash_does_not_decide_whether_something_is_begun_that_a_group_undoes(seed: int) -> None:
    assert trial(seed).compared


def test_a_word_about_an_element_comes_too_late_when_its_fan_out_is_begun_anew() -> None:
    """Somebody has a revert of it tried again, whose process stands still until another one has gone on."""
    assert trial(5110520).records


@pytest.mark.parametrize(
    "word", [RetryRevert(1, 0, {}, SAID), SkipRevert(1, 0, {}, SAID), Amend(1, 0, "SUCCESS", b"1", {}, SAID)]
)
def test_a_word_about_an_element_that_is_not_there_changes_nothing(word: Arrival) -> None:
    flow = linear("f", retry=Times(1)).add(each(FunctorTask(lambda item: item, "t"), over="items"))
    table = Table(flow, inputs={"items": []})
    state = table.goes_on(Resume())
    version = table.held.head.version
    table.read()
    assert table.goes_on(word) == state
    assert table.held.head.version == version
