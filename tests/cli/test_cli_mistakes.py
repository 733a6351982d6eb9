"""Mistakes of the user's: exit 2, one message on stderr that says what to do, nothing on stdout, no traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sagalog.cli.secrets import keep_secret, redacted

FLOW = "sagalog_cliflows:order"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "no_such_module:flow"], "there is no module 'no_such_module'"),
        (["run", "sagalog_cliflows:nothing"], "has no 'nothing'; its flows: order, partly"),
        (["run", "sagalog_cliflows"], "expected a module, a colon and a name"),
        (["run", "sagalog_cliflows:app"], "a function that makes a flow; found an App; name one of its flows, as MODULE:"),
        (["run", "sagalog_cliflows:Parcel"], "the class Parcel; give an instance"),
        (["run", "payout.py:flow"], "found the file 'payout.py'; say payout:flow"),
        (["run", "./flows/payout.py:flow"], "say flows.payout:flow"),
        (["run", FLOW, "--key", ""], "--key: expected a text that says something"),
        (["run", "broken:flow"], "importing broken failed: ZeroDivisionError: division by zero"),
        (["run", "lacking:flow"], "importing lacking failed: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        (["run", FLOW], "task 'reserve' needs 'order'"),
        (["run", FLOW, "--arg", "a=1"], "is a flow, which takes no arguments"),
        (["run", "sagalog_cliflows:wide"], "missing a required argument: 'count'"),
        (["run", "sagalog_cliflows:wide", "--arg", "count"], "expected NAME=VALUE, found 'count'"),
        (["run", "sagalog_cliflows:wide", "--arg", "count=x"], "the factory raised TypeError"),
        (["run", "sagalog_cliflows:wide", "--arg", "count=1", "--arg", "count=2"], "count is given twice"),
        (["run", FLOW, "--input", "{"], "--input: not JSON"),
        (["run", FLOW, "--input", "[1]"], "expected an object of input names and values, found a list"),
        (["run", FLOW, "--input", "@missing.json"], "missing.json: cannot be read: No such file"),
        (["run", FLOW, "--each", "missing.jsonl"], "missing.jsonl: cannot be read: No such file"),
        (["run", FLOW, "--each", "x", "--key", "k"], "--input and --key are for a single run"),
        (["show", "zzz"], "expected a uuid or the beginning of one, found 'zzz'"),
        (["show", "0123"], "there is no run 0123"),
        (["history", "01234567-89ab-7def-8000-000000000000"], "there is no run 01234567-89ab"),
        (["graph", "0123"], "there is no run 0123"),
        (["graph", "no_such_module:flow"], "there is no module"),
        (["verify", "0123"], "there is no run 0123"),
        (["verify", "0123", "--all"], "give one RUN, or --all"),
        (["verify", "--head", "00"], "--head goes with --file"),
        (["verify", "--file", "missing"], "cannot be read: No such file"),
        (["verify", "--file", "broken.py", "--head", "00"], "expected 64 hexadecimal digits, found '00'"),
        (["export", "--json"], "the export itself is on stdout"),
        (["export", "-o", "no/such/folder"], "cannot be written: No such file"),
        (["resume"], "give one RUN, or --all"),
        (["resume", "0123", "--all"], "give one RUN, or --all"),
        (["resume", "0123"], "there is no run 0123"),
        (["resume", "0123", "--app", "sagalog_cliflows:reservation"], "has no 'reservation'"),
        (["resume", "0123", "--app", "sagalog_cliflows:wide"], "expected a Sagalog app, found function"),
        (["resume", "0123", "--app", "no_such_module:app"], "error: --app: there is no module 'no_such_module'"),
        (["revert", "0123", "--reason", "  "], "--reason: expected a text that says something"),
        (["suspend", "0123", "--reason", ""], "--reason: expected a text that says something"),
        (["stop"], "a database URL is given"),
        (["revert", "0123", "--reason", "x"], "there is no run 0123"),
        (["suspend", "0123"], "there is no run 0123"),
        (["list", "--state", "ENDED"], "expected one of PENDING, RUNNING"),
        (["list", "--database-url", "nonsense"], "expected postgresql://"),
        (["list", "--database-url", "postgresql://127.0.0.1:1/x"], "check the server and the database URL"),
        (["doctor", "--database-url", "postgresql://127.0.0.1:1/x"], "check the server and the database URL"),
        (["init", "--database-url", "nonsense"], "nonsense"),
    ],
    ids=" ".join,
)
@pytest.mark.filterwarnings("default::ResourceWarning")
def test_cli_mistake_is_one_message_and_exit_2(reader: Any, tmp_path: Path, arguments: list[str], says: str) -> None:
    (tmp_path / "broken.py").write_text("flow = 1 / 0\n")
    (tmp_path / "lacking.py").write_text("import nowhere_at_all\n")
    done = reader(*arguments, code=2)
    assert says in done.err
    assert done.out == ""
    assert done.err.startswith("error: ")


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["show"], ["revert", "0123"], ["graph", "0123", "--format", "png"]]
)
def test_cli_usage_is_shown_with_exit_2(reader: Any, arguments: list[str]) -> None:
    done = reader(*arguments, code=2)
    assert done.err.startswith("Usage: ") and done.out == ""


def test_cli_ambiguous_prefix_lists_the_candidates(cli: Any) -> None:
    ids = [cli.one("order")["id"] for _ in range(2)]
    done = cli("show", ids[0][:2], code=2)
    assert "several runs begin with" in done.err
    assert all(run in done.err for run in ids)


def test_cli_wrong_password_is_said(reader: Any) -> None:
    url = reader.url.replace("postgres@", "nobody_there:secret@")
    done = reader("list", "--database-url", url, code=2)
    assert "nobody_there" in done.err and "secret" not in done.err


@pytest.mark.parametrize(
    "url",
    [
        "postgres//app:SECRET@127.0.0.1:1/x",
        "postgresql://app:SECRET@127.0.0.1:1/x",
        "postgresql://app:SEC%52ET@127.0.0.1:port/x",
        "postgresql://app:SECRET/SECRET@127.0.0.1:1/x",
        "postgresql://app:SECRET@SECRET@127.0.0.1:1/x",
        "postgresql://app@127.0.0.1:1/x?password=SECRET&nonsense=1",
        "host=127.0.0.1 port=1 password='SECRET' nonsense",
    ],
)
def test_cli_password_is_never_printed(reader: Any, url: str) -> None:
    for arguments in (["list"], ["doctor"], ["init"], ["run", FLOW, "--input", '{"order": 1}']):
        done = reader(*arguments, "--database-url", url, code=2)
        assert done.err.startswith("error: ") and done.out == ""
        assert "SECRET" not in done.err and "SEC%52ET" not in done.err
        assert "  " not in done.err and "\t" not in done.err


def test_cli_password_that_is_a_word_of_ours_leaves_messages_readable() -> None:
    keep_secret("postgresql://someone:sagalog@host/db")
    assert redacted("someone:sagalog@host: run `sagalog init`") == "someone:***@host: run `sagalog init`"
    keep_secret("postgresql://someone:ab@host/db")
    assert redacted("cab ab") == "cab ***"
    keep_secret("")
    assert redacted("ab") == "ab"


HELPERS = """
from __future__ import annotations
from typing import TYPE_CHECKING
from pathlib import Path
from os import getcwd as imported
from sagalog import Flow, linear
if TYPE_CHECKING:
    from elsewhere import SomeFlow
def called(): Path("called").touch()
def told() -> None: called()
def number() -> int: called(); return 1
def work(): called()
async def later(): called()
def plain(): return linear("plain").add(work)
def annotated() -> Flow: return linear("annotated").add(work)
def hidden() -> SomeFlow: return linear("hidden").add(work)
def maybe(n: int = 1) -> Flow | None: return linear("maybe").add(work)
flow = linear("helpers").add(work)
"""


def test_cli_run_calls_no_function_that_is_no_factory(reader: Any, tmp_path: Path) -> None:
    (tmp_path / "helpers_mistaken.py").write_text(HELPERS)
    for name in ("told", "number", "work", "later", "imported"):
        done = reader("graph", f"helpers_mistaken:{name}", code=2)
        assert "it was not called" in done.err and "its flows: flow" in done.err, done.err
    assert not (tmp_path / "called").exists()
    for name in ("plain", "annotated", "hidden", "maybe"):
        assert reader.json("graph", f"helpers_mistaken:{name}")["flow"] == name
    assert "A function is called only if" in " ".join(reader("run", "--help").out.split())


def test_cli_schema_that_is_missing_names_init(database: str, reader: Any) -> None:
    for command in (["list"], ["run", FLOW, "--input", '{"order": 1}'], ["rebuild"], ["verify"]):
        assert "sagalog init" in reader(*command, "--database-url", database, code=2).err


def test_cli_needs_to_be_told_the_code(cli: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = cli.one("order")["id"]
    monkeypatch.setattr(type(cli), "environment", property(lambda self: {"SAGALOG_DATABASE_URL": self.url}))
    monkeypatch.delenv("SAGALOG_APP", raising=False)
    done = cli("revert", run, "--reason", "x", code=2)
    assert "--app MODULE:OBJ" in done.err and "pyproject.toml" in done.err
    (tmp_path / "pyproject.toml").write_text("[tool.sagalog]\napp = 3\n")
    assert 'expected "MODULE:OBJ", found 3' in cli("revert", run, "--reason", "x", code=2).err
    (tmp_path / "pyproject.toml").write_text('[tool.sagalog]\napp = "sagalog_cliflows:app"\n')
    assert cli.json("revert", run, "--reason", "x")["state"] == "REVERTED"


def test_cli_other_code_than_the_run_was_started_with_is_refused(cli: Any, tmp_path: Path) -> None:
    run = cli.one("order")["id"]
    (tmp_path / "otherflows.py").write_text(
        "from sagalog import linear, Sagalog\ndef other(): return 1\napp = Sagalog([linear('order').add(other)])\n"
    )
    done = cli("revert", run, "--reason", "x", "--app", "otherflows:app", code=2)
    assert "task 'reserve'" in done.err and "the code that this run was started with" in done.err
    (tmp_path / "emptyflows.py").write_text("from sagalog import Sagalog\napp = Sagalog()\n")
    assert "is not in the App" in cli("revert", run, "--reason", "x", "--app", "emptyflows:app", code=2).err


def test_cli_verbose_shows_where_the_users_code_failed(reader: Any, tmp_path: Path) -> None:
    (tmp_path / "brokentoo.py").write_text("flow = 1 / 0\n")
    assert "-v shows the traceback" in reader("run", "brokentoo:flow", code=2).err
    process = reader.child("run", "brokentoo:flow", "-v")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2 and "flow = 1 / 0" in err
