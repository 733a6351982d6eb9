"""What is stored comes back: every type, every bit, in order, and afresh each time."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import zoneinfo
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sagalog_values import REGISTRY, VALUES, Line, Point, form

from sagalog.codec import MAX_DEPTH, Encoded, decode, encode


def stored(value: Any) -> Any:
    return json.loads(encode(value, registry=REGISTRY))


@given(VALUES)
def test_every_value_comes_back_exactly(value: Any) -> None:
    data = encode(value, registry=REGISTRY)
    again = decode(data, registry=REGISTRY)
    assert form(again) == form(value)
    assert encode(again, registry=REGISTRY) == data


@given(VALUES)
def test_the_stored_form_is_utf8_json_without_nul(value: Any) -> None:
    text = encode(value, registry=REGISTRY).decode("utf-8")
    seen: list[str] = []

    def texts(node: Any) -> None:
        if isinstance(node, str):
            seen.append(node)
        elif isinstance(node, list):
            for item in node:
                texts(item)
        elif isinstance(node, dict):
            for key, item in node.items():
                texts(key)
                texts(item)

    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is not JSON")

    texts(json.loads(text, parse_constant=refuse))
    assert not any("\x00" in part for part in seen)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (None, None),
        ({"a": [1, True, "x", 1.5]}, {"a": [1, True, "x", 1.5]}),
        ((1, 2), {"$tuple@1": [1, 2]}),
        ({"$a": 1, "$$b": 2, "c": 3}, {"$$a": 1, "$$$b": 2, "c": 3}),
        ({"$tuple@1": [1]}, {"$$tuple@1": [1]}),
        ({1: "a", None: "b"}, {"$dict@1": [[1, "a"], [None, "b"]]}),
        ({"a\0": 1}, {"$dict@1": [[{"$str@1": "a\\u0000"}, 1]]}),
        ("\ud800\\", {"$str@1": "\\ud800\\u005c"}),
        (2**64, {"$int@1": "18446744073709551616"}),
        (2**64 - 1, 2**64 - 1),
        (float("nan"), {"$float@1": "nan"}),
        (b"\xff", {"$bytes@1": "/w=="}),
        (bytearray(b"a"), {"$bytearray@1": "YQ=="}),
        ({"b", "a"}, {"$set@1": ["a", "b"]}),
        (frozenset({2, 10}), {"$frozenset@1": [10, 2]}),
        (Decimal("1.20"), {"$decimal@1": "1.20"}),
        (dt.date(2024, 2, 29), {"$date@1": "2024-02-29"}),
        (dt.timedelta(-1, 5), {"$timedelta@1": [-1, 5, 0]}),
        (dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC), {"$datetime@1": "2024-05-01T12:00:00+00:00"}),
        (dt.time(9, 5, tzinfo=dt.timezone(-dt.timedelta(microseconds=7))), {"$time@1": "09:05:00-00:00:00.000007"}),
        (
            dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
            {"$datetime@1": {"local": "2024-10-27T02:30:00", "zone": "Europe/Berlin", "fold": 1}},
        ),
        (Line("a", 1), {"$shop.line@2": {"sku": "a", "price": 1, "_note": None}}),
        (Point(1), {"$Point@1": {"x": 1, "y": 0}}),
    ],
)
def test_the_stored_form_of_each_kind_is_settled(value: Any, form: Any) -> None:
    # These are in people's logs: a change here needs a new tag version, and the old one still read.
    assert stored(value) == form
    assert decode(json.dumps(form).encode(), registry=REGISTRY) == value or value != value


@pytest.mark.parametrize("micros", [1, -1, 999_999, -999_999, 1_000_000, -1_000_001])
def test_the_smallest_offsets_from_utc_are_kept(micros: int) -> None:
    zone = dt.timezone(dt.timedelta(microseconds=micros))
    for moment in (dt.time(23, 59, 59, 5, zone), dt.datetime(2024, 2, 29, 23, 59, tzinfo=zone)):
        again = decode(encode(moment))
        assert (again, again.utcoffset()) == (moment, zone.utcoffset(None))


def test_a_plain_object_stays_one_byte_for_byte() -> None:
    assert encode({"z": 1, "a": "é", "n": None}) == '{"z":1,"a":"é","n":null}'.encode()


@pytest.mark.parametrize("text", ["costs $5", "$", "\\u0000", 'a "$b', "\\\\u0000"])
def test_texts_that_only_look_like_tags_or_escapes_stay_plain(text: str) -> None:
    assert stored({"t": text}) == {"t": text}
    assert decode(encode([text])) == [text]


def test_two_decodes_share_nothing() -> None:
    encoded = Encoded(encode({"items": [1, {"a": []}], "when": (1, [2])}))
    first = encoded.get()
    first["items"][1]["a"].append(1)
    first["when"][1].clear()
    assert encoded.get() == {"items": [1, {"a": []}], "when": (1, [2])}


def test_what_is_encoded_does_not_follow_later_changes() -> None:
    value = {"items": [1]}
    data = encode(value)
    value["items"].append(2)
    assert decode(data) == {"items": [1]}


def test_the_value_given_is_left_alone() -> None:
    value = {"$a": (1, {2: [3]}), "b": [Line({"$": 1}, 2)]}
    before = form(value)
    encode(value, registry=REGISTRY)
    assert form(value) == before


@given(st.sets(st.one_of(st.integers(), st.text(), st.none(), st.tuples(st.integers(), st.text()))))
def test_the_order_of_a_set_is_no_accident(value: set[Any]) -> None:
    assert encode(value) == encode(set(reversed(list(value))))


def test_the_stored_bytes_do_not_depend_on_the_hash_seed() -> None:
    program = "from sagalog.codec import encode; print(encode({'a', 'b', 'c', ('d', 1), None, frozenset('xyz')}))"
    path = os.pathsep.join(part for part in sys.path if part)
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            cwd=Path(__file__).parent,
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(outputs) == 1


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: (v,), lambda v: {1: v}, lambda v: Point(v)])
def test_the_deepest_value_that_is_taken_comes_back(wrap: Any) -> None:
    value: Any = dt.date(2024, 1, 1)
    for _ in range(MAX_DEPTH):
        value = wrap(value)
    assert decode(encode(value, registry=REGISTRY), registry=REGISTRY) == value


@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [v], lambda v: {"a": v}, lambda v: [[{"a": [v]}]]])
@pytest.mark.parametrize(
    "leaf",
    [float("inf"), float("-inf"), float("nan"), -0.0, 5e-324, 1e308, 1e22, 1.0, 2**64, -(2**63) - 1, 10**5000, "\0"],
    ids=lambda leaf: f"{leaf!r:.12}" if leaf != 10**5000 else "huge",
)
def test_a_leaf_that_orjson_would_change_or_refuse_comes_back(wrap: Any, leaf: Any) -> None:
    value = wrap(leaf)
    assert form(decode(encode(value, limit=None))) == form(value)
