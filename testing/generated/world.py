"""`World`: the outside that all code of one case acts on. It answers by scripts, never by attempt, time or chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any
from zlib import crc32

import orjson

from ...engine.definition import Context, Outcome, ResultSet
from ...errors import Failure
from ..ledger import Ledger
from .script import Key, Refused, Script, key_of, text

WRITE = "INSERT INTO world (key) VALUES (%s)"
"""The statement of transactional tasks; its one parameter is the text of the key."""
TABLE = "CREATE TABLE IF NOT EXISTS world (key text NOT NULL)"
"""The table that a test on a real database makes for it."""


class World:
    """What has been done outside, and what fails there.

    A call is known by its key alone, and by how many failures of that key are *recorded*: a call that is made again after
    a crash is answered as before.

    Attributes:
        scripts: {name of an atom or fan-out: how its calls are answered}.
        ledger: every call of an execute or a revert, under the text of its key. Its details: `args`, a checksum of what
            was looked up for it, `ends` ("returns", "raises"), and for a revert `result` and `flow_failures` as handed in,
            for a retry `tries`. A call inside a transaction is in there too, whatever becomes of the transaction.
        failed: how many failures have been given, by key; a simulator sets it back to what the log holds by `rewind`.
        done: {key: what was returned} of every effect that is there.
        hooks: how often each hook was called, by its name and that of its task: "pre_execute t3".
    """

    def __init__(self, scripts: Mapping[str, Script]) -> None:
        self.scripts = scripts
        self.reset()

    def reset(self) -> None:
        """Back to the start: nothing has been done, nothing has failed. The ledger is a new one."""
        self.ledger = Ledger()
        self.failed: Counter[Key] = Counter()
        self.done: dict[Key, Any] = {}
        self.hooks: Counter[str] = Counter()
        self._open: dict[Key, Any] = {}

    def rewind(self, recorded: Mapping[Key, int]) -> None:
        """After a crash: of the failures that were given, these are recorded; the others are nobody's knowledge."""
        self.failed = Counter(recorded)

    def happened(self, key: Key) -> tuple[bool, Any]:
        """(whether the effect is there, what the call returned): the truth, whatever the log says."""
        return key in self.done, self.done.get(key)

    def committed(self, key: str) -> None:
        """A transaction was committed in which `write` was called with the key of this text."""
        which = key_of(key)
        self.done[which] = self._open.pop(which, None)

    def write(self, conn: Any, key: Key) -> None:
        """Write through a transaction: it is there once that is committed."""
        conn.execute(WRITE, (text(key),))

    def script(self, atom: str) -> Script:
        """How the calls of an atom, or of an element `name[i]`, are answered."""
        found = self.scripts.get(atom)
        return self.scripts[atom[: atom.rindex("[")]] if found is None else found

    def call(self, context: Context, direction: str, handed: tuple[Any, ...], conn: Any = None, **details: Any) -> Any:
        """What a call comes to; whatever its script says, which may be an exception. With `conn` its effect is a write."""
        key = (context.atom, context.execution, direction)
        script = self.script(context.atom)
        fails = script.fails(key, self.failed[key])
        args = checksum(handed)
        _spoil(handed)
        ends = "raises" if fails else "returns"
        self.ledger.call(f"{direction} {context.atom}", text(key), args=args, ends=ends, **details)
        if conn is not None:
            self.write(conn, key)
        if fails:
            return self.fail(key, script.error)
        result = script.result(key, args)
        (self.done if conn is None else self._open)[key] = result
        return result

    def fail(self, key: Key, error: type[BaseException] | None) -> Outcome:
        """Give a failure: raise it, or return it where there is nothing to raise and it is that of an execute."""
        self.failed[key] += 1
        if error is None and key[2] == "execute":
            return Outcome.error(text(key))
        raise (error or Refused)(text(key))


def _spoil(value: Any) -> None:
    """Change what was handed to code, as code may: nobody else must see that."""
    if isinstance(value, list):
        value.append("spoiled")
    elif isinstance(value, dict):
        value["spoiled"] = True
    elif isinstance(value, tuple):
        for each in value:
            _spoil(each)


def checksum(value: Any) -> int:
    """A number that stands for a value that was handed to code: equal values, equal numbers."""
    return crc32(orjson.dumps(value, default=_plain))


def _plain(value: Any) -> Any:
    """A failure by what it says (its traceback is of no account), a view by its elements, anything else by its name."""
    if isinstance(value, Failure):
        return [value.type, value.message, value.atom]
    if isinstance(value, ResultSet):
        return list(value)
    return repr(value)
