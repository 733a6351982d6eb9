"""`list`, `show`, `history`: the shapes of CONTRACT with --json, and what a person is told."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sagalog_cliflows import Parcel
from sagalog_clitools import tamper

from sagalog import Engine, linear, task
from sagalog.cli import sentences
from sagalog.cli.list import short_ids
from sagalog.engine.core.evolve import RECORD_TYPES


@task(provides="weight")
def take(parcel: Parcel) -> int:
    return parcel.weight


LISTED = ["id", "flow", "state", "version", "created_at", "updated_at", "reason", "failure"]
RECORD = [
    "position", "run_id", "version", "id", "type", "schema", "actor", "at", "atom", "instance", "execution", "attempt",
    "facts", "value", "hash",
]  # fmt: skip


def test_cli_list_is_oldest_first_and_its_rows_are_those_of_show(cli: Any, tmp_path: Path) -> None:
    ids = [
        cli.one("order")["id"],
        cli.one("order", "Chile", code=3)["id"],
        cli.one("knotted", str(tmp_path / "no"), code=1)["id"],
    ]
    cli("revert", ids[0], "--reason", "customer withdrew", "--by", "ann")
    listed = cli.json("list")
    assert [row["id"] for row in listed] == ids
    assert [list(row) for row in listed] == [LISTED] * 3
    for row in listed:
        shown = cli.json("show", row["id"])
        assert {name: shown[name] for name in LISTED} == row
        created, updated = (datetime.fromisoformat(row[name]) for name in ("created_at", "updated_at"))
        assert created.utcoffset() == timedelta(0) and created <= updated
    assert listed[0]["reason"] == "customer withdrew" and listed[0]["failure"] is None
    assert listed[1]["reason"] is None and listed[1]["failure"]["type"] == "sagalog_cliflows.Refused"
    assert listed[2]["failure"]["atom"] == "tie"


def test_cli_list_filters(cli: Any) -> None:
    one = cli.one("order")["id"]
    two = cli.one("order", "Chile", code=3)["id"]
    three = cli.one("partly", code=3)["id"]

    def ids(*arguments: str) -> list[str]:
        return [row["id"] for row in cli.json("list", *arguments)]

    assert ids("--state", "SUCCESS") == [one]
    assert ids("--state", "reverted", "--state", "REVERTED_PARTLY") == [two, three]
    assert ids("--flow", "partly") == [three]
    assert ids("--flow", "order", "--state", "REVERTED") == [two]
    assert ids("--state", "FAILURE") == []
    assert cli("list", "--state", "FAILURE").out == "None of 3 runs is in FAILURE.\n"
    none = cli("list", "--state", "FAILURE", "--state", "RUNNING", "--flow", "x").out
    assert none == "None of 3 runs is of flow 'x' and in FAILURE or RUNNING.\n"


def test_cli_list_shows_ids_that_are_enough_to_name_a_run(cli: Any) -> None:
    assert cli("list").out == "No runs.\n"
    runs = {cli.one("order", "Chile", code=3)["id"] for _ in range(3)}
    heading, *lines = cli("list").out.splitlines()
    assert heading.split() == ["RUN", "FLOW", "STATE", "RECORDS", "CREATED", "UPDATED", "WHY"]
    assert {cli.json("show", line.split()[0])["id"] for line in lines} == runs
    assert all("ship: Refused: no parcels to Chile [bold]at all[/bold]" in line for line in lines)


@given(st.sets(st.uuids(), min_size=1, max_size=20))
def test_cli_short_ids_tell_all_runs_apart(ids: set[UUID]) -> None:
    short = short_ids(list(ids))
    for run in ids:
        assert [other for other in ids if str(other).startswith(short[run])] == [run]
        assert len(short[run]) >= 8 and short[run][-1] != "-"


def test_cli_show_tells_a_person(cli: Any) -> None:
    run = cli.one("order", "Chile", code=3)["id"]
    text = cli("show", run[:-4]).out
    assert run in text and "REVERTED" in text
    assert "('Chile', {cents: 250}, b'raw')" in text
    assert "ship: Refused: no parcels to Chile [bold]at all[/bold]" in text
    assert "Traceback" not in text and 'raise Refused("no parcels' not in text
    assert 'raise Refused("no parcels' in cli("show", run, "-v").out


def test_cli_show_tells_what_became_of_each_effect(cli: Any) -> None:
    told = cli.one("partly", code=3)
    assert {atom["name"]: atom["outcome"] for atom in told["atoms"]} == {
        "reserve": "reverted", "ship": "undeclared", "write": "not_revertible", "fail": "undeclared",
    }  # fmt: skip
    text = cli("show", told["id"]).out
    assert re.search(r"^reserve +REVERTED  ", text, re.MULTILINE)
    assert re.search(r"^ship +REVERTED \(nothing to revert, undeclared\)", text, re.MULTILINE)
    assert re.search(r"^write +REVERTED \(cannot be undone\)", text, re.MULTILINE)
    drawn = cli("graph", told["id"]).out
    assert "REVERTED #40;cannot be undone#41;" in drawn and drawn.count(":::NOT_REVERTIBLE") == 1
    assert "classDef NOT_REVERTIBLE fill:" in drawn and drawn.count(":::REVERTED") == 3


@pytest.mark.parametrize("value", ['{"$tuple@1": ["x"]}', "5", '"x"', '{"$no.such@1": 1}', "[]"])
def test_cli_show_leaves_out_what_a_result_does_not_have(cli: Any, value: str) -> None:
    run = cli.one("splitting")["id"]
    tamper(
        cli.url,
        f"UPDATE sagalog.record SET value = '{value}'::bytea WHERE stream_id = '{run}' AND type = 'task.success'",
    )
    results = cli.json("show", run)["results"]
    assert "second" not in results and set(results) <= {"first"}
    assert "splitting" in cli("show", run).out


def test_cli_show_of_a_large_flow_counts_its_atoms(cli: Any) -> None:
    run = cli.json("run", "sagalog_cliflows:wide", "--arg", "count=100")["id"]
    text = cli("show", run).out
    assert "102 atoms: 102 SUCCESS" in text and len(text.splitlines()) < 60
    assert len(cli.json("show", run)["atoms"]) == 102


def test_cli_show_needs_no_code_for_registered_values(cli: Any) -> None:
    told = cli.one("parcels")
    assert told["results"] == {"parcel": {"$cliflows.parcel@1": {"weight": 3}}}
    done = cli.wait(cli.child("show", told["id"], "--json", SAGALOG_APP=""))
    assert done.json == told


def test_cli_show_needs_no_code_for_registered_inputs(cli: Any) -> None:
    with Engine.open(cli.url) as engine:
        run = str(engine.run(linear("taking").add(take), {"parcel": Parcel(4)}).id)
    for command in ("show", "history", "graph"):
        cli.wait(cli.child(command, run, SAGALOG_APP=""))
    done = cli.wait(cli.child("show", run, "--json", SAGALOG_APP=""))
    assert done.json["inputs"] == {"parcel": {"$cliflows.parcel@1": {"weight": 4}}}
    assert "with parcel=cliflows.parcel{weight: 4}" in cli("history", run).out


def test_cli_history_is_all_records(cli: Any) -> None:
    shown = cli.one("order", "Chile", code=3)
    records = cli.json("history", shown["id"])
    assert [list(record) for record in records] == [RECORD] * len(records)
    assert [record["version"] for record in records] == list(range(1, shown["version"] + 1))
    assert records[0]["type"] == "run.created" and records[0]["facts"]["definition"] == shown["definition"]
    assert records[0]["value"]["inputs"] == {"order": "Chile"}
    success = next(record for record in records if record["type"] == "task.success")
    assert (success["atom"], success["execution"], success["attempt"]) == ("reserve", 1, 1)
    assert success["value"] == {"$tuple@1": ["Chile", {"cents": 250}, {"$bytes@1": "cmF3"}]}
    assert all(re.fullmatch("[0-9a-f]{64}", record["hash"]) for record in records)


def test_cli_history_at_a_version_is_show_at_that_version(cli: Any) -> None:
    shown = cli.one("order", "Chile", code=3)
    records = cli.json("history", shown["id"])
    assert cli.json("history", shown["id"], "--at", str(shown["version"])) == shown
    pictures = [cli.json("history", shown["id"], "--at", str(record["version"])) for record in records]
    assert [picture["version"] for picture in pictures] == [record["version"] for record in records]
    assert [picture["updated_at"] for picture in pictures] == [record["at"] for record in records]
    running = next(at for at, record in enumerate(records) if record["type"] == "task.running")
    assert pictures[0]["state"] == "PENDING" and pictures[running]["atoms"][0]["state"] == "RUNNING"
    assert "RUNNING" in cli("history", shown["id"], "--at", str(running + 1)).out
    assert "Usage" in cli("history", shown["id"], "--at", "0", code=2).err
    beyond = cli("history", shown["id"], "--at", "999", code=2)
    assert f"there is no version 999, the last is {shown['version']}" in beyond.err and beyond.out == ""


def test_cli_history_is_a_timeline(cli: Any, tmp_path: Path) -> None:
    run = cli.one("knotted", str(tmp_path / "open"), code=1)["id"]
    (tmp_path / "open").touch()
    cli("resume", run)
    text = cli("history", run).out
    told = [re.sub(r" {2,}(\S+ m?s$)?", " ", line).strip() for line in text.splitlines()]
    after_time = [match[1] for line in told if (match := re.fullmatch(r"\d+ [+]\S+ m?s . (.*)", line))]
    assert after_time[0].startswith("the run created: flow 'knotted', with order=")
    assert after_time[1].startswith("the run claimed by worker ")
    assert [re.sub(r" [0-9.]+ m?s$", "", line) for line in after_time[2:]] == [
        "the run starts",
        "tie done → 'tied'",
        f"reserve done → ('{tmp_path / 'open'}', {{cents: 250}}, b'raw')",
        f"ship done → 'label {tmp_path / 'open'}'",
        f"fail failed: Refused: cannot go on with label {tmp_path / 'open'}",
        "the run everything that ran is reverted, because 'fail' failed",
        "fail nothing to revert (undeclared)",
        "ship nothing to revert (undeclared)",
        "reserve reverted → {released: True}",
        "tie revert failed: RuntimeError: the knot does not open",
        "the run FAILURE: the revert of 'tie' failed; `resume` tries it again",
        after_time[13],
        "the run the revert goes on",
        "tie reverted",
        "the run REVERTED",
    ]
    assert re.fullmatch(r"the run claimed by worker \w{8} \(epoch 2\)", after_time[13])
    assert len(cli("history", run, "-v").out.splitlines()) > len(text.splitlines())


def test_cli_every_type_of_record_has_its_words() -> None:
    assert set(sentences._SENTENCES) == set(RECORD_TYPES)


@pytest.mark.parametrize("command", ["show", "history", "list"])
def test_cli_text_of_users_cannot_move_the_cursor(cli: Any, command: str) -> None:
    run = cli.one("order", "\x1b[2J\r\n[red]x", code=0)["id"]
    cli("revert", run, "--reason", "\x1b]0;title\x07 why\nindeed")
    text = cli(command, *([] if command == "list" else [run])).out
    assert "\x1b" not in text and "\x07" not in text and "\r" not in text
