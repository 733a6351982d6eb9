"""Real processes: what is on which stream, interruption, kills, and asking the process that has a run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

PATIENCE = 60.0


def until(what: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


def waiting(cli: Any, name: str = "go", **more: str) -> tuple[subprocess.Popen[str], Path, str]:
    """A child that runs `patient` and waits for a file; (child, file, run)."""
    file = cli.folder / name
    child = cli.child("run", "sagalog_cliflows:patient", "--input", json.dumps({"order": str(file)}), "--json", **more)
    until(Path(f"{file}.begun").exists)
    return child, file, cli.json("list", "--state", "RUNNING")[-1]["id"]


def test_cli_json_is_all_there_is_on_stdout(cli: Any) -> None:
    done = cli.wait(cli.child("run", "sagalog_cliflows:order", "--input", '{"order": 1}', "--json"))
    assert done.json["state"] == "SUCCESS"
    assert "reserve: on stdout" in done.err and "reserve: from a shell" in done.err
    plain = cli.wait(cli.child("run", "sagalog_cliflows:order", "--input", '{"order": 1}'))
    assert "reserve: on stdout" in plain.out and "reserve: from a shell" in plain.out


def test_cli_interrupted_run_exits_130_and_says_how_to_go_on(cli: Any) -> None:
    child, file, run = waiting(cli)
    child.send_signal(signal.SIGINT)
    done = cli.wait(child, code=130)
    assert f"sagalog resume {run}" in done.err and done.out == ""
    file.touch()
    resumed = cli.json("resume", run)
    assert (resumed["state"], resumed["atoms"][0]["attempt"]) == ("SUCCESS", 2)
    assert "outcome unknown: its process ended" in cli("history", run).out


def test_cli_interrupted_file_exits_130_and_the_same_command_goes_on(cli: Any, tmp_path: Path) -> None:
    go = tmp_path / "go"
    file = tmp_path / "orders.jsonl"
    file.write_text("".join(json.dumps({"order": str(go), "n": n}) + "\n" for n in range(5)))
    command = ("run", "sagalog_cliflows:patient", "--each", str(file), "--concurrency", "2", "--json")
    child = cli.child(*command)
    until(Path(f"{go}.begun").exists)
    child.send_signal(signal.SIGINT)
    # The interrupted process waits for functions that run in threads; they see the file and end.
    time.sleep(0.3)
    go.touch()
    done = cli.wait(child, code=130)
    assert "of 5 runs are at rest" in done.err and done.out == ""
    assert len(cli.json("list")) == 5
    assert cli.wait(cli.child(*command)).json["states"] == {"SUCCESS": 5}


def test_cli_resume_takes_over_at_once_from_a_process_that_was_killed(cli: Any) -> None:
    child, file, run = waiting(cli, SAGALOG_LEASE="300")
    child.kill()
    child.wait()
    file.touch()
    told = cli("resume", "--all", "--json")
    assert told.json["states"] == {"SUCCESS": 1} and told.json["ids"] == [run]
    assert "waiting" not in told.err
    assert "taken over by worker" in cli("history", run).out
    again = cli.json("resume", "--all")
    assert (again["runs"], again["states"], again["ids"]) == (0, {}, [])


def test_cli_resume_says_whom_it_waits_for_and_leaves_a_living_owner_its_run(cli: Any) -> None:
    child, file, run = waiting(cli)
    done = cli("resume", run, code=1)
    assert f"waiting: run {run} belongs to process {child.pid}" in done.err
    every = cli("resume", "--all", "--json", code=1)
    assert every.json["states"] == {"RUNNING": 1} and "left as it is" in every.err
    file.touch()
    assert cli.wait(child).json["state"] == "SUCCESS"


def waits_in_the_inbox(cli: Any) -> bool:
    """Whether a message has been posted that its run's owner has not taken yet: it looks when its task has ended."""
    with psycopg.connect(cli.url) as connection:
        (count,) = connection.execute("select count(*) from sagalog.inbox").fetchone() or (0,)
        return bool(count)


def test_cli_suspend_asks_the_process_that_has_the_run(cli: Any) -> None:
    child, file, run = waiting(cli)
    asked = cli.child("suspend", run, "--reason", "the fair", "--json")
    until(lambda: waits_in_the_inbox(cli))
    time.sleep(1)  # the owner looks into it no more often
    file.touch()
    assert cli.wait(asked).json["state"] == "SUSPENDED"
    assert cli.wait(child, code=1).json["state"] == "SUSPENDED"
    assert cli.json("list")[0]["reason"] == "the fair"
    history = cli("history", run).out
    assert "asked to suspend by cli: the fair" in history and "SUSPENDED, until it is resumed" in history
    assert cli.json("resume", "--all")["runs"] == 0
    assert cli.json("resume", run)["state"] == "SUCCESS"
    ended = cli("suspend", run, code=1)
    assert "it was not suspended: it is SUCCESS" in ended.err


def test_cli_revert_asks_the_process_that_has_the_run(cli: Any) -> None:
    child, file, run = waiting(cli)
    asked = cli.child("revert", run, "--reason", "too slow", "--by", "ann", "--json")
    until(lambda: waits_in_the_inbox(cli))
    time.sleep(1)  # the owner looks into it no more often
    file.touch()
    reverted = cli.wait(asked).json
    assert (reverted["state"], reverted["reason"]) == ("REVERTED", "too slow")
    cli.wait(child, code=3)
    assert "revert asked for by ann: too slow" in cli("history", run).out


def test_cli_reader_that_leaves_early_is_no_error(cli: Any) -> None:
    cli.json("run", "sagalog_cliflows:wide", "--arg", "count=800")
    run = cli.json("list")[0]["id"]
    child = cli.child("history", run, "--json")
    assert child.stdout is not None
    child.stdout.read(10)
    child.stdout.close()
    assert child.wait(PATIENCE) == 141
    assert child.stderr is not None and child.stderr.read() == ""


def test_cli_without_a_url_uses_the_embedded_server(throwaway_home: Path, cli: Any) -> None:
    more = {"SAGALOG_HOME": str(throwaway_home), "SAGALOG_DATABASE_URL": ""}
    assert cli.wait(cli.child("list", "--json", **more)).json == []
    done = cli.wait(cli.child("run", "sagalog_cliflows:order", "--input", '{"order": 1}', "--json", **more))
    assert done.json["state"] == "SUCCESS"
    assert len(cli.wait(cli.child("list", "--json", **more)).json) == 1
    assert cli.wait(cli.child("init", "--json", **more)).json["applied"] == []
    assert "`sagalog stop` stops its server" in cli.wait(cli.child("doctor", **more)).out
    throwaway_home.chmod(0o700)  # where root has handed the data to another account, that one could not pass any more
    assert cli.wait(cli.child("stop", "--json", **more)).json == {"stopped": True, "home": str(throwaway_home)}
    assert "no embedded server" in cli.wait(cli.child("stop", **more)).out
    assert len(cli.wait(cli.child("list", "--json", **more)).json) == 1


def test_cli_is_readable_where_the_terminal_is_poor(cli: Any) -> None:
    run = cli.one("order")["id"]
    done = cli.wait(cli.child("history", run, PYTHONIOENCODING="ascii", COLUMNS="40"))
    assert "reserve" in done.out and done.out.isascii()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_cli_shows_colours_and_a_bar_on_a_terminal(cli: Any, tmp_path: Path) -> None:
    file = tmp_path / "orders.jsonl"
    file.write_text("".join(f'{{"order": {n}}}\n' for n in range(20)))
    seen = on_terminal(cli, "run", "sagalog_cliflows:order", "--each", str(file))
    assert "\x1b[32mSUCCESS" in seen
    assert "20/20 runs" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
    assert "\x1b[" not in cli("list").out


def on_terminal(cli: Any, *arguments: str) -> str:
    """What a command writes to a terminal."""
    master, slave = os.openpty()
    environment = {**os.environ, **cli.environment, "TERM": "xterm-256color"}
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
    )
    child = subprocess.Popen(
        [sys.executable, "-m", "sagalog.cli.main", *arguments],
        stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=cli.folder,
    )  # fmt: skip
    os.close(slave)
    seen = b""
    while True:
        try:
            read = os.read(master, 65_536)
        except OSError:  # the other side is closed
            read = b""
        if not read:
            break
        seen += read
    os.close(master)
    assert child.wait(PATIENCE) == 0
    return seen.decode()
