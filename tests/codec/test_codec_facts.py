"""The facts of records: the page on the log says all of them, and each has stored bytes to be read for ever."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from sagalog_mixed import mixed
from sagalog_trial import Trial

from sagalog.codec.records import SCHEMAS
from sagalog.engine.core import records as r
from sagalog.engine.core.records import Draft

ROOT = Path(__file__).parents[2]
RETRY = "`retry.` + the states of a task, `retry.retrying`"
NEVER = {"run.suspending": {"by"}, "run.reverting": {"by"}, "run.abandoned": {"by"}}
"""Type -> facts that stand in the oldest bytes kept here, and that no code has written since the first release."""


class Page(NamedTuple):
    """What the page says of a type: facts that are always there, and those that may be."""

    always: frozenset[str]
    perhaps: frozenset[str]


def documented() -> dict[str, Page]:
    """Type -> its facts, as the table of the page has them, with those that the text behind it gives to several."""
    text = (ROOT / "docs" / "log-format.md").read_text(encoding="utf-8").split("| type | facts |")[1].split("\n\n")[0]
    found: dict[str, Page] = {}
    for line in text.splitlines()[2:]:
        types, facts = line.split("|")[1:3]
        plain, _, bracket = facts.partition("(")
        page = Page(frozenset(re.findall(r"`(\w+)`", plain)), frozenset(re.findall(r"`(\w+)`", bracket)))
        if types.strip() != RETRY:
            found |= {type: page for type in re.findall(r"`([\w.]+)`", types)}
    states = [type for type in found if type.startswith("task.") and type != r.TASK_PROGRESS]
    found |= {r.of_retry(type): found[type] for type in states} | {r.RETRY_RETRYING: Page(frozenset(), frozenset())}
    return {type: _common(type, page) for type, page in found.items()}


def _common(type: str, page: Page) -> Page:
    room = type.partition(".")[0]
    always = {"task": {"atom", "execution", "attempt"}, "each": {"atom", "execution"}}
    always["retry"] = always["each"] if type == r.RETRY_GIVEN_UP else always["task"]
    return Page(page.always | always.get(room, set()), page.perhaps | ({"instance"} if room == "task" else set()))


PAGE = documented()
GOLDEN = [
    json.loads(line)
    for file in sorted((Path(__file__).parent / "golden").glob("facts_schema_*.jsonl"))
    for line in file.read_text(encoding="utf-8").splitlines()
]


def strange(type: str, facts: set[str]) -> set[str]:
    """Where facts and page differ: what it does not know, and what it says is always there."""
    return (facts - PAGE[type].always - PAGE[type].perhaps) | (PAGE[type].always - facts)


def test_the_page_has_every_type_of_record() -> None:
    assert set(PAGE) == set(SCHEMAS)


@pytest.mark.parametrize("type", SCHEMAS)
def test_every_fact_of_the_page_has_stored_bytes_and_no_other_has(type: str) -> None:
    room, _, state = type.partition(".")
    alike = (type, f"task.{state}") if room == "retry" else (type,)
    kept = {fact for row in GOLDEN if row["type"] in alike for fact in row["facts"]} - {"instance"}
    assert kept - NEVER.get(type, set()) == (PAGE[type].always | PAGE[type].perhaps) - {"instance"}


def test_the_runs_that_are_tried_write_no_other_facts() -> None:
    wrong = {(draft.type, fact) for draft in _tried() for fact in strange(draft.type, set(draft.facts))}
    assert not wrong


def _tried() -> Iterator[Draft]:
    for seed in range(200):
        choose = random.Random(seed).randrange
        trial = Trial(mixed(choose, 8), choose, 60)
        trial.play()
        yield from trial.records
