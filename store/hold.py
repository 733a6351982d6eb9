"""Who holds a stream: workers and their leases, taking and giving back; what calls an owner: the inbox and timers."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from . import wire
from .io import Operation, Query
from .shape import Head

LEASE = 10.0
"""Seconds that a sign of life holds, unless said otherwise."""
_EVER = -(2**63)
"""Before every time."""
_NOBODY = UUID(int=0)
"""Before every stream."""


class Worker(NamedTuple):
    """A process that may own streams.

    `host` names machine, boot and process namespace, apart by spaces; `started` is when the process began, in clock
    ticks since that boot. What is not known is empty. `lease_until` is None before it is enrolled.
    """

    id: UUID
    host: str
    pid: int
    started: str
    lease_until: datetime | None = None


class Held(NamedTuple):
    """A stream that is another's; `worker` is None when its row is gone."""

    owner: UUID
    lease_until: datetime
    worker: Worker | None


class Message(NamedTuple):
    """What waits in the inbox of a stream."""

    message_id: UUID
    stream_id: UUID
    kind: str
    body: bytes
    sender: str
    sent_at: datetime


def this_process(id: UUID) -> Worker:
    """The row for this process."""
    return Worker(id, _place(), os.getpid(), _started(os.getpid()) or "")


def gone(worker: Worker | None) -> bool:
    """Whether a worker's process has provably ended: it was on this machine, in this boot and process namespace, and
    there is no process of its number now that began when it did. False whenever that cannot be told.
    """
    if worker is None or not worker.started or worker.host != _place() or "?" in worker.host:
        return False
    return _started(worker.pid) != worker.started


def enroll(worker: Worker, lease: float = LEASE) -> Operation[datetime]:
    """Give the first sign of life, for `lease` seconds; returns until when it holds."""
    params = (wire.uuid(worker.id), worker.host, worker.pid, worker.started, float(lease))
    rows = yield Query("enroll", params)
    until: datetime = rows[0][0]
    return until


def beat(worker_id: UUID, lease: float = LEASE) -> Operation[datetime | None]:
    """Give another sign of life; None: the worker is not enrolled (any more), and may have lost what it held."""
    rows = yield Query("beat", (wire.uuid(worker_id), float(lease)))
    until: datetime | None = rows[0][0]
    return until


def leave(worker_id: UUID) -> Operation[bool]:
    """Strike the worker off: all that it still holds is free. Says whether it was enrolled."""
    rows = yield Query("leave", (wire.uuid(worker_id),))
    was: bool = rows[0][0]
    return was


def expire(worker_id: UUID) -> Operation[bool]:
    """End the lease of a worker that is `gone`. Says whether it had one."""
    return (yield from leave(worker_id))


def workers() -> Operation[list[Worker]]:
    """All who are enrolled, those whose lease ends first before the others."""
    rows = yield Query("workers")
    return [Worker(*row) for row in rows]


def take(stream_id: UUID, worker_id: UUID, steal: bool = False) -> Operation[Head | Held | None]:
    """Become the owner of a stream: its head at a new epoch, which fences out whoever was the owner before.

    A stream can be taken that is free, one's own, or its owner's whose lease has run out; with `steal`, any. Otherwise
    `Held` says who has it. None: there is no such stream.
    """
    rows = yield Query("take", (wire.uuid(stream_id), wire.uuid(worker_id), bool(steal)))
    if not rows:
        return None
    taken, version, hash, epoch, owner, host, pid, started, until = rows[0]
    if taken:
        return Head(stream_id, version, hash, epoch, owner)
    return Held(owner, until, Worker(owner, host, pid, started, until))


def release(stream_id: UUID, epoch: int) -> Operation[bool]:
    """Give a stream back; False: it was taken over already."""
    rows = yield Query("release", (wire.uuid(stream_id), wire.bigint(epoch)))
    was: bool = rows[0][0]
    return was


def post(stream_id: UUID, message_id: UUID, kind: str, body: bytes, sender: str) -> Operation[str]:
    """Put a message into a stream's inbox: 'posted', 'known' (it waits there already) or 'unknown' (no such stream).

    A message that was accepted earlier is posted again: its id is in the stream, and the owner drops it (`discard`).
    """
    rows = yield Query("post", (wire.uuid(stream_id), wire.uuid(message_id), kind, body, sender))
    outcome: str = rows[0][0]
    return outcome


def inbox(stream_ids: Sequence[UUID]) -> Operation[list[Message]]:
    """What waits for these streams, in the order it arrived."""
    rows = yield Query("inbox", (wire.uuids([stream_id.bytes for stream_id in stream_ids]),))
    return [Message(*row) for row in rows]


def inbox_of(worker_id: UUID) -> Operation[list[Message]]:
    """What waits for all streams that a worker owns, in the order it arrived; as cheap for 10,000 streams as for one."""
    rows = yield Query("inbox_of", (wire.uuid(worker_id),))
    return [Message(*row) for row in rows]


def discard(stream_id: UUID, epoch: int, message_ids: Sequence[UUID]) -> Operation[bool]:
    """Drop messages that the stream accepted before; False: the epoch is not ours any more, nothing was dropped."""
    ids = wire.uuids([message_id.bytes for message_id in message_ids])
    rows = yield Query("discard", (wire.uuid(stream_id), wire.bigint(epoch), ids))
    return rows[0][0] is not None


def due(now: int, limit: int, after: tuple[int, UUID] | None = None) -> Operation[list[tuple[UUID, int]]]:
    """At most `limit` streams that have a timer due by `now` and an owner who is not, or gives no sign of life any more.

    Each with its earliest due time, earliest first; times are microseconds since 1970. A stream whose timers nobody
    answers comes again and again: to see what lies behind it, give the last (due, stream) as `after`.
    """
    last, stream_id = after or (_EVER, _NOBODY)
    params = (wire.bigint(now), wire.bigint(limit), wire.bigint(last), wire.uuid(stream_id))
    rows = yield Query("due", params)
    return [(found, at) for found, at in rows]


def next_due(after: int | None = None) -> Operation[int | None]:
    """The earliest time at which a timer of any stream is due, later than `after` if given; None: no timer is set."""
    rows = yield Query("next_due", (wire.bigint(_EVER if after is None else after),))
    at: int | None = rows[0][0]
    return at


def _place() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        boot = space = "?"  # not Linux: nothing can be proved about another process
    return f"{platform.node() or '?'} {boot} {space}"


def _started(pid: int) -> str | None:
    """When a process began, in clock ticks since boot; None: there is none, or only the remains of one."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is the program's name in brackets, which may hold anything. A zombie has ended.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]
