"""`run`: flows, tasks and factories; one run, or one for each line of a file; exit codes and keys."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sagalog_cliflows import order

from sagalog import Engine

SHOWN = [
    "id", "flow", "state", "version", "created_at", "updated_at", "reason", "failure",
    "definition", "inputs", "results", "atoms", "failures",
]  # fmt: skip


def rows(url: str, query: str) -> Any:
    with psycopg.connect(url, autocommit=True) as conn:
        return conn.execute(query.encode()).fetchall()


def test_cli_run_answers_as_show_with_values_as_they_are_stored(cli: Any) -> None:
    told = cli.one("order", "Peru")
    assert list(told) == SHOWN
    assert told["state"] == "SUCCESS" and told["inputs"] == {"order": "Peru"}
    stored = {"$tuple@1": ["Peru", {"cents": 250}, {"$bytes@1": "cmF3"}]}
    assert told["results"] == {"reservation": stored, "label": "label Peru"}
    assert told["atoms"][0] == {
        "name": "reserve", "kind": "task", "state": "SUCCESS", "execution": 1, "attempt": 1, "result": stored,
        "failure": None, "revert_result": None, "revert_failure": None, "progress": None,
        "details": None, "outcome": None, "tries": None, "elements": None,
    }  # fmt: skip
    assert told == cli.json("show", told["id"])


@pytest.mark.parametrize(
    ("flow", "order", "code", "state"),
    [("order", 1, 0, "SUCCESS"), ("order", "Chile", 3, "REVERTED"), ("partly", 1, 3, "REVERTED_PARTLY")],
)
def test_cli_run_exits_by_the_state(cli: Any, flow: str, order: Any, code: int, state: str) -> None:
    assert cli.one(flow, order, code=code)["state"] == state
    done = cli("run", f"sagalog_cliflows:{flow}", "--input", json.dumps({"order": order}), code=code)
    assert state in done.out


def test_cli_run_that_is_stuck_exits_1_and_resume_goes_on(cli: Any, tmp_path: Path) -> None:
    order = tmp_path / "open"
    told = cli.one("knotted", str(order), code=1)
    assert told["state"] == "FAILURE"
    assert [failure["atom"] for failure in told["failures"]] == ["fail", "tie"]
    assert told["failure"] == told["failures"][1] and told["failures"][1]["type"] == "RuntimeError"
    assert cli.json("resume", told["id"], code=1)["state"] == "FAILURE"
    order.touch()
    assert cli.json("resume", told["id"])["state"] == "REVERTED"


def test_cli_run_takes_factories_and_bare_tasks(cli: Any) -> None:
    told = cli.json("run", "sagalog_cliflows:wide", "--arg", "count=3", "--arg", "name=three of them")
    assert told["flow"] == "three of them" and len(told["atoms"]) == 5
    again = cli.json("resume", told["id"])
    assert again["state"] == "SUCCESS"
    text = cli.json("run", "sagalog_cliflows:wide", "--arg", "count=1", "--arg", "name=7x")
    assert text["flow"] == "7x"
    task = cli.one("reserve", [1])
    assert (task["flow"], task["state"]) == ("reserve", "SUCCESS")


def test_cli_run_finds_modules_in_the_working_directory_first(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "hereflows.py").write_text("from sagalog import linear\nflow = linear('from here').add(lambda: 1)\n")
    assert cli.json("run", "hereflows:flow", code=None)["flow"] == "from here"


def test_cli_run_reads_inputs_from_a_file(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text('{"order": {"ü": [1.5, 12345678901234567890123]}}', encoding="utf-8")
    told = cli.json("run", "sagalog_cliflows:order", "--input", "@in.json")
    assert told["inputs"]["order"]["ü"][0] == 1.5
    assert told["inputs"]["order"]["ü"][1] == {"$int@1": "12345678901234567890123"}


def test_cli_run_with_a_key_that_is_taken_goes_on_with_that_run(cli: Any) -> None:
    arguments = ("run", "sagalog_cliflows:order", "--input", '{"order": 1}', "--key", "k1")
    first, second = cli.json(*arguments), cli.json(*arguments)
    assert first == second
    assert len(cli.json("list")) == 1
    other = cli("run", "sagalog_cliflows:order", "--input", '{"order": 2}', "--key", "k1", code=2)
    assert "a key stands for one request" in other.err
    assert re.search(r"^key k1: the run of \d\d:\d\d:\d\d, already SUCCESS$", cli(*arguments).err, re.MULTILINE)


def test_cli_run_with_the_key_of_a_suspended_run_leaves_it_so(cli: Any, tmp_path: Path) -> None:
    file = each(tmp_path, '{"order": 1}', '{"order": 2}')
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    with Engine.open(cli.url) as engine:
        one = str(engine.start(order, {"order": 1}, key="po-1").id)
        two = str(engine.start(order, {"order": 1}, key=f"{digest}:1").id)
    for run in (one, two):
        assert cli.json("suspend", run)["state"] == "SUSPENDED"
    version = cli.json("show", one)["version"]
    done = cli("run", "sagalog_cliflows:order", "--input", '{"order": 1}', "--key", "po-1", "--json", code=1)
    assert (done.json["state"], done.json["version"]) == ("SUSPENDED", version)
    assert f"it is SUSPENDED, and left so. To go on: sagalog resume {one}" in done.err
    lines = cli("run", "sagalog_cliflows:order", "--each", str(file), "--json", code=1)
    assert (lines.json["states"], lines.json["ids"][0]) == ({"SUSPENDED": 1, "SUCCESS": 1}, two)
    assert f"{file}:1: run {two} is left SUSPENDED" in lines.err and "sagalog resume RUN" in lines.err
    assert "2 runs in FAILURE or SUSPENDED are left alone: sagalog resume RUN" in cli("resume", "--all").err
    assert cli.json("resume", one)["state"] == "SUCCESS"


def test_cli_run_warns_of_what_stayed(cli: Any, tmp_path: Path) -> None:
    said = "what 'write' did cannot be undone and stays; nothing was undone for 'ship', which declares no revert"
    done = cli("run", "sagalog_cliflows:partly", "--input", '{"order": 1}', "--json", code=3)
    assert f"warning: {said}" in done.err.splitlines()
    assert "warning" not in cli("run", "sagalog_cliflows:order", "--input", '{"order": "Chile"}', code=3).err
    file = each(tmp_path, '{"order": 1}', '{"order": 2}')
    many = cli("run", "sagalog_cliflows:partly", "--each", str(file), code=3)
    assert f"warning: in 2 of 2 reverted runs: {said}" in many.err.splitlines()
    run = cli.one("order")["id"]
    assert "warning: nothing was undone for 'ship'" in cli("revert", run, "--reason", "x").err
    again = cli("revert", run, "--reason", "x")
    assert "nothing was done: it was REVERTED already" in again.err
    assert cli.json("revert", run, "--reason", "x")["version"] == cli.json("show", run)["version"]


def test_cli_resume_all_names_the_run_of_each_error(cli: Any, tmp_path: Path) -> None:
    with Engine.open(cli.url) as engine:
        ids = sorted(str(engine.start(order, {"order": number}).id) for number in range(2))
    (tmp_path / "nothing_there.py").write_text("from sagalog import Sagalog\napp = Sagalog()\n")
    done = cli("resume", "--all", "--app", "nothing_there:app", "--json", code=1)
    assert done.json["states"] == {"PENDING": 2}
    assert [line for line in done.err.splitlines() if line.startswith("error: ")] == [
        f"error: run {ids[0]}, run {ids[1]}: the flow 'order' is not in the App, which has: none; "
        "give one that does (--app MODULE:OBJ)"
    ]


def each(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "orders.jsonl"
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file


def test_cli_run_each_makes_a_run_of_every_line_in_one_transaction(cli: Any, tmp_path: Path) -> None:
    file = each(tmp_path, '{"order": "Peru"}', "", '{"order": "Chile"}', '{"order": 3}')
    told = cli.json("run", "sagalog_cliflows:order", "--each", str(file), code=3)
    assert (told["runs"], told["states"]) == (3, {"SUCCESS": 2, "REVERTED": 1})
    assert set(told) == {"runs", "states", "ids", "seconds"} and told["seconds"] > 0
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    keys = [cli.json("history", run)[0]["facts"]["key"] for run in told["ids"]]
    assert keys == [f"{digest}:{number}" for number in (1, 3, 4)]
    created = rows(
        cli.url, "SELECT max(position), count(DISTINCT xmin::text) FROM sagalog.record WHERE type = 'run.created'"
    )
    claimed = rows(cli.url, "SELECT min(position) FROM sagalog.record WHERE type = 'run.claimed'")
    assert created[0][1] == 1 and created[0][0] < claimed[0][0]


def test_cli_run_each_again_continues_and_changes_nothing_that_is_done(cli: Any, tmp_path: Path) -> None:
    file = each(tmp_path, '{"order": 1}', '{"order": 2}')
    arguments = ("run", "sagalog_cliflows:order", "--each", str(file), "--concurrency", "1")
    first = cli.json(*arguments)
    before = rows(cli.url, "SELECT count(*) FROM sagalog.record")
    second = cli.json(*arguments)
    assert {**first, "seconds": 0} == {**second, "seconds": 0}
    assert rows(cli.url, "SELECT count(*) FROM sagalog.record") == before


def test_cli_run_each_is_still_known_after_a_rebuild(cli: Any, tmp_path: Path) -> None:
    file = each(tmp_path, '{"order": 1}', '{"order": 2}')
    arguments = ("run", "sagalog_cliflows:order", "--each", str(file))
    first, listed = cli.json(*arguments), cli.json("list")
    assert cli.json("rebuild")["streams"] == 2
    assert cli.json("list") == listed
    assert cli.json(*arguments)["ids"] == first["ids"]


@pytest.mark.parametrize(
    ("line", "inputs"),
    [
        ('{"order": 5, "more": 1}', {"order": 5, "more": 1}),
        ('{"id": 5}', {"order": {"id": 5}}),
        ("[1, 2]", {"order": [1, 2]}),
        ('"text"', {"order": "text"}),
        ("{}", {"order": {}}),
    ],
)
def test_cli_run_each_gives_the_whole_line_to_the_one_name_that_is_missing(
    cli: Any, tmp_path: Path, line: str, inputs: Any
) -> None:
    told = cli.json("run", "sagalog_cliflows:order", "--each", str(each(tmp_path, line)))
    assert cli.json("show", told["ids"][0])["inputs"] == inputs


@pytest.mark.parametrize(
    ("target", "bad", "says"),
    [
        ("order", '{"order": 1', "orders.jsonl:2: not JSON"),
        ("order", '{"order": NaN}', "orders.jsonl:2: not JSON: NaN"),
        ("order", "\udcff".encode("utf-8", "surrogateescape"), "orders.jsonl:2: expected UTF-8, found byte 0xff"),
        ("pair", '{"one": 1}', "orders.jsonl:2: flow 'pair': task 'join' needs 'two'"),
        ("pair", "[1]", "orders.jsonl:2: expected an object of input names and values, found a list"),
        ("order", "[" * 100_000, "orders.jsonl:2: nests too deeply"),
    ],
)
def test_cli_run_each_names_a_bad_line_before_anything_is_started(
    cli: Any, tmp_path: Path, target: str, bad: str | bytes, says: str
) -> None:
    (tmp_path / "pairflow.py").write_text(
        "from sagalog import linear\ndef join(one, two): return [one, two]\npair = linear('pair').add(join)\n"
    )
    file = each(tmp_path, '{"order": 1, "one": 1, "two": 2}')
    file.write_bytes(file.read_bytes() + (bad if isinstance(bad, bytes) else bad.encode()) + b"\n")
    module = "pairflow" if target == "pair" else "sagalog_cliflows"
    done = cli("run", f"{module}:{target}", "--each", str(file), code=2)
    assert says in done.err and done.out == ""
    assert cli.json("list") == []


def test_cli_run_each_of_an_empty_file_is_no_run(cli: Any, tmp_path: Path) -> None:
    told = cli("run", "sagalog_cliflows:order", "--each", str(each(tmp_path)), "--json")
    assert told.json == {"runs": 0, "states": {}, "ids": [], "seconds": told.json["seconds"]}
    assert "has no lines" in told.err


def test_cli_run_each_tells_how_the_runs_ended(cli: Any, tmp_path: Path) -> None:
    file = each(tmp_path, '{"order": 1}', '{"order": "Chile"}', '{"order": "Chile"}')
    lines = cli("run", "sagalog_cliflows:order", "--each", str(file), code=3).out.splitlines()
    assert any(line.split() == ["SUCCESS", "1"] for line in lines)
    assert any(line.split() == ["REVERTED", "2", "ship:", "Refused", "2"] for line in lines)
    (pace,) = [line for line in lines if line.startswith("3 runs in ")]
    assert "a second" not in pace


def test_cli_run_each_names_line_and_run_of_what_failed(cli: Any, tmp_path: Path) -> None:
    file = each(tmp_path, "", '{"order": "Chile"}', '{"order": 1}')
    done = cli("run", "sagalog_cliflows:order", "--each", str(file), "--json", code=3)
    said = f"{file}:2: run {done.json['ids'][0]} REVERTED: ship: Refused: no parcels to Chile [bold]at all[/bold]"
    assert said in done.err.splitlines()
