"""What the ways to break a law are made of: small runs that hold, their rows, and what may be done to these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sagalog.codec.records import decode_facts, encode_facts
from sagalog.engine.core.inputs import Call, Recover, Resume
from sagalog.engine.core.records import Draft
from sagalog.engine.core.state import State
from sagalog.engine.definition import AlwaysRevert, FunctorTask, OutcomePolicy, Recovery, each, graph, linear, unordered
from sagalog.testing import Play
from sagalog.testing.laws import Durable, Watch, durable

Break = Callable[[], None]
broken_by: dict[str, list[Break]] = {}


def breaks(law: str) -> Callable[[Break], Break]:
    """The function breaks that law."""

    def note(way: Break) -> Break:
        broken_by.setdefault(law, []).append(way)
        return way

    return note


def task(name: str, revert: bool = True, **options: Any) -> FunctorTask:
    """A task; `revert`: with something to be undone by."""
    return FunctorTask(lambda: None, name=name, **({"revert": lambda: None} if revert else {}), **options)


def watched(play: Play, rows: list[Durable], **options: Any) -> Watch:
    """The rows, in one append, before the eyes of a Watch."""
    watch = Watch(play.definition, **options)
    watch.committed(rows, options.get("now"))
    return watch


def sound(play: Play) -> list[Durable]:
    """The rows of a run, which holds as it is."""
    watched(play, durable(play.records))
    return durable(play.records)


def changed(rows: list[Durable], at: int, type: str | None = None, by: int | None = None, **facts: Any) -> list[Durable]:
    """The rows, with other facts, another type or writer in that of version `at`."""
    row = rows[at - 1]
    now = {**decode_facts(row.facts), **facts}
    found = row._replace(type=type or row.type, facts=encode_facts(now), epoch=row.epoch if by is None else by)
    return [*rows[: at - 1], found, *rows[at:]]


def put(rows: list[Durable], before: int, type: str, by: int = 1, **facts: Any) -> list[Durable]:
    """The rows, with one more before that of version `before`, counted anew."""
    drafts = durable([Draft(type, facts)], before, by)
    return counted([*rows[: before - 1], *drafts, *rows[before - 1 :]])


def counted(rows: list[Durable]) -> list[Durable]:
    """The rows with versions from 1."""
    return [row._replace(version=version) for version, row in enumerate(rows, 1)]


def without(rows: list[Durable], at: int) -> list[Durable]:
    """The rows but the one of version `at`, counted anew."""
    return counted([*rows[: at - 1], *rows[at:]])


def at(play: Play, told: str, count: int = 1) -> int:
    """The version of the record that is told so, the `count`-th of them."""
    found = [version for version, draft in enumerate(play.records, 1) if play.told(draft) == told]
    assert len(found) >= count, f"there is no {told}; there are {play.all_told()}"
    return found[count - 1]


def begun(flow: Any, capacity: int = 1, **created: Any) -> Play:
    """A run that has been begun."""
    play = Play(flow, capacity, **created)
    play.take(Resume())
    play.advance()
    return play


def ran(flow: Any, capacity: int = 1, **created: Any) -> Play:
    """A run in which everything succeeds."""
    play = begun(flow, capacity, **created)
    while play.calls:
        play.succeed()
    return play


def failed(flow: Any, name: str, **created: Any) -> Play:
    """A run in which all succeeds up to `name`, which fails, and all is undone."""
    play = begun(flow, **created)
    while play.whose(play.calls[0]) != name:
        play.succeed()
    play.fail()
    while play.calls:
        play.succeed()
    return play


def two(**options: Any) -> Any:
    return linear("f").add(task("a", **options), task("b"))


def scoped() -> Play:
    """A retry whose flow is tried twice, and succeeds."""
    play = begun(linear("f", AlwaysRevert("r")).add(task("a"), task("b")))
    for _ in range(2):
        play.succeed()
    play.fail(of="b")
    play.answer("RETRY")
    while play.calls:
        play.succeed()
    return play


def nested() -> Play:
    """The retry within has passed the question on to the one around it, which reverts all."""
    inner = linear("g", AlwaysRevert("inner")).add(task("a"))
    play = begun(linear("f", AlwaysRevert("outer")).add(inner))
    for _ in range(2):
        play.succeed()
    play.fail(of="a")
    play.answer("REVERT")
    play.answer("REVERT_ALL")
    while play.calls:
        play.succeed()
    return play


def grouped(policy: OutcomePolicy = OutcomePolicy.SUCCESS_FOR_PARTIAL_SUCCESS) -> Play:
    """A group of which one of two members fails."""
    play = begun(unordered("f", outcome=policy).add(linear("m").add(task("a"), task("b")), task("c")))
    play.fail(of="a")
    while play.calls:
        play.succeed()
    return play


def lacking(optional: bool) -> Play:
    """What b takes of a is not there: a was refused."""
    flow = graph("f")
    start, a, b = task("s"), FunctorTask(_undo, name="a", provides="x"), FunctorTask(_may if optional else _must, name="b")
    flow.add(start, a, b)
    flow.link(start, a, decider=lambda history: False, decider_depth="ATOM")
    flow.link(a, b)
    play = begun(flow)
    play.succeed(of="s")
    play.vote(False)
    while play.calls:
        play.succeed()
    return play


def gated(depth: str = "ALL") -> Play:
    """A decider refuses what comes behind it."""
    flow = graph("f")
    a, b, c = task("a"), task("b"), task("c")
    flow.add(a, b, c)
    flow.link(a, b, decider=lambda history: False, decider_depth=depth)
    flow.link(b, c)
    play = begun(flow)
    play.succeed(of="a")
    play.vote(False)
    return play


def fan() -> Any:
    """A fan-out over whatever its list holds; one error is the failure of all."""
    return each(FunctorTask(_element, name="file", provides="x", revert=_undo), into="element", over="list")


def fanned(capacity: int = 1) -> Play:
    """A fan-out over two elements."""
    play = begun(fan(), capacity)
    play.expand(2)
    while play.calls:
        play.succeed()
    return play


def writes() -> FunctorTask:
    """The task `a`, whose outcome and what it writes are one transaction."""
    return FunctorTask(_write, name="a", transactional=True)


def _write(conn: Any) -> None: ...


def _must(x: Any) -> None: ...


def _may(x: Any = None) -> None: ...


def _element(element: Any) -> None: ...


def _undo(**anything: Any) -> None: ...


def unknown(recovery: Recovery, **options: Any) -> Play:
    """The owner of a task has died, and the run is taken up again."""
    play = begun(two(recovery=recovery, **options))
    play.calls.clear()
    play.take(Recover(), Resume())
    return play


def timed() -> Play:
    """A task that is tried again later."""
    play = begun(two())
    play.wait(due=100)
    play.fire()
    while play.calls:
        play.succeed()
    return play


def live(play: Play) -> tuple[Watch, State]:
    """Who looks on, and a live state of the same."""
    return watched(play, sound(play)), play.refold()


def call(kind: str, atom: int, attempt: int = 1, execution: int = 1) -> Call:
    return Call(kind, atom, execution, attempt)
