"""The read model of runs: folded from the log, by any number of processes at once, and refolded to equal rows."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from sagalog.codec import encode
from sagalog.codec.records import encode_facts
from sagalog.config import Settings
from sagalog.engine.core.states import RunState
from sagalog.errors import Failure
from sagalog.projections import base, runs
from sagalog.projections.base import Seen
from sagalog.projections.runs import RUNS, Fields, Row, evolve
from sagalog.store import log
from sagalog.store.io import Operation, Query, Rows, ask, perform
from sagalog.store.migrate import MIGRATIONS
from sagalog.store.rebuild import rebuild as rebuild_store
from sagalog.store.session import Session
from sagalog.store.shape import Append, Head, NewRecord

AT = 1_767_225_600_123_457
Happening = tuple[str, dict[str, Any], bytes | None]

CREATED: Happening = ("run.created", {"flow": "order", "definition": "abc", "key": "k"}, encode({"inputs": {}}))
RUNNING: Happening = ("run.running", {}, None)
STARTED: Happening = ("task.running", {"atom": 0, "execution": 1, "attempt": 1}, None)
DONE: Happening = ("task.success", {"atom": 0, "execution": 1, "attempt": 1}, encode(1))
SUCCESS: Happening = ("run.success", {}, None)
BROKEN: Happening = (
    "task.failure",
    {"atom": 0, "execution": 1, "attempt": 1, "classes": ["ValueError"]},
    encode(Failure.of(ValueError("no stock"), "reserve").to_data()),
)
REVERTING: Happening = ("run.reverting", {"cause": "failure"}, None)
ASKED: Happening = ("run.reverting", {"cause": "operator", "reason": True}, encode({"reason": "withdrew", "by": "x"}))
STUCK: Happening = (
    "task.revert_failure",
    {"atom": 0, "execution": 1, "attempt": 1},
    encode(Failure.of(OSError("no way back"), "reserve").to_data()),
)
FAILED: Happening = ("run.failure", {"cause": "revert_failure", "atoms": [0]}, None)
REVERTED: Happening = ("run.reverted", {}, None)


WAITING: Happening = ("run.waiting", {}, None)
RETRY_BROKEN: Happening = ("retry.failure", {"atom": 1, "execution": 1, "attempt": 1}, BROKEN[2])
RETRY_STUCK: Happening = ("retry.revert_failure", {"atom": 1, "execution": 1, "attempt": 1}, STUCK[2])
RETRYING: Happening = ("retry.retrying", {"atom": 1, "execution": 1, "attempt": 1}, None)
GIVEN_UP: Happening = ("task.failure", {"atom": 2, "execution": 1, "attempt": 2, "given_up": True}, None)
RECOVERED: Happening = ("run.recovered", {"atoms": [0], "fans": []}, None)
RESET: Happening = ("run.pending", {}, None)


def consulted(decision: str, done: str) -> Happening:
    facts = {"atom": 1, "execution": 1, "failed": 0, "tries": 1, "through": 3, "decision": decision, "done": done}
    return ("retry.consulted", facts, None)


def settled(ok: bool) -> Happening:
    return ("group.settled", {"flow": 1, "ok": ok, "successes": 1, "errors": 1}, None)


@pytest.fixture
def session(migrated: str) -> Iterator[Session]:
    with Session(migrated, Settings.load({})) as opened:
        yield opened


def write(session: Session, *happenings: Happening, head: Head | None = None, flow: str = "order") -> Head:
    """Append to a run, one record after the other; return its head."""
    head = head or Head(uuid4(), epoch=1)
    for type, facts, value in happenings:
        facts = {**facts, "flow": flow} if type == "run.created" else facts
        record = NewRecord(uuid4().bytes, type, 1, encode_facts(facts), value, "json@1" if value else None)
        moment = AT + head.version * 1_000_001
        assert session.perform(lambda: log.append([Append(head, [record], "test", moment)])) == []  # noqa: B023
    return head


def listed(session: Session, **filters: Any) -> list[Row]:
    runs.catch_up(session)
    return runs.rows(session, **filters)


def at(version: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=AT + (version - 1) * 1_000_001)


def folded(*happenings: Happening) -> Fields:
    row: Fields | None = None
    for version, (type, facts, _) in enumerate(happenings, 1):
        row = evolve(row, Seen(version, UUID(int=1), version, type, 1, AT + version, encode_facts(facts)))
    assert row is not None
    return row


@pytest.mark.parametrize(
    ("happenings", "state", "finished", "reason", "failure", "stuck"),
    [
        ([CREATED], "PENDING", None, None, None, None),
        ([CREATED, RUNNING, STARTED], "RUNNING", None, None, None, None),
        ([CREATED, RUNNING, STARTED, DONE, SUCCESS], "SUCCESS", 5, None, None, None),
        ([CREATED, RUNNING, STARTED, DONE, SUCCESS, ASKED], "REVERTING", None, 6, None, None),
        ([CREATED, RUNNING, STARTED, DONE, SUCCESS, ASKED, REVERTED], "REVERTED", 7, 6, None, None),
        ([CREATED, RUNNING, BROKEN, BROKEN, REVERTING], "REVERTING", None, None, 3, None),
        ([CREATED, RUNNING, BROKEN, REVERTING, STUCK, FAILED], "FAILURE", 6, None, 3, 5),
        ([CREATED, RUNNING, BROKEN, REVERTING, STUCK, FAILED, REVERTING, REVERTED], "REVERTED", 8, None, 3, None),
    ],
)
def test_a_row_says_where_its_run_stands_and_which_records_say_why(
    happenings: list[Happening],
    state: str,
    finished: int | None,
    reason: int | None,
    failure: int | None,
    stuck: int | None,
) -> None:
    row = folded(*happenings)

    assert (row["state"], row["version"], row["updated_at"]) == (state, len(happenings), AT + len(happenings))
    assert row["finished_at"] == (None if finished is None else AT + finished)
    assert (row["reason_version"], row["failure_version"], row["revert_failure_version"]) == (reason, failure, stuck)
    assert row["started_at"] == (None if len(happenings) == 1 else AT + 2)
    assert (row["flow"], row["definition"], row["key"], row["created_at"]) == ("order", "abc", "k", AT + 1)


@pytest.mark.parametrize(
    ("happenings", "state", "failure", "stuck"),
    [
        ([WAITING], "WAITING", None, None),
        ([WAITING, RUNNING, DONE, SUCCESS], "SUCCESS", None, None),
        ([RETRY_BROKEN], "RUNNING", 3, None),
        ([RETRY_BROKEN, REVERTING, RETRY_STUCK, FAILED], "FAILURE", 3, 5),
        ([BROKEN, REVERTING, STUCK, WAITING], "WAITING", 3, 5),
        ([BROKEN, consulted("RETRY", "retry")], "RUNNING", None, None),
        ([BROKEN, consulted("RETRY", "retry"), BROKEN], "RUNNING", 5, None),
        ([BROKEN, consulted("RETRY", "retry"), BROKEN, RETRYING], "RUNNING", None, None),
        ([BROKEN, consulted("RETRY", "retry"), GIVEN_UP], "RUNNING", None, None),
        ([BROKEN, consulted("RETRY", "retry"), RETRYING, BROKEN, consulted("REVERT", "revert")], "RUNNING", 6, None),
        ([BROKEN, consulted("RETRY", "retry"), RETRYING, DONE, SUCCESS], "SUCCESS", None, None),
        ([BROKEN, consulted("RETRY", "overruled"), REVERTING, REVERTED], "REVERTED", 3, None),
        ([BROKEN, consulted("REVERT", "deferred")], "RUNNING", 3, None),
        ([BROKEN, consulted("REVERT_ALL", "revert_all"), REVERTING], "REVERTING", 3, None),
        ([BROKEN, settled(True), BROKEN], "RUNNING", 5, None),
        ([BROKEN, settled(False)], "RUNNING", 3, None),
        ([BROKEN, REVERTING, REVERTED, RECOVERED], "RUNNING", None, None),
        ([BROKEN, REVERTING, STUCK, FAILED, RECOVERED], "RUNNING", None, None),
        ([BROKEN, REVERTING, STUCK, FAILED, RESET], "PENDING", None, None),
        ([("decider.answered", {"gate": 7, "raised": True}, BROKEN[2])], "RUNNING", 3, None),
        ([("decider.answered", {"gate": 7, "answers": [[0, False]], "depth": "ALL"}, None)], "RUNNING", None, None),
        ([("retry.consulted", {"atom": 1, "done": "raised"}, BROKEN[2])], "RUNNING", 3, None),
        ([BROKEN, ("retry.consulted", {"atom": 1, "done": "raised"}, BROKEN[2])], "RUNNING", 3, None),
    ],
)
def test_a_failure_is_shown_until_it_is_dealt_with(
    happenings: list[Happening], state: str, failure: int | None, stuck: int | None
) -> None:
    row = folded(CREATED, RUNNING, *happenings)

    assert (row["state"], row["failure_version"], row["revert_failure_version"]) == (state, failure, stuck)
    assert (row["version"], row["updated_at"]) == (len(happenings) + 2, AT + len(happenings) + 2)


@pytest.mark.parametrize(("happening", "started"), [(RECOVERED, AT + 2), (RESET, None)])
def test_a_run_that_begins_anew_has_neither_reason_nor_end(happening: Happening, started: int | None) -> None:
    before = folded(CREATED, RUNNING, DONE, SUCCESS, ASKED, REVERTED)
    row = folded(CREATED, RUNNING, DONE, SUCCESS, ASKED, REVERTED, happening)

    assert (before["reason_version"], before["finished_at"]) == (5, AT + 6)
    assert (row["reason_version"], row["finished_at"], row["started_at"]) == (None, None, started)


def test_a_run_that_a_retry_has_saved_is_listed_without_a_failure(session: Session) -> None:
    head = write(session, CREATED, RUNNING, BROKEN)
    (row,) = listed(session)
    assert row.failure is not None and row.failure.check(ValueError)
    write(session, consulted("RETRY", "retry"), WAITING, head=head)
    (row,) = listed(session)
    assert (row.state, row.failure, row.version, row.updated_at) == (RunState.WAITING, None, 5, at(5))
    write(session, RUNNING, RETRYING, DONE, SUCCESS, head=head)
    (row,) = listed(session)
    assert (row.state, row.failure, row.failure_version) == (RunState.SUCCESS, None, None)


def test_a_stream_that_is_no_run_has_no_row() -> None:
    assert evolve(None, Seen(1, UUID(int=1), 1, "timer.set", 1, AT, b"{}")) is None


def test_damaged_facts_do_not_keep_a_run_from_being_listed() -> None:
    row = evolve(None, Seen(1, UUID(int=1), 1, "run.created", 1, AT, b"\xff"))

    assert row is not None and row["flow"] == "?"


def test_what_was_written_can_be_listed(session: Session) -> None:
    first = write(session, CREATED, RUNNING, STARTED, DONE, SUCCESS)
    second = write(session, CREATED, RUNNING, BROKEN, REVERTING, STUCK, FAILED, flow="other")
    one, other = sorted(listed(session), key=lambda row: row.flow, reverse=True)

    assert (one.run_id, one.flow, one.state, one.version) == (second.stream_id, "other", RunState.FAILURE, 6)
    assert one.failure is not None and one.failure.check(OSError) is OSError
    assert one.failure_version == 5
    assert (other.run_id, other.state, other.key, other.definition) == (first.stream_id, RunState.SUCCESS, "k", "abc")
    assert (other.created_at, other.updated_at, other.started_at, other.finished_at) == (at(1), at(5), at(2), at(5))
    assert (other.reason, other.failure) == (None, None)


def test_a_row_follows_its_run(session: Session) -> None:
    head = write(session, CREATED)
    assert [row.state for row in listed(session)] == [RunState.PENDING]
    write(session, RUNNING, STARTED, DONE, SUCCESS, head=head)
    assert [row.state for row in listed(session)] == [RunState.SUCCESS]
    write(session, ASKED, head=head)
    (row,) = listed(session)

    assert (row.state, row.reason, row.finished_at) == (RunState.REVERTING, "withdrew", None)


def test_rows_come_oldest_first_and_by_state_and_flow(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "PAGE", 2)
    heads = [write(session, CREATED, flow=f"flow{number % 2}") for number in range(5)]
    write(session, RUNNING, head=heads[1])
    everything = listed(session)

    assert [row.run_id for row in everything] == sorted(head.stream_id for head in heads)  # all created at one moment
    assert [row.run_id for row in listed(session, states=[RunState.RUNNING])] == [heads[1].stream_id]
    assert {row.run_id for row in listed(session, flow="flow0")} == {heads[n].stream_id for n in (0, 2, 4)}
    assert listed(session, states=[RunState.SUCCESS]) == listed(session, states=[]) == []
    assert len(listed(session, states=[RunState.PENDING, RunState.RUNNING], flow="flow1")) == 2


def test_an_empty_log_has_no_rows(session: Session) -> None:
    assert listed(session) == []


def test_rebuilding_gives_equal_rows(migrated_on: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "BATCH", 3)
    session = Session(migrated_on, Settings.load({}))
    write(session, CREATED, RUNNING, STARTED, DONE, SUCCESS, ASKED, REVERTED)
    write(session, CREATED, RUNNING, BROKEN, REVERTING, STUCK, FAILED)
    write(session, CREATED)
    before, seen = listed(session), list[tuple[int, int]]()
    position = runs.rebuild(session, lambda done, total: seen.append((done, total)))

    assert runs.rows(session) == before and len(before) == 3
    assert position == 14
    assert seen == sorted(seen) and seen[-1] == (14, 14) and len(seen) >= 5
    session.close()


def test_folding_once_more_changes_nothing(session: Session) -> None:
    write(session, CREATED, RUNNING, STARTED)
    before = listed(session)

    assert listed(session) == before
    assert session.perform(lambda: base.checkpoint(RUNS)) == 3


def test_who_finds_the_checkpoint_moved_writes_nothing(session: Session) -> None:
    write(session, CREATED)
    late = RUNS.fold([Seen(1, uuid4(), 1, "run.created", 1, AT, b'{"flow":"ghost"}')], 0)
    listed(session)

    assert session.perform(lambda: late) is False
    assert [row.flow for row in runs.rows(session)] == ["order"]


def test_many_at_once_fold_each_record_once(migrated: str, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "BATCH", 2)
    for _ in range(6):
        write(session, CREATED, RUNNING, STARTED, DONE, SUCCESS)
    crowd = [Session(migrated, Settings.load({})).open() for _ in range(4)]
    together, failed = threading.Barrier(len(crowd)), list[BaseException]()

    def follow(own: Session) -> None:
        try:
            together.wait()
            runs.catch_up(own)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=follow, args=(own,)) for own in crowd]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for own in crowd:
        own.close()
    together_made = runs.rows(session)
    runs.rebuild(session)

    assert failed == []
    assert runs.rows(session) == together_made
    assert {row.state for row in together_made} == {RunState.SUCCESS} and len(together_made) == 6


def test_what_commits_behind_an_open_transaction_is_waited_for(migrated: str, session: Session) -> None:
    with psycopg.connect(migrated) as slow:
        record = NewRecord(uuid4().bytes, "run.created", 1, b'{"flow":"slow"}')
        assert perform(slow, log.append([Append(Head(uuid4(), epoch=1), [record], "test", AT)])) == []
        write(session, CREATED)
        assert session.perform(lambda: base.catch_up(RUNS, patience=0.0)) == 0
        assert runs.rows(session) == []

        waits = 0
        for query, answer in _asked(session, base.catch_up(RUNS)):
            if query.name == "projection_wait":
                waits += 1
                slow.commit()
            assert answer is not None

    assert waits == 1
    assert {row.flow for row in runs.rows(session)} == {"order", "slow"}


def _asked(session: Session, operation: Operation[int]) -> Iterator[tuple[Query, Rows]]:
    """Perform an operation query by query, letting the caller see each, with its answer, before the next one."""
    with psycopg.RawCursor(session.connection) as cursor:
        try:
            query = next(operation)
            while True:
                answer = ask(cursor, query)
                yield query, answer
                query = operation.send(answer)
        except StopIteration:
            return


def test_a_transaction_that_stays_open_is_not_waited_for_without_end(migrated: str, session: Session) -> None:
    with psycopg.connect(migrated, autocommit=True) as slow, slow.transaction(force_rollback=True):
        record = NewRecord(uuid4().bytes, "run.created", 1, b'{"flow":"slow"}')
        assert perform(slow, log.append([Append(Head(uuid4(), epoch=1), [record], "test", AT)])) == []
        write(session, CREATED)

        assert session.perform(lambda: base.catch_up(RUNS, patience=0.05)) == 0
    assert [row.flow for row in listed(session)] == ["order"]


def test_positions_that_were_rolled_back_are_not_waited_for(migrated: str, session: Session) -> None:
    write(session, CREATED)
    with psycopg.connect(migrated) as other:
        record = NewRecord(uuid4().bytes, "run.created", 1, b'{"flow":"gone"}')
        assert perform(other, log.append([Append(Head(uuid4(), epoch=1), [record], "test", AT)])) == []
        other.rollback()

    assert session.perform(lambda: base.catch_up(RUNS, patience=1e9)) == 1


def test_an_erased_reason_is_none(migrated: str, session: Session) -> None:
    write(session, CREATED, RUNNING, BROKEN, ASKED)
    with psycopg.connect(migrated) as owner:
        owner.execute("alter table sagalog.record disable trigger all")
        owner.execute("update sagalog.record set value = null, salt = null")
    (row,) = listed(session)

    assert (row.reason_version, row.failure_version) == (4, 3)
    assert (row.reason, row.failure) == (None, None)


@pytest.mark.parametrize(
    "statement",
    [
        "insert into sagalog.checkpoint values ('runs', 9)",
        "update sagalog.run set state = 'SUCCESS'",
        "delete from sagalog.run",
        "select sagalog.advance('runs', 0, 9)",
    ],
)
def test_the_writer_writes_read_models_through_their_functions_only(session: Session, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.connection.execute(statement.encode())


def test_rows_are_kept_to_the_microsecond(session: Session) -> None:
    write(session, CREATED, RUNNING)
    runs.catch_up(session)
    found = session.connection.execute("select created_at, updated_at from sagalog.run").fetchone()

    assert found == (at(1), at(2))


def test_the_rebuild_of_the_store_refolds_them_too(migrated: str, session: Session) -> None:
    write(session, CREATED, RUNNING, STARTED, DONE, SUCCESS)
    before, seen = listed(session), list[str]()
    session.close()
    with psycopg.connect(migrated) as owner:
        owner.execute("truncate sagalog.run, sagalog.checkpoint")
    rebuild_store(migrated, lambda stage, done, total: seen.append(stage), more=[base.stage(RUNS)])

    assert runs.rows(session) == before
    assert "runs" in seen


def test_dropped_tables_are_made_again_by_their_migration_and_refolded(migrated: str, session: Session) -> None:
    write(session, CREATED, RUNNING, STARTED, DONE, SUCCESS)
    before = listed(session)
    (migration,) = (migration for migration in MIGRATIONS if migration.name == "projection_runs")
    with psycopg.connect(migrated) as owner:
        owner.execute("drop table sagalog.run, sagalog.checkpoint")
        owner.execute(migration.text.encode())
        owner.execute(migration.text.encode())

    assert listed(session) == before


def test_rows_go_out_as_plain_json() -> None:
    assert json.loads(json.dumps(folded(CREATED, RUNNING))) == folded(CREATED, RUNNING)
