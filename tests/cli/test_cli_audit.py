"""`init`, `doctor`, `verify`, `export`, `rebuild`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
from sagalog_clitools import tamper


def test_cli_verify_is_content_with_what_was_written(cli: Any) -> None:
    run = cli.one("order")
    cli.one("order", "Chile", code=3)
    for arguments in (["--all"], []):
        told = cli.json("verify", *arguments)
        assert (told["ok"], told["runs"], told["faults"]) == (True, 2, [])
    one = cli.json("verify", run["id"])
    assert (one["ok"], one["runs"], one["records"]) == (True, 1, run["version"])
    assert cli("verify", "--all").out.startswith("ok: 2 runs")


def test_cli_verify_names_the_record_that_was_changed(cli: Any) -> None:
    run = cli.one("order")
    cli.one("order")
    tamper(
        cli.url,
        "UPDATE sagalog.record SET value = set_byte(value, 3, get_byte(value, 3) # 1) "
        f"WHERE stream_id = '{run['id']}' AND type = 'task.success' AND version = 5",
    )
    told = cli.json("verify", "--all", code=1)
    assert told["ok"] is False
    (fault,) = told["faults"]
    assert set(fault) == {"run_id", "version", "position", "kind", "message"}
    assert (fault["run_id"], fault["version"], fault["kind"]) == (run["id"], 5, "payload")
    out = cli("verify", run["id"], code=1).out
    (line,) = [line for line in out.splitlines() if run["id"] in line]
    assert "payload" in line and "version 5" in line and f"position {fault['position']}" in line


def test_cli_damaged_value_is_said_and_leaves_the_other_runs_listed(cli: Any) -> None:
    ids = [cli.one("order", "Chile", code=3)["id"] for _ in range(2)]
    tamper(
        cli.url,
        "UPDATE sagalog.record SET value = set_byte(value, 0, 0) "
        f"WHERE stream_id = '{ids[0]}' AND type = 'task.failure'",
    )
    listed = cli.json("list")
    assert [row["id"] for row in listed] == ids
    assert listed[0]["failure"] is None and listed[1]["failure"] is not None
    assert ids[0][:8] in cli("list").out
    for command in ("show", "history"):
        done = cli(command, ids[0], code=1)
        assert "its value is not what was written" in done.err and "sagalog verify" in done.err
    assert cli.json("export", ids[0], "-o", "damaged.jsonl")["records"] > 0
    assert cli.json("verify", "--file", "damaged.jsonl", code=1)["faults"][0]["kind"] == "payload"


def test_cli_export_is_verified_without_a_database(cli: Any, tmp_path: Path) -> None:
    run = cli.one("order")["id"]
    cli.one("order")
    file = tmp_path / "log.jsonl"
    told = cli.json("export", "-o", str(file))
    assert (told["file"], told["runs"]) == (str(file), 2)
    nowhere = ("--database-url", "postgresql://127.0.0.1:1/x")
    checked = cli.json("verify", "--file", str(file), "--head", told["head"], *nowhere)
    assert checked["ok"] and checked["records"] == told["records"]
    assert not list(tmp_path.glob("*.part"))

    one = cli("export", run)
    assert all(json.loads(line) for line in one.out.splitlines()) and "--head" in one.err
    short = tmp_path / "short.jsonl"
    short.write_text(one.out)
    faults = cli.json("verify", "--file", str(short), "--head", told["head"], *nowhere, code=1)["faults"]
    assert [fault["kind"] for fault in faults] == ["tail"]
    lines = file.read_text().splitlines(keepends=True)
    short.write_text("".join(lines[:4] + lines[5:]))
    assert cli.json("verify", "--file", str(short), *nowhere, code=1)["ok"] is False


def test_cli_export_that_cannot_go_on_leaves_no_file(cli: Any, tmp_path: Path) -> None:
    cli("export", "0123", "-o", str(tmp_path / "log.jsonl"), code=2)
    assert list(tmp_path.iterdir()) == []


def test_cli_verify_refuses_what_is_no_export(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello\n")
    done = cli("verify", "--file", "notes.txt", code=1)
    assert "not a line of a sagalog export" in done.err and done.out == ""


def test_cli_rebuild_gives_back_what_was_derived(cli: Any) -> None:
    ids = [cli.one("order")["id"], cli.one("order", "Chile", code=3)["id"]]
    listed = cli.json("list")
    with psycopg.connect(cli.url) as conn:
        conn.execute("DELETE FROM sagalog.stream")
        conn.execute("DELETE FROM sagalog.claim")
    told = cli.json("rebuild")
    assert told["streams"] == 2 and told["seconds"] >= 0
    assert cli.json("list") == listed and cli.json("verify")["ok"]
    assert cli.json("revert", ids[0], "--reason", "after the rebuild")["state"] == "REVERTED"
    assert "rebuilt from the log" in cli("rebuild").out


def test_cli_init_applies_what_is_missing_once(database: str, cli: Any) -> None:
    first = cli.json("init", "--database-url", database)
    assert first["applied"][0].startswith("0001") and first["schema_version"] >= len(first["applied"])
    assert cli.json("init", "--database-url", database) == {**first, "applied": []}
    assert "nothing to do" in cli("init", "--database-url", database).out
    assert cli.json("list", "--database-url", database) == []


def test_cli_doctor_says_what_is_connected(database: str, cli: Any) -> None:
    told = cli.json("doctor")
    names = [fact["name"] for fact in told["facts"]]
    assert told["ok"] and {"server", "schema", "clock offset", "sagalog_writer", "workers"} <= set(names)
    values = {fact["name"]: fact["value"] for fact in told["facts"]}
    assert type(values["position"]) is int and type(values["schema"]) is int
    assert type(values["clock offset"]) is float and values["fsync"] == "on"
    assert "PostgreSQL 18" in cli("doctor").out
    ill = cli("doctor", "--database-url", database, code=1)
    assert "sagalog init" in ill.out and "✗" in ill.out
