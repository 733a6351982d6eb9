"""What the driver's errors mean to us: which pass, which are worth another try, and what to say of the others."""

from __future__ import annotations

from enum import Enum

import psycopg

from ..errors import SagalogError, SchemaMismatch, StoreUnavailable


class Kind(Enum):
    """What to do about an error."""

    LOST = "connect again, then try again"
    AGAIN = "the server has undone it for others' sake: try again"
    FINAL = "say so"


_AGAIN = {"40001", "40P01"}
# 26000: a pooler has put us on another connection; 0A000 comes of a plan prepared before a migration.
_LOST = {"57P01", "57P02", "57P03", "57P05", "25P03", "26000"}
_HOPELESS = ("authentication", "no pg_hba.conf entry", "no password supplied", "does not exist", "permission denied")

_SAID: dict[str, str] = {
    "57014": "it was cancelled, or took longer than statement_timeout; raise the timeout of this role or database",
    "55P03": "a lock was waited for longer than lock_timeout; see who holds it in pg_stat_activity",
    "25006": "the server takes no writes (a standby, or default_transaction_read_only is on); connect to the primary",
    "53100": "the server's disk is full; make room, what was committed is safe",
    "53200": "the server is out of memory",
    "53300": "the server has no connection left; raise max_connections or use fewer processes",
    "42501": "the role that connects lacks a privilege; grant it sagalog_writer, or run `sagalog doctor`",
    "22023": "the role that connects may not become sagalog_writer; run `sagalog doctor`",
}
_SCHEMA = {"3F000", "42P01", "42883", "42703", "42704"}


def kind(error: psycopg.Error, connecting: bool = False) -> Kind:
    """What to do about an error that came while connecting, or while a query ran."""
    state = error.sqlstate
    if connecting:
        hopeless = state is None and any(phrase in str(error) for phrase in _HOPELESS)
        return Kind.FINAL if hopeless or (state or "").startswith(("28", "3D")) else Kind.LOST
    if state in _AGAIN:
        return Kind.AGAIN
    if state is None:
        # No answer at all, which is what a cut connection looks like; other classes are mistakes of ours.
        return Kind.LOST if isinstance(error, psycopg.OperationalError) else Kind.FINAL
    return Kind.LOST if state in _LOST or state.startswith("08") or _stale_plan(error) else Kind.FINAL


def explain(error: psycopg.Error, doing: str) -> SagalogError:
    """The error to raise instead, with what to do; the caller raises it `from error`."""
    state = error.sqlstate or ""
    text = str(error).strip().replace("\n", "; ")
    if state in _SCHEMA:
        return SchemaMismatch(f"{doing}: the schema is not that of this code ({text}); run `sagalog init`")
    advice = _SAID.get(state) or ("check the server and the database URL" if not state else "see the server's log")
    return StoreUnavailable(f"{doing}: {text}; {advice}")


def _stale_plan(error: psycopg.Error) -> bool:
    return error.sqlstate == "0A000" and "cached plan" in str(error)
