"""Opening a database: is its schema that of this code, and how far apart are the clocks."""

from __future__ import annotations

import time

from ...config import Settings
from ...errors import SchemaMismatch
from ...store import log
from ...store.migrate import migrate
from ...store.session import Session


def connected(url: str, settings: Settings, own: bool) -> Session:
    """A session on a database whose schema is that of this code; one's own embedded server (`own`) is brought up to it.

    Raises:
        SchemaMismatch: it is older (and not ours to change) or newer. StoreUnavailable.
    """
    session = Session(url, settings)
    try:
        return session.open()
    except SchemaMismatch:
        if not own:
            raise
    migrate(url)
    return session.open()


def offset(session: Session) -> int:
    """Microseconds from this machine's clock to the database's, by the quickest of three looks."""
    best: tuple[int, int] | None = None
    for _ in range(3):
        before = time.time_ns()
        there = session.perform(log.now)
        took = time.time_ns() - before
        if best is None or took < best[0]:
            best = (took, there - (before + took // 2) // 1000)
    assert best is not None
    return best[1]

