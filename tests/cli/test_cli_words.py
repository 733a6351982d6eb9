"""Values and spans of time as a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sagalog_values import REGISTRY, VALUES

from sagalog.cli import words
from sagalog.codec.values import encode


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        ({"a": 1, "b c": [True, 2.5]}, "{a: 1, 'b c': [True, 2.5]}"),
        ((1, "x"), "(1, 'x')"),
        ({"$a": {3}}, "{'$a': {3}}"),
        ({1: (2,)}, "{1: (2)}"),
        (Decimal("1.980"), "1.980"),
        (b"\x00raw", "b'\\x00raw'"),
        (timedelta(days=1), "timedelta[1, 0, 0]"),
        (datetime(2024, 1, 2, tzinfo=UTC), "2024-01-02T00:00:00+00:00"),
        ("line\nline", "'line\\nline'"),
    ],
)
def test_cli_words_of_values(value: Any, text: str) -> None:
    assert words.value(orjson.loads(encode(value))) == text


@given(VALUES, st.integers(10, 200))
def test_cli_words_of_any_value_fit_on_one_line(value: Any, width: int) -> None:
    text = words.value(orjson.loads(encode(value, registry=REGISTRY)), width)
    assert (len(text) <= width and text.isprintable()) or not text.isascii()
    assert "\n" not in text and "\x1b" not in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"), (0.0014, "1 ms"), (0.9994, "999 ms"), (0.9996, "1.00 s"), (1, "1 s"), (59.9, "60 s"),
        (125, "2 min 5 s"), (3_600, "1 h 0 min"), (90_000, "1 d 1 h"), (-3, "0 ms"),
    ],
)  # fmt: skip
def test_cli_words_of_spans(seconds: float, text: str) -> None:
    assert words.span(seconds) == text


def test_cli_words_of_how_long_ago() -> None:
    now = datetime(2024, 1, 2, 12, tzinfo=UTC)
    for seconds, text in ((0, "just now"), (59, "59 s ago"), (61, "1 min ago"), (7_300, "2 h ago")):
        assert words.ago(now - timedelta(seconds=seconds), now) == text
    assert words.ago(now - timedelta(days=3), now).startswith("2023-12-")
