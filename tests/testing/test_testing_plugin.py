"""The pytest plugin: light where it is not used, fixtures on throw-away databases, and `pytest --sagalog-crash`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from sagalog_pytests import ROOT, environment, run_pytest

from sagalog.testing.crash.database import own_server

SHOP = '''
import pytest
from sagalog import linear, task
from sagalog.testing import FileLedger, Ledger

provider = FileLedger("{folder}/ledger")

@task(compensation="irreversible")
def mail(context):
    provider.call("mail", context.idempotency_key{broken})

clean = linear("clean").add(mail)

@task
def needs(order): ...

def wanting():
    return linear("wanting").add(needs)
'''
MARKED = '''
import pytest
from shop import clean, provider

@pytest.mark.sagalog_crash(ledger=provider)
def what_is_killed(tmp_path):
    assert tmp_path.exists()
    return clean

@pytest.mark.sagalog_crash(ledger=provider, again=2)
def test_marked():
    return clean, None, lambda run, calls: calls.count("mail") == 1

@pytest.mark.sagalog_crash
def test_nothing():
    return None

def test_other():
    pass

def test_by_hand(crash_everywhere):
    assert crash_everywhere(clean, ledger=provider, again=1).ok
'''


@pytest.fixture(scope="module")
def url() -> str:
    return own_server(os.getpid()).url


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP.format(folder=tmp_path, broken=""))
    (tmp_path / "test_shop.py").write_text(MARKED)
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\naddopts = --strict-markers\nfilterwarnings = error\n")
    return tmp_path


def test_leaky_is_told_of_both_of_its_faults(tmp_path: Path) -> None:
    """On a server of its own, which is gone afterwards."""
    told = tmp_path / "told.json"
    # Not below pytest's own folder, which each session of pytest closes to other accounts: to the server's, too.
    with tempfile.TemporaryDirectory(prefix="sagalog-") as places:
        done = run_pytest(
            ROOT, None, "--sagalog-crash", f"--sagalog-crash-json={told}", "examples/leaky.py", TMPDIR=places
        )
        deadline = time.monotonic() + 30
        while left := list(Path(places).glob("sagalog-testing-*")):
            assert time.monotonic() < deadline, left
            time.sleep(0.05)
    assert done.returncode == 1, done.stdout
    words = " ".join(done.stdout.split())
    for expected in (
        "1. charge is not idempotent", "'charge' took effect twice", "charge has recovery=RERUN (the default)",
        "killed after the call of charge returned, before its outcome was recorded", "hand context.idempotency_key to",
        "2. nobody has said how reserve is undone", "stays: 'reserve'", "write its revert (@reserve.revert), or declare",
        "3. your check fails after a crash", "2590 cents were charged for an order of 1295",
    ):  # fmt: skip
        assert expected in words, done.stdout
    assert "Traceback" not in words and "4. " not in words
    (report,) = json.loads(told.read_text())
    assert (report["not_idempotent"], report["undeclared"]) == (["charge"], ["reserve"])
    assert report["test"].endswith("an_order_of_three_items") and report["points"]["all"] > 60
    page = (ROOT / "docs" / "testing.md").read_text()
    shown = page.rsplit("```\n1. charge", 1)[1].split("```", 1)[0].strip().splitlines()
    assert [line for line in shown if line not in done.stdout] == []


def test_without_the_flag_what_is_marked_is_run_unharmed(shop: Path, url: str) -> None:
    done = run_pytest(shop, url)
    assert "1 failed, 3 passed" in done.stdout, done.stdout  # what_is_killed is no name of a test
    assert "test_nothing: expected it to return a flow" in done.stdout


def test_with_the_flag_it_is_killed_and_nothing_else_is_run(shop: Path, url: str) -> None:
    done = run_pytest(shop, url, "--sagalog-crash", "--sagalog-crash-json=told.json", "-v")
    assert "2 failed, 2 passed, 1 deselected" in done.stdout, done.stdout
    assert "what_is_killed PASSED" in done.stdout and "test_marked FAILED" in done.stdout
    assert "it returned False" in done.stdout and "killed inside the call of mail" in done.stdout
    assert done.stdout.count("flow 'clean': no fault; ") == 2
    reports = json.loads((shop / "told.json").read_text())
    assert [(report["test"].split("::")[1], report["ok"]) for report in reports] == [
        ("what_is_killed", True), ("test_marked", False), ("test_nothing", False), ("test_by_hand", True),
    ]  # fmt: skip


def test_a_flow_is_given_by_its_name_and_processes_are_killed(shop: Path, url: str) -> None:
    (shop / "inputs.json").write_text('{"order": 1}')
    done = run_pytest(
        shop, url, "--sagalog-crash", "--sagalog-crash-kill=process", "--sagalog-crash-input=@inputs.json",
        "--sagalog-crash-json=told.json", "shop:wanting",
    )  # fmt: skip
    assert "shop:wanting" in done.stdout and "killed with SIGKILL" in done.stdout, done.stdout
    (report,) = json.loads((shop / "told.json").read_text())
    assert (report["kill"], report["undeclared"], report["not_idempotent"]) == ("process", ["needs"], [])
    assert report["notes"][0].startswith("effects were not watched")


def test_what_cannot_be_run_is_told_in_a_line(shop: Path, url: str) -> None:
    done = run_pytest(shop, url, "--sagalog-crash", "shop:wanting", "shop:nothing", "nowhere:flow")
    assert done.returncode == 1 and "3 failed" in done.stdout and "Traceback" not in done.stdout, done.stdout
    assert "it cannot be run at all: MissingArgument" in done.stdout
    assert "shop:nothing: expected MODULE:FLOW" in done.stdout and "nowhere:flow: expected MODULE:FLOW" in done.stdout


@pytest.mark.parametrize(("given", "words"), [("[1]", "expected an object"), ("@nowhere", "expected JSON or @FILE")])
def test_inputs_that_are_none_are_told_in_a_line(shop: Path, given: str, words: str) -> None:
    done = run_pytest(shop, None, "--sagalog-crash", "shop:wanting", f"--sagalog-crash-input={given}")
    assert done.returncode == 1 and words in done.stdout and "Traceback" not in done.stdout, done.stdout


def test_who_does_not_use_it_pays_nothing_for_it(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text("import sys\ndef test_it():\n    assert 'sagalog' not in sys.modules\n")
    done = run_pytest(tmp_path, None)
    assert "1 passed" in done.stdout, done.stdout
    program = "import sys, pytest; before = set(sys.modules); import sagalog_pytest; print(set(sys.modules) - before)"
    told = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=True
    ).stdout
    assert told == "{'sagalog_pytest'}\n"
