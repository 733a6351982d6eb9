"""Verification in PostgreSQL: whoever gets past privileges and triggers is found out, to the record."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from sagalog.errors import UnknownRun
from sagalog.store import log, verify
from sagalog.store.export import export_lines, verify_export
from sagalog.store.io import perform
from sagalog.store.report import Verification
from sagalog.store.shape import Append, Head, NewRecord
from sagalog_testkit import Server

RUNS = 4
SIZE = 9
Connection = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def written(server_on: Server) -> Iterator[tuple[str, list[UUID]]]:
    """A database with a few runs in it."""
    url = server_on.create_migrated()
    with psycopg.connect(url, autocommit=True) as conn:
        runs = write(conn, RUNS, SIZE)
    yield url, runs
    server_on.drop(url)


@pytest.fixture
def connection(written: tuple[str, list[UUID]]) -> Iterator[Connection]:
    """A connection to it; what the test does there is rolled back."""
    with psycopg.connect(written[0], autocommit=True) as conn, conn.transaction(force_rollback=True):
        yield conn


@pytest.fixture
def runs(written: tuple[str, list[UUID]]) -> list[UUID]:
    return written[1]


def write(connection: Connection, runs: int, size: int, value: bytes = b'{"n":1}') -> list[UUID]:
    """Write so many runs of so many records, one record at a time; return their ids in order."""
    heads = [Head(UUID(int=(0x0192F0C1_0000_7000 << 64) + (2 << 62) + number), epoch=1) for number in range(runs)]
    at = time.time_ns() // 1000
    for version in range(size):
        value_now = None if version % 3 == 2 else value
        batch = [Append(head, [_record(version, value_now)], "worker", at, head.stream_id) for head in heads]
        assert perform(connection, log.append(batch)) == []
    return [head.stream_id for head in heads]


def _record(version: int, value: bytes | None) -> NewRecord:
    facts = b'{"atom":%d}' % version
    return NewRecord(uuid4().bytes, "task.success", 1, facts, value, "json@1", "key:1", b"{}", bytes(16))


def tamper(connection: Connection, statement: str, *params: object) -> None:
    """Change the log as its owner could who has switched the triggers off."""
    connection.execute("set local role sagalog_owner")
    connection.execute("alter table sagalog.record disable trigger all")
    assert connection.execute(statement.encode(), params).rowcount > 0
    connection.execute("reset role")


def check(connection: Connection, run_id: UUID | None = None) -> Verification:
    return perform(connection, verify.verify(run_id))


def named(found: Verification) -> list[tuple[UUID, str, int]]:
    return [(fault.run_id, fault.kind, fault.version) for fault in found.faults]


def positions(connection: Connection, run_id: UUID) -> dict[int, int]:
    rows = connection.execute("select version, position from sagalog.record where stream_id = %s", [run_id])
    return dict(rows.fetchall())


def test_the_whole_log_verifies(connection: Connection, runs: list[UUID]) -> None:
    seen: list[int] = []
    found = perform(connection, verify.verify(progress=seen.append))

    assert found.ok
    assert (found.runs, found.records, found.notices) == (RUNS, RUNS * SIZE, ())
    assert seen[-1] == RUNS * SIZE == perform(connection, verify.expected())


def test_one_run_verifies_with_its_hash_for_a_head(connection: Connection, runs: list[UUID]) -> None:
    found = check(connection, runs[1])
    head = perform(connection, log.head(runs[1]))

    assert (found.ok, found.runs, found.records) == (True, 1, SIZE)
    assert head is not None and found.head == head.hash
    assert perform(connection, verify.expected(runs[1])) == SIZE


def test_an_empty_log_verifies(connection: Connection, runs: list[UUID]) -> None:
    tamper(connection, "delete from sagalog.record")
    tamper(connection, "delete from sagalog.stream")
    found = check(connection)

    assert (found.ok, found.runs, found.records) == (True, 0, 0)


def test_an_unknown_run_is_named(connection: Connection, runs: list[UUID]) -> None:
    unknown = uuid4()

    with pytest.raises(UnknownRun, match=str(unknown)):
        check(connection, unknown)


@pytest.mark.parametrize("records", [1, 2, SIZE, SIZE + 1])
@pytest.mark.parametrize("size", [1, 10_000])
def test_pages_of_any_size_say_the_same(
    connection: Connection, runs: list[UUID], monkeypatch: pytest.MonkeyPatch, records: int, size: int
) -> None:
    whole = check(connection)
    monkeypatch.setattr(verify, "PAGE_RECORDS", records)
    monkeypatch.setattr(verify, "PAGE_BYTES", size)
    tamper(connection, "delete from sagalog.record where stream_id = any (%s)", [runs[0], runs[2], runs[3]])
    found = check(connection)

    assert (found.runs, found.records, found.head) == (RUNS, SIZE, whole.head)
    assert named(found) == [(run, "tail", 1) for run in (runs[0], runs[2], runs[3])]


def test_a_page_holds_no_more_than_its_bytes(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    tamper(connection, "delete from sagalog.record")
    tamper(connection, "delete from sagalog.stream")
    write(connection, 1, 8, b'"' + b"x" * 100_000 + b'"')
    monkeypatch.setattr(verify, "PAGE_BYTES", 150_000)
    walk, sizes = verify.Scan(), []
    while not walk.done:
        sizes.append(len(perform(connection, walk.page())))

    # Every third record has no value; a page goes on until it has passed the limit.
    assert max(sizes) <= 3
    assert sum(sizes) == 8 + 1


FLIPS = {
    "record_id": "set record_id = gen_random_uuid()",
    "epoch": "set epoch = epoch - 1",
    "occurred_at": "set occurred_at = occurred_at + interval '1 microsecond'",
    "schema_version": "set schema_version = 2",
    "type": "set type = 'task.failure'",
    "actor": "set actor = 'workes'",
    "correlation_id": "set correlation_id = null",
    "causation_id": "set causation_id = gen_random_uuid()",
    "encoding": "set encoding = 'json@2'",
    "key_id": "set key_id = null",
    "hash": "set hash = set_byte(hash, 5, get_byte(hash, 5) # 1)",
    "facts": "set facts = set_byte(facts, 2, get_byte(facts, 2) # 1)",
    "meta": "set meta = null",
}


@pytest.mark.parametrize("version", [5, SIZE])
@pytest.mark.parametrize("column", FLIPS)
def test_a_changed_column_names_the_record(connection: Connection, runs: list[UUID], column: str, version: int) -> None:
    position = positions(connection, runs[1])[version]
    tamper(connection, f"update sagalog.record {FLIPS[column]} where position = %s", position)
    found = check(connection)

    assert named(found) == [(runs[1], "hash", version)]
    assert found.faults[0].position == position


@pytest.mark.parametrize("column", ["value", "salt"])
def test_one_changed_payload_byte_names_the_record(connection: Connection, runs: list[UUID], column: str) -> None:
    position = positions(connection, runs[2])[5]
    flip = f"update sagalog.record set {column} = set_byte({column}, 3, get_byte({column}, 3) # 1) where position = %s"
    tamper(connection, flip, position)

    assert named(check(connection)) == named(check(connection, runs[2])) == [(runs[2], "payload", 5)]
    assert check(connection, runs[1]).ok


def test_a_changed_digest_names_the_record(connection: Connection, runs: list[UUID]) -> None:
    position = positions(connection, runs[2])[5]
    tamper(connection, "update sagalog.record set value_digest = sha256('x') where position = %s", position)

    assert named(check(connection)) == [(runs[2], "payload", 5), (runs[2], "hash", 5)]


def test_an_erased_value_verifies(connection: Connection, runs: list[UUID]) -> None:
    tamper(connection, "update sagalog.record set value = null, salt = null where stream_id = %s", runs[0])

    assert check(connection).ok


def test_a_record_moved_to_another_run_is_missing_there(connection: Connection, runs: list[UUID]) -> None:
    position = positions(connection, runs[0])[4]
    tamper(connection, "update sagalog.record set stream_id = %s where position = %s", UUID(int=7), position)
    found = named(check(connection))

    assert (runs[0], "gap", 4) in found
    assert (UUID(int=7), "tail", 4) in found


def test_a_deleted_record_is_a_gap(connection: Connection, runs: list[UUID]) -> None:
    tamper(connection, "delete from sagalog.record where stream_id = %s and version = 5", runs[1])

    assert named(check(connection)) == [(runs[1], "gap", 5)]


def test_a_truncated_tail_is_a_tail(connection: Connection, runs: list[UUID]) -> None:
    tamper(connection, "delete from sagalog.record where stream_id = %s and version > 6", runs[3])

    assert named(check(connection)) == [(runs[3], "tail", 7)]


@pytest.mark.parametrize(("one", "other"), [(4, 5), (2, 7), (1, SIZE)])
def test_two_swapped_records_are_both_named(connection: Connection, runs: list[UUID], one: int, other: int) -> None:
    move = "update sagalog.record set version = %s where stream_id = %s and version = %s"
    for before, after in ((one, -1), (other, one), (-1, other)):
        tamper(connection, move, after, runs[1], before)

    assert named(check(connection)) == [(runs[1], "order", one), (runs[1], "order", other)]


def test_swapped_positions_are_named(connection: Connection, runs: list[UUID]) -> None:
    at = positions(connection, runs[1])
    swap = "update sagalog.record set position = %s - position where position in (%s, %s)"
    tamper(connection, swap, at[4] + at[5], at[4], at[5])

    assert [fault.kind for fault in check(connection).faults] == ["order"]
    assert check(connection).faults[0].version in (4, 5)


@pytest.mark.parametrize(
    ("change", "version"),
    [
        ("set version = version + 1", SIZE + 1),
        ("set version = version - 1", SIZE),
        ("set head = sha256('x')", SIZE),
        ("set epoch = 0", SIZE),
    ],
)
def test_an_altered_head_row_is_named(connection: Connection, runs: list[UUID], change: str, version: int) -> None:
    connection.execute(f"update sagalog.stream {change} where stream_id = %s".encode(), [runs[1]])

    assert named(check(connection)) == named(check(connection, runs[1])) == [(runs[1], "tail", version)]


def test_a_deleted_head_row_is_named(connection: Connection, runs: list[UUID]) -> None:
    connection.execute("delete from sagalog.stream where stream_id = %s", [runs[1]])

    assert named(check(connection)) == [(runs[1], "tail", SIZE)]


def test_a_run_of_which_only_the_head_is_left_is_named(connection: Connection, runs: list[UUID]) -> None:
    tamper(connection, "delete from sagalog.record where stream_id = %s", runs[1])

    assert named(check(connection)) == named(check(connection, runs[1])) == [(runs[1], "tail", 1)]


def test_a_clock_far_off_is_noticed(connection: Connection, runs: list[UUID]) -> None:
    late = "set recorded_at = recorded_at + interval '6 minutes' where stream_id = %s and version = 3"
    tamper(connection, f"update sagalog.record {late}", runs[1])
    found = check(connection)

    assert found.ok
    assert [(notice.run_id, notice.version) for notice in found.notices] == [(runs[1], 3)]


def test_an_export_of_the_log_verifies_as_the_log_does(connection: Connection, runs: list[UUID]) -> None:
    lines = list(export_lines(verify.scan(lambda make: perform(connection, make()))))
    found = verify_export(lines)

    assert found == check(connection)
    assert verify_export(lines, head=found.head).ok


def test_an_export_of_one_run_shows_a_removed_tail_against_its_head(connection: Connection, runs: list[UUID]) -> None:
    head = check(connection, runs[1]).head
    tamper(connection, "delete from sagalog.record where stream_id = %s and version > 6", runs[1])
    lines = list(export_lines(verify.scan(lambda make: perform(connection, make()), runs[1]), runs[1]))

    assert named(verify_export(lines)) == [(runs[1], "tail", 7)]
    assert verify_export(lines, head=head).faults  # the head row still speaks of what was removed


def test_a_page_that_was_interrupted_is_fetched_again(
    connection: Connection, runs: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "PAGE_RECORDS", 4)

    def stumbling(make: Any) -> Any:
        lost = make()
        next(lost)
        lost.close()
        return perform(connection, make())

    assert list(verify.scan(stumbling)) == list(verify.scan(lambda make: perform(connection, make())))


def test_a_log_that_grows_meanwhile_verifies(
    connection: Connection, runs: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "PAGE_RECORDS", 3)

    def grow(_: int) -> None:
        for run in runs:
            head = perform(connection, log.head(run))
            assert head is not None and perform(connection, log.append([append_to(head)])) == []

    found = perform(connection, verify.verify(progress=grow))

    assert found.ok
    assert found.records > RUNS * SIZE


def append_to(head: Head) -> Append:
    return Append(head, [_record(1, None)], "worker", time.time_ns() // 1000, head.stream_id)
