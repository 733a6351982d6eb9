"""Fixtures of the promises' tests: an engine for each of them, on one database that they share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from sagalog_story import Hands

from sagalog import Engine, Settings
from sagalog_testkit import Server


@pytest.fixture(scope="session")
def shared(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings with short patience, on a database with the schema that all these tests share."""
    url = server.create_migrated()
    home: Path = tmp_path_factory.mktemp("promises")
    yield Settings(home=home, database_url=url, lease=2.0, reconnect=10.0, poll=0.05)
    server.drop(url)


@pytest.fixture
def engine(shared: Settings) -> Iterator[Engine]:
    """An engine on that database, with an empty App."""
    with Engine.open(settings=shared) as opened:
        yield opened


@pytest.fixture
def hands() -> Hands:
    """The clock of `timed`."""
    return Hands()


@pytest.fixture
def timed(shared: Settings, hands: Hands) -> Iterator[Engine]:
    """An engine on that database whose clock stands still until `hands` are moved."""
    with Engine.open(settings=shared, clock=hands) as opened:
        yield opened


@pytest.fixture
def alone(migrated: str, shared: Settings) -> Iterator[Engine]:
    """An engine on a database of this test's own."""
    with Engine.open(settings=attrs.evolve(shared, database_url=migrated)) as opened:
        yield opened
