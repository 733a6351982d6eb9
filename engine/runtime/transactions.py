"""Transactional tasks: their code, and the append of its outcome, in one database transaction.

The connection is in a transaction from before the code until the outcome's COMMIT is known; that is the run's append
slot, and outcomes of siblings wait for it. If the commit's answer is lost, the log is asked: the outcome is there, and
so is what the code wrote, or neither is. All of it happens on one thread at a time, the caller's or one of a pool.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import psycopg

from ...errors import FlowError
from ...store import log, transaction
from ...store.fault import explain
from ...store.io import Operation
from ...store.session import Session
from ...store.shape import Append, Refusal
from ..core.decide import Aborted, Call, Failed, Succeeded
from .calls import Outcome, invoke_for, stages
from .failing import failed
from .held import Held
from .prepared import prepared

TRIES = 5
"""How often in a row one call may be broken off by the database before that is its failure."""
SERVERS_OWN = ("53", "57", "58", "XX")
"""Classes of SQLSTATE that tell of the server's troubles, no space left for one, and never of a task's doing."""


class Open(NamedTuple):
    """A transaction that is still open behind the success of `call`; `mark` is how it is known again."""

    call: Call
    session: Session
    mark: str


def call_inside(
    session: Session, held: Held, call: Call, wait: Callable[[Any], Any]
) -> tuple[Outcome | Aborted, Open | None]:
    """Run the code inside a new transaction; the outcome, and for a success the transaction, which is still open."""
    mark = session.perform(transaction.begin)
    try:
        outcome = invoke_for(held.id, stages(held, call, prepared(held, call), session.connection), wait)
    except Exception as error:
        lost = _databases_fault(session, error)
        _roll_back(session)
        if not lost:
            raise
        return _broken_off(held, call, error), None
    except BaseException:
        _roll_back(session)
        raise
    if not isinstance(outcome, Succeeded):
        held.aborts.pop(call.atom, None)
        _roll_back(session)
        return outcome, None
    return outcome, Open(call, session, mark)


def seal(held: Held, open: Open, append: Append) -> tuple[list[Refusal], Aborted | Failed | None]:
    """Append inside the open transaction and commit.

    Returns the refusals (then nothing was committed), or what becomes of the call when the database rolled it back:
    the run has been folded anew by then, as it stands in the log.
    """
    call, session, mark = open
    head = append.head
    before = head.version, head.hash, head.owner
    ending = _Ending()
    try:
        refusals = session.inside(ending.steps(mark, append))
    except BaseException as error:
        head.version, head.hash, head.owner = before  # the append had moved it, and is undone, or in doubt
        lost = isinstance(error, psycopg.Error) and _databases_fault(session, error)
        _roll_back(session)
        if lost and session.perform(lambda: transaction.settled(append)):
            return [], None
        if not lost and not ending.tasks_fault(error):
            if isinstance(error, psycopg.Error):
                raise explain(error, f"run {held.id}: the outcome of a transactional task") from error
            raise
        held.reload(session.perform(lambda: log.read_columns(held.id)))
        return [], _broken_off(held, call, error) if lost else failed(held, call, error)
    held.aborts.pop(call.atom, None)
    return refusals, None


class _Ending:
    """The last steps of a transaction. The task is to blame for what goes wrong before the append and at the commit."""

    appending = False

    def steps(self, mark: str, append: Append) -> Operation[list[Refusal]]:
        yield from transaction.closing(mark)
        self.appending = True
        refusals = yield from log.append([append])
        self.appending = False
        yield from (transaction.rollback() if refusals else transaction.commit())
        return refusals

    def tasks_fault(self, error: BaseException) -> bool:
        """Whether the task left a transaction that cannot be committed: ended, aborted, against a constraint."""
        if self.appending or not isinstance(error, psycopg.Error | FlowError):
            return False
        return (getattr(error, "sqlstate", None) or "")[:2] not in SERVERS_OWN


def _roll_back(session: Session) -> None:
    connection = session.connection
    try:
        if not connection.closed:
            session.inside(transaction.rollback())
    except psycopg.Error:  # the server has gone, and nobody had noticed: the transaction went with it
        connection.close()


def _databases_fault(session: Session, error: BaseException) -> bool:
    """Whether the database, and neither the task nor its data, broke the transaction off."""
    return session.connection.broken or getattr(error, "sqlstate", None) in transaction.RETRYABLE


def _broken_off(held: Held, call: Call, error: BaseException) -> Aborted | Failed:
    tries = held.aborts[call.atom] = held.aborts.get(call.atom, 0) + 1
    if tries < TRIES:
        return Aborted(call, getattr(error, "sqlstate", None) or "08006")
    held.aborts.pop(call.atom)
    return failed(held, call, error)
