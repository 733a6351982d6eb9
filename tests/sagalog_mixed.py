"""Flows of everything there is, made by choices: `choose(n)` gives a whole number from 0 to below n.

Hypothesis can draw the choices, or a seeded generator of random numbers make them: the same choices, the same flow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sagalog.engine.definition import (
    AlwaysRevert,
    Flow,
    FunctorTask,
    OutcomePolicy,
    Recovery,
    each,
    graph,
    happened,
    linear,
    unordered,
)

Choose = Callable[[int], int]
T = TypeVar("T")

DEPTHS = ("ALL", "FLOW", "NEIGHBORS", "ATOM")
POLICIES = tuple(OutcomePolicy)
ACTIVE = (Recovery.RERUN, Recovery.RERUN, Recovery.SKIP, Recovery.PROBE, Recovery.ASK)


class Undone(AlwaysRevert):
    """A retry with something to be undone."""

    def revert(self, **anything: Any) -> None: ...


def pick(choose: Choose, among: Sequence[T]) -> T:
    """One of them."""
    return among[choose(len(among))]


def mixed(choose: Choose, size: int = 10, depth: int = 3) -> Flow:
    """A flow of at most `size` tasks and fan-outs, nested at most `depth` deep, with whatever flows may have."""
    return _Maker(choose, size).flow(depth, [])


class _Maker:
    """`left`: how many tasks there may still be; `count`: numbers for names."""

    def __init__(self, choose: Choose, size: int) -> None:
        self.choose = choose
        self.left = size
        self.count = 0

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}"

    def often(self, one_in: int) -> bool:
        """Once in so many times."""
        return self.choose(one_in) == one_in - 1

    def flow(self, depth: int, seen: list[str]) -> Flow:
        """`seen`: the names that its atoms may take; what it provides itself is added to them where it is seen."""
        kind = pick(self.choose, ("linear", "linear", "unordered", "group", "graph"))
        retry = None
        if self.often(2):
            retry = pick(self.choose, (AlwaysRevert, Undone))(self.name("r"), provides=self.provided())
        inside = [*seen, *(retry.provides if retry else ())]
        if kind == "linear":
            flow: Flow = linear(self.name("f"), retry)
        elif kind == "graph":
            return self.graph(graph(self.name("f"), retry), depth, inside)
        elif kind == "unordered":
            flow = unordered(self.name("f"), retry)
        else:
            flow = unordered(
                self.name("f"), retry, outcome=pick(self.choose, POLICIES), provides=self.provided()
            )
        while self.left and self.choose(6):
            item = self.item(depth - 1, inside)
            flow.add(item)
            if kind == "linear":
                inside += item.provides
        return flow

    def graph(self, flow: Any, depth: int, seen: list[str]) -> Flow:
        items: list[Any] = []
        while self.left and self.choose(6):
            items.append(self.item(depth - 1, seen))
            flow.add(items[-1])
            for source in items[:-1]:
                if self.often(2):
                    if self.often(2) and _atoms(source):
                        flow.link(source, items[-1], decides, pick(self.choose, DEPTHS))
                    else:
                        flow.link(source, items[-1])
        return flow  # type: ignore[no-any-return]  # it is one

    def item(self, depth: int, seen: list[str]) -> Any:
        if depth and self.often(3):
            return self.flow(depth, seen)
        self.left -= 1
        if self.often(4):
            return each(
                self.task(seen), into="element", provides=self.provided(), outcome=pick(self.choose, POLICIES),
                on_empty=pick(self.choose, ("ok", "policy")),
            )  # fmt: skip
        return self.task(seen)

    def provided(self) -> str | None:
        return self.name("x") if self.choose(3) else None

    def task(self, seen: list[str]) -> FunctorTask:
        options = dict(pick(self.choose, ({"revert": nothing}, {"revert": nothing}, {}, {"compensation": "irreversible"})))
        active = pick(self.choose, ACTIVE)
        recovery: Any = active
        if self.often(4):
            recovery = {"ACTIVE": active}
            recovery |= {key: pick(self.choose, ("RERUN", "SKIP")) for key in ("READY", "FAILURE", "SUCCESS")}
        if active is Recovery.PROBE:
            options["probe"] = happened
        if "revert" in options:
            back = pick(self.choose, (Recovery.RERUN, Recovery.PROBE, Recovery.ASK))
            options |= {"probe_revert": happened} if back is Recovery.PROBE else {}
            options["revert_recovery"] = back
        takes = {"taken": pick(self.choose, seen)} if seen and self.choose(3) else {}
        return FunctorTask(
            pick(self.choose, (needs, may_take)) if takes else alone, self.name("t"), provides=self.provided(),
            rebind=takes, priority=self.choose(3), recovery=recovery, **options,
        )  # fmt: skip


def nothing() -> None: ...


def alone(element: Any) -> None: ...


def needs(element: Any, taken: Any) -> None: ...


def may_take(element: Any, taken: Any = None) -> None: ...


def decides(history: Any) -> bool:
    return True


def _atoms(item: Any) -> bool:
    """Whether there is an atom in it, whose result a decider can be shown."""
    return not isinstance(item, Flow) or item.retry is not None or any(map(_atoms, item.items))
