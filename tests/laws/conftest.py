"""Fixtures of the tests that hold one law each: an engine on a database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sagalog.config import Settings
from sagalog.engine.runtime.engine import Engine


@pytest.fixture
def settings(migrated: str, tmp_path: Path) -> Settings:
    """Settings with a short lease, and with no look into an inbox while a test lasts."""
    return Settings(home=tmp_path, database_url=migrated, lease=2.0, reconnect=10.0, poll=60.0)


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    """An engine on that database, with an empty App."""
    with Engine.open(settings=settings) as opened:
        yield opened
