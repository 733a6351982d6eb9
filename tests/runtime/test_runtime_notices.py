"""`Notices`: callbacks after the commit."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from uuid import UUID, uuid4

import pytest

from sagalog import AtomView, Engine, Record, Run, RunState, UsageError, linear, task
from sagalog.codec.compose import wrap
from sagalog.codec.values import encode
from sagalog.engine.core import records as r
from sagalog.engine.core.records import Draft, of_atom
from sagalog.engine.runtime.app import Sagalog
from sagalog.engine.runtime.held import Held
from sagalog.engine.runtime.notices import Notices
from sagalog.store.shape import Append, Head


@task(provides="greeting")
def greet(name: str) -> str:
    return f"hello {name}"


class Stream:
    """A run whose records are appended by hand, and told."""

    def __init__(self, notices: Notices) -> None:
        self.notices = notices
        self.held = Held(Sagalog().compiled(linear("greetings").add(greet)), Head(uuid4(), epoch=1))
        parts = {"inputs": wrap({"name": encode("Ann")}), "arguments": b"{}", "tags": b"{}"}
        self.created = self.held.create({"flow": "greetings"}, {"name": encode("Ann")}, wrap(parts))

    def append(self, *drafts: Draft) -> None:
        for draft in drafts:
            if draft is not self.created:
                self.held.fold(draft)
        append = Append(self.held.head, self.held.rows(drafts), "ann", 1_700_000_000_000_000)
        self.held.head.version += len(drafts)
        self.notices.appended(self.held, append)

    def run(self) -> None:
        started, done = of_atom(r.TASK_RUNNING, 0, 1, 1), of_atom(r.TASK_SUCCESS, 0, 1, 1, encode("hello Ann"))
        self.append(self.created, Draft(r.RUN_RUNNING, {}), started)
        self.append(done, Draft(r.RUN_SUCCESS, {}))


TYPES = ["run.created", "run.running", "task.running", "task.success", "run.success"]


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("*", TYPES),
        ("task.*", ["task.running", "task.success"]),
        ("*.success", ["task.success", "run.success"]),
        ("run.created", ["run.created"]),
        ("task.?unning", ["task.running"]),
        ("[rt]*.running", ["run.running", "task.running"]),
        ("TASK.*", []),
        ("task", []),
    ],
)
def test_a_pattern_chooses_by_the_type_of_the_record(pattern: str, wanted: list[str]) -> None:
    notices, told = Notices(), []
    notices.subscribe(pattern, lambda run, record: told.append(record.type))
    Stream(notices).run()
    assert told == wanted


def test_a_callback_is_told_the_run_and_the_record_as_they_are_in_the_log() -> None:
    notices, told = Notices(), []
    notices.subscribe("*", lambda run, record: told.append((run.state, run.version, record)))
    stream = Stream(notices)
    stream.run()
    assert [(state, version) for state, version, _ in told] == [(RunState.RUNNING, 3)] * 3 + [(RunState.SUCCESS, 5)] * 2
    records: list[Record] = [record for _, _, record in told]
    assert [record.version for record in records] == [1, 2, 3, 4, 5]
    assert {record.run_id for record in records} == {stream.held.id} and records[3].actor == "ann"
    assert (records[3].atom, records[3].execution, records[3].attempt, records[3].value) == ("greet", 1, 1, "hello Ann")
    assert len({record.id for record in records}) == 5 and all(isinstance(record.id, UUID) for record in records)


def test_each_listener_is_handed_a_record_of_its_own() -> None:
    notices, told = Notices(), []

    def spoils(run: Run, record: Record) -> None:
        record.facts.clear()

    notices.subscribe("task.running", spoils)
    notices.subscribe("task.running", lambda run, record: told.append(record.facts))
    Stream(notices).run()
    assert told == [{"atom": 0, "execution": 1, "attempt": 1}]


def test_records_come_in_order_to_the_listeners_in_theirs() -> None:
    notices, told = Notices(), []
    for name in "ab":
        notices.subscribe("*", lambda run, record, name=name: told.append((record.version, name)))
    Stream(notices).run()
    assert told == [(version, name) for version in range(1, 6) for name in "ab"]


@pytest.mark.parametrize("error", [RuntimeError("deaf"), SystemExit(1)])
def test_an_exception_in_one_is_logged_and_disturbs_nobody(error: BaseException, caplog: Any) -> None:
    notices, told = Notices(), []

    def broken(run: Run, record: Record) -> None:
        raise error

    notices.subscribe("run.*", broken)
    notices.subscribe("*", lambda run, record: told.append(record.type))
    stream = Stream(notices)
    with caplog.at_level(logging.ERROR, logger="sagalog.notices"):
        stream.run()
    assert told == TYPES
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 3
    assert str(stream.held.id) in caplog.text and "broken" in caplog.text and "run.created" in caplog.text


def test_an_interrupt_goes_on_to_the_caller() -> None:
    notices = Notices()

    def interrupted(run: Run, record: Record) -> None:
        raise KeyboardInterrupt

    notices.subscribe("*", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Stream(notices).run()


def test_nothing_is_made_for_those_who_do_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    notices = Notices()
    made: list[str] = []
    kept = Record.of
    monkeypatch.setattr(Record, "of", lambda row, definition: made.append(row.type) or kept(row, definition))
    monkeypatch.setattr(Run, "__init__", lambda self, held: made.append("run"))
    Stream(notices).run()
    assert made == [] and not notices.heard
    id = notices.subscribe("run.success", lambda run, record: None)
    assert notices.heard
    Stream(notices).run()
    assert made == ["run", "run", "run.success"]
    assert notices.unsubscribe(id) is True and notices.unsubscribe(id) is False and not notices.heard
    Stream(notices).run()
    assert made == ["run", "run", "run.success"]


def test_a_callback_may_end_its_own_subscription() -> None:
    notices, told = Notices(), []

    def once(run: Run, record: Record) -> None:
        told.append(record.type)
        notices.unsubscribe(id)

    id = notices.subscribe("*.running", once)
    notices.subscribe("*.running", lambda run, record: told.append("other"))
    Stream(notices).run()
    assert told == ["run.running", "other", "other"]


@pytest.mark.parametrize("pattern", ["", None, 7, b"*"])
def test_a_pattern_that_is_no_text_is_refused(pattern: Any) -> None:
    with pytest.raises(UsageError, match="pattern must be text"):
        Notices().subscribe(pattern, print)


def test_a_callback_that_cannot_be_called_at_once_is_refused() -> None:
    async def later(run: Run, record: Record) -> None: ...

    class Later:
        async def __call__(self, run: Run, record: Record) -> None: ...

    with pytest.raises(UsageError, match="cannot be called"):
        Notices().subscribe("*", "print")  # type: ignore[arg-type]
    for each in (later, Later()):
        with pytest.raises(UsageError, match="coroutine"):
            Notices().subscribe("*", each)


def test_an_engine_tells_of_what_is_in_the_log_and_goes_on_when_a_listener_raises(engine: Engine) -> None:
    told: list[tuple[int, str]] = []
    seen: list[list[str]] = []

    def looks(run: Run, record: Record) -> None:
        told.append((record.version, record.type))
        seen.append([each.type for each in engine.history(run.id)])

    def broken(run: Run, record: Record) -> None:
        raise ZeroDivisionError

    ids = [engine.subscribe("*", broken), engine.subscribe("*", looks)]
    run = engine.run(linear("greetings").add(greet), {"name": "Ann"})
    assert run.state is RunState.SUCCESS and run.results == {"greeting": "hello Ann"}
    types = [record.type for record in engine.history(run.id)]
    assert told == list(enumerate(types, 1))
    # Each was in the log when its listener was told of it.
    assert all(types[:version] == log[:version] for (version, _), log in zip(told, seen, strict=True))
    for id in ids:
        engine.unsubscribe(id)
    engine.run(linear("greetings").add(greet), {"name": "Bob"})
    assert len(told) == len(types)


async def _greeted(engine: Engine) -> Run:
    async with engine:
        return await engine.arun(linear("greetings").add(greet), {"name": "Ann"})


def test_async_runs_tell_too(settings: Any) -> None:
    told: list[AtomView] = []
    engine = Engine.open(settings=settings)
    engine.subscribe("task.success", lambda run, record: told.append(run.atoms["greet"]))
    run = asyncio.run(_greeted(engine))
    assert run.state is RunState.SUCCESS and [view.result for view in told] == ["hello Ann"]
