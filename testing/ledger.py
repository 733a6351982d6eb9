"""`Ledger`: the world outside, as a test sees it. It knows nothing of the log and counts each call before anything else."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """One call of the outside: what was asked for, under which idempotency key, with which details.

    `repeated`: the same was asked for before under the same key, so that this call took no effect.
    """

    what: str
    key: str | None
    details: Mapping[str, Any]
    repeated: bool


class Ledger:
    """Records every call, in order, from any thread of this process.

    A provider that deduplicates by idempotency key is played by giving `key`; a call without one always takes effect.
    """

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._known: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def call(self, what: str, key: str | None = None, **details: Any) -> Entry:
        """Note that the outside was called, and say what came of it."""
        with self._lock:
            repeated = key is not None and (what, key) in self._known
            entry = Entry(what, key, MappingProxyType(dict(details)), repeated)
            self._entries.append(entry)
            if key is not None:
                self._known.add((what, key))
            return entry

    def calls(self, what: str | None = None) -> list[Entry]:
        """All calls, or those for one thing, in the order they came; repeated ones too."""
        with self._lock:
            return [entry for entry in self._entries if what in (None, entry.what)]

    def effects(self, what: str | None = None) -> list[Entry]:
        """The calls that took effect: all but the repeated ones."""
        return [entry for entry in self.calls(what) if not entry.repeated]

    def count(self, what: str | None = None) -> int:
        """How many calls there were."""
        return len(self.calls(what))

    def counts(self) -> Counter[tuple[str, str | None]]:
        """How often each thing was asked for under each key."""
        return Counter((entry.what, entry.key) for entry in self.calls())

    def knows(self, what: str, key: str) -> bool:
        """Whether a call under this key has been made: what a probe asks of the outside. Not counted as a call."""
        with self._lock:
            return (what, key) in self._known
