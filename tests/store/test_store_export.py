"""The log as a file: lossless, verified without a database, and never read wrongly in silence."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagalog.errors import CorruptLog
from sagalog.store.audit import Item, StreamEnd
from sagalog.store.chain import ZERO_HASH, link
from sagalog.store.export import export_lines, read_export, verify_export
from sagalog.store.exportline import Header, Trailer
from sagalog.store.report import Verification
from sagalog.store.shape import Head, NewRecord, StoredRow

RUN = UUID("0192f0c1-2d3e-7a4b-8c5d-6e7f80910a1b")
OTHER = UUID("0192f0c1-2d3e-7a4b-8c5d-6e7f80910a1c")
SIZE = 6
AT = 1_767_225_600_000_000


def items(run: UUID = RUN, size: int = SIZE) -> list[Item]:
    """A run's rows and its end; some with a value, some without, one erased."""
    rows: list[Item] = []
    previous = ZERO_HASH
    for version in range(1, size + 1):
        row = _row(run, version, previous)
        previous = row.hash
        rows.append(row._replace(value=None, salt=None) if version == 5 else row)
    return [*rows, StreamEnd(run, Head(run, size, previous, 1))]


def _row(run: UUID, version: int, previous: bytes) -> StoredRow:
    value = b'{"n":%d,"x":"\xc3\xa9"}' % version if version % 2 else None
    salt = version.to_bytes(16, "big") if value else None
    facts = b'{"atom": %d, "word": "gr\xc3\xbc\xc3\x9fe"}' % version
    cause, meta, encoding = (None, None, None) if version == 2 else (run.bytes, b"{}", "json@1")
    record = NewRecord(version.to_bytes(16, "big"), "task.success", 1, facts, value, encoding, None, meta, cause)
    hashed, value_digest = link(previous, run.bytes, version, record, 1, "worker", AT, run.bytes, salt)
    recorded = datetime(2026, 1, 1, 0, 0, 1, 123456, tzinfo=UTC)
    before = (10 + version, run, version, record.record_id, "task.success", 1, 1, "worker", AT, recorded, run, cause)
    return StoredRow(*before, facts, value, encoding, None, salt, value_digest, meta, hashed)


def written(content: Iterable[Item] | None = None, scope: UUID | None = RUN) -> list[bytes]:
    return [line.encode() for line in export_lines(items() if content is None else content, scope)]


def named(found: Verification) -> list[tuple[str, int]]:
    return [(fault.kind, fault.version) for fault in found.faults]


def test_what_was_written_is_read_back() -> None:
    content = [*items(RUN), *items(OTHER, 3)]
    header, *read, trailer = read_export(written(content, None))

    assert header == Header(None)
    assert read == content
    assert isinstance(trailer, Trailer)
    assert (trailer.runs, trailer.records) == (2, SIZE + 3)


def test_text_lines_and_byte_lines_read_alike() -> None:
    lines = written()

    assert list(read_export(line.decode() for line in lines)) == list(read_export(lines))


def test_the_facts_can_be_read_by_people() -> None:
    assert json.loads(written()[1])["facts"] == {"atom": 1, "word": "grüße"}


def test_an_untouched_file_verifies_with_its_head() -> None:
    last = items()[-2]
    assert isinstance(last, StoredRow)
    seen: list[int] = []
    found = verify_export(written(), head=last.hash, progress=seen.append)

    assert found.ok
    assert (found.runs, found.records, found.head) == (1, SIZE, last.hash)


def test_the_head_of_a_whole_log_is_that_of_all_its_runs() -> None:
    lines = written([*items(RUN), *items(OTHER, 3)], None)
    found = verify_export(lines)

    assert verify_export(lines, head=found.head).ok
    assert found.head != verify_export(written([*items(RUN), *items(OTHER, 2)], None)).head
    assert json.loads(lines[-1])["end"]["head"] == found.head.hex()


def test_an_empty_log_is_a_file_too() -> None:
    found = verify_export(written([], None))

    assert (found.ok, found.runs, found.records) == (True, 0, 0)


def test_a_tail_removed_with_a_new_trailer_shows_against_the_head_alone() -> None:
    shorter = written(items(size=SIZE - 2))
    whole = verify_export(written()).head

    assert verify_export(shorter).ok
    assert named(verify_export(shorter, head=whole)) == [("tail", SIZE - 2)]


@pytest.mark.parametrize("version", range(1, SIZE + 1))
def test_a_removed_line_is_a_gap_or_a_tail(version: int) -> None:
    lines = written()
    del lines[version]

    assert ("tail" if version == SIZE else "gap", version) in named(verify_export(lines))


def test_a_removed_head_line_is_a_tail() -> None:
    lines = written([*items(RUN), *items(OTHER)], None)
    del lines[SIZE + 1]
    found = verify_export(lines)

    assert (RUN, "tail", SIZE) in [(fault.run_id, fault.kind, fault.version) for fault in found.faults]
    assert OTHER not in [fault.run_id for fault in found.faults]


def test_a_stream_without_a_head_row_stays_one() -> None:
    lines = written([*items()[:-1], StreamEnd(RUN, None)])

    assert ("tail", SIZE) in named(verify_export(lines))
    assert StreamEnd(RUN, None) in list(read_export(lines))


def test_exchanged_lines_are_out_of_order() -> None:
    lines = written()
    lines[2], lines[3] = lines[3], lines[2]

    assert named(verify_export(lines)) == [("order", 2)]


def test_a_cut_file_is_a_tail() -> None:
    lines = written()

    assert [kind for kind, _ in named(verify_export(lines[:-1]))] == ["tail"]
    assert ("tail", 3) in named(verify_export(lines[:4]))


@given(st.data())
def test_no_byte_of_a_record_changes_unseen(data: st.DataObject) -> None:
    lines = written()
    version = data.draw(st.integers(1, SIZE))
    line = bytearray(lines[version])
    at = data.draw(st.integers(0, len(line) - 2))
    line[at] ^= 1 << data.draw(st.integers(0, 7))
    if line[at] == ord("\n"):
        return
    lines[version] = bytes(line)
    found = verify_export(lines)

    if list(_rows(lines)) == list(_rows(written())):
        return  # a letter of a UUID or a digest in upper case says the same
    if _only_the_server_says_so(lines, version):
        return
    assert not found.ok
    assert (RUN, version) in [(fault.run_id, fault.version) for fault in found.faults]


def _rows(lines: list[bytes]) -> Iterable[object]:
    try:
        return list(read_export(lines))
    except CorruptLog:
        return [None]


def _only_the_server_says_so(lines: list[bytes], version: int) -> bool:
    """Whether nothing but position or time of recording differs, which no hash covers."""
    found, expected = list(_rows(lines)), list(_rows(written()))
    if len(found) != len(expected):
        return False
    row, original = found[version], expected[version]
    assert isinstance(row, StoredRow) and isinstance(original, StoredRow)
    return row._replace(position=original.position, recorded_at=original.recorded_at) == original


@pytest.mark.parametrize(
    ("key", "content"),
    [("value_base64", "eyJuIjo5fQ=="), ("salt_base64", "AAAAAAAAAAAAAAAAAAAAAA=="), ("value_base64", None)],
)
def test_a_changed_value_is_a_payload_fault(key: str, content: str | None) -> None:
    lines = written()
    data = json.loads(lines[3])
    data[key] = content
    lines[3] = json.dumps(data).encode()

    assert named(verify_export(lines)) == [("payload", 3)]


def test_facts_that_say_something_else_than_their_bytes_are_named() -> None:
    lines = written()
    lines[4] = lines[4].replace(b'"atom":4', b'"atom":7')
    found = verify_export(lines)

    assert named(found) == [("hash", 4)]
    assert "differ from those in facts_base64" in found.faults[0].message


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda lines: [], "found the end of the file after line 0"),
        (lambda lines: lines[1:], "1: expected a header as the first line"),
        (lambda lines: lines[:-1], "it was cut"),
        (lambda lines: [*lines, lines[-1]], "nothing behind the trailer"),
        (lambda lines: [lines[0], b"{\n", *lines[1:]], "log.jsonl:2: not a line"),
        (lambda lines: [lines[0], b"[1]\n", *lines[1:]], "expected an object, found list"),
        (lambda lines: [lines[0], b'{"record_id":"x"}\n', *lines[1:]], "expected the key 'facts_base64'"),
        (lambda lines: [lines[0].replace(b'"format":1', b'"format":9')], "expected format 1, found 9"),
        (lambda lines: [lines[0].replace(b'"log"', b'"cat"')], "found none of them"),
        (lambda lines: [lines[0], lines[1].replace(b'"epoch":1', b'"epoch":1.5')], "integer of 64 bits, found 1.5"),
    ],
)
def test_reading_names_the_line_and_what_was_expected(spoil: object, said: str) -> None:
    assert callable(spoil)
    with pytest.raises(CorruptLog) as raised:
        list(read_export(spoil(written()), "log.jsonl"))

    assert said in str(raised.value)
    assert "log.jsonl" in str(raised.value)


@pytest.mark.parametrize("lines", [[], [b"hello\n"], [b"{}\n"], written()[1:2], [b"\xff\xfe\n"]])
def test_what_is_no_export_is_not_verified(lines: list[bytes]) -> None:
    with pytest.raises(CorruptLog):
        verify_export(lines, "log.jsonl")


def test_a_damaged_line_hurts_its_own_record_only() -> None:
    lines = written([*items(RUN), *items(OTHER)], None)
    lines[3] = lines[3][:40] + b"\n"
    lines[SIZE + 2] = lines[SIZE + 2][:150] + b"\n"  # the first record of the second run
    found = verify_export(lines)

    assert [(fault.run_id, fault.kind, fault.version) for fault in found.faults] == [
        (RUN, "hash", 3),
        (OTHER, "hash", 1),
    ]


def test_facts_that_are_no_json_are_exported_as_they_stand() -> None:
    content = items()
    row = content[1]
    assert isinstance(row, StoredRow)
    content[1] = row._replace(facts=b"\xff")

    assert list(read_export(written(content)))[1:-1] == content
    assert named(verify_export(written(content))) == [("hash", 2)]
