"""`history`, `show` and `graph` of runs with retries, policies, fan-outs and deciders, as a person reads them."""

from __future__ import annotations

import re
from typing import Any

from sagalog_cliflows import calling, giving, squares, tomorrow

from sagalog.cli.drawing import dot, mermaid
from sagalog.engine.core.compile import compile
from sagalog.engine.runtime.app import encode_inject
from sagalog.engine.runtime.engine import Engine


def told(cli: Any, run: str) -> list[str]:
    """The timeline, without versions, times, marks and durations."""
    lines = cli("history", run).out.splitlines()[3:]
    found = (re.fullmatch(r" *\d+ \+\d+\.\d+ s . (.*?)(?:  \d+ ms)?", line) for line in lines if line)
    return [re.sub(r" +", " ", line[1]) for line in found if line]


def test_cli_resolved_a_history_tells_who_was_asked_and_what_came_of_it(cli: Any) -> None:
    run = cli.one("calling")
    assert told(cli, run["id"])[3:] == [
        "numbers tries its flow with 'one'",
        "dial failed: Refused: one does not answer",
        "numbers asked about 'dial', after 1 try: RETRY; its flow is reverted and tried again",
        "dial reverted",
        "numbers tries its flow with 'two' (execution 2)",
        "dial failed (execution 2): Refused: two does not answer",
        "numbers asked about 'dial', after 2 tries: RETRY; its flow is reverted and tried again",
        "dial reverted",
        "numbers tries its flow with 'three' (execution 3)",
        "dial done (execution 3) → 'line to three'",
        "the run SUCCESS",
    ]
    assert "retry.retrying" in [record["type"] for record in cli.json("history", run["id"])]


def test_cli_resolved_show_says_how_often_a_flow_was_tried(cli: Any) -> None:
    run = cli.one("calling")
    retry, task = run["atoms"]
    assert (retry["kind"], retry["tries"], retry["result"]) == ("retry", 3, "three") and task["tries"] is None
    text = cli("show", run["id"]).out
    assert re.search(r"^numbers +SUCCESS +3\.1 +'three' +3 tries of its flow$", text, re.MULTILINE)


def test_cli_resolved_show_lists_elements_and_counts_them(cli: Any) -> None:
    run = cli.one("squares", [1, 13, 3])
    fan, *elements = run["atoms"]
    assert [atom["name"] for atom in run["atoms"]] == ["square", "square[0]", "square[1]", "square[2]"]
    assert fan["elements"] == 3 and [atom["result"] for atom in elements] == [1, None, 9]
    assert fan["result"] == run["results"]["squared"] == [1, elements[1]["failure"], 9]
    assert elements[1]["failure"]["atom"] == "square[1]" and run["failures"] == [elements[1]["failure"]]
    text = cli("show", run["id"]).out
    assert re.search(r"^square +SUCCESS +3 elements: 2 SUCCESS, 1 FAILURE$", text, re.MULTILINE)
    assert re.search(r"^square\[1\] +FAILURE +Refused: unlucky$", text, re.MULTILINE)
    assert re.search(r"^squared +\[1, <Refused: unlucky>, 9\]$", text, re.MULTILINE)


def test_cli_resolved_of_many_elements_those_are_told_that_need_a_look(cli: Any) -> None:
    run = cli.one("squares", list(range(40)))["id"]
    text = cli("show", run).out
    assert "40 elements: 39 SUCCESS, 1 FAILURE" in text and re.findall(r"square\[\d+\] +[A-Z]+", text) == [
        "square[13]  FAILURE"
    ]
    assert told(cli, run)[3:] == [
        "square once for each of 40 elements",
        "square[13] failed: Refused: unlucky",
        "square done: 39 successes, 1 failure (SUCCESS_FOR_PARTIAL_SUCCESS)",
        "the run SUCCESS",
    ]


def test_cli_resolved_of_many_elements_that_failed_some_are_told_and_the_rest_counted(cli: Any) -> None:
    done = cli("run", "sagalog_cliflows:squares", "--input", f'{{"order": {[1] + [13] * 40}}}')
    assert done.out.count("Refused: unlucky\n") == 10 and "  and 30 more elements failed\n" in done.out
    text = cli("show", done.out.split()[1]).out
    assert text.count("failure  square[") == 12 and "and 28 more elements: --json shows all of them" in text
    assert "41 elements: 1 SUCCESS, 40 FAILURE; of 40 that need a look the first 12 follow" in text
    assert len(re.findall(r"^square\[\d+\] +FAILURE", text, re.MULTILINE)) == 12


def test_cli_resolved_show_says_why_a_task_waits_for_its_next_attempt(cli: Any) -> None:
    with Engine.open(cli.url, flows=[tomorrow]) as engine:
        run = str(engine.start(tomorrow).id)
    cli("tick", run)
    (atom,) = cli.json("show", run)["atoms"]
    assert atom["state"] == "WAITING" and atom["result"] is None and atom["failure"]["message"] == "not today"
    assert re.search(r"^another_day +WAITING +1\.2 +Refused: not today$", cli("show", run).out, re.MULTILINE)


def test_cli_resolved_a_history_tells_of_policies_and_progress(cli: Any) -> None:
    run = cli.one("visiting")
    assert run["atoms"][0]["progress"] == 1 and run["atoms"][0]["details"] == {"knocks": 3}
    said = [line for line in told(cli, run["id"]) if line.startswith("knock ") and "% done" not in line]
    assert said[0] == "knock failed: Refused: nobody opens; again at once"
    assert re.fullmatch(r"knock failed \(attempt 2\): Refused: nobody opens; again in \d+ ms", said[1])
    assert said[2:] == ["knock done (attempt 3) → 'open'"]
    assert "knock 33% done: {knocks: 1}" in told(cli, run["id"])


def test_cli_resolved_a_history_tells_what_a_decider_said_and_what_is_ignored(cli: Any) -> None:
    run = cli.one("giving")["id"]
    assert told(cli, run)[4:] == [
        "wrap may it go on? generous (after 'tie'): no; it alone is ignored",
        "wrap ignored: a decider said no",
        "post started, with its own default of 'gift', which nothing that ran provides",
        "post done → 'sent with nothing'",
        "the run SUCCESS",
    ]
    assert re.search(r"^wrap +IGNORED", cli("show", run).out, re.MULTILINE)
    drawn = cli("graph", run).out
    assert '["wrap<br>IGNORED"]:::IGNORED' in drawn and "classDef IGNORED" in drawn and "stroke-dasharray" in drawn
    assert 'style="rounded,filled,dashed"' in cli("graph", run, "--format", "dot").out


def test_cli_resolved_show_tells_what_a_decider_raised_as_the_run_itself_does(cli: Any) -> None:
    run = cli.one("puzzled", code=1)
    assert run["state"] == "FAILURE"
    with Engine.open(cli.url) as engine:
        (failure,) = engine.state(run["id"]).failures
    assert run["failures"] == [failure.to_data()] and (failure.message, failure.atom) == (
        "who knows", "the deciders before 'wrap'"
    )  # fmt: skip
    text = cli("show", run["id"]).out
    assert "the deciders before 'wrap': Refused: who knows" in text
    needed = "a person has to decide: the deciders before 'wrap' could not; `resume` asks again"
    assert f"needed   {needed}" in text and needed in cli("resume", run["id"], code=1).out


def test_cli_resolved_graphs_set_retries_fan_outs_and_deciders_off() -> None:
    retried, fanned, decided = (compile(flow, encode_inject).definition for flow in (calling, squares, giving))
    assert 'a0{{"numbers"}}:::PENDING' in mermaid(retried) and "shape=hexagon" in dot(retried)
    assert 'a0[["square"]]:::PENDING' in mermaid(fanned) and "peripheries=2" in dot(fanned)
    gate = decided.gates[0].node
    assert f'g{gate}{{"generous#63;"}}:::decider' in mermaid(decided)
    assert f"g{gate} [shape=diamond" in dot(decided) and f"a0 -> g{gate};" in dot(decided)


def test_cli_resolved_graphs_say_what_a_fan_out_and_a_retry_came_to(cli: Any) -> None:
    run = cli.one("squares", [1, 13])["id"]
    assert '[["square<br>2 elements: 1 SUCCESS, 1 FAILURE"]]' in cli("graph", run).out
    assert '{{"numbers<br>3 tries"}}' in cli("graph", cli.one("calling")["id"]).out
