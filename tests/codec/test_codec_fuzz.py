"""Whatever bytes are found in the log: decoding gives plain data or CorruptLog, and runs nothing."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sagalog_values import REGISTRY, VALUES, form

from sagalog.codec import decode, encode
from sagalog.errors import CorruptLog

TAGS = st.sampled_from(
    [*REGISTRY.loaders, "$$", "$", "$x", "$x@1", "$tuple@2", "$tuple@", "$shop.line@99", "$a@9" * 30]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        | st.dictionaries(TAGS, inner, min_size=1, max_size=2)
        | st.builds(lambda tag, item: {tag: item}, TAGS, inner)
    ),
    max_leaves=12,
)


def tried(data: bytes) -> Any:
    """The decoded value; None for CorruptLog, and no other outcome is let through."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return decode(data, registry=REGISTRY)
        except CorruptLog as error:
            assert str(error)
            return None


@given(JSON)
@example({"$int@1": "0x"})
@example({"$int@1": "9" * 5000})
@example({"$set@1": [[1]]})
@example({"$set@1": [1, True]})
@example({"$dict@1": [[1, 2], [1, 3]]})
@example({"$dict@1": [[[], 2]]})
@example({"$dict@1": "ab"})
@example({"$tuple@1": "ab"})
@example({"$datetime@1": {"local": "2024-01-01", "zone": "../../etc/passwd"}})
@example({"$datetime@1": {"local": "2024-01-01", "zone": "No/Such"}})
@example({"$datetime@1": {"local": "2024-01-01", "offset": [9, 9, 9]}})
@example({"$timedelta@1": [10**9, 0, 0]})
@example({"$decimal@1": "1e"})
@example({"$bytes@1": "é"})
@example({"$shop.line@1": {"__class__": "os.system"}})
@example({"$Color@1": "__init__"})
@example({"$Right@1": 99})
@example({"$tuple@1": [], "b": 1})
def test_any_json_is_decoded_or_refused(node: Any) -> None:
    value = tried(json.dumps(node).encode())
    if value is not None:
        # What was made of it is a value like any other.
        assert form(decode(encode(value, registry=REGISTRY), registry=REGISTRY)) == form(value)


@given(st.binary(max_size=60))
@example(b"")
@example(b"[")
@example(b"NaN")
@example(b"\xff")
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    tried(data)


@given(VALUES, st.data())
def test_a_stored_value_with_one_byte_changed_is_decoded_or_refused(value: Any, data: st.DataObject) -> None:
    stored = bytearray(encode(value, registry=REGISTRY))
    stored[data.draw(st.integers(0, len(stored) - 1))] = data.draw(st.integers(0, 255))
    tried(bytes(stored))


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b"[" * 900 + b"]" * 900 + b' "$',
        b'{"$tuple@1":' * 400 + b"1" + b"}" * 400,
        b'["$",' + b"[" * 300 + b"]" * 301,
    ],
)
def test_deeper_than_anything_that_was_stored_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptLog):
        decode(data)


def test_an_error_names_the_tag_and_what_to_do() -> None:
    with pytest.raises(CorruptLog, match=r"stored decimal@1: .*verify"):
        decode(b'{"$decimal@1":"abc"}')


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b'{"$tuple@1":[],"b":1}', "is not alone"),
        (b'{"b":1,"$tuple@1":[]}', "is not alone"),
        (b'{"$bytes@1":"YQ==!"}', "bytes@1"),
        # ZoneInfo would look for a file and import a module of that name.
        (b'{"$datetime@1":{"local":"2024-01-01","zone":"a.b/c"}}', "no name of a time zone"),
        (b'{"$time@1":{"local":"12:00","zone":"/etc/passwd"}}', "no name of a time zone"),
    ],
)
def test_a_form_that_was_never_stored_is_refused(data: bytes, found: str) -> None:
    with pytest.raises(CorruptLog) as caught:
        decode(data)
    assert found in str(caught.value)
