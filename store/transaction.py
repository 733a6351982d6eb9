"""Around a transactional task: begin, close, commit. The task's own statements run in between, on the same connection."""

from __future__ import annotations

from uuid import uuid4

from ..errors import FlowError
from . import log
from .io import Operation, Query
from .shape import Append

RETRYABLE = ("40001", "40P01")
"""SQLSTATEs of a transaction that may be tried again as it is: serialization failure, deadlock."""


def begin() -> Operation[str]:
    """Open a transaction, as the role that connected; returns the mark by which `closing` knows it again."""
    mark = uuid4().hex
    yield Query("tx_begin")
    yield Query("tx_mark", (mark,))
    return mark


def closing(mark: str) -> Operation[None]:
    """Become the writer again, for the append.

    Raises:
        FlowError: the task's code has ended the transaction that it was given.
    """
    yield Query("tx_immediate")
    rows = yield Query("tx_close")
    if rows[0][0] != mark:
        raise FlowError(
            "a transactional task ended its transaction (commit or rollback on `conn`); it must leave that to the engine, "
            "which commits what the task wrote together with its outcome"
        )


def commit() -> Operation[None]:
    """Commit what the task wrote and the append."""
    yield Query("tx_commit")


def rollback() -> Operation[None]:
    """Undo both."""
    yield Query("tx_rollback")


def settled(append: Append) -> Operation[bool]:
    """Whether the append of a lost transaction is in the log; its head is moved if it is.

    Waits for that transaction to end, if the server still has it.
    """
    head = append.head
    yield Query("settled", (head.stream_id,))
    rows = yield from log.read(head.stream_id, head.version + 1)
    ours = [record.record_id for record in append.records]
    if [row.record_id for row in rows[: len(ours)]] != ours:
        return False
    head.version += len(ours)
    head.hash = rows[len(ours) - 1].hash
    head.owner = append.owner
    return True
