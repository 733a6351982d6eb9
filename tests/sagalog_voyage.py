"""A voyage: a flow of all that can be retried, waited for, fanned out and decided, whose calls are kept in an outside book.

Tried twice as a whole (`twice`). In its first try the room cannot be had, however stubbornly it is asked for, so that all
of it is undone, a route by sea and by air, the four bags of which one is too heavy, the guests and the visa, and done
again. In the story "mended" the second try has a room; in "given up" it has none, and the whole run is undone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from sagalog.engine.definition import (
    Context,
    Decision,
    Flow,
    ForEach,
    FunctorTask,
    History,
    Retry,
    RetryPolicy,
    Times,
    each,
    graph,
    linear,
    unordered,
)

TABLE = "CREATE TABLE voyage (run uuid NOT NULL, task text NOT NULL, execution int NOT NULL, direction text NOT NULL)"
BAGS = [10, 20, 99, 30]
HEAVY = 50


@frozen
class Entry:
    """One call in the book. `atom` names an element as `name[i]`; a decider has neither execution nor key."""

    run: str
    kind: str
    atom: str
    execution: int = 0
    attempt: int = 0
    key: str = ""


class Book:
    """The calls that were made, one line each, in a file that no process can take back; `noted` is called behind each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.noted: Callable[[], object] = lambda: None

    def note(self, entry: Entry) -> None:
        """Put a call into the book: the effect that it has."""
        line = json.dumps([entry.run, entry.kind, entry.atom, entry.execution, entry.attempt, entry.key]).encode() + b"\n"
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            assert os.write(file, line) == len(line)
        finally:
            os.close(file)
        self.noted()

    def call(self, kind: str, context: Context) -> None:
        """Note a call of a task or a retry."""
        entry = Entry(
            str(context.run_id), kind, context.atom, context.execution, context.attempt, context.idempotency_key
        )
        self.note(entry)

    def entries(self) -> list[Entry]:
        """All calls, in order."""
        return [Entry(*json.loads(line)) for line in self.path.read_text(encoding="utf-8").splitlines()]


class Stubborn(Retry):
    """Asks for the room twice, then gives up."""

    book: Book

    def execute(self, history: History, context: Context) -> int:
        self.book.call("execute", context)
        return len(history)

    def revert(self, history: History, context: Context) -> None:
        self.book.call("revert", context)

    def on_failure(self, history: History, context: Context) -> Decision:
        self.book.call("on_failure", context)
        return Decision.RETRY if len(history) < 2 else Decision.REVERT


class Storm(Exception):
    """By sea there is no way."""


def voyage(book: Book, story: str) -> Flow:
    """The flow; its input is `items`, the weights of the bags."""
    stubborn = Stubborn("stubborn")
    stubborn.book = book

    def step(name: str, code: Callable[..., Any] = lambda: None, revert: bool = True, **more: Any) -> FunctorTask:
        def execute(context: Context, **given: Any) -> Any:
            book.call("execute", context)
            return code(context, **given) if more.get("requires") else code()

        def undo(context: Context) -> str:
            book.call("revert", context)
            return f"{context.atom} undone"

        return FunctorTask(execute, name=name, revert=undo if revert else None, **more)

    def inside(name: str) -> FunctorTask:
        def row(context: Context, conn: Any, direction: str) -> int:
            book.call(direction, context)
            given = [context.run_id, context.atom, context.execution, direction]
            conn.execute("INSERT INTO voyage VALUES (%s, %s, %s, %s)", given)
            return context.execution

        def execute(context: Context, conn: Any) -> int:
            return row(context, conn, "execute")

        def undo(context: Context, conn: Any) -> int:
            return row(context, conn, "revert")

        return FunctorTask(execute, name=name, revert=undo, transactional=True)

    def go(context: Context, way: str) -> str:
        if way == "sea":
            raise Storm("not by sea")
        if context.attempt < 3:
            raise ConnectionError("busy")
        return way

    def weigh(context: Context, item: int) -> int:
        if item > HEAVY:
            raise ValueError("too heavy")
        return 2 * item

    async def greet(context: Context) -> str:
        book.call("execute", context)
        return "welcome"

    def have_room(context: Context, tried: int) -> str:
        if tried == 1 or story == "given_up":
            raise LookupError("no room")
        return f"room of try {tried}"

    def refuse() -> None:
        raise PermissionError("bob may not come")

    def declare(context: Context, tried: int) -> str:
        return str(context.run_id)

    def dutiable(history: Mapping[str, Any]) -> bool:
        book.note(Entry(history["declare"], "decide", "dutiable"))
        return False

    policy = RetryPolicy(5, 0.01, 1.0, (ConnectionError,))
    route = linear("route", ForEach(["sea", "air"], "ways", provides="way")).add(
        inside("fare"), step("go", go, requires="way", provides="gone", retry_policy=policy)
    )
    bags = each(step("bag", weigh, requires="item", provides="bags"), into="item", outcome="SUCCESS_FOR_PARTIAL_SUCCESS")
    declared = step("declare", declare, requires="tried", provides="declared")
    inspected = step("inspect")
    customs = graph("customs").add(declared, inspected)
    customs.link(declared, inspected, decider=dutiable, decider_depth="FLOW")
    guests = unordered("guests", outcome="SUCCESS_FOR_PARTIAL_SUCCESS", provides="guests").add(
        FunctorTask(greet, name="ann", provides="ann", compensation="not_needed"), step("bob", refuse, provides="bob")
    )
    hotel = linear("hotel", stubborn).add(step("room", have_room, requires="tried", provides="room"))
    return linear("voyage", Times(2, "twice", provides="tried")).add(
        step("visa"), inside("seat"), route, bags, customs, guests, hotel
    )
