"""What the pytest plugin does, `sagalog_pytest` being how pytest finds it: the fixtures, and `pytest --sagalog-crash`."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ..engine.core.states import SETTLED_RUN, RunState
from ..engine.runtime.engine import UNFINISHED, Engine
from ..engine.runtime.taking import look
from ..errors import SagalogError
from .clock import FakeClock
from .crash import CrashReport, crash_everywhere
from .crash.database import throw_away_database
from .ledger import FileLedger, Ledger

MARK = "sagalog_crash"
REPORTS = pytest.StashKey[list[dict[str, Any]]]()
TOLD = pytest.StashKey[list[str]]()
ARGUMENTS = tuple(inspect.signature(crash_everywhere).parameters)
_IMPORTING = (__file__, importlib.__file__)
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


# --- fixtures ---------------------------------------------------------------------------------------------------------


def database(config: pytest.Config) -> Iterator[str]:
    """URL of a throw-away database."""
    with throw_away_database(on=config.getoption("sagalog_database")) as (url, _):
        yield url


def clock() -> FakeClock:
    """A clock that stands at this moment."""
    return FakeClock(time.time_ns() // 1000)


def engine(url: str, clock: FakeClock) -> Iterator[Engine]:
    """An engine that is closed at the end."""
    with Engine.open(url, clock=clock) as opened:
        yield opened


def ledger(config: pytest.Config, path: Path) -> Ledger:
    """A ledger that outlives whoever is to be killed."""
    return FileLedger(path) if config.getoption("sagalog_crash_kill") == "process" else Ledger()


def drain(engine: Engine, clock: FakeClock) -> Callable[..., int]:
    """What `sagalog_drain` is."""

    def drained(run: UUID | str | None = None, *, waits: bool = True) -> int:
        """Do all that is due, of one run or of all; with `waits` the clock then goes on to whatever is waited for."""
        made = engine.tick(run)
        while waits and (due := _next_due(engine, run)) is not None:
            clock.advance(max(due - clock.now(), 0) / 1e6 + 1e-6)
            made += engine.tick(run)
        return made

    return drained


def _next_due(engine: Engine, run: UUID | str | None) -> int | None:
    """When the first of the runs that are not over has a timer that goes off; microseconds since 1970."""
    ids = [row.run_id for row in engine.rows(states=UNFINISHED)] if run is None else [engine.state(run).id]
    pictures = [engine.perform(partial(look, id)) for id in ids]
    waiting = [held for held in pictures if held.state.run not in (*SETTLED_RUN, RunState.SUSPENDED)]
    return min((held.due for held in waiting if held.due is not None), default=None)


def crash(item: pytest.Item) -> Callable[..., CrashReport]:
    """What the fixture `crash_everywhere` is: its reports are those of the test, too."""

    def crashed(flow: Any, inputs: Mapping[str, Any] | None = None, **options: Any) -> CrashReport:
        with _own_database(item.config, options) as given:
            return _note(item, crash_everywhere(flow, inputs, **given))

    return crashed


# --- what is marked ---------------------------------------------------------------------------------------------------


def call(item: pytest.Function) -> None:
    """Call a marked function, and kill what it returns; without --sagalog-crash it is run unharmed."""
    wanted = inspect.signature(item.obj).parameters
    given = item.obj(**{name: value for name, value in item.funcargs.items() if name in wanted})
    mark = item.get_closest_marker(MARK)
    judge(item, arguments_of(given, mark, item.name))


def arguments_of(given: Any, mark: pytest.Mark | None, name: str) -> dict[str, Any]:
    """What a function returned, and what its mark says, as the arguments of `crash_everywhere`."""
    if mark is not None and mark.args:
        told = ", ".join(map(repr, mark.args))
        pytest.fail(f"{name}: {MARK} takes arguments by name, as in {MARK}(ledger=…); found {told}", pytrace=False)
    parts = given if isinstance(given, tuple) else (given,)
    returned = dict(given) if isinstance(given, Mapping) else dict(zip(("flow", "inputs", "check"), parts, strict=False))
    if not 1 <= len(parts) <= 3 or returned.get("flow") is None:
        wanted = "a flow, (flow, inputs), (flow, inputs, check) or a dict of the arguments of crash_everywhere"
        pytest.fail(f"{name}: expected it to return {wanted}; it returned {given!r}", pytrace=False)
    found = {**(mark.kwargs if mark is not None else {}), **returned}
    for other in (other for other in found if other not in ARGUMENTS):
        there = f"expected some of {', '.join(ARGUMENTS)}"
        pytest.fail(f"{name}: crash_everywhere has no argument {other!r}; {there}", pytrace=False)
    return found


def judge(item: pytest.Item, arguments: dict[str, Any]) -> None:
    """Kill everywhere and fail with the report; or, without --sagalog-crash, run unharmed and fail if the check does."""
    killing = item.config.getoption("sagalog_crash")
    with _own_database(item.config, arguments) as given:
        report = _report(given if killing else {**given, "at_most": 0})
    if isinstance(report, SagalogError):
        pytest.fail(f"it cannot be run at all: {type(report).__name__}: {report}", pytrace=False)
    if killing:
        _note(item, report)
    if not report.ok if killing else any(fault.kind == "check" for fault in report.faults):
        pytest.fail(str(report), pytrace=False)


def _report(arguments: dict[str, Any]) -> CrashReport | SagalogError:
    """What came of it, or why it cannot be run: returned, so that nothing is told "during handling of" it."""
    try:
        return crash_everywhere(**arguments)
    except SagalogError as error:
        return error


class _own_database:
    """The arguments with what the command line says: a database, and how to kill."""

    def __init__(self, config: pytest.Config, arguments: Mapping[str, Any]) -> None:
        self._made = throw_away_database(arguments.get("database"), on=config.getoption("sagalog_database"))
        self._given = {"kill": config.getoption("sagalog_crash_kill"), **arguments}

    def __enter__(self) -> dict[str, Any]:
        url, _ = self._made.__enter__()
        return {**self._given, "database": url}

    def __exit__(self, *error: Any) -> None:
        self._made.__exit__(*error)


def _note(item: pytest.Item, report: CrashReport) -> CrashReport:
    item.stash.setdefault(REPORTS, []).append({"test": item.nodeid, **report.to_dict()})
    item.stash.setdefault(TOLD, []).append("\n  ".join([report.head(), *report.rest()]) if report.ok else "")
    return report


# --- pytest --sagalog-crash -------------------------------------------------------------------------------------------


class Target(pytest.Item):
    """A flow that was given on the command line as MODULE:FLOW."""

    def runtest(self) -> None:
        """Kill it everywhere."""
        found = loaded(self.name)
        marks = [mark for mark in getattr(found, "pytestmark", ()) if mark.name == MARK]
        if marks:
            if wanted := ", ".join(inspect.signature(found).parameters):
                told = f"it wants fixtures ({wanted}), so give its file: {inspect.getsourcefile(found)}"
                pytest.fail(f"--sagalog-crash {self.name}: {told}", pytrace=False)
            judge(self, arguments_of(found(), marks[0], self.name))
        else:
            judge(self, {"flow": found, "inputs": inputs_of(self.config)})

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it is from."""
        return self.config.rootpath, None, self.name


class Killing:
    """The hooks of `pytest --sagalog-crash`."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.only = bool(config.getoption("sagalog_crash"))
        self.targets: list[str] = []
        self.reports: list[dict[str, Any]] = []
        self.told: list[str] = []
        self.file: Path | None = None
        if (file := config.getoption("sagalog_crash_json")) is not None:
            self.file = Path(file).absolute()  # a test may go elsewhere
            if self.file.is_dir():
                raise pytest.UsageError(f"--sagalog-crash-json: expected a file, found the folder {file}")
        if self.only:
            self.targets = [arg for arg in config.args if _TARGET.fullmatch(arg) and not Path(arg).exists()]
            config.args[:] = [arg for arg in config.args if arg not in self.targets]

    def pytest_pycollect_makeitem(
        self, collector: pytest.Module | pytest.Class, name: str, obj: object
    ) -> list[pytest.Function] | None:
        """A marked function is collected, whatever it is called."""
        if not self.only or not inspect.isfunction(obj) or MARK not in _marks(obj):
            return None
        return list(collector._genfunctions(name, obj))

    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Leave out what kills nothing, and add the flows of the command line."""
        if not self.only:
            return
        kept = [item for item in items if _kills(item)]
        self.config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = [*kept, *(Target.from_parent(session, name=name, nodeid=name) for name in self.targets)]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """The reports travel with what pytest reports of the test, from other processes too."""
        made = yield
        reports = item.stash.get(REPORTS, []) if call.when == "call" else []
        if made.failed and _kills(item) and not item.stash.get(REPORTS, []) and call.when != "teardown":
            reports = [{"test": item.nodeid, "ok": False, "error": _words(call.excinfo)}]
        made.__dict__["sagalog"] = {"reports": reports, "told": item.stash.get(TOLD, []) if call.when == "call" else []}
        return made

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect them."""
        told: dict[str, Any] = getattr(report, "sagalog", {})
        self.reports += told.get("reports", [])
        self.told += filter(None, told.get("told", []))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """A line for each flow without a fault; those with faults are among the failures."""
        if self.told:
            terminalreporter.section("sagalog: killed everywhere", "-")
            for line in self.told:
                terminalreporter.write_line(line)

    def pytest_sessionfinish(self) -> None:
        """Write the reports."""
        if self.file is not None and not hasattr(self.config, "workerinput"):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.write_text(json.dumps(self.reports, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def loaded(target: str) -> Any:
    """What MODULE:FLOW names; the working directory comes first on sys.path."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    module, _, path = target.partition(":")
    found = _attribute(module, path)
    if isinstance(found, Exception):
        told = f"expected MODULE:FLOW, found: {type(found).__name__}: {found}"
        frames = [frame for frame in traceback.extract_tb(found.__traceback__) if frame.filename not in _IMPORTING]
        frames = [frame for frame in frames if not frame.filename.startswith("<frozen ")]
        if frames:  # the code of a module, not the name that was given
            told += f" ({frames[-1].filename}, line {frames[-1].lineno})"
        pytest.fail(f"--sagalog-crash {target}: {told}", pytrace=False)
    return found


def _attribute(module: str, path: str) -> Any:
    """What is found there, or the error that it is not: returned, so that nothing is told "during handling of" it."""
    try:
        found = importlib.import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
    except Exception as error:  # whatever the code of a module raises
        return error
    return found


def inputs_of(config: pytest.Config) -> dict[str, Any]:
    """The inputs that the command line gives."""
    given: str | None = config.getoption("sagalog_crash_input")
    if given is None:
        return {}
    found, wrong = None, ""
    try:
        found = json.loads(Path(given[1:]).read_text(encoding="utf-8") if given.startswith("@") else given)
    except (OSError, ValueError) as error:
        wrong = str(error)
    if wrong:
        pytest.fail(f"--sagalog-crash-input: expected JSON or @FILE, found {given!r}: {wrong}", pytrace=False)
    if not isinstance(found, dict):
        pytest.fail(f"--sagalog-crash-input: expected an object {{name: value}}, found {given!r}", pytrace=False)
    return found


def _words(raised: pytest.ExceptionInfo[BaseException] | None) -> str:
    """What a test failed of, without a traceback; what pytest.fail was told stands for itself."""
    if raised is None:
        return ""
    return str(raised.value) if raised.errisinstance(pytest.fail.Exception) else raised.exconly()


def _marks(obj: object) -> list[str]:
    return [mark.name for mark in getattr(obj, "pytestmark", ())]


def _kills(item: pytest.Item) -> bool:
    marked = isinstance(item, Target) or item.get_closest_marker(MARK) is not None
    return marked or "crash_everywhere" in getattr(item, "fixturenames", ())
