"""The crash sweep of the order saga: killed before and after each commit and each effect, and again while resuming.

An order that succeeds, one that the carrier refuses, and one that an operator withdraws after its end are each run once
unharmed, to see what comes of them and at how many points a process can be struck down; the number of points is
checked against the log and the ledger. Then once for each point: a child is killed there (SIGKILL), the next one goes on
and is killed again, and what the last one leaves must be what the unharmed run left. By default the second point
rotates; with ``-m sweep`` every pair of points is tried.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
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

from examples import ledger, orders, reconcile
from sagalog.config import Settings
from sagalog.engine.core.states import RunState
from sagalog.engine.runtime.app import Sagalog
from sagalog.engine.runtime.engine import Engine
from sagalog.engine.runtime.views import Record, Run
from sagalog.errors import UnknownRun
from sagalog.store.ids import run_id as new_id

SHELLS = ("blocking", "asyncio")
STORIES = ("succeeds", "refused", "withdrawn")
CASES = [(story, shell) for story in STORIES for shell in SHELLS if story != "withdrawn" or shell == "blocking"]
"""An operator's revert has one shell only."""
ENDS = {"succeeds": RunState.SUCCESS, "refused": RunState.REVERTED, "withdrawn": RunState.REVERTED}
SERVED, NOT_SERVED = "Germany", "Brazil"
STATEMENTS = 4
"""With which the transaction of a transactional task ends: back to the writer's role, the append, the commit."""
OF_THEIR_OWN = ("key", "label", "given", "cancelled")
"""What a result says of its own run or its own call: keys, and whether it was this very call that took effect."""


@frozen
class Way:
    """One way to the end of a story: the points at which its processes are struck, one after the other."""

    first: int
    second: int | None


@define
class Saga:
    """One order, and what is known of its run."""

    run: UUID
    order: dict[str, Any]
    struck: list[str] = field(factory=list)
    owing: Counter[str] = field(factory=Counter)
    durable: list[str] = field(factory=list)

    def take_note(self, words: list[Any]) -> None:
        """Of what one of its processes has said."""
        for word in words:
            self.durable += word.get("durable", [])
            if "struck" in word:
                self.struck.append(word["struck"])
                self.owing.update([word["owing"]] if word["owing"] else [])


class Stage:
    """The database and the ledger on which a story is played, again and again, each time with an order of its own."""

    def __init__(self, settings: Settings, story: str, shell: str) -> None:
        self.settings = settings
        self.story = story
        self.shell = shell
        self.numbers = itertools.count(700_001)
        self.sagas: list[Saga] = []

    def engine(self) -> Engine:
        return Engine.open(settings=self.settings, app=Sagalog(flows=[orders.order]))

    def sagas_to_be(self, count: int) -> list[Saga]:
        """New orders; where the story begins after the end of one, they have been run."""
        sagas = [Saga(new_id(next(_ticks)), an_order(next(self.numbers), self.story)) for _ in range(count)]
        self.sagas += sagas
        if self.story == "withdrawn":
            ((code, words),) = run_all([lambda line: self._run_them(sagas)])
            assert code == 0, words
            for saga in sagas:
                saga.durable += self.types(saga)
        return sagas

    def _run_them(self, sagas: list[Saga]) -> None:
        async def all_of_them() -> None:
            async with self.engine() as engine:
                runs = (engine.arun(orders.order, {"order": saga.order}, run_id=saga.run) for saga in sagas)
                await asyncio.gather(*runs)

        asyncio.run(all_of_them())

    def go_on(self, saga: Saga) -> None:
        """Do in this process what is still to be done, whatever has been."""
        (self._go_on if self.shell == "blocking" else self._go_on_in_loop)(saga)

    def _go_on(self, saga: Saga) -> None:
        with self.engine() as engine:
            try:
                if self.story == "withdrawn" and engine.state(saga.run).state is RunState.SUCCESS:
                    engine.revert(saga.run, reason="customer withdrew")
                else:
                    engine.resume(saga.run, raises=False)
            except UnknownRun:
                engine.run(orders.order, {"order": saga.order}, run_id=saga.run, raises=False)

    def _go_on_in_loop(self, saga: Saga) -> None:
        async def scene() -> None:
            async with self.engine() as engine:
                try:
                    await engine.aresume(saga.run, raises=False)
                except UnknownRun:
                    await engine.arun(orders.order, {"order": saga.order}, run_id=saga.run, raises=False)

        asyncio.run(scene())

    def struck_at(self, saga: Saga, point: int) -> Callable[[Line], None]:
        """What a child does that is killed at a point, if it comes to it."""

        def body(line: Line) -> None:
            Striker(line, point)
            self.go_on(saga)

        return body

    def types(self, saga: Saga) -> list[str]:
        with psycopg.connect(str(self.settings.database_url), autocommit=True) as conn:
            rows = conn.execute("SELECT type FROM sagalog.record WHERE stream_id = %s ORDER BY version", [saga.run])
            return [type for (type,) in rows]


@frozen
class Picture:
    """What a run leaves, apart from what is its own."""

    state: RunState
    results: Any
    atoms: Any
    calls: Counter[str]
    effects: Counter[str]

    @classmethod
    def of(cls, run: Run, books: reconcile.Books) -> Picture:
        order_id = run.inputs["order"]["order_id"]
        atoms = {
            name: (view.state, view.execution, view.result, view.revert_result, view.failure and view.failure.type)
            for name, view in run.atoms.items()
        }
        return cls(
            run.state,
            _impersonal(run.results, order_id),
            _impersonal(atoms, order_id),
            Counter(call.kind for call in books.attempts if call.order_id == order_id),
            Counter(entry.kind for entry in books.entries if entry.order_id == order_id),
        )


@pytest.fixture(params=CASES, ids=[f"{story}-{shell}" for story, shell in CASES])
def stage(
    request: pytest.FixtureRequest, migrated: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    monkeypatch.setenv("SAGALOG_LEDGER", str(tmp_path / "ledger.sqlite"))
    yield Stage(Settings(home=tmp_path, database_url=migrated, lease=2.0, reconnect=10.0, poll=0.05), *request.param)


def test_a_process_is_killed_at_each_point_and_once_more_while_resuming(stage: Stage) -> None:
    points, unharmed = rehearse(stage)
    ways = [Way(first, _rotating(first, points)) for first in range(1, points + 1)]
    play(stage, ways)
    # Each point was met, and from each but the very last the way was long enough for another one.
    assert sum(len(saga.struck) for saga in stage.sagas) == 2 * points - 1
    check(stage, unharmed)


@pytest.mark.sweep
def test_a_process_is_killed_at_each_pair_of_points(stage: Stage) -> None:
    points, unharmed = rehearse(stage)
    for first in range(1, points + 1):
        for start in itertools.count(1, 8):
            ways = [Way(first, second) for second in range(start, start + 8)]
            play(stage, ways)
            if any(len(saga.struck) == 1 for saga in stage.sagas[-len(ways) :]):
                break
    check(stage, unharmed)


def rehearse(stage: Stage) -> tuple[int, Picture]:
    """Play the story once, unharmed; the number of its points, and what it leaves."""
    (saga,) = stage.sagas_to_be(1)
    before = len(saga.durable)

    def body(line: Line) -> None:
        striker = Striker(line)
        stage.go_on(saga)
        line.say({"points": striker.points})

    ((code, words),) = run_all([body])
    assert code == 0, words
    points = Counter(words[-1]["points"])
    saga.take_note(words)
    with stage.engine() as engine:
        run, history = engine.state(saga.run), engine.history(saga.run)
        books = _books(stage)
    new = [record for record in history if record.version > before]
    calls = sum(_is_call(record) for record in new)
    commits, outcomes_inside = _commits(stage, saga, before)
    assert points["append.before"] == points["append.after"] == commits
    assert points["call.before"] == points["call.after"] == calls
    assert points["append.inside"] == STATEMENTS * outcomes_inside
    made = [call for call in books.attempts if call.order_id == saga.order["order_id"]]
    done = [entry for entry in books.entries if entry.order_id == saga.order["order_id"]]
    if stage.story == "withdrawn":  # what the order did before it was withdrawn is not of this process
        made = [call for call in made if call.kind in ("refund", "unship")]
        done = [entry for entry in done if entry.kind in ("refund", "unship")]
    assert (points["effect.before"], points["effect.after"]) == (len(made), len(done))
    picture = Picture.of(run, books)
    assert picture.state is ENDS[stage.story]
    assert set(picture.calls.values()) == {1}
    return points.total(), picture


def play(stage: Stage, ways: list[Way]) -> None:
    """Strike down a child at each first point, the next one at the second, and let a last one go on in peace."""
    sagas = stage.sagas_to_be(len(ways))
    for points in ([way.first for way in ways], [way.second for way in ways]):
        pairs = [(saga, point) for saga, point in zip(sagas, points, strict=True) if point is not None]
        ended = run_all(stage.struck_at(saga, point) for saga, point in pairs)
        for (saga, _), (code, words) in zip(pairs, ended, strict=True):
            before = len(saga.struck)
            saga.take_note(words)
            assert code == (-signal.SIGKILL if len(saga.struck) > before else 0), words
            assert stage.types(saga)[: len(saga.durable)] == saga.durable, f"acknowledged, and lost: {saga}"

    def in_peace(line: Line) -> None:
        for saga in sagas:
            stage.go_on(saga)

    ((code, words),) = run_all([in_peace])
    assert code == 0, words


def check(stage: Stage, unharmed: Picture) -> None:
    """What all the harmed runs left."""
    books = _books(stage)
    report = reconcile.reconcile({saga.order["order_id"]: saga.order for saga in stage.sagas}, books)
    stories = {saga.order["order_id"]: saga.struck for saga in stage.sagas}
    assert report.ok, [(fault.message, stories.get(fault.order_id or 0)) for fault in report.faults]
    kept = ENDS[stage.story] is RunState.SUCCESS
    assert report.outcomes["kept" if kept else "refunded"].orders == len(stage.sagas)
    with stage.engine() as engine:
        for saga in stage.sagas:
            picture = Picture.of(engine.state(saga.run), books)
            told = f"struck at {saga.struck}"
            assert (picture.state, picture.results, picture.atoms) == (
                unharmed.state, unharmed.results, unharmed.atoms), told  # fmt: skip
            assert picture.effects == unharmed.effects, told
            # A call to the outside is made once more exactly for each time that its outcome was lost with the process.
            assert picture.calls == unharmed.calls + saga.owing, told
            _check_intents(engine.history(saga.run), saga)
        assert engine.verify().ok


def _check_intents(history: list[Record], saga: Saga) -> None:
    """An intent beyond a task's first follows an unknown outcome of that very task; each kill makes one such at most."""
    told = f"struck at {saga.struck}"
    assert [record.version for record in history] == list(range(1, len(history) + 1)), told
    unknown: set[tuple[str | None, str]] = set()
    begun: set[tuple[str | None, str]] = set()
    again, reverting = 0, False
    for record in history:
        way = "revert" if record.type in ("task.reverting", "task.revert_unknown") else "execute"
        task = record.atom, way
        if record.type == "run.reverting":
            reverting = True
        assert not (reverting and record.type == "task.running"), f"{told}: executed although its scope reverts"
        if record.type in ("task.unknown", "task.revert_unknown"):
            unknown.add(task)
        if record.type in ("task.running", "task.reverting"):
            assert task not in begun or task in unknown, f"{told}: {task} was begun again, and nothing was unknown"
            again += task in begun
            begun.add(task)
            unknown.discard(task)
    assert not unknown, told
    assert again <= len(saga.struck), told


def an_order(number: int, story: str) -> dict[str, Any]:
    """An order like those of the file."""
    line = json.loads(orders.ORDERS.read_text(encoding="utf-8").splitlines()[0])
    line["order_id"] = number
    line["billing"]["country"] = NOT_SERVED if story == "refused" else SERVED
    return dict(line)


def _rotating(first: int, points: int) -> int | None:
    """A point of the process that goes on after `first`: it has at least as many as were left of the first one."""
    left = points - first
    return 1 + 7 * first % left if left else None


def _commits(stage: Stage, saga: Saga, after: int) -> tuple[int, int]:
    """The transactions behind a run's records after a version, and those of them that a transactional task shares."""
    with psycopg.connect(str(stage.settings.database_url), autocommit=True) as conn:
        rows = conn.execute(
            "SELECT xmin::text, db_user, type, facts FROM sagalog.record WHERE stream_id = %s AND version > %s",
            [saga.run, after],
        ).fetchall()
    reserve = [spec.name for spec in Sagalog(flows=[]).compiled(orders.order).definition.atoms].index("reserve")
    inside = {
        xid
        for xid, _, type, facts in rows
        if type in ("task.success", "task.reverted") and json.loads(bytes(facts))["atom"] == reserve
    }
    return len({xid for xid, *_ in rows}), len(inside)


def _is_call(record: Record) -> bool:
    """Whether a record is the intent to run some code: the reverts of some tasks have none."""
    return record.type == "task.running" or (record.type == "task.reverting" and record.atom not in ("check", "notify"))


def _books(stage: Stage) -> reconcile.Books:
    with psycopg.connect(str(stage.settings.database_url), autocommit=True) as conn:
        return reconcile.read_books(conn, ledger.ledger_path())


def _impersonal(value: Any, order_id: int) -> Any:
    if isinstance(value, dict):
        return {key: _impersonal(item, order_id) for key, item in value.items() if key not in OF_THEIR_OWN}
    if isinstance(value, list | tuple):
        return [_impersonal(item, order_id) for item in value]
    if isinstance(value, str):
        return value.replace(f"{order_id}", "N")
    return "N" if value == order_id and isinstance(value, int) and not isinstance(value, bool) else value


_ticks = itertools.count(1_700_000_000_000_000, 1000)
