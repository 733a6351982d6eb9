"""The crash sweep of a voyage (`sagalog_voyage`): killed all over a flow that is retried, waits, fans out and decides.

As in the sweep of the order saga, a run is played unharmed once, to see what comes of it and at which points its process
can be struck down; then for each of some points a child is killed there (SIGKILL), the next one goes on and is killed
again, a last one ends it. What the harmed runs leave must be what the unharmed one left, call for call: one more only
where the outcome of one was lost with its process. By default each kind of point is tried with the blocking shell, where
a kind can be found again for sure, and with both some that are spread over the whole way; with ``-m sweep`` every point.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from attrs import define, field, frozen
from sagalog_children import Line, run_all
from sagalog_strike import Striker
from sagalog_voyage import BAGS, TABLE, Book, Entry, voyage

from sagalog.config import Settings
from sagalog.engine.core.states import RunState
from sagalog.engine.runtime.app import Sagalog
from sagalog.engine.runtime.engine import Engine
from sagalog.engine.runtime.views import Record, Run
from sagalog.store.ids import run_id as new_id

CASES = [(story, shell) for story in ("mended", "given_up") for shell in ("blocking", "asyncio")]
ENDS = {"mended": RunState.SUCCESS, "given_up": RunState.REVERTED}
SPREAD = {"blocking": 6, "asyncio": 10}
"""Points that are tried wherever they fall."""
TYPES = "SELECT type FROM sagalog.record WHERE stream_id = %s ORDER BY version"
_ticks = itertools.count(1_700_000_000_000_000, 1000)


@frozen
class Point:
    """The point numbered `at`, from 1 on; where `of` is given, of those with that name.

    Only by its name can a point be found again for sure: what waits comes a little earlier or later each time.
    """

    at: int
    of: str | None = None


@define
class Saga:
    """One voyage, and what is known of its run."""

    run: UUID
    struck: list[str] = field(factory=list)
    types: list[str] = field(factory=list)

    def take_note(self, words: list[Any], types: list[str]) -> None:
        """Of what one of its processes has said, and what the log has got of it."""
        durable = [type for word in words for type in word.get("durable", [])]
        self.struck += [word["struck"] for word in words if "struck" in word]
        before, self.types = len(self.types), types
        assert types[before : before + len(durable)] == durable, f"acknowledged, and lost: {self}"


class Sailor(Striker):
    """A striker for calls that go on beside each other, and for questions, which have no record of their intent."""

    def __init__(self, line: Line, book: Book, at: int | None = None, of: str | None = None) -> None:
        self._turn = threading.RLock()
        self._book = book
        super().__init__(line, at, of)

    def point(self, name: str) -> None:
        with self._turn:
            super().point(name)

    def _hear(self, event: str, facts: dict[str, Any]) -> None:
        if event == "append.after":
            with self._turn:
                self.line.say({"durable": facts["records"]})
        if event in ("append.before", "append.after"):
            self.point(f"{event} {facts['records'][-1]}")
        elif event in ("call.before", "call.after"):
            self.point(f"{event} {facts['kind']}")

    def _watch_effects(self) -> None:
        self._book.noted = lambda: self.point("noted")


class Stage:
    """The database and the book with which a story is played, again and again."""

    def __init__(self, settings: Settings, story: str, shell: str) -> None:
        self.settings = settings
        self.story = story
        self.shell = shell
        self.book = Book(settings.home / "book")
        self.flow = voyage(self.book, story)
        self.sagas: list[Saga] = []

    def engine(self) -> Engine:
        return Engine.open(settings=self.settings, app=Sagalog(flows=[self.flow]))

    def new(self, count: int) -> list[Saga]:
        """Voyages to be."""
        made = [Saga(new_id(next(_ticks))) for _ in range(count)]
        self.sagas += made
        return made

    def go_on(self, saga: Saga) -> None:
        """Do in this process what is still to be done, whatever has been."""
        # Not from within an `except`: what fails in the run would have that as its context.
        there = bool(self.select(TYPES, saga.run))
        if self.shell == "blocking":
            with self.engine() as engine:
                if there:
                    engine.resume(saga.run, raises=False)
                else:
                    engine.run(self.flow, {"items": BAGS}, run_id=saga.run, raises=False)
            return

        async def scene() -> None:
            async with self.engine() as engine:
                if there:
                    await engine.aresume(saga.run, raises=False)
                else:
                    await engine.arun(self.flow, {"items": BAGS}, run_id=saga.run, raises=False)

        asyncio.run(scene())

    def struck_at(self, saga: Saga, point: Point) -> Callable[[Line], None]:
        """What a child does that is killed at a point, if it comes to it."""

        def body(line: Line) -> None:
            Sailor(line, self.book, point.at, point.of)
            self.go_on(saga)

        return body

    def select(self, query: str, *params: Any) -> list[Any]:
        with psycopg.connect(str(self.settings.database_url), autocommit=True) as conn:
            return conn.execute(query.encode(), params).fetchall()


@frozen
class Picture:
    """What a run leaves, apart from what is its own."""

    state: RunState
    results: Any
    atoms: Any
    executions: set[tuple[str, str, int]]
    rows: Counter[Any]
    answers: list[Any]

    @classmethod
    def of(cls, stage: Stage, run: Run, history: list[Record], calls: list[Entry]) -> Picture:
        atoms = {
            name: (view.state, view.execution, view.result, view.revert_result, view.failure and view.failure.type)
            for name, view in run.atoms.items()
        }
        rows = stage.select("SELECT task, execution, direction FROM voyage WHERE run = %s", run.id)
        said = [
            (record.atom, record.facts["decision"], record.facts["done"])
            for record in history
            if record.type == "retry.consulted"
        ]
        return cls(
            run.state,
            repr(run.results).replace(str(run.id), "ID"),
            repr(atoms).replace(str(run.id), "ID"),
            {(call.kind, call.atom, call.execution) for call in calls},
            Counter(rows),
            said,
        )


@pytest.fixture(params=CASES, ids=[f"{story}-{shell}" for story, shell in CASES])
def stage(request: pytest.FixtureRequest, migrated: str, tmp_path: Path) -> Iterator[Stage]:
    with psycopg.connect(migrated, autocommit=True) as conn:
        conn.execute(TABLE)
    yield Stage(Settings(home=tmp_path, database_url=migrated, lease=2.0, reconnect=10.0, poll=0.05), *request.param)


def test_a_process_is_killed_all_over_a_voyage_and_once_more_while_resuming(stage: Stage) -> None:
    points, unharmed = rehearse(stage)
    kinds = Counter(points) if stage.shell == "blocking" else Counter()
    halfway = [Point((count + 1) // 2, name) for name, count in kinds.items()]
    first = CASES.index((stage.story, stage.shell)) + 1  # the way is not equally long each time
    spread = range(first, len(points) * 9 // 10, len(points) // SPREAD[stage.shell])
    play(stage, [*halfway, *map(Point, spread)], len(points))
    assert all(saga.struck for saga in stage.sagas[1:])
    assert {saga.struck[0] for saga in stage.sagas[1:]} >= set(kinds)
    check(stage, unharmed)


@pytest.mark.sweep
def test_a_process_is_killed_at_each_point_of_a_voyage(stage: Stage) -> None:
    points, unharmed = rehearse(stage)
    for start in range(1, len(points) + 1, 16):
        play(stage, [Point(at) for at in range(start, min(start + 16, len(points) + 1))], len(points))
    assert sum(bool(saga.struck) for saga in stage.sagas) >= len(points) * 9 // 10
    check(stage, unharmed)


def rehearse(stage: Stage) -> tuple[list[str], Picture]:
    """Play the story once, unharmed; its points, and what it leaves."""
    (saga,) = stage.new(1)

    def body(line: Line) -> None:
        sailor = Sailor(line, stage.book)
        stage.go_on(saga)
        line.say({"points": sailor.points})

    ((code, words),) = run_all([body])
    assert code == 0, words
    picture = look(stage, saga)
    assert picture.state is ENDS[stage.story]
    assert set(picture.rows.values()) == {1}
    made = Counter(entry.atom for entry in stage.book.entries() if entry.kind == "revert")
    assert made["stubborn"] == (1 if stage.story == "mended" else 2)
    return words[-1]["points"], picture


def play(stage: Stage, firsts: list[Point], points: int) -> None:
    """Strike down a child at each first point, the next one at another, and let a last one go on in peace."""
    sagas = stage.new(len(firsts))
    seconds = [Point(1 + 7 * first.at % max(points - first.at, 1)) for first in firsts]
    for at in (firsts, seconds):
        ended = run_all(stage.struck_at(saga, point) for saga, point in zip(sagas, at, strict=True))
        for saga, (code, words) in zip(sagas, ended, strict=True):
            before = len(saga.struck)
            saga.take_note(words, [type for (type,) in stage.select(TYPES, saga.run)])
            assert code == (-signal.SIGKILL if len(saga.struck) > before else 0), words

    def in_peace(line: Line) -> None:
        for saga in sagas:
            stage.go_on(saga)

    ((code, words),) = run_all([in_peace])
    assert code == 0, words


def look(stage: Stage, saga: Saga) -> Picture:
    with stage.engine() as engine:
        run, history = engine.state(saga.run), engine.history(saga.run)
    calls = [entry for entry in stage.book.entries() if entry.run == str(saga.run)]
    check_calls(saga, history, calls)
    return Picture.of(stage, run, history, calls)


def check(stage: Stage, unharmed: Picture) -> None:
    """What all the harmed runs left."""
    for saga in stage.sagas[1:]:
        picture = look(stage, saga)
        for name in ("state", "results", "atoms", "executions", "rows", "answers"):
            assert getattr(picture, name) == getattr(unharmed, name), f"struck at {saga.struck}, run {saga.run}"
    assert stage.select("SELECT * FROM sagalog.timer") == []
    assert stage.select("SELECT stream_id FROM sagalog.stream WHERE owner IS NOT NULL") == []
    with stage.engine() as engine:
        assert engine.verify().ok


def check_calls(saga: Saga, history: list[Record], calls: list[Entry]) -> None:
    """Each attempt that has an outcome was one call; one of unknown outcome was one or none; and each had its key."""
    told = f"struck at {saga.struck}, run {saga.run}"
    made = Counter((call.kind, call.atom, call.execution, call.attempt) for call in calls)
    begun: dict[Any, str] = {}
    for record in history:
        kind, _, what = record.type.partition(".")
        if kind not in ("task", "retry") or record.atom is None or "execution" not in record.facts:
            continue
        name = record.atom if record.instance is None else f"{record.atom}[{record.instance}]"
        way = "revert" if what in ("reverting", "reverted", "revert_unknown", "revert_failure") else "execute"
        attempt = way, name, record.facts["execution"], record.facts["attempt"]
        if what in ("running", "reverting"):
            assert attempt not in begun, f"{told}: {attempt} was begun twice"
            last = begun.get((*attempt[:3], attempt[3] - 1))
            assert attempt[3] == 1 or last in ("unknown", "revert_unknown", "waiting"), f"{told}: {attempt} after {last}"
        begun[attempt] = what
    for attempt, count in made.items():
        if attempt[0] in ("execute", "revert"):
            assert attempt in begun, f"{told}: {attempt} was called without a record of its intent"
            assert count == 1, f"{told}: {attempt} was called {count} times"
    for attempt, what in begun.items():
        noted = attempt[1] not in ("twice", "ways", "bag") and not (attempt[0] == "revert" and attempt[1] == "ann")
        if noted and what in ("success", "failure", "waiting", "reverted"):
            assert made[attempt] == 1, f"{told}: {attempt} ended as {what}, and was called {made[attempt]} times"
    check_questions(saga, history, calls, told)
    check_keys(calls, told)


def check_questions(saga: Saga, history: list[Record], calls: list[Entry], told: str) -> None:
    """Whoever is asked is asked once for each answer, and again only where an answer was lost."""
    consulted = [record for record in history if record.type == "retry.consulted" and record.atom == "stubborn"]
    decided = [record for record in history if record.type == "decider.answered"]
    for kind, answers in (("on_failure", consulted), ("decide", decided)):
        asked = sum(call.kind == kind for call in calls)
        assert len(answers) <= asked <= len(answers) + len(saga.struck), f"{told}: {kind} was asked {asked} times"


def check_keys(calls: list[Entry], told: str) -> None:
    """The same key for every attempt of an execution in one direction, and for nothing else."""
    keys: dict[Any, set[str]] = {}
    for call in calls:
        if call.kind in ("execute", "revert"):
            keys.setdefault((call.kind, call.atom, call.execution), set()).add(call.key)
    assert {len(found) for found in keys.values()} == {1}, told
    assert len(set.union(*keys.values())) == len(keys), told
