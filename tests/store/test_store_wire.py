"""The hand-packed arrays are what psycopg itself would send, and what the server reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.types.array import ListBinaryDumper
from psycopg.types.numeric import Int4, Int8

from sagalog.store import wire

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
INT4, INT8 = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)


def packed(values: list[object]) -> bytes:
    """What psycopg makes of a list."""
    dumper = ListBinaryDumper(list)
    dumper = dumper.upgrade(values, psycopg.adapt.PyFormat.BINARY)  # type: ignore[assignment]  # its own kind again
    return bytes(dumper.dump(values) or b"")


@given(st.lists(st.binary(), min_size=1))
def test_blobs(values: list[bytes]) -> None:
    assert wire.blobs(values) == packed([*values])


@given(st.lists(st.binary() | st.none(), min_size=1).filter(lambda values: any(v is not None for v in values)))
def test_blobs_with_nulls(values: list[bytes | None]) -> None:
    assert wire.blobs(values) == packed([*values])


@given(st.lists(TEXT | st.none(), min_size=1).filter(lambda values: any(v is not None for v in values)))
def test_texts(values: list[str | None]) -> None:
    assert wire.texts(values) == packed([*values])


@given(st.lists(st.uuids(), min_size=1))
def test_uuids(values: list[UUID]) -> None:
    assert wire.uuids([value.bytes for value in values]) == packed([*values])


@given(st.lists(st.uuids() | st.none(), min_size=1).filter(any))
def test_optional_uuids(values: list[UUID | None]) -> None:
    assert wire.optional_uuids([value and value.bytes for value in values]) == packed([*values])  # type: ignore[misc]


@given(st.lists(INT4, min_size=1), st.lists(INT8, min_size=1))
def test_numbers(small: list[int], large: list[int]) -> None:
    assert wire.ints(small) == packed([Int4(value) for value in small])
    assert wire.bigints(large) == packed([Int8(value) for value in large])


@given(st.lists(st.datetimes(timezones=st.just(UTC)), min_size=1))
def test_times(values: list[datetime]) -> None:
    micros = [(value - EPOCH) // timedelta(microseconds=1) for value in values]
    assert wire.times(micros) == packed([*values])
    assert [wire.micros(wire.time(value)) for value in micros] == micros


@given(st.lists(st.binary(min_size=32, max_size=32) | st.none(), min_size=1).filter(any))
def test_digests(values: list[bytes | None]) -> None:
    assert wire.digests(values, 32) == packed([*values])


@given(st.integers(1, 50), INT4, TEXT)
def test_the_same_again_and_again(count: int, number: int, text: str) -> None:
    assert wire.ints([number] * count) == packed([Int4(number)] * count)
    assert wire.texts([text] * count) == packed([text] * count)


def test_nothing_but_nulls_is_null() -> None:
    assert wire.digests([None], 32) is None
    assert wire.blobs([None, None]) is None
    assert wire.texts([None]) is None
    assert wire.optional_uuids([None]) is None
    assert wire.uuid(None) is None


def test_an_id_of_another_size_is_refused() -> None:
    for ids in ([b"x" * 15], [b"x" * 15, b"x" * 17], [b""]):
        with pytest.raises(ValueError, match="16 bytes"):
            wire.uuids(ids)


def test_a_longer_element_than_the_table_of_lengths() -> None:
    for size in (4095, 4096, 70_000):
        assert wire.blobs([b"x" * size]) == packed([b"x" * size])


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_the_server_reads_them(server_connection: psycopg.Connection[tuple[object, ...]], data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.uuids(), max_size=5))
    blobs = data.draw(st.lists(st.binary(), max_size=5))
    texts = data.draw(st.lists(TEXT | st.none(), max_size=5))
    numbers = data.draw(st.lists(INT8, max_size=5))
    cursor = psycopg.RawCursor(server_connection)
    parameters = (
        wire.uuids([value.bytes for value in ids]), wire.blobs(blobs), wire.texts(texts), wire.bigints(numbers),
        wire.ints([1, 2]), wire.times([0]), wire.bigint(-5), wire.time(0), wire.uuid(UUID(int=7)),
    )  # fmt: skip
    cursor.execute("select $1, $2, $3, $4, $5, $6, $7, $8, $9", parameters, binary=True)
    empty_texts = None if texts and not any(text is not None for text in texts) else texts
    row = cursor.fetchone()
    assert row == (ids, blobs, empty_texts, numbers, [1, 2], [EPOCH], -5, EPOCH, UUID(int=7))


@pytest.fixture(scope="module")
def server_connection(server: object):  # type: ignore[no-untyped-def]  # a generator of connections
    with psycopg.connect(server.url, autocommit=True) as connection:  # type: ignore[attr-defined]
        connection.execute("set timezone = 'UTC'")
        yield connection
