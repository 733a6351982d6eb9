"""`cli`: the command line in this process, on a migrated database of the test's own; `spawn`: in a child process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field, frozen
from click.testing import CliRunner

from sagalog.cli.main import cli as program
from sagalog_testkit import Server

TESTS = Path(__file__).resolve().parents[1]
APP = "sagalog_cliflows:app"


@frozen
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)


@define
class Cli:
    """Calls commands on one database."""

    url: str
    folder: Path
    children: ExitStack = field(factory=ExitStack)

    @property
    def environment(self) -> dict[str, str]:
        return {"SAGALOG_DATABASE_URL": self.url, "SAGALOG_APP": APP, "SAGALOG_LEASE": "2", "COLUMNS": "160"}

    def __call__(self, *arguments: str, code: int | None = 0) -> Done:
        """Call a command in this process; its exit code must be `code`, None for any."""
        result = CliRunner().invoke(program, arguments, env=self.environment)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        done = Done(result.exit_code, result.stdout, result.stderr)
        assert "Traceback" not in done.err
        assert code is None or done.code == code, f"{arguments}: exit {done.code}\n{done.out}\n{done.err}"
        return done

    def json(self, *arguments: str, code: int | None = 0) -> Any:
        """The answer of a command with --json."""
        return self(*arguments, "--json", code=code).json

    def child(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Start a command in a process of its own, which is killed at the end of the test if it is still there."""
        environment = {**os.environ, **self.environment, **more}
        environment["PYTHONPATH"] = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
        process = subprocess.Popen(
            [sys.executable, "-m", "sagalog.cli.main", *arguments],
            cwd=self.folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.children.callback(_end, process)
        return process

    def wait(self, process: subprocess.Popen[str], code: int | None = 0) -> Done:
        out, err = process.communicate(timeout=60)
        assert "Traceback" not in err, err
        assert code is None or process.returncode == code, f"exit {process.returncode}\n{out}\n{err}"
        return Done(process.returncode, out, err)

    def one(self, flow: str, order: Any = 1, code: int | None = 0) -> Any:
        """Run a flow of sagalog_cliflows; show's shape."""
        return self.json("run", f"sagalog_cliflows:{flow}", "--input", json.dumps({"order": order}), code=code)


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@pytest.fixture(scope="session")
def untouched(server: Server) -> Iterator[str]:
    """URL of a migrated database that no test writes to."""
    url = server.create_migrated()
    yield url
    server.drop(url)


@pytest.fixture
def reader(untouched: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """`cli` for commands that write nothing, on a database that they share."""
    monkeypatch.chdir(tmp_path)
    return Cli(untouched, tmp_path)


@pytest.fixture
def cli(migrated: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    monkeypatch.chdir(tmp_path)
    called = Cli(migrated, tmp_path)
    with called.children:
        yield called
