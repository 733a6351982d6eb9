"""The pytest plugin of sagalog, as pytest finds it: options and fixtures, and nothing behind them until they are used.

It stands beside the package and not in it: to import it must not import sagalog, for it is loaded in each test session of
whoever has sagalog installed. What it does is in `sagalog.testing.plugin`. Switched off with `-p no:sagalog_pytest`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

MARK = "sagalog_crash"


def _plugin() -> Any:
    return importlib.import_module("sagalog.testing.plugin")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sagalog", "sagalog: flows on throw-away databases, and killed everywhere")
    group.addoption(
        "--sagalog-crash", action="store_true",
        help="run what is marked sagalog_crash, and the flows given as MODULE:FLOW, killing them at every point",
    )  # fmt: skip
    group.addoption(
        "--sagalog-crash-input", metavar="JSON|@FILE", help="the inputs of the flows given as MODULE:FLOW: {name: value}"
    )
    group.addoption(
        "--sagalog-crash-kill", choices=("in-process", "process"), default="in-process",
        help="process: kill child processes with SIGKILL (default: in-process)",
    )  # fmt: skip
    group.addoption("--sagalog-crash-json", metavar="FILE", help="write the reports there, as a JSON list")
    group.addoption(
        "--sagalog-database", metavar="URL",
        help="a PostgreSQL to make throw-away databases on (default: the embedded one, in a home of its own)",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{MARK}(**options): the function returns what crash_everywhere takes: a flow, or (flow, inputs, check); with "
        "--sagalog-crash it is killed everywhere, without it is run once",
    )
    if config.getoption("sagalog_crash") or config.getoption("sagalog_crash_json"):
        config.pluginmanager.register(_plugin().Killing(config), "sagalog-killing")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A marked function is called for what it returns, which is then killed."""
    if pyfuncitem.get_closest_marker(MARK) is None:
        return None
    _plugin().call(pyfuncitem)
    return True


@pytest.fixture
def sagalog_database(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of a throw-away database with the schema of sagalog."""
    yield from _plugin().database(request.config)


@pytest.fixture
def sagalog_clock() -> Any:
    """The `FakeClock` of `sagalog_engine`: it begins now, and stands still."""
    return _plugin().clock()


@pytest.fixture
def sagalog_engine(sagalog_database: str, sagalog_clock: Any) -> Iterator[Any]:
    """An `Engine` on a database of this test's own, by the time of `sagalog_clock`: `start`, then `sagalog_drain`."""
    yield from _plugin().engine(sagalog_database, sagalog_clock)


@pytest.fixture
def sagalog_ledger(request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    """A `Ledger` for the calls of the outside; in a file where processes are to be killed."""
    return _plugin().ledger(request.config, tmp_path / "ledger.jsonl")


@pytest.fixture
def sagalog_drain(sagalog_engine: Any, sagalog_clock: Any) -> Callable[..., int]:
    """`sagalog_drain()` does all there is to do, the clock going on over waits; says how many calls it made."""
    drain: Callable[..., int] = _plugin().drain(sagalog_engine, sagalog_clock)
    return drain


@pytest.fixture
def crash_everywhere(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """`sagalog.testing.crash_everywhere`, on the throw-away databases of this session, as its options say."""
    crash: Callable[..., Any] = _plugin().crash(request.node)
    return crash
