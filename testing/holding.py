"""Who holds what, in the simulated log: workers, taking and giving back, the inbox, what is due (sql/queries/hold.sql)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ..store.io import Rows
from . import unpack
from .tables import Enrolled, Tables, moment


def enroll(tables: Tables, now: int, id: bytes, host: str, pid: int, started: str, lease: float) -> Rows:
    worker, until = unpack.identity(id), now + round(lease * 1e6)
    known = tables.workers.get(worker)
    tables.workers[worker] = Enrolled(host, pid, started, until) if known is None else known._replace(lease_until=until)
    return [(moment(until),)]


def beat(tables: Tables, now: int, id: bytes, lease: float) -> Rows:
    worker = unpack.identity(id)
    known = tables.workers.get(worker)
    if known is None:
        return [(None,)]
    until = now + round(lease * 1e6)
    tables.workers[worker] = known._replace(lease_until=until)
    return [(moment(until),)]


def leave(tables: Tables, now: int, id: bytes) -> Rows:
    return [(tables.workers.pop(unpack.identity(id), None) is not None,)]


def workers(tables: Tables, now: int) -> Rows:
    found = sorted(tables.workers.items(), key=lambda each: (each[1].lease_until, each[0]))
    return [(id, row.host, row.pid, row.started, moment(row.lease_until)) for id, row in found]


def take(tables: Tables, now: int, id: bytes, worker: bytes, steal: bool) -> Rows:
    stream = tables.streams.get(id)
    if stream is None:
        return []
    me = unpack.identity(worker)
    other = None if stream.owner is None or stream.owner == me else tables.workers.get(stream.owner)
    of_owner = (None,) * 4 if other is None else (other.host, other.pid, other.started, moment(other.lease_until))
    taken = steal or other is None or other.lease_until <= now
    if taken:
        stream.epoch += 1
        stream.owner = me
    return [(taken, stream.version, stream.hash, stream.epoch, stream.owner, *of_owner)]


def release(tables: Tables, now: int, id: bytes, epoch: bytes) -> Rows:
    stream = tables.streams.get(id)
    if stream is None or stream.epoch != unpack.number(epoch):
        return [(False,)]
    stream.owner = None
    return [(True,)]


def post(tables: Tables, now: int, id: bytes, message: bytes, kind: str, body: bytes, sender: str) -> Rows:
    stream = tables.streams.get(id)
    if stream is None:
        return [("unknown",)]
    if (id, message) in tables.inbox:
        return [("known",)]
    row = (unpack.identity(message), stream.id, unpack.text(kind), body, unpack.text(sender), moment(now))
    tables.inbox[bytes(id), bytes(message)] = row
    return [("posted",)]


def inbox(tables: Tables, now: int, ids: bytes) -> Rows:
    wanted = set(unpack.whole(ids)) if tables.inbox else ()
    return [row for (stream, _), row in tables.inbox.items() if stream in wanted]


def inbox_of(tables: Tables, now: int, worker: bytes) -> Rows:
    me = unpack.identity(worker)
    return [row for (stream, _), row in tables.inbox.items() if tables.streams[stream].owner == me]


def discard(tables: Tables, now: int, id: bytes, epoch: bytes, messages: bytes) -> Rows:
    stream = tables.streams.get(id)
    if stream is None or stream.epoch != unpack.number(epoch):
        return [(None,)]
    gone = [tables.inbox.pop((id, message), None) for message in unpack.whole(messages)]
    return [(sum(row is not None for row in gone),)]


def due(tables: Tables, now: int, at: bytes, limit: bytes, last: bytes, behind: bytes) -> Rows:
    until, after = unpack.number(at), (unpack.number(last), bytes(behind))
    found: list[tuple[int, bytes]] = []
    for id, timers in tables.timers.items():
        first = min(timers.values())
        if first <= until and (first, id) > after and not tables.alive(tables.streams[id].owner, now):
            found.append((first, id))
    return [(unpack.identity(id), first) for first, id in sorted(found)[: unpack.number(limit)]]


def next_due(tables: Tables, now: int, after: bytes) -> Rows:
    behind = unpack.number(after)
    return [(min((each for timers in tables.timers.values() for each in timers.values() if each > behind), default=None),)]


def settled(tables: Tables, now: int, id: UUID) -> Rows:
    """Nobody ever holds the head of a stream here."""
    return [(id.bytes in tables.streams,)]


QUERIES: dict[str, Any] = {
    query.__name__: query
    for query in (
        enroll, beat, leave, workers, take, release, post, inbox, inbox_of, discard, due, next_due, settled,
    )
}  # fmt: skip
