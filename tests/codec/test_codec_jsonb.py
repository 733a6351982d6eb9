"""Both bodies of a record cast to jsonb, on each PostgreSQL that is supported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sagalog_values import REGISTRY, VALUES

from sagalog.codec import MAX_DEPTH, encode
from sagalog.codec.records import encode_facts


@pytest.fixture(scope="module")
def connection(server_on: Any) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server_on.url, autocommit=True) as opened:
        yield opened


def cast(connection: psycopg.Connection, bodies: list[bytes]) -> list[Any]:
    """The bodies as the views of the schema show them: bytes, as UTF-8 text, as jsonb."""
    rows = connection.execute(
        "SELECT convert_from(body, 'UTF8')::jsonb::text FROM unnest(%s::bytea[]) WITH ORDINALITY AS t(body, place) "
        "ORDER BY place",
        [bodies],
    )
    return [row[0] for row in rows]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(values=st.lists(VALUES, min_size=1, max_size=20))
def test_every_stored_value_casts(connection: psycopg.Connection, values: list[Any]) -> None:
    bodies = [encode(value, registry=REGISTRY) for value in values]
    shown = cast(connection, bodies)
    for body, text in zip(bodies, shown, strict=True):
        # jsonb orders keys and writes numbers its own way; 1e22 and 1 followed by 22 zeros are one number.
        assert json.loads(text, parse_int=float) == json.loads(body, parse_int=float)


@pytest.mark.parametrize(
    "value",
    [
        "\0",
        {"\0": "\ud800"},
        [float("nan"), float("inf"), -0.0, 5e-324, 1.7976931348623157e308],
        [2**63, 2**64 - 1, 2**64, 10**5000],
        b"\x00\xff",
        {"$": {"$$": "$tuple@1"}},
        "x" * 1_000_000,
    ],
    ids=repr if len(repr("")) > 2 else None,
)
def test_what_jsonb_cannot_take_is_tagged(connection: psycopg.Connection, value: Any) -> None:
    assert len(cast(connection, [encode(value)])) == 1


def test_the_deepest_value_casts(connection: psycopg.Connection) -> None:
    value: Any = (1,)
    for _ in range(MAX_DEPTH - 1):
        value = {1: value}
    assert len(cast(connection, [encode(value)])) == 1


def test_facts_cast(connection: psycopg.Connection) -> None:
    facts = {"key": 'a "\\u0000" \\ é', "atoms": [1, 2**64 - 1], "none": None}
    assert json.loads(cast(connection, [encode_facts(facts)])[0]) == facts
