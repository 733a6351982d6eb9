"""The table of timers, which records of certain types set and end in the append that brings them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import orjson
import psycopg

from .tables import Tables

_SET, _ENDED = "timer.set", ("timer.fired", "timer.cancelled")


class Lined(Protocol):
    """Records for one stream."""

    @property
    def stream(self) -> bytes: ...
    @property
    def records(self) -> Sequence[tuple[Any, ...]]: ...


class Change(NamedTuple):
    """A timer of a stream that is set, or with `due` None ended."""

    stream: bytes
    timer: int
    due: int | None


def changes(tables: Tables, lines: Iterable[Lined]) -> list[Change]:
    """What the records change: first all that is set, then all that is ended.

    Changes nothing itself. Raises psycopg.DataError or IntegrityError for facts that do not say what they must.
    """
    made: list[Change] = []
    ended: list[Change] = []
    for line in lines:
        for record in line.records:
            type: str = record[1]
            if type == _SET:
                timer, due = _numbers(record[3], "timer", "due")
                if timer is None or due is None:
                    raise psycopg.errors.NotNullViolation(f"null value in relation \"timer\": facts {record[3]!r}")
                made.append(Change(line.stream, timer, due))
            elif type in _ENDED:
                (timer,) = _numbers(record[3], "timer")
                if timer is not None:
                    ended.append(Change(line.stream, timer, None))
    keys = {change[:2] for change in made}
    if len(keys) < len(made) or any(timer in tables.timers.get(stream, ()) for stream, timer in keys):
        raise psycopg.errors.UniqueViolation("duplicate key value violates unique constraint \"timer_pkey\"")
    return made + ended


def keep(tables: Tables, changes: Iterable[Change]) -> None:
    """Make the changes."""
    for stream, timer, due in changes:
        if due is not None:
            tables.timers.setdefault(stream, {})[timer] = due
        elif (set_there := tables.timers.get(stream)) is not None:
            set_there.pop(timer, None)
            if not set_there:
                del tables.timers[stream]


def _numbers(facts: bytes, *names: str) -> list[int | None]:
    try:
        said = orjson.loads(facts)
        found = [said.get(name) if isinstance(said, dict) else None for name in names]
        # A text of digits is as good: the database takes the field as text and casts that.
        values = [None if each is None else int(each) if type(each) in (int, str) else int(repr(each)) for each in found]
    except ValueError as wrong:
        raise psycopg.DataError(f"facts of a timer: {wrong}") from wrong
    if any(value is not None and not -(2**63) <= value < 2**63 for value in values):
        raise psycopg.DataError(f"bigint out of range in the facts of a timer: {facts!r}")
    return values
