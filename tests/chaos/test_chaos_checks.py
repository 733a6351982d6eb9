"""What the chaos checks: an order that went well breaks nothing, and each thing that may go wrong breaks what it should."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from chaos_books import Books, Life, Step
from chaos_effects import EFFECTS
from chaos_laws import LAWS
from chaos_report import judged

from examples.ledger import Entry

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
FORWARD = ("check", "reserve", "charge", "ship")
ROW = {"order_id": 7, "total": "1.98", "lines": [{"track_id": 3, "unit_price": "0.99", "quantity": 2}]}


def at(version: int) -> datetime:
    return BEGAN + timedelta(seconds=version)


def story() -> list[tuple[str, str | None]]:
    """An order that was shipped, and withdrawn when all but the letter was done."""
    told: list[tuple[str, str | None]] = [("run.created", None), ("run.claimed", None), ("run.running", None)]
    for task in FORWARD:
        told += [("task.running", task), ("task.success", task)]
    told += [("message.accepted", None), ("run.reverting", None)]
    for task in reversed(FORWARD):
        told += [("task.reverting", task), ("task.reverted", task)]
    return [*told, ("run.reverted", None)]


def of(told: list[tuple[str, str | None]]) -> Books:
    """The books of that run; its calls come when they are begun."""
    kinds = {
        ("task.running", "charge"): "charge", ("task.running", "ship"): "ship",
        ("task.reverting", "ship"): "unship", ("task.reverting", "charge"): "refund",
    }  # fmt: skip
    life = Life("run", 7)
    for version, (type, task) in enumerate(told, 1):
        facts = {"message": "m"} if type == "message.accepted" else {}
        life.steps.append(Step(version, type, int(version > 1), version, at(version), facts, task))
        if kind := kinds.get((type, str(task))):
            life.attempts.append((kind, at(version) + timedelta(milliseconds=1)))
            life.entries.append(Entry(kind, kind, 7, 198 if kind in ("charge", "refund") else 0))
    return Books(
        {"run": life}, {"wave_1.jsonl": {7: ROW}}, [("run", len(told), 1, None)], {"run": "REVERTED"}, [], [],
        [(3, 1000, 1000, 0)], [], [{"wave": "wave_1.jsonl"}, {"run": "run", "state": "REVERTED", "version": len(told)}],
    )  # fmt: skip


def broken(books: Books) -> set[str]:
    return {name for name, check in (LAWS | EFFECTS).items() if judged(name, check, books).broken}


def test_an_order_that_went_well_breaks_nothing() -> None:
    assert broken(of(story())) == set()


def kept() -> Books:
    """The books of an order that was shipped, and kept."""
    tasks = [(type, task) for task in (*FORWARD, "notify") for type in ("task.running", "task.success")]
    told: list[tuple[str, str | None]] = [*story()[:3], *tasks, ("run.success", None)]
    books = of(told)
    books.lives["run"].reserved[3] = 2
    return attrs.evolve(books, states={"run": "SUCCESS"}, shelves=[(3, 998, 1000, 2)], journal=[])


def test_an_order_that_was_kept_breaks_nothing() -> None:
    assert broken(kept()) == set()


def _altered(**how: Any) -> Callable[[Books], None]:
    """The first entry of the ledger is another."""

    def alter(books: Books) -> None:
        entries = books.lives["run"].entries
        entries[0] = entries[0]._replace(**how)

    return alter


def _failed(books: Books) -> None:
    """The last task has failed, and the run is said to have succeeded."""
    steps = books.lives["run"].steps
    steps[-2] = attrs.evolve(steps[-2], type="task.failure")


@pytest.mark.parametrize(
    ("alter", "name"),
    [
        (_altered(cents=1), "ledger, deduplicated, equals the log"),
        (_altered(order_id=8), "ledger, deduplicated, equals the log"),
        (_failed, "each task after the one before it"),
        (lambda books: books.lives.clear(), "versions without gaps, heads equal"),
        (lambda books: books.lives.clear(), "the table of runs equals the log"),
        (lambda books: books.states.update({"other": "SUCCESS"}), "the table of runs equals the log"),
        (lambda books: books.lives["run"].steps.clear(), "every run in one terminal state"),
        (lambda books: books.lives["run"].steps.pop(0), "versions without gaps, heads equal"),
    ],
)
def test_what_is_missing_or_altered_breaks_its_law(alter: Callable[[Books], object], name: str) -> None:
    books = kept()
    alter(books)
    assert name in broken(books)


def _cut(books: Books) -> None:
    del books.lives["run"].steps[-1]


def _again(type: str, task: str) -> Callable[[list[Any]], None]:
    """The record comes twice."""

    def alter(told: list[Any]) -> None:
        told.insert(told.index((type, task)), (type, task))

    return alter


def _without(type: str, task: str | None) -> Callable[[list[Any]], None]:
    return lambda told: told.remove((type, task))


def _swapped(told: list[Any]) -> None:
    """The charge is reverted before the shipment."""
    first = told.index(("task.reverting", "ship"))
    told[first : first + 4] = [*told[first + 2 : first + 4], *told[first : first + 2]]


@pytest.mark.parametrize(
    ("alter", "name"),
    [
        (_again("task.running", "charge"), "intent before outcome, again if unknown"),
        (_again("task.reverted", "charge"), "reverted once, in reverse order"),
        (_without("task.running", "charge"), "intent before effect"),
        (_without("task.running", "check"), "intent before outcome, again if unknown"),
        (_without("task.success", "reserve"), "each task after the one before it"),
        (_without("run.reverted", None), "every run in one terminal state"),
        (_swapped, "reverted once, in reverse order"),
        (lambda told: told.append(("run.success", None)), "nothing after the end"),
        (lambda told: told.append(("message.accepted", None)), "messages accepted once"),
    ],
)
def test_what_is_wrong_in_the_log_breaks_its_law(alter: Callable[[list[Any]], None], name: str) -> None:
    told = story()
    alter(told)
    books = of(told)
    if name == "intent before effect":  # the call is made all the same
        books.lives["run"].attempts = of(story()).lives["run"].attempts
    assert name in broken(books)


@pytest.mark.parametrize(
    ("alter", "name"),
    [
        (_cut, "versions without gaps, heads equal"),
        (_cut, "nothing acknowledged is lost"),
        (lambda books: books.lives["run"].attempts.append(("charge", at(99))), "effects beyond what recovery allows"),
        (lambda books: books.lives["run"].attempts.append(("charge", at(99))), "intent before effect"),
        (lambda books: books.lives["run"].attempts.clear(), "no outcome without its effect"),
        (lambda books: books.lives["run"].entries.pop(), "ledger, deduplicated, equals the log"),
        (lambda books: books.strangers.append(Entry("k", "charge", 7, 198)), "ledger, deduplicated, equals the log"),
        (lambda books: books.lives["run"].reserved.update({3: 2}), "stock rows equal the log, exactly once"),
        (lambda books: books.waiting.append(("run", "m")), "no living owner, no message, no timer"),
        (lambda books: books.timers.append("run"), "no living owner, no message, no timer"),
        (lambda books: books.states.update({"run": "SUCCESS"}), "the table of runs equals the log"),
        (lambda books: books.lives.update({"other": attrs.evolve(books.lives["run"], run="other")}), "one run an order"),
    ],
)
def test_what_is_wrong_beside_the_log_breaks_its_law(alter: Callable[[Books], object], name: str) -> None:
    books = of(story())
    alter(books)
    assert name in broken(attrs.evolve(books, streams=[*books.streams, ("other", 0, 9, None)]))


def test_an_epoch_that_falls_and_a_position_that_comes_twice_are_seen() -> None:
    books = of(story())
    steps = books.lives["run"].steps
    steps[5] = attrs.evolve(steps[5], epoch=0, position=steps[4].position)
    assert {"epochs never fall, grow with a claim", "positions grow, and are unique"} <= broken(books)


def test_a_transactional_task_that_the_server_rolled_back_is_begun_again() -> None:
    told = story()
    place = told.index(("task.success", "reserve"))
    told[place:place] = [("task.waiting", "reserve"), ("task.running", "reserve")]
    books = of(told)
    steps = books.lives["run"].steps
    assert "intent before outcome, again if unknown" in broken(books)
    steps[place] = attrs.evolve(steps[place], facts={"cause": "57P01"})
    assert broken(books) == set()
