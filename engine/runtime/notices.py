"""`Notices`: who in this process is called after each commit, with the run and the record that is now in its log.

For a program's own reactions to its own runs. What must not be missed, also when this process dies between the commit
and the call, is read from the log.
"""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from functools import partial
from itertools import count
from typing import Any, NamedTuple, TypeAlias

from ...errors import UsageError
from ...store.shape import Append, NewRecord, StoredRow
from .held import Held
from .views import Record, Run, moment

Listener: TypeAlias = Callable[[Run, Record], Any]

_log = logging.getLogger("sagalog.notices")


class _Subscription(NamedTuple):
    pattern: re.Pattern[str]
    callback: Listener


class Notices:
    """The subscriptions of one engine. Any thread may subscribe and unsubscribe; a callback may, too."""

    __slots__ = ("_ids", "_subscriptions")

    def __init__(self) -> None:
        self._subscriptions: dict[int, _Subscription] = {}
        self._ids = count(1)

    def subscribe(self, pattern: str, callback: Listener) -> int:
        """Call `callback(run, record)` for each record from now on whose type matches; the id is for `unsubscribe`.

        `pattern` is as in fnmatch, `task.*`, `*.failure`, `*` for all. It is called when the record is durable, records
        of one run in their order, on the thread that has appended them: the run goes on when it returns. What it raises
        is logged, and changes nothing. A `Run` that is kept shows what is known of the run when it is looked at.

        Raises:
            UsageError: the pattern is no text or empty; the callback is none, or a coroutine function.
        """
        if not isinstance(pattern, str) or not pattern:
            raise UsageError(f"subscribe: the pattern must be text such as 'task.*' or '*'; found {pattern!r}")
        if not callable(callback):
            raise UsageError(f"subscribe: the callback takes (run, record); found {callback!r}, which cannot be called")
        if any(map(inspect.iscoroutinefunction, (callback, type(callback).__call__))):
            raise UsageError(f"subscribe: {callback!r} is a coroutine function; give a plain one, which may start tasks")
        id = next(self._ids)
        # A new dict each time: whoever is just being told goes through the old one.
        self._subscriptions = {**self._subscriptions, id: _Subscription(re.compile(translate(pattern)), callback)}
        return id

    def unsubscribe(self, id: int) -> bool:
        """Call it no more; whether there was such a subscription."""
        left = dict(self._subscriptions)
        found = left.pop(id, None) is not None
        self._subscriptions = left
        return found

    @property
    def heard(self) -> bool:
        """Whether anybody listens."""
        return bool(self._subscriptions)

    def appended(self, held: Held, append: Append) -> None:
        """Tell of what has just become durable; the head has moved. Costs nothing where nobody listens."""
        if self._subscriptions:
            first = held.head.version - len(append.records) + 1
            rows = enumerate(append.records, first)
            self.publish(Run(held), ((row.type, partial(_record, held, append, at, row)) for at, row in rows))

    def publish(self, run: Run, records: Iterable[tuple[str, Callable[[], Record]]]) -> None:
        """Tell of each record, by its type and how it is made: afresh, for each one who wants it."""
        for type, make in records:
            for pattern, callback in self._subscriptions.values():
                if pattern.match(type):
                    try:
                        callback(run, make())
                    except (Exception, SystemExit):
                        _log.exception("run %s: %r raised when told of %s; the run goes on", run.id, callback, type)


def _record(held: Held, append: Append, version: int, row: NewRecord) -> Record:
    """The record as it was sent. The log alone knows its position and hash: 0 and "" here."""
    stored = StoredRow(
        0, held.id, version, row.record_id, row.type, row.schema, append.head.epoch, append.actor, append.occurred_at,
        moment(append.occurred_at), append.correlation, row.causation, row.facts, row.value, row.encoding, row.key_id,
        None, None, row.meta, b"",
    )  # fmt: skip
    return Record.of(stored, held.compiled.definition)
