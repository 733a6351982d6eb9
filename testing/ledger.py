"""`Ledger`: the world outside, as a test sees it. It knows nothing of the log and counts each call before anything else."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from ..errors import UsageError


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

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries: list[Entry] = list(entries)
        self._known = {(entry.what, entry.key) for entry in self._entries if entry.key is not None}
        self._lock = threading.Lock()
        self._listeners: list[Callable[[Entry], object]] = []

    def call(self, what: str, key: str | None = None, **details: Any) -> Entry:
        """Note that the outside was called, and say what came of it."""
        with self._lock:
            entry = self._take(what, None if key is None else str(key), details)  # as a file keeps it
        for listener in self._listeners:
            listener(entry)
        return entry

    def calls(self, what: str | None = None) -> list[Entry]:
        """All calls, or those for one thing, in the order they came; repeated ones too."""
        with self._lock:
            return [entry for entry in self._all() if what in (None, entry.what)]

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
            self._all()
            return (what, str(key)) in self._known

    def since(self, count: int) -> Ledger:
        """The calls behind the first `count`, as a ledger of their own."""
        return Ledger(self.calls()[count:])

    def listen(self, listener: Callable[[Entry], object]) -> Callable[[], None]:
        """Call `listener(entry)` behind each call from now on, on its thread; the function that is returned ends that."""
        self._listeners = [*self._listeners, listener]

        def stop() -> None:
            self._listeners = [other for other in self._listeners if other is not listener]

        return stop

    # --- what is kept where: with the lock held ---------------------------------------------------------------------

    def _take(self, what: str, key: str | None, details: dict[str, Any]) -> Entry:
        return self._note(what, key, details)

    def _all(self) -> list[Entry]:
        return self._entries

    def _note(self, what: str, key: str | None, details: dict[str, Any]) -> Entry:
        repeated = key is not None and (what, key) in self._known
        entry = Entry(what, key, MappingProxyType(details), repeated)
        self._entries.append(entry)
        if key is not None:
            self._known.add((what, key))
        return entry


class FileLedger(Ledger):
    """A ledger in a file, for processes that are killed: a call that was made is in it, whatever becomes of its caller.

    Any number of processes may share the file. `details` are kept as JSON, and as text what JSON has nothing for.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__()
        self.path = Path(path)
        self._read = 0  # bytes of the file that are in `_entries`

    def _take(self, what: str, key: str | None, details: dict[str, Any]) -> Entry:
        line = json.dumps([what, key, details], default=str).encode() + b"\n"
        file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._catch_up(file, alone=True)
            os.write(file, line)
            self._catch_up(file)
        finally:
            os.close(file)
        return self._entries[-1]

    def _all(self) -> list[Entry]:
        if self.path.exists():
            file = os.open(self.path, os.O_RDONLY)
            try:
                self._catch_up(file)
            finally:
                os.close(file)
        return self._entries

    def _catch_up(self, file: int, alone: bool = False) -> None:
        """Read what others have written. `alone`: nobody writes now, so that a line without an end is a dead one's."""
        size = os.fstat(file).st_size
        data = os.pread(file, size - self._read, self._read)
        whole = data[: data.rfind(b"\n") + 1]
        if alone and len(whole) < len(data):
            os.ftruncate(file, self._read + len(whole))
        for line in whole.splitlines():
            try:
                what, key, details = json.loads(line)
            except ValueError as error:
                raise UsageError(f"{self.path}: expected the file of a FileLedger, found {line[:60]!r}") from error
            self._note(what, key, details)
        self._read += len(whole)
