"""What a person does about one run: go on in one of three ways, amend, settle a revert, reset; and do it step by step."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import sagalog_cliflows
from sagalog_cliflows import app

from sagalog import Engine, linear, task

WHO = ("--by", "ann", "--reason", "seen at the bank")


def types(cli: Any, run: str, after: int = 0) -> list[str]:
    return [record["type"] for record in cli.json("history", run)[after:]]


def stopped(cli: Any, flow: str = "order", order: Any = "Chile") -> Any:
    """A run that a failure has stopped as it is."""
    given = json.dumps({"order": order})
    return cli.json("run", f"sagalog_cliflows:{flow}", "--input", given, "--never-resolve", code=1)


def started(cli: Any, flow: str, order: Any = 1) -> str:
    """A run that is PENDING."""
    with Engine.open(cli.url, app=app) as engine:
        code = vars(sagalog_cliflows)[flow]
        return str(engine.start(code, {name: order for name in app.compiled(code).definition.requires}).id)


# --- how it is run ------------------------------------------------------------------------------------------------


def test_cli_operator_a_run_that_never_resolves_stays_as_it_failed(cli: Any) -> None:
    run = stopped(cli)
    assert run["state"] == "FAILURE" and [atom["state"] for atom in run["atoms"]] == ["SUCCESS", "FAILURE"]
    assert cli.json("resume", run["id"], code=1)["version"] == run["version"]


def test_cli_operator_a_retry_that_gives_up_has_its_own_flow_reverted_alone(cli: Any) -> None:
    for options, state in ((), "REVERTED"), (("--no-defer-reverts",), "REVERTED_PARTLY"):
        run = cli.json("run", "sagalog_cliflows:lonely", *options, "--input", '{"order": 1}', code=3)
        assert run["state"] == state
        assert run["atoms"][0]["state"] == ("REVERTED" if state == "REVERTED" else "SUCCESS")


def test_cli_operator_a_run_may_take_so_long_and_so_may_each_line_of_a_file(cli: Any) -> None:
    (cli.folder / "two.jsonl").write_text('{"order": 1}\n{"order": 2}\n')
    options = ("--timeout", "0.3")
    run = cli.json("run", "sagalog_cliflows:slow", *options, code=3)
    assert run["state"] == "REVERTED" and "TimeoutError" in run["failures"][0]["bases"]
    told = cli.json("run", "sagalog_cliflows:slow", "--each", "two.jsonl", *options, code=3)
    assert told["states"] == {"REVERTED": 2}


# --- going on -----------------------------------------------------------------------------------------------------


def test_cli_operator_recover_goes_on_from_the_failure_with_other_inputs(cli: Any) -> None:
    run = stopped(cli)
    told = cli.json("resume", run["id"], "--mode", "recover", "--input", '{"order": "Peru"}', *WHO, code=1)
    assert (told["id"], told["state"], told["inputs"]) == (run["id"], "FAILURE", {"order": "Peru"})
    # What has succeeded is kept, and what failed is executed anew; it fails again, for it takes what was kept.
    assert [atom["execution"] for atom in told["atoms"]] == [1, 2]
    assert told["results"]["reservation"]["$tuple@1"][0] == "Chile"
    history = cli("history", run["id"]).out
    assert "recovered: 'ship' is done anew, now with order='Peru' by ann: seen at the bank" in history
    assert types(cli, run["id"], run["version"])[1] == "run.recovered"


def test_cli_operator_recover_since_an_atom_executes_all_from_there_on(cli: Any) -> None:
    run = stopped(cli)
    options = ("--mode", "recover", "--since", "reserve", "--input", '{"order": "Peru"}')
    told = cli.json("resume", run["id"], *options)
    assert [atom["execution"] for atom in told["atoms"]] == [2, 2] and told["results"]["label"] == "label Peru"


def test_cli_operator_restart_is_a_new_run_and_leaves_the_old_one(cli: Any) -> None:
    run = cli.one("order", "Chile", code=3)
    done = cli("resume", run["id"], "--mode", "restart", "--input", '{"order": "Peru"}', "--json")
    assert done.json["id"] != run["id"] and done.json["state"] == "SUCCESS"
    assert f"{run['id']} stays as it is" in done.err
    assert cli.json("show", run["id"]) == run


# --- the operator's hand ------------------------------------------------------------------------------------------


def test_cli_operator_amend_says_that_it_succeeded_and_resume_goes_on(cli: Any) -> None:
    run = stopped(cli)
    done = cli("amend", run["id"], "ship", "--state", "success", "--result", '"by hand"', *WHO, "--json")
    assert done.json["state"] == "FAILURE" and f"sagalog resume {run['id']}" in done.err
    assert done.json["atoms"][1]["state"] == "SUCCESS" and done.json["failures"] == []
    assert cli.json("resume", run["id"])["results"]["label"] == "by hand"
    assert "said to be SUCCESS by ann: seen at the bank" in cli("history", run["id"]).out


def test_cli_operator_amend_takes_its_result_from_a_file(cli: Any) -> None:
    run = stopped(cli)
    Path("result.json").write_text('{"no": 7}')
    told = cli.json("amend", run["id"], "ship", "--state", "SUCCESS", "--result", "@result.json", *WHO)
    assert told["results"]["label"] == {"no": 7}


def test_cli_operator_amend_says_that_it_never_took_place(cli: Any) -> None:
    run = stopped(cli)
    told = cli.json("amend", run["id"], "ship", "--state", "PENDING", *WHO)
    assert told["atoms"][1]["state"] == "PENDING"
    assert cli.json("pending", run["id"]) == {"id": run["id"], "state": "FAILURE", "pending": 1}
    assert cli.json("resume", run["id"], code=1)["atoms"][1]["execution"] == 2


def test_cli_operator_a_revert_that_is_stuck_is_tried_again_or_left_out(cli: Any, tmp_path: Path) -> None:
    file = tmp_path / "open"
    first, second = (cli.one("knotted", str(file), code=1)["id"] for _ in range(2))
    assert cli("pending", first).out == "1\n"
    again = cli.json("retry-revert", first, "tie", *WHO, code=1)
    assert again["state"] == "FAILURE" and again["atoms"][0]["attempt"] == 2
    done = cli("skip-revert", second, "tie", *WHO, "--json")
    assert done.json["state"] == "REVERTED_PARTLY" and done.json["atoms"][0]["outcome"] == "skipped"
    file.touch()
    assert cli.json("retry-revert", first, "tie", *WHO)["state"] == "REVERTED"
    assert cli("pending", first).out == "0\n"


def test_cli_operator_reset_puts_a_run_that_is_over_back(cli: Any) -> None:
    run = cli.one("order", "Peru")["id"]
    done = cli("reset", run, "--by", "ann", "--json")
    assert done.json["state"] == "PENDING" and {atom["state"] for atom in done.json["atoms"]} == {"PENDING"}
    assert "To go on: sagalog resume" in done.err and cli("pending", run).out == "2\n"
    assert [atom["execution"] for atom in cli.json("resume", run)["atoms"]] == [2, 2]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["amend", "RUN", "ship", "--state", "success", *WHO], "amend is not possible"),
        (["amend", "RUN", "nobody", "--state", "success", *WHO], "no atom 'nobody'; it has 'reserve', 'ship'"),
        (["amend", "RUN", "ship", "--state", "pending", "--result", "1", *WHO], "--result: what never took place"),
        (["amend", "RUN", "ship", "--state", "success", "--result", "{", *WHO], "--result: not JSON"),
        (["amend", "RUN", "ship", "--state", "success", "--by", " ", "--reason", "x"], "--by: expected a text"),
        (["retry-revert", "RUN", "ship", *WHO], "it is SUCCESS"),
        (["skip-revert", "RUN", "ship", *WHO], "it is SUCCESS"),
        (["resume", "RUN", "--input", '{"order": 2}'], "with mode RECOVER or RESTART"),
        (["resume", "RUN", "--since", "ship"], "since goes with mode RECOVER"),
        (["resume", "RUN", "--mode", "recover"], "it is SUCCESS"),
        (["resume", "RUN", "--mode", "recover", "--since", "nobody"], "no atom 'nobody'"),
        (["resume", "RUN", "--by", "ann"], "are kept with --mode recover"),
        (["resume", "--all", "--mode", "restart"], "are for one RUN"),
        (["resume", "--all", "--since", "ship"], "are for one RUN"),
        (["run", "sagalog_cliflows:order", "--input", '{"order": 1}', "--timeout", "0"], "or a timedelta; found 0"),
        (["run", "sagalog_cliflows:order", "--input", '{"order": 1}', "--timeout", "nan"], "seconds above zero"),
        (["pending", "0123"], "there is no run 0123"),
        (["tick", "0123"], "there is no run 0123"),
        (["step", "0123"], "there is no run 0123"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_cli_operator_mistakes_are_one_message_and_change_nothing(cli: Any, arguments: list[str], says: str) -> None:
    run = cli.one("order", "Peru")
    done = cli(*(run["id"] if word == "RUN" else word for word in arguments), code=2)
    assert says in done.err and done.err.startswith("error: ") and done.out == ""
    assert cli.json("show", run["id"]) == run and len(cli.json("list")) == 1


# --- as much as one is told ---------------------------------------------------------------------------------------


def test_cli_operator_a_step_makes_one_call_and_leaves_the_run_suspended(cli: Any) -> None:
    run = started(cli, "order", "Peru")
    before = len(types(cli, run))
    told = cli.json("step", run)
    assert (told["id"], told["state"], told["pending"]) == (run, "SUSPENDED", 1)
    made = [record["type"] for record in told["records"]]
    assert made == types(cli, run, before) == [
        "run.claimed", "run.running", "task.running",
        "message.accepted", "run.suspending", "task.success", "run.suspended",
    ]  # fmt: skip
    done = cli("step", run)
    assert "ship  done" in done.out and "0 still to be done" in done.err
    assert cli.json("step", run)["state"] == "SUCCESS"
    assert "there is no step to make: the run is SUCCESS" in cli("step", run).err
    assert "task.unknown" not in types(cli, run)


def test_cli_operator_steps_go_through_a_retry_as_well(cli: Any) -> None:
    run = started(cli, "calling")
    for _ in range(20):
        state = cli.json("step", run)["state"]
        if state != "SUSPENDED":
            break
    shown = cli.json("show", run)
    assert state == "SUCCESS" and shown["atoms"][0]["result"] == "three" and "task.unknown" not in types(cli, run)


def test_cli_operator_all_steps_are_shown_one_after_the_other(cli: Any) -> None:
    run = started(cli, "order", "Chile")
    before = len(types(cli, run))
    done = cli("step", run, "--all")
    shown = re.findall(r"^ *(\d+) ", done.out, re.MULTILINE)
    assert list(map(int, shown)) == list(range(before + 1, len(types(cli, run)) + 1))
    assert "ship  failed: Refused" in done.out and "the run is REVERTED" in done.err


def test_cli_operator_tick_does_what_is_due_and_does_not_wait(cli: Any) -> None:
    waits, other = started(cli, "tomorrow"), started(cli, "order", "Peru")
    assert cli.json("tick", waits) == {"calls": 2}
    assert "0 calls made; the run is WAITING" in cli("tick", waits).out
    assert "2 calls made" in cli("tick").out
    assert [cli.json("show", run)["state"] for run in (waits, other)] == ["WAITING", "SUCCESS"]


def test_cli_operator_tick_names_the_run_that_it_has_no_code_for(cli: Any) -> None:
    stranger, other = linear("stranger").add(task(name="odd")(lambda: None)), started(cli, "order", "Peru")
    with Engine.open(cli.url, flows=[stranger]) as engine:
        run = engine.start(stranger).id
    told = cli("tick", code=2).err
    assert f"in run {run}; all others have had their turn" in told and "the flow 'stranger' is not in the App" in told
    assert cli.json("show", other)["state"] == "SUCCESS"


def test_cli_operator_a_step_of_a_run_that_waits_leaves_it_suspended_and_its_time_as_it_is(cli: Any) -> None:
    run = started(cli, "tomorrow")
    cli("tick", run)
    began = time.monotonic()
    told = cli.json("step", run)
    assert told["state"] == "SUSPENDED" and time.monotonic() - began < 30
    assert "task.running" not in [record["type"] for record in told["records"]]
    assert "until" in cli("show", run).out
