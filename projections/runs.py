"""The read model of runs: what `list` shows, one row a run, folded from facts alone.

Why a run is in its state is said by values, which may be erased: the row keeps the versions of the records that hold
them, and they are looked up when rows are read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import attrs

from ..codec.records import decode_facts, upcast
from ..codec.values import decode
from ..engine.core import records as r
from ..engine.core.states import SETTLED_RUN, RunState
from ..errors import CorruptLog, Failure
from ..store import wire
from ..store.io import Operation, Query
from ..store.session import Session
from . import base
from .base import Progress, Seen

PAGE = 500
"""Rows that are fetched at a time."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BEFORE_ALL = (-62_000_000_000_000_000, UUID(int=0))
_STATES = {f"run.{state.lower()}": state for state in RunState}
_TROUBLE = {
    r.TASK_FAILURE, r.of_retry(r.TASK_FAILURE), r.RETRY_CONSULTED, r.RETRY_RETRYING, r.GROUP_SETTLED, r.DECIDER_ANSWERED,
}  # fmt: skip
_REVERT_FAILED = (r.TASK_REVERT_FAILURE, r.of_retry(r.TASK_REVERT_FAILURE))
_FIELDS = (
    "run_id", "flow", "state", "version", "definition", "key", "created_at", "updated_at", "started_at", "finished_at",
    "reason_version", "failure_version", "revert_failure_version",
)  # fmt: skip
_TIMES = range(_FIELDS.index("created_at"), _FIELDS.index("finished_at") + 1)
Fields = dict[str, Any]
"""A row as it is folded, by column; times are microseconds since 1970, the id and the state are texts."""


@attrs.frozen
class Row:
    """A run as the read model has it. Times are aware (UTC), by the clocks of the writers.

    `finished_at` is when it came into the settled state that it is in. `reason_version` is that of the record which
    holds a person's reason, `failure_version` of the failed revert that the run is stuck in, else of its first failure
    that no retry and no group has dealt with.
    """

    run_id: UUID
    flow: str
    state: RunState
    version: int
    definition: str | None
    key: str | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    reason_version: int | None
    failure_version: int | None
    _reason: bytes | None = attrs.field(default=None, repr=False, alias="encoded_reason")
    _failure: bytes | None = attrs.field(default=None, repr=False, alias="encoded_failure")

    @property
    def reason(self) -> str | None:
        """What a person gave as the reason for the state; None where none did, or it was erased."""
        said = None if self._reason is None else decode(self._reason)
        reason: str | None = said.get("reason") if isinstance(said, dict) else None
        return reason

    @property
    def failure(self) -> Failure | None:
        """What failed; None where nothing did, or it was erased."""
        return None if self._failure is None else Failure.from_data(decode(self._failure))


class Runs:
    """The projection; see `base.Projection`."""

    name = "runs"

    def fold(self, records: Sequence[Seen], after: int) -> Operation[bool]:
        """Fold a batch onto the rows of its runs."""
        ids = dict.fromkeys(record.stream_id for record in records)
        found = yield Query("runs_load", (wire.uuids([run_id.bytes for run_id in ids]),))
        rows: dict[UUID, Fields | None] = {row[0]: _fields(row) for row in found}
        for record in records:
            rows[record.stream_id] = evolve(rows.get(record.stream_id), record)
        upto = records[-1].position
        changed = json.dumps([row for row in rows.values() if row is not None])
        saved = yield Query("runs_save", (wire.bigint(after), wire.bigint(upto), changed))
        return bool(saved[0][0])

    def reset(self) -> Operation[None]:
        """Drop all rows."""
        yield Query("runs_reset")


RUNS = Runs()


def catch_up(session: Session, progress: Progress | None = None) -> int:
    """Fold what has been committed by now, so that a process can list what it has written; see `base.catch_up`."""
    return session.perform(lambda: base.catch_up(RUNS, progress))


def rebuild(session: Session, progress: Progress | None = None) -> int:
    """Drop and refold all rows, to equal ones."""
    return session.perform(lambda: base.rebuild(RUNS, progress))


def rows(session: Session, *, states: Iterable[RunState] | None = None, flow: str | None = None) -> list[Row]:
    """The rows, oldest first: all, or those of runs in one of `states`, or of flow `flow`. Catch up first."""
    return list(each(session, states=states, flow=flow))


def each(session: Session, *, states: Iterable[RunState] | None = None, flow: str | None = None) -> Iterator[Row]:
    """`rows`, fetched `PAGE` at a time: for more of them than fit in memory."""
    wanted = None if states is None else list(states)
    last = _BEFORE_ALL
    while True:
        found = session.perform(lambda after=last: page(after, wanted, flow))  # type: ignore[misc]  # a default binds it
        yield from found
        if len(found) < PAGE:
            return
        last = (_micros(found[-1].created_at), found[-1].run_id)


def page(
    after: tuple[int, UUID] = _BEFORE_ALL, states: Sequence[RunState] | None = None, flow: str | None = None
) -> Operation[list[Row]]:
    """At most `PAGE` rows behind the run that was created at `after` (microseconds since 1970, id)."""
    wanted = None if states is None else wire.texts([str(state) for state in states])
    found = yield Query("runs_page", (wire.time(after[0]), wire.uuid(after[1]), wanted, flow, wire.bigint(PAGE)))
    return [_row(row) for row in found]


def evolve(row: Fields | None, record: Seen) -> Fields | None:
    """The row after a record; None as long as the stream has not turned out to be a run's. Pure."""
    if row is None:
        return _created(record) if record.type == r.RUN_CREATED else None
    row = {**row, "version": record.version, "updated_at": record.occurred_at}
    if record.type in _STATES:
        _enter(row, _STATES[record.type], record)
    elif record.type == r.RUN_RECOVERED:
        _enter(row, RunState.RUNNING, record)
        row["failure_version"] = None
    elif record.type in _REVERT_FAILED:
        row["revert_failure_version"] = record.version
    elif record.type in _TROUBLE:
        row["failure_version"] = _trouble(row["failure_version"], record)
    return row


def _trouble(failure: int | None, record: Seen) -> int | None:
    """The version of the failure that the run has to show after a record of `_TROUBLE`."""
    facts = _facts(record)
    match record.type:
        case r.RETRY_RETRYING:  # all of its flow begins anew, also what failed since it answered
            return None
        case r.GROUP_SETTLED:
            return None if facts.get("ok") is True else failure
        case r.RETRY_CONSULTED:
            if facts.get("done") == "retry":
                return None
            failed = facts.get("done") == "raised"
        case r.DECIDER_ANSWERED:
            failed = bool(facts.get("raised"))
        case _:  # what waited for its next attempt and is given up tells no failure of its own
            failed = not facts.get("given_up")
    return failure or (record.version if failed else None)


def _created(record: Seen) -> Fields:
    facts = _facts(record)
    row: Fields = dict.fromkeys(_FIELDS)
    row.update(
        run_id=str(record.stream_id),
        flow=facts.get("flow", "?"),
        state=str(RunState.PENDING),
        version=record.version,
        definition=facts.get("definition"),
        key=facts.get("key"),
        created_at=record.occurred_at,
        updated_at=record.occurred_at,
    )
    return row


def _enter(row: Fields, state: RunState, record: Seen) -> None:
    row["state"] = str(state)
    row["finished_at"] = record.occurred_at if state in SETTLED_RUN else None
    if "failure" in _facts(record):
        row["failure_version"] = row["failure_version"] or _facts(record)["failure"]
    if "reason" in _facts(record):
        row["reason_version"] = record.version
    if state is RunState.RUNNING:
        row["started_at"] = row["started_at"] or record.occurred_at
        row["reason_version"] = None
    if state is RunState.PENDING:  # reset: as if it had never begun
        row["started_at"] = row["reason_version"] = None
    if state in (RunState.SUCCESS, RunState.PENDING):
        row["failure_version"] = None
    if state not in (RunState.REVERTING, RunState.WAITING, RunState.FAILURE):
        row["revert_failure_version"] = None


def _facts(record: Seen) -> dict[str, Any]:
    """A record that was damaged must not keep all other runs from being listed: `verify` is there to name it."""
    try:
        facts = decode_facts(record.facts)
    except CorruptLog:
        return {}
    return upcast(record.type, record.schema, facts)


def _fields(found: tuple[Any, ...]) -> Fields:
    row = dict(zip(_FIELDS, found, strict=True))
    row["run_id"] = str(row["run_id"])
    for index in _TIMES:
        sent = found[index]
        row[_FIELDS[index]] = None if sent is None else wire.micros(sent)
    return row


def _row(found: tuple[Any, ...]) -> Row:
    run_id, flow, state, version, definition, key, created_at, updated_at, started_at, finished_at = found[
        : _TIMES.stop
    ]
    reason_version, failure_version, revert_failure_version, reason, failure = found[_TIMES.stop :]
    return Row(
        run_id=run_id,
        flow=flow,
        state=RunState(state),
        version=version,
        definition=definition,
        key=key,
        created_at=_moment(created_at),
        updated_at=_moment(updated_at),
        started_at=started_at and _moment(started_at),
        finished_at=finished_at and _moment(finished_at),
        reason_version=reason_version,
        failure_version=revert_failure_version or failure_version,
        encoded_reason=reason,
        encoded_failure=failure,
    )


def _moment(sent: bytes) -> datetime:
    return _EPOCH + timedelta(microseconds=wire.micros(sent))


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)
