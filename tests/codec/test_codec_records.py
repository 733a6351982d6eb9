"""Facts: what old code has stored is read for ever."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagalog.codec.records import SCHEMAS, UPCASTERS, decode_facts, encode_facts, upcast
from sagalog.engine.core import records
from sagalog.errors import CorruptLog, NotStorable, SchemaMismatch

GOLDEN = [
    json.loads(line)
    for file in sorted((Path(__file__).parent / "golden").glob("facts_schema_*.jsonl"))
    for line in file.read_text(encoding="utf-8").splitlines()
]
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
FACTS = st.dictionaries(
    TEXTS,
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | TEXTS,
        lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
        max_leaves=8,
    ),
)


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: f"{row['type']}@{row['schema']}")
def test_stored_facts_are_still_read(row: dict[str, Any]) -> None:
    facts = upcast(row["type"], row["schema"], decode_facts(row["bytes"].encode()))
    assert facts == row["facts"]


@pytest.mark.parametrize("row", [row for row in GOLDEN if row["schema"] == SCHEMAS[row["type"]]], ids=str)
def test_facts_of_the_current_schema_are_written_as_before(row: dict[str, Any]) -> None:
    assert encode_facts(row["facts"]) == row["bytes"].encode()


def test_every_schema_of_every_type_has_stored_facts_here() -> None:
    assert {(row["type"], row["schema"]) for row in GOLDEN} == {
        (type, schema) for type, current in SCHEMAS.items() for schema in range(1, current + 1)
    }


def test_the_closed_list_is_that_of_the_core() -> None:
    types = {item for name, item in vars(records).items() if name.isupper() and isinstance(item, str)}
    states = {type for type in types if type.startswith("task.")} - {records.TASK_PROGRESS}
    assert set(SCHEMAS) == types | {records.of_retry(type) for type in states}


def test_every_older_schema_has_its_upcaster() -> None:
    assert set(UPCASTERS) == {(type, old) for type, current in SCHEMAS.items() for old in range(1, current)}


@given(FACTS)
def test_facts_come_back(facts: dict[str, Any]) -> None:
    data = encode_facts(facts)
    assert decode_facts(data) == facts
    assert decode_facts(data) is not decode_facts(data)


@pytest.mark.parametrize("text", ["\\u0000", "a\\\\u0000b", "\\", '"\\u0000"'])
def test_a_backslash_before_u0000_is_only_text(text: str) -> None:
    assert decode_facts(encode_facts({"a": text})) == {"a": text}


@pytest.mark.parametrize(
    ("fact", "type_"),
    [
        ("a\0", "str"),
        ("\\\0", "str"),
        ({"\0": 1}, "str"),
        ("\ud800", "str"),
        (2**64, "int"),
        (b"a", "bytes"),
        ({1}, "set"),
        (type("Name", (str,), {})("a"), "Name"),
        (object(), "object"),
    ],
)
def test_a_fact_that_has_no_form_is_named(fact: Any, type_: str) -> None:
    with pytest.raises(NotStorable) as caught:
        encode_facts({"fine": 1, "key": fact})
    assert (caught.value.path, caught.value.type) == ("facts.key", type_)


@pytest.mark.parametrize("data", [b"", b"[]", b"7", b"null", b'{"a":', b"\xff", b"[" * 5000])
def test_bytes_that_are_no_facts_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptLog, match="stored facts"):
        decode_facts(data)


def test_upcasters_are_applied_one_after_the_other() -> None:
    upcasters = {
        ("task.done", 1): lambda facts: {"atom": facts["index"]},
        ("task.done", 2): lambda facts: {**facts, "attempt": 1},
    }
    for schema, facts in ((1, {"index": 4}), (2, {"atom": 4}), (3, {"atom": 4, "attempt": 1})):
        brought = upcast("task.done", schema, facts, schemas={"task.done": 3}, upcasters=upcasters)
        assert brought == {"atom": 4, "attempt": 1}


@pytest.mark.parametrize(("type_", "schema"), [("task.success", 2), ("task.dreamt", 1)])
def test_what_newer_code_has_written_is_said_to_be_that(type_: str, schema: int) -> None:
    with pytest.raises(SchemaMismatch, match="newer code"):
        upcast(type_, schema, {})


@pytest.mark.parametrize("schema", [0, -1])
def test_a_schema_that_never_was_is_corrupt(schema: int) -> None:
    with pytest.raises(CorruptLog):
        upcast("task.success", schema, {})
