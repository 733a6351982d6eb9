"""Retries of every kind, made by choice; how often they retry is bounded, so that every run comes to an end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...engine.definition import AlwaysRevert, AlwaysRevertAll, Decision, ForEach, ParameterizedForEach, Retry, Times
from .asked import Choosy, Scripted, Taking, Undone
from .making import Making, Seen
from .script import Script

GIVING_UP = (Decision.REVERT, Decision.REVERT, Decision.REVERT_ALL)
MOST = 3
"""Tries of one retry."""


def retry(m: Making, seen: Seen, tries: int) -> tuple[Retry, int]:
    """A retry, and how often it has its flow tried at most; `tries` is the limit, `seen` what it may take."""
    kind = m.pick(_KINDS)
    m.part.atoms += 1
    provides = m.name("x") if m.choose(3) else None
    made, count = kind(m, seen, tries, m.name("r"), provides)
    m.has("retry", type(made).__name__)
    if count > 1:
        m.has("retry that retries")
    return made, count


def _times(m: Making, seen: Seen, tries: int, name: str, provides: str | None) -> tuple[Retry, int]:
    count = _count(m, tries)
    return Times(count, name, provides, revert_all=_all(m)), count


def _for_each(m: Making, seen: Seen, tries: int, name: str, provides: str | None) -> tuple[Retry, int]:
    count = _count(m, tries)
    return ForEach([5 * i for i in range(count)], name, provides, revert_all=_all(m)), count


def _parameterized(m: Making, seen: Seen, tries: int, name: str, provides: str | None) -> tuple[Retry, int]:
    lists = [known for known, is_list in seen.items() if is_list]
    if lists and tries > MOST and m.choose(2):
        values, count = m.pick(lists), MOST + 1  # it may be empty, which is a failure of the retry itself
    else:
        count = _count(m, tries)
        values = m.input([7 * i for i in range(count)])
    return ParameterizedForEach(name, provides, rebind={"values": values}, revert_all=_all(m)), count


def _always(m: Making, seen: Seen, tries: int, name: str, provides: str | None) -> tuple[Retry, int]:
    return AlwaysRevert(name, provides), 1


def _always_all(m: Making, seen: Seen, tries: int, name: str, provides: str | None) -> tuple[Retry, int]:
    return AlwaysRevertAll(name, provides), 1


def _scripted(m: Making, seen: Seen, tries: int, name: str, provides: str | None) -> tuple[Retry, int]:
    """One that a user might have written; what it does may go wrong, too."""
    m.has("user retry")
    kind = m.pick((Scripted, Undone, Choosy, Taking))
    count = _count(m, tries)
    answers = (*[Decision.RETRY] * (count - 1), m.pick(GIVING_UP))
    script = Script()
    if m.goes_wrong(2):
        script = m.failing(script)
        m.has("failing retry")
    if m.goes_wrong(4):
        m.has("raising on_failure")
        script = script._replace(answers=1 + m.choose(2))
    if kind in (Undone, Taking) and m.goes_wrong(4):
        m.has("failing revert", "failing revert of a retry")
        script = script._replace(reverts=1 + m.choose(2))
    m.scripts[name] = script
    more: dict[str, Any] = {}
    if kind is Taking:
        more["rebind"] = {"a": m.pick(list(seen)) if seen else m.input(m.choose(3))}
    elif kind is Choosy and seen:
        more["requires"] = [m.pick(list(seen))]
    return kind(m.world, answers, name, provides, **more), count


def _count(m: Making, tries: int) -> int:
    return 1 + m.choose(min(tries, MOST))


def _all(m: Making) -> bool:
    if m.choose(5) < 4:
        return False
    m.has("revert_all")
    return True


_KINDS: tuple[Callable[[Making, Seen, int, str, str | None], tuple[Retry, int]], ...] = (
    _times, _times, _scripted, _for_each, _scripted, _parameterized, _scripted, _always, _scripted, _always_all,
)  # fmt: skip
