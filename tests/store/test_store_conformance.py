"""The log in PostgreSQL passes the suite that every log must pass: on both servers, blocking and in asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sagalog_conformance import LogConformance
from sagalog_conformance_timers import TimerConformance
from sagalog_logkit import StoredLog, settings

from sagalog.store.io import Operation
from sagalog.store.session import AsyncSession, Session
from sagalog_testkit import Server


class _Blocked:
    """An AsyncSession that is waited for, each time."""

    def __init__(self, url: str) -> None:
        self.runner = asyncio.Runner()
        self.session = AsyncSession(url, settings())

    def perform(self, make: Callable[[], Operation[Any]]) -> Any:
        return self.runner.run(self.session.perform(make))

    def close(self) -> None:
        self.runner.run(self.session.close())
        self.runner.close()


@pytest.fixture(scope="module")
def used(server_on: Server) -> Iterator[str]:
    """A database for all tests here: a log that has much in it already is the harder case."""
    url = server_on.create_migrated()
    yield url
    server_on.drop(url)


class TestBlocking(LogConformance, TimerConformance):
    @pytest.fixture
    def log(self, used: str) -> Iterator[StoredLog]:
        with Session(used, settings()) as session:
            yield StoredLog(session)


class TestAsync(LogConformance, TimerConformance):
    @pytest.fixture
    def log(self, used: str) -> Iterator[StoredLog]:
        session = _Blocked(used)
        yield StoredLog(session)  # type: ignore[arg-type]  # it performs, which is all that is asked of it
        session.close()
