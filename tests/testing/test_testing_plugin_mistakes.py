"""`pytest --sagalog-crash` on what cannot be killed: each mistake is told in one line, and is in the JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from sagalog_pytests import run_pytest

from sagalog.testing.crash.database import own_server

MISTAKES = '''
import os
import pytest
from sagalog import linear, task
from sagalog.testing import Ledger

ledger = Ledger()

@task(compensation="irreversible")
def mail(address):
    ledger.call("mail", address=address["of"])

flow = linear("mailing").add(mail)

@pytest.mark.sagalog_crash(ledger)
def by_place():
    return flow

@pytest.mark.sagalog_crash(ledgr=ledger)
def misspelt():
    return flow

@pytest.mark.sagalog_crash
def no_flow():
    return {"ledger": ledger}

@pytest.mark.sagalog_crash
def no_inputs():
    return flow

@pytest.mark.sagalog_crash
def no_mapping():
    return flow, 5

@pytest.mark.sagalog_crash
def raising():
    raise RuntimeError("cannot be made")

@pytest.mark.sagalog_crash
def without_its_fixture(nowhere):
    return flow

@pytest.mark.sagalog_crash
def wants_fixtures(tmp_path):
    return flow, {"address": {"of": "ann"}}

@pytest.mark.sagalog_crash(again=1)
def failing(monkeypatch, tmp_path):
    os.chdir(tmp_path)
    return flow, {"address": {}}

def test_other():
    raise ValueError("this kills nothing")
'''
TOLD = {
    "by_place": "by_place: sagalog_crash takes arguments by name, as in sagalog_crash(ledger=…); found <sagalog",
    "misspelt": "misspelt: crash_everywhere has no argument 'ledgr'; expected some of flow, inputs, check, ledger, effects",
    "no_flow": "no_flow: expected it to return a flow, (flow, inputs), (flow, inputs, check) or a dict",
    "no_inputs": "it cannot be run at all: MissingArgument: flow 'mailing': task 'mail' needs 'address'",
    "no_mapping": "it cannot be run at all: UsageError: crash_everywhere: inputs must be a mapping {name: value}; found 5",
    "raising": "RuntimeError: cannot be made",
    "without_its_fixture": "fixture 'nowhere' not found",
}


@pytest.fixture(scope="module")
def url() -> str:
    return own_server(os.getpid()).url


def test_each_mistake_is_told_in_a_line_and_is_in_the_json(tmp_path: Path, url: str) -> None:
    (tmp_path / "test_mistakes.py").write_text(MISTAKES)
    done = run_pytest(
        tmp_path, url, "--sagalog-crash", "--sagalog-crash-json=deep/down/told.json", "--tb=short",
        "--deselect=test_mistakes.py::wants_fixtures",
    )  # fmt: skip
    assert "6 failed, 1 passed, 2 deselected, 1 error" in done.stdout, done.stdout
    assert "During handling of" not in done.stdout and "there is no run" not in done.stdout
    told = json.loads((tmp_path / "deep/down/told.json").read_text())
    reports = {report["test"].split("::")[1]: report for report in told}
    assert list(reports) == [*TOLD, "failing"]  # also where a test has gone to another folder
    for name, words in TOLD.items():
        assert words in done.stdout and reports[name]["ok"] is False, done.stdout
        assert words in reports[name]["error"] or name == "without_its_fixture"
    assert reports["failing"]["ok"] is True
    # What passes does not hide what is worth a look.
    assert "note: without a crash it ends REVERTED; mail failed: KeyError: 'of'" in done.stdout
    assert "note: effects were not watched" in done.stdout


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("broken:flow", "broken:flow: expected MODULE:FLOW, found: SyntaxError: "),
        ("raises:flow", "raises:flow: expected MODULE:FLOW, found: RuntimeError: not today ("),
        ("nowhere:flow", "nowhere:flow: expected MODULE:FLOW, found: ModuleNotFoundError: No module named 'nowhere'\n"),
        ("test_mistakes:wants_fixtures", "it wants fixtures (tmp_path), so give its file: "),
    ],
)
def test_a_name_that_leads_nowhere_is_told_in_a_line(tmp_path: Path, target: str, words: str) -> None:
    (tmp_path / "test_mistakes.py").write_text(MISTAKES)
    (tmp_path / "broken.py").write_text("def flow(:\n")
    (tmp_path / "raises.py").write_text("raise RuntimeError('not today')\n")
    done = run_pytest(tmp_path, None, "--sagalog-crash", target)
    assert done.returncode == 1 and words in done.stdout, done.stdout
    assert "Traceback" not in done.stdout and "During handling of" not in done.stdout and "importlib" not in done.stdout
    assert target != "raises:flow" or "raises.py, line 1)" in done.stdout


def test_a_folder_is_no_file_for_the_reports(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, None, "--sagalog-crash", "--sagalog-crash-json=.")
    assert done.returncode == 4 and "--sagalog-crash-json: expected a file, found the folder ." in done.stdout, done.stdout
