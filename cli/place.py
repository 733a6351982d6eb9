"""Which database a command works on, and how it gets there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID

import attrs

from ..config import Settings
from ..engine.runtime.app import Sagalog
from ..engine.runtime.engine import Engine
from ..engine.runtime.opening import connected
from ..engine.runtime.taking import unknown
from ..errors import StoreUnavailable, UsageError
from ..store import log
from ..store.server import embedded
from ..store.session import Session
from .secrets import keep_secret
from .words import collapsed

_RUN = re.compile(r"[0-9a-fA-F-]{1,36}")
ACTOR = "cli"
"""The actor of what is done by a person at the command line: an opaque id, for it is hashed into the records."""


class Place:
    """The database that option, environment or, if neither, the embedded server gives."""

    def __init__(self, database_url: str | None) -> None:
        settings = Settings.load()
        self.settings = attrs.evolve(settings, database_url=database_url) if database_url else settings
        keep_secret(self.settings.database_url or "")

    @property
    def own(self) -> bool:
        """Whether it is the embedded server's, which is ours to start and to bring up to date."""
        return self.settings.database_url is None

    def url(self) -> str:
        """Its URL; the embedded server is started if need be."""
        return self.settings.database_url or embedded(self.settings.home)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A connection to look at the log with."""
        with reached():
            session = connected(self.url(), self.settings, self.own)
        with session:
            yield session

    @contextmanager
    def engine(self, app: Sagalog | None) -> Iterator[Engine]:
        """An engine with the code of `app`."""
        with reached():
            engine = Engine.open(app=app, actor=ACTOR, settings=self.settings)
        with engine:
            yield engine


@contextmanager
def reached() -> Iterator[None]:
    """A database that cannot be reached at the very start is a mistake in what the user gave."""
    try:
        yield
    except StoreUnavailable as error:
        raise UsageError(collapsed(str(error))) from error


def find_run(session: Session, text: str) -> UUID:
    """The run that `text`, a uuid or the beginning of one, means.

    Raises:
        UsageError: it is neither, or several runs begin so. UnknownRun: none does.
    """
    if not _RUN.fullmatch(text):
        raise UsageError(f"RUN: expected a uuid or the beginning of one, found {text!r}; `sagalog list` shows the runs")
    found = session.perform(lambda: log.find(text))
    if not found:
        raise unknown(text)
    if len(found) > 1:
        candidates = "\n  ".join(f"{run}  of {_minted(run):%Y-%m-%d %H:%M:%S}" for run in found)
        raise UsageError(f"RUN: several runs begin with {text!r}; give more of it:\n  {candidates}")
    return found[0]


def _minted(run: UUID) -> datetime:
    return datetime.fromtimestamp((run.int >> 80) / 1000, UTC).astimezone()
