"""The facts of records to stored bytes and back, and what becomes of facts that older code has written.

Facts are the engine's own: texts, finite numbers, true, false, null, lists and objects of these, so they need no tags
and cost one call. A record type whose facts change gets the next schema number in `SCHEMAS`, and an upcaster from the
number before; stored bytes are never rewritten.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from ..engine.core import records as r
from ..errors import CorruptLog, NotStorable, SchemaMismatch

Facts = dict[str, Any]
Upcaster = Callable[[Facts], Facts]

_TASK = (
    r.TASK_PENDING, r.TASK_RUNNING, r.TASK_WAITING, r.TASK_SUCCESS, r.TASK_FAILURE, r.TASK_IGNORED, r.TASK_UNKNOWN,
    r.TASK_REVERTING, r.TASK_REVERTED, r.TASK_REVERT_FAILURE, r.TASK_REVERT_UNKNOWN,
)  # fmt: skip

SCHEMAS: dict[str, int] = {
    r.RUN_CREATED: 1,
    r.RUN_CLAIMED: 1,
    r.RUN_RUNNING: 1,
    r.RUN_WAITING: 1,
    r.RUN_SUSPENDING: 1,
    r.RUN_SUSPENDED: 1,
    r.RUN_REVERTING: 1,
    r.RUN_SUCCESS: 1,
    r.RUN_REVERTED: 1,
    r.RUN_REVERTED_PARTLY: 1,
    r.RUN_FAILURE: 1,
    r.RUN_ABANDONED: 1,
    r.RUN_RECOVERED: 1,
    r.RUN_PENDING: 1,
    **dict.fromkeys(_TASK, 1),
    r.TASK_PROGRESS: 1,
    **dict.fromkeys(map(r.of_retry, _TASK), 1),
    r.RETRY_CONSULTED: 1,
    r.RETRY_RETRYING: 1,
    r.RETRY_GIVEN_UP: 1,
    r.DECIDER_ANSWERED: 1,
    r.GROUP_SETTLED: 1,
    r.EACH_ELEMENTS: 1,
    r.EACH_OPENED: 1,
    r.TIMER_SET: 1,
    r.TIMER_FIRED: 1,
    r.TIMER_CANCELLED: 1,
    r.MESSAGE_ACCEPTED: 1,
    r.OPERATOR_AMENDED: 1,
}
"""Record type -> the schema number that this code writes; the closed list of the types there are."""

UPCASTERS: dict[tuple[str, int], Upcaster] = {}
"""(Record type, schema number) -> facts of that number to facts of the next."""

_NUMBERS = set(SCHEMAS.values())
_type = type  # `type` is also what a record's type is called here

# Without these orjson would write a subclass or a datetime as something else, silently.
_EXACT = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
_BACKSLASH = ord("\\")
# An even number of backslashes before it, else it is a backslash and the letters u0000.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def encode_facts(facts: Facts) -> bytes:
    """The stored form of facts, UTF-8 JSON that casts to jsonb; NotStorable names the fact that has none."""
    try:
        data = orjson.dumps(facts, option=_EXACT)
    except TypeError:
        raise _unstorable(facts) from None
    if _BACKSLASH in data and _NUL.search(data):
        raise _unstorable(facts)
    return data


def decode_facts(data: bytes) -> Facts:
    """The facts of stored bytes, made afresh by each call; CorruptLog for anything but a JSON object."""
    try:
        facts = orjson.loads(data)
    except ValueError as error:
        raise CorruptLog(f"stored facts: expected JSON, found {data[:40]!r} ({error}); run `sagalog verify`") from error
    if type(facts) is not dict:
        raise CorruptLog(f"stored facts: expected an object, found {data[:40]!r}; run `sagalog verify`")
    return facts


def decode_all(types: Sequence[str], schemas: Sequence[int], stored: Sequence[bytes]) -> list[Facts]:
    """The facts of many records as this code knows them: `decode_facts` and `upcast` of each, several times as fast."""
    try:
        facts: list[Facts] = orjson.loads(b"[" + b",".join(stored) + b"]")
    except ValueError:
        facts = []
    # Bytes that are no JSON, or that are more than one value, or none, are found one by one.
    if len(facts) != len(stored) or list(map(_type, facts)).count(dict) != len(facts):  # counting is quicker than a set
        facts = [decode_facts(data) for data in stored]
    if len(_NUMBERS) > 1 or schemas.count(*_NUMBERS) != len(schemas):  # else each is what this code writes of any type
        return [upcast(*each) for each in zip(types, schemas, facts, strict=True)]
    return facts


def upcast(
    type: str,
    schema: int,
    facts: Facts,
    *,
    schemas: Mapping[str, int] = SCHEMAS,
    upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
) -> Facts:
    """Facts as this code knows them, of facts that were written with `schema`.

    Raises SchemaMismatch for a type or number that only newer code can have written, CorruptLog for one that none has.
    """
    current = schemas.get(type)
    if schema == current:
        return facts
    if current is None or schema > current:
        known = "does not know the type" if current is None else f"knows it up to schema {current}"
        raise SchemaMismatch(f"record {type}, schema {schema}: this code {known}; read the log with newer code")
    for number in range(schema, current):
        upcaster = upcasters.get((type, number))
        if upcaster is None:
            raise CorruptLog(
                f"record {type}, schema {schema}: nothing leads from schema {number}; run `sagalog verify`"
            )
        facts = upcaster(facts)
    return facts


def _unstorable(facts: Facts) -> NotStorable:
    """Which fact it was: found only once something is wrong, so that the good case costs nothing."""
    advice = "facts are texts without NUL, numbers (whole ones up to 64 bits), true, false, null, lists and objects"
    for name, fact in facts.items():
        try:
            if _NUL.search(orjson.dumps({name: fact}, option=_EXACT)):
                return NotStorable(f"facts.{name!s:.60}", "str", "it holds a NUL character", advice)
        except TypeError as error:
            return NotStorable(f"facts.{name!s:.60}", fact.__class__.__qualname__, str(error), advice)
    return NotStorable("facts", "dict", "it cannot be written as JSON", advice)
