"""Many facts at once are what they are one by one, also when somebody has tampered with them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagalog.codec import records
from sagalog.codec.compose import unwrap, wrap
from sagalog.codec.records import SCHEMAS, decode_all, decode_facts, encode_facts
from sagalog.codec.values import decode, encode
from sagalog.errors import CorruptLog, NotStorable, SchemaMismatch

FACTS = st.dictionaries(st.text("abc", max_size=3), st.integers(-9, 9) | st.booleans() | st.text("xyz", max_size=3))


@given(st.lists(st.tuples(st.sampled_from(sorted(SCHEMAS)), FACTS), max_size=6))
def test_all_at_once_is_one_by_one(rows: list[tuple[str, dict[str, object]]]) -> None:
    stored = [encode_facts(facts) for _, facts in rows]
    types = [type for type, _ in rows]
    assert decode_all(types, [SCHEMAS[type] for type in types], stored) == [decode_facts(data) for data in stored]


@pytest.mark.parametrize("bad", [b"", b"{},{}", b"1", b"[", b"null", b'{"a":1},{"b":2'])
def test_bytes_that_are_not_one_object_are_found_among_good_ones(bad: bytes) -> None:
    with pytest.raises(CorruptLog, match="stored facts"):
        decode_all(["run.running"] * 3, [1] * 3, [b"{}", bad, b"{}"])


def test_newer_facts_among_good_ones_are_refused() -> None:
    with pytest.raises(SchemaMismatch, match=r"task\.success, schema 9"):
        decode_all(["run.running", "task.success"], [1, 9], [b"{}", b"{}"])


def test_older_facts_are_upcast_where_the_types_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCHEMAS, "task.success", 2)
    monkeypatch.setattr(records, "_NUMBERS", {1, 2})
    monkeypatch.setitem(records.UPCASTERS, ("task.success", 1), lambda facts: {**facts, "new": True})
    types, schemas = ["run.running", "task.success", "task.success"], [1, 1, 2]
    assert decode_all(types, schemas, [b"{}"] * 3) == [{}, {"new": True}, {}]


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
        st.integers() | st.text(),
        max_size=4,
    )
)
def test_what_is_wrapped_is_the_dict_and_can_be_unwrapped(parts: dict[str, object]) -> None:
    names = {name: encode(value) for name, value in parts.items()}
    data = wrap(names)
    assert decode(data) == parts
    assert unwrap(data) == names


def test_a_name_that_json_cannot_keep_is_refused() -> None:
    with pytest.raises(NotStorable):
        wrap({"a\0b": b"1"})
    with pytest.raises(CorruptLog):
        unwrap(b"[1]")
