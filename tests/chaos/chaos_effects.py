"""What has to hold between the log and the world: the ledger outside, and the stock beside the log."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime

from chaos_books import Books, Life
from chaos_laws import INTENTS, UNKNOWN, Check, state_of

from examples.invoice import invoice

KINDS = {
    "charge": ("charge", "execute"), "refund": ("charge", "revert"),
    "ship": ("ship", "execute"), "unship": ("ship", "revert"),
}  # fmt: skip
"""What a call in the ledger is: which task's, in which direction."""


def intent_before_effect(books: Books) -> Iterator[str | None]:
    """Each call has an intent of its own, which was in the log before it was set out on; it may have come much later."""
    for life in books.lives.values():
        begun = defaultdict[tuple[str | None, str], list[datetime]](list)
        for step in life.steps:
            if step.type in INTENTS:
                begun[step.task, INTENTS[step.type]].append(step.at)
        for kind in KINDS:
            intents, calls = begun[KINDS[kind]], sorted(at for what, at in life.attempts if what == kind)
            for number, at in enumerate(calls):
                own = number < len(intents) and intents[number] <= at
                yield None if own else f"run {life.run}: {kind} was called at {at}, and begun at {[*map(str, intents)]}"


def effects_allowed(books: Books) -> Iterator[str | None]:
    """A call is made once; once more only for each time that its outcome was unknown, as RERUN says."""
    for life in books.lives.values():
        unknown = Counter((step.task, UNKNOWN[step.type]) for step in life.steps if step.type in UNKNOWN)
        for kind, count in Counter(kind for kind, _ in life.attempts).items():
            allowed = 1 + unknown[KINDS[kind]]
            yield None if count <= allowed else f"run {life.run}: {kind} was called {count} times, {allowed} are allowed"


def each_call_was_made(books: Books) -> Iterator[str | None]:
    """An outcome in the log stands for a call in the ledger: nobody says that it is done who has not done it."""
    for life in books.lives.values():
        calls = Counter(kind for kind, _ in life.attempts)
        for kind, (task, way) in KINDS.items():
            done = life.of("task.success" if way == "execute" else "task.reverted", task)
            if done and kind != "unship":  # after a refusal the carrier is not called
                yield None if calls[kind] else f"run {life.run}: {kind} is said to be done, and was not called"


def ledger_equals_log(books: Books) -> Iterator[str | None]:
    """What took effect, once for each key, is what the log says; what was charged is the order's total, to the cent."""
    for life in books.lives.values():
        times, cents = Counter[str](), Counter[str]()
        for entry in life.entries:
            times[entry.kind] += 1
            cents[entry.kind] += entry.cents
        succeeded = {step.task for step in life.of("task.success")}
        for task, back in (("charge", "refund"), ("ship", "unship")):
            net, money = times[task] - times[back], cents[task] - cents[back]
            kept = state_of(life) == "run.success"
            due = _total(books, life) if kept and task == "charge" else 0
            fine = (net, times[task] <= 1, money) == (int(kept), True, due)
            fine = fine and (times[task] == 1 or task not in succeeded)
            told = f"{task} {times[task]} times, {back} {times[back]} times, {money} cents"
            yield None if fine else f"run {life.run}, which is at {state_of(life)}: {told}"
        others = {entry.order_id for entry in life.entries} - {life.order_id}
        if others:
            yield f"run {life.run}: the ledger has entries of it for the orders {sorted(others)}, not {life.order_id}"
    for entry in books.strangers:
        yield f"key {entry.key}: {entry.kind} belongs to no run"


def stock_equals_log(books: Books) -> Iterator[str | None]:
    """A transactional task's rows are there exactly once where the log says that it succeeded, and nowhere else."""
    for life in books.lives.values():
        kept = bool(life.of("task.success", "reserve")) and not life.of("task.reverted", "reserve")
        right = _items(books, life) if kept else {}
        yield None if life.reserved == right else f"run {life.run}: {life.reserved} is reserved, not {right}"
    for track, on_hand, initial, reserved in books.shelves:
        fine = on_hand + reserved == initial
        yield None if fine else f"track {track}: {on_hand} on hand and {reserved} reserved of {initial}"


def _items(books: Books, life: Life) -> dict[int, int]:
    order = books.orders.get(life.order_id)
    return dict(invoice(order).items) if order else {}


def _total(books: Books, life: Life) -> int:
    """In cents."""
    order = books.orders.get(life.order_id)
    return invoice(order).cents if order else 0


EFFECTS: dict[str, Check] = {
    "intent before effect": intent_before_effect,
    "effects beyond what recovery allows": effects_allowed,
    "no outcome without its effect": each_call_was_made,
    "ledger, deduplicated, equals the log": ledger_equals_log,
    "stock rows equal the log, exactly once": stock_equals_log,
}
