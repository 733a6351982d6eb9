"""The check of the chain over rows alone: whatever is changed, the exact record is named."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagalog.store import report, streamcheck
from sagalog.store.audit import Audit, StreamEnd
from sagalog.store.chain import ZERO_HASH, link, relink
from sagalog.store.report import Fault, Verification
from sagalog.store.shape import Head, NewRecord, StoredRow

RUN = UUID("0192f0c1-2d3e-7a4b-8c5d-6e7f80910a1b")
START = 1_767_225_600_000_000
SIZE = 12


def stream(size: int = SIZE, run: UUID = RUN, first_position: int = 100) -> tuple[list[StoredRow], Head]:
    """A run's rows, every third without a value, and its head."""
    rows: list[StoredRow] = []
    previous = ZERO_HASH
    for version in range(1, size + 1):
        value = None if version % 3 == 0 else b'{"n":%d}' % version
        salt = None if value is None else version.to_bytes(16, "big")
        encoding = None if value is None else "json@1"
        facts = b'{"atom":%d}' % version
        cause = run.bytes if version > 1 else None
        record = NewRecord(version.to_bytes(16, "big"), "task.success", 1, facts, value, encoding, "k", b"{}", cause)
        at = START + version
        hashed, value_digest = link(previous, run.bytes, version, record, 2, "worker", at, run.bytes, salt)
        rows.append(
            StoredRow(
                first_position + 2 * version,
                run,
                version,
                record.record_id,
                record.type,
                record.schema,
                2,
                "worker",
                at,
                datetime.fromtimestamp(at / 1e6, UTC),
                run,
                record.causation,
                facts,
                value,
                encoding,
                "k",
                salt,
                value_digest,
                b"{}",
                hashed,
            )
        )
        previous = hashed
    return rows, Head(run, size, previous, 2)


def audit(rows: Iterable[StoredRow], *heads: Head) -> Verification:
    check = Audit()
    for row in rows:
        check.add(row)
    for head in heads:
        check.add(StreamEnd(head.stream_id, head))
    return check.result()


def named(found: Verification) -> list[tuple[str, int]]:
    return [(fault.kind, fault.version) for fault in found.faults]


def flipped(content: Any) -> Any:
    """The same, with one bit or letter changed."""
    match content:
        case bytes():
            return bytes([content[0] ^ 1]) + content[1:]
        case str():
            return chr(ord(content[0]) ^ 1) + content[1:]
        case UUID():
            return UUID(bytes=flipped(content.bytes))
        case int():
            return content ^ 1
    raise AssertionError(f"{content!r} cannot be flipped")


def test_an_untouched_stream_verifies() -> None:
    rows, head = stream()
    found = audit(rows, head)

    assert found.ok
    assert (found.runs, found.records, found.faults, found.notices, found.more) == (1, SIZE, (), (), 0)
    assert found.head == rows[-1].hash


def test_erased_values_verify() -> None:
    rows, head = stream()

    assert audit([row._replace(value=None, salt=None) for row in rows], head).ok


@pytest.mark.parametrize("version", [1, 5, SIZE])
@pytest.mark.parametrize(
    "column",
    [
        "record_id",
        "type",
        "schema",
        "epoch",
        "actor",
        "occurred_at",
        "correlation",
        "facts",
        "encoding",
        "key_id",
        "meta",
        "hash",
    ],
)
def test_a_flip_in_a_hashed_column_names_the_record_and_no_other(column: str, version: int) -> None:
    rows, head = stream(SIZE + 1 if version == SIZE else SIZE)
    rows, head = rows[:], head
    row = rows[version - 1]
    if getattr(row, column) is None:
        row = row._replace(**{column: "x"})
    else:
        row = row._replace(**{column: flipped(getattr(row, column))})
    rows[version - 1] = row
    found = audit(rows, head)

    assert named(found) == [("hash", version)]
    assert found.faults[0].run_id == RUN
    assert found.faults[0].position == row.position


@pytest.mark.parametrize("column", ["facts", "hash", "value_digest"])
def test_a_flip_in_the_last_record_is_not_also_called_a_removed_tail(column: str) -> None:
    rows, head = stream(11)
    rows[-1] = rows[-1]._replace(**{column: flipped(getattr(rows[-1], column))})

    assert {version for _, version in named(audit(rows, head))} == {11}
    assert "tail" not in [kind for kind, _ in named(audit(rows, head))]


@pytest.mark.parametrize("column", ["value", "salt"])
def test_a_flip_in_value_or_salt_is_a_payload_fault(column: str) -> None:
    rows, head = stream()
    rows[4] = rows[4]._replace(**{column: flipped(getattr(rows[4], column))})
    found = audit(rows, head)

    assert named(found) == [("payload", 5)]
    assert found.faults[0].position == rows[4].position


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"value": None}, "its salt is not"),
        ({"salt": None}, "lost its salt"),
        ({"salt": b"short"}, "16 random bytes, found 5 bytes"),
    ],
)
def test_half_an_erasure_is_a_payload_fault(changed: dict[str, Any], said: str) -> None:
    rows, head = stream()
    rows[4] = rows[4]._replace(**changed)
    found = audit(rows, head)

    assert named(found) == [("payload", 5)]
    assert said in found.faults[0].message


def test_a_value_put_where_none_was_is_a_payload_fault() -> None:
    rows, head = stream()
    rows[2] = rows[2]._replace(value=b"1", salt=bytes(16))

    assert named(audit(rows, head)) == [("payload", 3)]


def test_a_changed_digest_names_its_record_only() -> None:
    rows, head = stream()
    rows[4] = rows[4]._replace(value_digest=flipped(rows[4].value_digest))

    assert named(audit(rows, head)) == [("payload", 5), ("hash", 5)]


def test_a_field_of_an_impossible_size_is_a_fault_and_no_crash() -> None:
    rows, head = stream()
    rows[4] = rows[4]._replace(record_id=b"x")

    assert named(audit(rows, head)) == [("hash", 5)]


def test_several_changed_records_are_all_named() -> None:
    rows, head = stream()
    for version in (3, 4, 8):
        rows[version - 1] = rows[version - 1]._replace(facts=b"{}")
    rows[9] = rows[9]._replace(hash=bytes(32))
    rows[10] = rows[10]._replace(hash=bytes(32))

    assert named(audit(rows, head)) == [("hash", 3), ("hash", 4), ("hash", 8), ("hash", 10), ("hash", 11)]


@pytest.mark.parametrize(("first", "last"), [(1, 1), (5, 5), (4, 7)])
def test_deleted_records_are_a_gap(first: int, last: int) -> None:
    rows, head = stream()
    found = audit([row for row in rows if not first <= row.version <= last], head)

    assert named(found) == [("gap", first)]
    assert found.faults[0].position is None
    assert str(last) in found.faults[0].message


def test_a_truncated_tail_shows_against_the_head() -> None:
    rows, head = stream()
    found = audit(rows[:-3], head)

    assert named(found) == [("tail", SIZE - 2)]
    assert f"versions {SIZE - 2} to {SIZE} are missing" in found.faults[0].message


def test_a_stream_of_which_nothing_is_left_shows_against_the_head() -> None:
    _, head = stream()

    assert named(audit([], head)) == [("tail", 1)]


@pytest.mark.parametrize(
    ("change", "version"),
    [
        ({"version": SIZE + 1}, SIZE + 1),
        ({"version": SIZE - 1}, SIZE),
        ({"hash": bytes(32)}, SIZE),
        ({"epoch": 1}, SIZE),
    ],
)
def test_an_altered_head_row_is_a_tail_fault(change: dict[str, Any], version: int) -> None:
    rows, head = stream()
    for name, content in change.items():
        setattr(head, name, content)

    assert named(audit(rows, head)) == [("tail", version)]


def test_a_missing_head_row_is_a_tail_fault() -> None:
    rows, _ = stream()
    found = audit(rows)

    assert named(found) == [("tail", SIZE)]
    assert "no head row" in found.faults[0].message


def swapped(rows: list[StoredRow], one: int, other: int, *kept: str) -> list[StoredRow]:
    """The rows with two records in each other's places; the columns `kept` stay where they are."""
    a, b = rows[one - 1], rows[other - 1]
    rows = rows[:]
    rows[one - 1] = b._replace(version=one, **{name: getattr(a, name) for name in kept})
    rows[other - 1] = a._replace(version=other, **{name: getattr(b, name) for name in kept})
    return rows


@pytest.mark.parametrize("keep", [(), ("position",), ("position", "recorded_at")])
@pytest.mark.parametrize(("one", "other"), [(1, 2), (5, 6), (5, 9), (1, SIZE), (SIZE - 1, SIZE), (4, SIZE)])
def test_two_swapped_records_are_named_and_told_where_they_belong(one: int, other: int, keep: tuple[str, ...]) -> None:
    rows, head = stream()
    found = audit(swapped(rows, one, other, *keep), head)

    assert named(found) == [("order", one), ("order", other)]
    assert f"stands at version {other}" in found.faults[0].message
    assert f"stands at version {one}" in found.faults[1].message


def test_two_records_that_swapped_all_but_their_hashes_are_both_changed() -> None:
    rows, head = stream()

    assert named(audit(swapped(rows, 5, 9, "position", "hash"), head)) == [("hash", 5), ("hash", 9)]


def test_a_swap_beside_a_changed_record() -> None:
    rows, head = stream()
    rows = swapped(rows, 5, 6)
    rows[8] = rows[8]._replace(facts=b"{}")

    assert named(audit(rows, head)) == [("order", 5), ("order", 6), ("hash", 9)]


def test_swapped_positions_are_out_of_order() -> None:
    rows, head = stream()
    a, b = rows[4].position, rows[5].position
    rows[4], rows[5] = rows[4]._replace(position=b), rows[5]._replace(position=a)

    assert [(kind, version in (5, 6)) for kind, version in named(audit(rows, head))] == [("order", True)]


@pytest.mark.parametrize("version", [1, 5])
@pytest.mark.parametrize("position", [10_000, 1])
def test_a_position_out_of_line_names_its_record(version: int, position: int) -> None:
    rows, head = stream()
    rows[version - 1] = rows[version - 1]._replace(position=position)
    found = audit(rows, head)

    # The first record of a stream may have any position below the second's: that one cannot be seen.
    assert named(found) == ([] if (version, position) == (1, 1) else [("order", version)])


def test_exchanged_lines_are_out_of_order_and_nothing_is_missing() -> None:
    rows, head = stream()
    rows[3], rows[4] = rows[4], rows[3]

    assert named(audit(rows, head)) == [("order", 4)]


def test_more_suspects_than_are_kept_are_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamcheck, "SUSPECTS", 3)
    rows, head = stream()
    rows = [row._replace(facts=b"{}") for row in rows]

    assert named(audit(rows, head)) == [("hash", version) for version in range(1, SIZE + 1)]


def test_faults_beyond_the_limit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "FAULTS_KEPT", 3)
    monkeypatch.setattr(streamcheck, "FAULTS_KEPT", 3)
    monkeypatch.setattr("sagalog.store.audit.FAULTS_KEPT", 3)
    rows, head = stream()
    found = audit([row._replace(facts=b"{}") for row in rows], head)

    assert (found.ok, len(found.faults), found.more) == (False, 3, SIZE - 3)


@pytest.mark.parametrize(("seconds", "count"), [(299, 0), (301, 1), (-301, 1)])
def test_clocks_far_apart_are_noticed_and_no_fault(seconds: int, count: int) -> None:
    rows, head = stream()
    rows[4] = rows[4]._replace(recorded_at=rows[4].recorded_at + timedelta(seconds=seconds))
    found = audit(rows, head)

    assert found.ok
    assert [notice.version for notice in found.notices] == [5] * count
    assert found.to_json()["notices"] == [notice.to_json() for notice in found.notices]


def test_several_streams_each_with_its_own_chain() -> None:
    other = UUID(int=RUN.int + 1)
    (first, first_head), (second, second_head) = stream(), stream(5, other, 1_000)
    check = Audit()
    for row in first:
        check.add(row)
    check.add(StreamEnd(RUN, first_head))
    for row in second[:-1]:
        check.add(row)
    check.add(StreamEnd(other, second_head))
    found = check.result()

    assert (found.runs, found.records) == (2, SIZE + 4)
    assert [(fault.run_id, fault.kind, fault.version) for fault in found.faults] == [(other, "tail", 5)]


def test_a_stream_that_comes_twice_is_out_of_order() -> None:
    rows, head = stream()
    check = Audit()
    for _ in range(2):
        for row in rows:
            check.add(row)
        check.add(StreamEnd(head.stream_id, head))

    assert [fault.kind for fault in check.result().faults] == ["order"]


def test_the_shapes_are_json() -> None:
    fault = Fault(RUN, 3, None, "gap", "version 3 is missing")

    assert fault.to_json() == {
        "run_id": str(RUN),
        "version": 3,
        "position": None,
        "kind": "gap",
        "message": "version 3 is missing",
    }
    assert Verification(1, 2, (fault,)).to_json() == {
        "ok": False,
        "runs": 1,
        "records": 2,
        "faults": [fault.to_json()],
        "notices": [],
        "more": 0,
        "head": "",
    }
    assert str(RUN) in str(fault)


CHANGES: dict[str, Callable[[StoredRow], StoredRow]] = {
    "facts": lambda row: row._replace(facts=row.facts + b" "),
    "hash": lambda row: row._replace(hash=flipped(row.hash)),
    "type": lambda row: row._replace(type="task.failure"),
    "encoding": lambda row: row._replace(encoding=None if row.encoding else "json@2"),
    "causation": lambda row: row._replace(causation=None if row.causation else bytes(16)),
}


@given(st.dictionaries(st.integers(1, 20), st.sampled_from(sorted(CHANGES)), max_size=6))
def test_exactly_the_changed_records_are_named(changes: dict[int, str]) -> None:
    rows, head = stream(20)
    for version, change in changes.items():
        rows[version - 1] = CHANGES[change](rows[version - 1])

    assert named(audit(rows, head)) == [("hash", version) for version in sorted(changes)]


@given(st.integers(2, 12), st.randoms(use_true_random=False))
def test_any_rearrangement_is_undone(size: int, chance: random.Random) -> None:
    rows, head = stream(size)
    order = list(range(size))
    chance.shuffle(order)
    shuffled = [rows[place]._replace(version=slot + 1) for slot, place in enumerate(order)]

    assert named(audit(shuffled, head)) == [("order", slot + 1) for slot, place in enumerate(order) if slot != place]


def test_a_rewritten_record_shows_at_its_successor() -> None:
    """Whoever recomputes the hash of a changed record too breaks the next one's."""
    rows, head = stream()
    changed = rows[4]._replace(facts=b"{}")
    rows[4] = changed._replace(hash=relink(changed, rows[3].hash))

    assert named(audit(rows, head)) == [("hash", 6)]


def test_a_wholly_rewritten_end_shows_at_the_head() -> None:
    rows, head = stream()
    previous = rows[3].hash
    for index in range(4, SIZE):
        changed = rows[index]._replace(facts=b"{}")
        previous = relink(changed, previous)
        rows[index] = changed._replace(hash=previous)

    assert named(audit(rows, head)) == [("tail", SIZE)]
