"""What every consumer of the log does: read on from its checkpoint, fold, write rows and checkpoint in one transaction.

Any number of processes may catch the same projection up at once. Each folds a batch on the rows as they stand, and
writes it by one call that first moves the checkpoint from where the batch began; who finds it moved already has folded
in vain, and goes on from where it is now. So each record is folded once, in order, whoever dies in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeAlias
from uuid import UUID

from ..store import log, wire
from ..store.io import Operation, Query
from ..store.rebuild import Stage

BATCH = 2_000
"""Records that are folded at a time."""
PATIENCE = 2.0
"""Seconds that `catch_up` waits for writers that hold the horizon below what it is to reach."""
_PAUSE = 0.01

Progress: TypeAlias = Callable[[int, int], object]
"""Told the position that has been reached, and the one to reach."""


class Seen(NamedTuple):
    """A record as a projection sees it, without its value; `occurred_at` is microseconds since 1970."""

    position: int
    stream_id: UUID
    version: int
    type: str
    schema: int
    occurred_at: int
    facts: bytes


class Projection(Protocol):
    """A read model, by `name`, which is that of its checkpoint."""

    name: str

    def fold(self, records: Sequence[Seen], after: int) -> Operation[bool]:
        """Fold records on top of what was folded up to position `after`; write all, and the checkpoint, by one query.

        False, and nothing is written: the checkpoint is not at `after` any more.
        """
        ...

    def reset(self) -> Operation[None]:
        """Drop all rows and move the checkpoint to 0, in one transaction."""
        ...


def catch_up(projection: Projection, progress: Progress | None = None, patience: float = PATIENCE) -> Operation[int]:
    """Fold all that had been committed when this was called; return the position of the checkpoint.

    What has been committed behind a transaction that is still open is waited for, `patience` seconds in all. Outside
    a transaction or in a READ COMMITTED one, on the primary (see `log.tail`).
    """
    position, goal = (yield from checkpoint(projection)), (yield from _goal())
    while position < goal:
        upto = yield from log.horizon()
        records = (yield from _tail(position, upto)) if upto > position else []
        if records:
            folded = yield from projection.fold(records, position)
            position = records[-1].position if folded else (yield from checkpoint(projection))
            if progress is not None:
                progress(min(position, goal), goal)
        elif upto >= goal or patience <= 0:
            break
        else:
            yield Query("projection_wait", (_PAUSE,))
            patience -= _PAUSE
    if progress is not None:
        progress(goal, goal)
    return position


def rebuild(projection: Projection, progress: Progress | None = None) -> Operation[int]:
    """Drop the read model and fold it anew from the first record; return the position of the checkpoint.

    Readers see it grow meanwhile, unless it happens in one transaction, as in `stage`.
    """
    yield from projection.reset()
    return (yield from catch_up(projection, progress))


def stage(projection: Projection) -> Stage:
    """A part of `store.rebuild.rebuild`."""

    def run(told: Progress) -> Operation[None]:
        yield from rebuild(projection, told)

    return Stage(projection.name, run)


def checkpoint(projection: Projection) -> Operation[int]:
    """The position of the last record that has been folded; 0 before the first."""
    rows = yield Query("projection_checkpoint", (projection.name,))
    return int(rows[0][0]) if rows else 0


def _goal() -> Operation[int]:
    rows = yield Query("projection_goal")
    return int(rows[0][0])


def _tail(after: int, upto: int) -> Operation[list[Seen]]:
    rows = yield Query("projection_tail", (wire.bigint(after), wire.bigint(upto), wire.bigint(BATCH)))
    micros = wire.micros
    return [Seen._make((*row[:5], micros(row[5]), row[6])) for row in rows]
