"""The bytes of the hash chain: as documented, as frozen in the golden vectors, and never the same for two records."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagalog.store import chain
from sagalog.store.chain import ZERO_HASH, digest, link, relink
from sagalog.store.shape import NewRecord, StoredRow

GOLDEN = json.loads((Path(__file__).parent / "golden" / "chain.json").read_text())


class Case(NamedTuple):
    """All that goes into one hash."""

    previous: bytes
    stream: bytes
    version: int
    record_id: bytes
    type: str
    schema: int
    epoch: int
    actor: str
    occurred_at: int
    correlation: bytes | None
    causation: bytes | None
    facts: bytes
    value: bytes | None
    salt: bytes | None
    encoding: str | None
    key_id: str | None
    meta: bytes | None

    def record(self) -> NewRecord:
        return NewRecord(
            self.record_id,
            self.type,
            self.schema,
            self.facts,
            self.value,
            self.encoding,
            self.key_id,
            self.meta,
            self.causation,
        )

    def link(self) -> tuple[bytes, bytes | None]:
        return link(
            self.previous,
            self.stream,
            self.version,
            self.record(),
            self.epoch,
            self.actor,
            self.occurred_at,
            self.correlation,
            self.salt,
        )

    def stored(self) -> StoredRow:
        hashed, value_digest = self.link()
        return StoredRow(
            position=1,
            stream_id=UUID(bytes=self.stream),
            version=self.version,
            record_id=self.record_id,
            type=self.type,
            schema=self.schema,
            epoch=self.epoch,
            actor=self.actor,
            occurred_at=self.occurred_at,
            recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
            correlation=None if self.correlation is None else UUID(bytes=self.correlation),
            causation=self.causation,
            facts=self.facts,
            value=self.value,
            encoding=self.encoding,
            key_id=self.key_id,
            salt=self.salt,
            value_digest=value_digest,
            meta=self.meta,
            hash=hashed,
        )


def documented(case: Case) -> list[bytes | None]:
    """The sixteen fields of docs/log-format.md, written from that page alone."""

    def integer(number: int) -> bytes:
        return number.to_bytes(8, "big", signed=True)

    def text(content: str | None) -> bytes | None:
        return None if content is None else content.encode("utf-8")

    value_digest = None
    if case.value is not None and case.salt is not None:
        value_digest = hashlib.sha256(case.salt + case.value).digest()
    return [
        case.stream,
        integer(case.version),
        case.record_id,
        text(case.type),
        integer(case.schema),
        integer(case.epoch),
        text(case.actor),
        integer(case.occurred_at),
        case.correlation,
        case.causation,
        case.facts,
        case.meta,
        text(case.encoding),
        text(case.key_id),
        value_digest,
        case.previous,
    ]


def documented_bytes(case: Case) -> bytes:
    data = b"\x01"
    for field in documented(case):
        data += b"\xff\xff\xff\xff" if field is None else len(field).to_bytes(4, "big") + field
    return data


def parsed(data: bytes) -> list[bytes | None]:
    """The fields back from the bytes: that this can be done is why two records never give the same ones."""
    assert data[:1] == b"\x01"
    fields: list[bytes | None] = []
    at = 1
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        at += 4
        if size == 0xFFFFFFFF:
            fields.append(None)
            continue
        assert at + size <= len(data)
        fields.append(data[at : at + size])
        at += size
    return fields


def from_golden(vector: dict[str, Any]) -> Case:
    binary = {"previous", "stream", "record_id", "correlation", "causation", "facts", "value", "salt", "meta"}
    found = {name: vector[name] for name in Case._fields}
    return Case(**{k: bytes.fromhex(v) if k in binary and v is not None else v for k, v in found.items()})


ids = st.binary(min_size=16, max_size=16)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
bodies = st.binary(max_size=8)
integers = st.integers(-(2**63), 2**63 - 1)
cases = st.builds(
    Case,
    previous=st.binary(min_size=32, max_size=32),
    stream=ids,
    version=integers,
    record_id=ids,
    type=words,
    schema=integers,
    epoch=integers,
    actor=words,
    occurred_at=integers,
    correlation=st.none() | ids,
    causation=st.none() | ids,
    facts=bodies,
    value=st.none() | bodies,
    salt=ids,
    encoding=st.none() | words,
    key_id=st.none() | words,
    meta=st.none() | bodies,
)


@pytest.mark.parametrize("vector", GOLDEN["vectors"], ids=lambda vector: vector["name"])
def test_golden_vectors_hold(vector: dict[str, Any]) -> None:
    case = from_golden(vector)
    hashed, value_digest = case.link()

    assert documented_bytes(case).hex() == vector["bytes"]
    assert hashed.hex() == vector["hash"]
    assert (value_digest and value_digest.hex()) == vector["value_digest"]
    assert relink(case.stored(), case.previous).hex() == vector["hash"]
    assert hashlib.sha256(bytes.fromhex(vector["bytes"])).hexdigest() == vector["hash"]


def test_golden_vectors_form_a_chain() -> None:
    previous = ZERO_HASH.hex()
    for vector in GOLDEN["vectors"]:
        assert vector["previous"] == previous
        previous = vector["hash"]
    assert GOLDEN["format"] == chain.FORMAT


@given(cases)
def test_the_bytes_are_the_documented_ones_and_can_be_parsed_back(case: Case) -> None:
    data = documented_bytes(case)

    assert case.link()[0] == hashlib.sha256(data).digest()
    assert parsed(data) == documented(case)


@given(cases, cases)
def test_two_records_with_different_fields_have_different_hashes(one: Case, other: Case) -> None:
    assert (one.link()[0] == other.link()[0]) == (documented(one) == documented(other))


@given(cases, st.sampled_from(Case._fields), cases)
def test_each_single_field_counts(case: Case, field: str, other: Case) -> None:
    changed = case._replace(**{field: getattr(other, field)})

    assert (changed.link()[0] == case.link()[0]) == (documented(changed) == documented(case))


@given(cases)
def test_a_stored_record_is_linked_again_to_the_same_hash_erased_or_not(case: Case) -> None:
    row = case.stored()

    assert relink(row, case.previous) == row.hash
    assert relink(row._replace(value=None, salt=None), case.previous) == row.hash


@given(words, words, words)
def test_text_does_not_move_from_one_field_into_the_next(first: str, second: str, tail: str) -> None:
    base = from_golden(GOLDEN["vectors"][0])
    one = base._replace(encoding=first + tail, key_id=second)
    other = base._replace(encoding=first, key_id=tail + second)

    assert (one.link()[0] == other.link()[0]) == (tail == "")


@pytest.mark.parametrize("field", ["facts", "encoding", "key_id", "meta", "value"])
def test_absent_is_not_empty(field: str) -> None:
    base = from_golden(GOLDEN["vectors"][0])
    if field == "facts":
        assert base._replace(facts=b"").link()[0] != base.link()[0]
        return
    empty: bytes | str = b"" if field in ("meta", "value") else ""

    assert base._replace(**{field: empty}).link()[0] != base._replace(**{field: None}).link()[0]


@pytest.mark.parametrize(
    ("field", "wrong", "expected"),
    [
        ("previous", b"", "a previous hash of 32"),
        ("stream", bytes(15), "16 bytes"),
        ("record_id", bytes(17), "16 bytes"),
        ("correlation", bytes(15), "16 bytes, found 15"),
        ("causation", b"", "16 bytes, found 0"),
        ("salt", bytes(8), "16 random bytes, found 8 bytes"),
        ("salt", None, "found none"),
        ("version", 2**63, "out of range"),
        ("occurred_at", -(2**63) - 1, "out of range"),
    ],
)
def test_fields_of_the_wrong_size_are_refused(field: str, wrong: Any, expected: str) -> None:
    base = from_golden(GOLDEN["vectors"][0])

    with pytest.raises(ValueError, match=expected):
        base._replace(**{field: wrong}).link()


def test_a_lone_surrogate_has_no_bytes_and_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        from_golden(GOLDEN["vectors"][0])._replace(type="\ud800").link()


def test_a_stored_digest_of_the_wrong_size_is_refused() -> None:
    row = from_golden(GOLDEN["vectors"][0]).stored()

    with pytest.raises(ValueError, match="32 bytes, found 31"):
        relink(row._replace(value_digest=bytes(31)), ZERO_HASH)


def test_the_digest_of_a_value_depends_on_its_salt() -> None:
    assert digest(bytes(16), b"1") != digest(bytes(15) + b"\x01", b"1")
    assert digest(bytes(16), b"1") == hashlib.sha256(bytes(16) + b"1").digest()
