"""The sentences about retries, deciders, groups, fan-outs, timers and persons; no database: records are made by hand."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from rich.console import Console

from sagalog import OutcomePolicy, Times, each, graph, linear, task, unordered
from sagalog.cli.line import Line
from sagalog.cli.sentences import Sentence, sentence
from sagalog.cli.timeline import timeline
from sagalog.engine.core import records as r
from sagalog.engine.core.compile import compile
from sagalog.engine.core.graph import Definition
from sagalog.engine.runtime.app import encode_inject

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
DUE = int(NOON.timestamp() * 1_000_000)
FAILED = {"type": "shop.Refused", "bases": [], "message": "no parcels to Chile", "traceback": "", "causes": []}


@task
def pay() -> None: ...


@task
def ship() -> None: ...


@task
def count(item: int) -> None: ...


@task
def thank() -> None: ...


def enough(history: Any) -> bool:
    return True


@pytest.fixture(scope="module")
def definition() -> Definition:
    """outer(retry: outer) of inner(retry: inner: pay, ship), a fan-out `count`, a group, and thank behind a decider."""
    choice = graph("choice")
    first = task(lambda: None, name="first")
    choice.add(first, thank).link(first, thank, decider=enough)
    inner = linear("inner", retry=Times(3, name="inner")).add(pay, ship)
    both = unordered("both", outcome=OutcomePolicy.SUCCESS_FOR_PARTIAL_SUCCESS).add(
        task(lambda: None, name="left"), task(lambda: None, name="right")
    )
    flow = linear("outer", retry=Times(2, name="outer")).add(inner, each(count, over="items"), both, choice)
    return compile(flow, encode_inject).definition


class Book:
    """Makes records, each 10 ms after the one before."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.atoms = {spec.name: spec.index for spec in definition.atoms}
        self.flows = {flow.name: flow.index for flow in definition.flows}
        self.lines: list[Line] = []

    def write(self, type: str, atom: str | None = None, value: Any = None, **facts: Any) -> Line:
        if atom is not None:
            facts = {"atom": self.atoms[atom], "execution": 1, "attempt": 1, **facts}
        version = len(self.lines) + 1
        line = Line(
            version, uuid4(), version, uuid4(), type, 1, "test", NOON + timedelta(milliseconds=10 * version), atom,
            facts.get("instance"), facts.get("execution"), facts.get("attempt"), facts, value, "",
        )  # fmt: skip
        self.lines.append(line)
        return line

    def says(self, *told: Any, **facts: Any) -> Sentence:
        before = self.lines[-1] if self.lines else None
        return sentence(self.write(*told, **facts), self.definition, before, 60)

    def told(self, everything: bool = False) -> str:
        out = io.StringIO()
        Console(file=out, width=160).print(timeline(self.lines, self.definition, 160, everything))
        return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


@pytest.fixture
def book(definition: Definition) -> Book:
    return Book(definition)


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        (
            {"tries": 1, "decision": "RETRY", "done": "retry"},
            "asked about 'ship', after 1 try: RETRY; its flow is reverted and tried again",
        ),
        (
            {"tries": 3, "decision": "REVERT", "done": "deferred", "to": "outer"},
            "asked about 'ship', after 3 tries: REVERT; 'outer' around it is asked too",
        ),
        (
            {"tries": 3, "decision": "REVERT", "done": "revert", "scope": "inner"},
            "asked about 'ship', after 3 tries: REVERT; its flow is reverted, and no more",
        ),
        (
            {"tries": 3, "decision": "REVERT", "done": "revert", "scope": "outer"},
            "asked about 'ship', after 3 tries: REVERT; the flow of 'outer' is reverted, and no more",
        ),
        (
            {"tries": 2, "decision": "REVERT_ALL", "done": "revert_all"},
            "asked about 'ship', after 2 tries: REVERT_ALL; everything that ran is reverted",
        ),
        (
            {"tries": 2, "decision": "RETRY", "done": "overruled"},
            "asked about 'ship', after 2 tries: RETRY; too late, a revert was decided meanwhile",
        ),
    ],
)
def test_cli_tale_of_what_a_retry_answers(book: Book, facts: dict[str, Any], text: str) -> None:
    named = {key: book.atoms[value] if key in ("to", "scope") else value for key, value in facts.items()}
    said = book.says(r.RETRY_CONSULTED, "inner", failed=book.atoms["ship"], **named)
    assert (said.mark, said.subject, said.text) == ("?", "inner", text)


def test_cli_tale_of_a_retry_that_cannot_answer(book: Book) -> None:
    said = book.says(r.RETRY_CONSULTED, "inner", FAILED, failed=book.atoms["pay"], tries=1, done="raised", classes=["x"])
    assert said.text == "asked about 'pay', after 1 try: could not answer: Refused: no parcels to Chile"
    said = book.says(r.RUN_FAILURE, cause="raised", atoms=[book.atoms["inner"]])
    assert said.text.startswith("FAILURE: 'inner' could not say what is to be done; `resume` asks again")


def test_cli_tale_of_the_moves_of_a_retry(book: Book) -> None:
    assert book.says("retry.running", "inner").text == "started"
    assert book.says("retry.success", "inner", 1).text == "tries its flow with 1"
    assert book.says("retry.retrying", "inner").text == "is to try its flow again"
    assert book.says("retry.success", "inner", "b", execution=2).text == "tries its flow with 'b' (execution 2)"
    assert book.says("retry.failure", "inner", FAILED).text == "failed: Refused: no parcels to Chile"
    assert book.says("retry.reverting", "inner").text == "revert started"
    assert book.says("retry.reverted", "inner", outcome="reverted").text == "reverted"
    assert book.says("retry.given_up", "inner").text == "gives up: its flow stays reverted"


def test_cli_tale_of_what_deciders_answer(book: Book) -> None:
    gate = next(gate for gate in book.definition.gates if gate.kind == "decider")

    def vote(answer: bool) -> list[Any]:
        return ["atom", book.atoms["first"], "enough", answer]

    said = book.says(r.DECIDER_ANSWERED, gate=gate.node, answers=[vote(True)])
    assert (said.subject, said.text) == ("thank", "may it go on? enough (after 'first'): yes")
    said = book.says(r.DECIDER_ANSWERED, gate=gate.node, answers=[vote(False)], depth="ALL")
    assert said.text.endswith("enough (after 'first'): no; it and all that comes after it are ignored")
    said = book.says(r.DECIDER_ANSWERED, gate=gate.node, answers=[vote(False)], depth="ATOM")
    assert said.text.endswith("no; it alone is ignored")
    assert book.says(r.DECIDER_ANSWERED, gate=gate.node, answers=[]).text == "may it go on? nobody has a vote"
    said = book.says(r.DECIDER_ANSWERED, None, FAILED, gate=gate.node, answers=[], raised=True)
    assert said.text == "a decider could not answer: Refused: no parcels to Chile"
    said = book.says(r.RUN_FAILURE, cause="raised", atoms=[gate.node])
    assert said.text.startswith("FAILURE: the deciders before 'thank' could not say")


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"cause": "decider"}, "ignored: a decider said no"),
        ({"cause": "provider", "missing": "label"}, "ignored: nothing that ran provides 'label'"),
        ({"cause": "group"}, "ignored: a failure in its group"),
        ({"cause": "given_up"}, "ignored: its flow is given up"),
        ({"cause": "recovery"}, "ignored: its recovery says SKIP"),
    ],
)
def test_cli_tale_of_what_is_ignored(book: Book, facts: dict[str, Any], text: str) -> None:
    assert book.says(r.TASK_IGNORED, "thank", **facts).text == text


def test_cli_tale_of_a_group_and_its_policy(book: Book) -> None:
    flow = book.flows["both"]
    said = book.says(r.GROUP_SETTLED, flow=flow, ok=True, successes=1, errors=1)
    assert said.subject == "both"
    assert said.text == "the group succeeds: 1 success, 1 failure (SUCCESS_FOR_PARTIAL_SUCCESS)"
    said = book.says(r.GROUP_SETTLED, flow=flow, ok=False, successes=0, errors=2)
    assert (said.mark, said.text) == ("✗", "the group fails: 0 successes, 2 failures (SUCCESS_FOR_PARTIAL_SUCCESS)")


def test_cli_tale_of_a_fan_out(book: Book) -> None:
    assert book.says(r.EACH_ELEMENTS, "count", [[1, 2]], first=0, count=2).text == "elements 0 to 1 of its list are kept"
    assert book.says(r.EACH_OPENED, "count", count=2).text == "once for each of 2 elements"
    assert book.says(r.EACH_OPENED, "count", count=0).text == "its list is empty"
    assert book.says(r.TASK_SUCCESS, "count", 7, instance=1)[1:3] == ("count[1]", "done → 7")
    failed = book.says(r.TASK_FAILURE, "count", successes=1, errors=1, classes=["sagalog.errors.GroupFailed"])
    assert failed[1:3] == ("count", "failed: 1 success, 1 failure (SUCCESS_ON_ALL_EVENTS_SUCCESS)")


def test_cli_tale_of_waits(book: Book) -> None:
    said = book.says(r.TASK_WAITING, "pay", FAILED, due=DUE + 2_510_000, attempt=2)
    assert said.text == "failed (attempt 2): Refused: no parcels to Chile; again in 2.50 s"
    assert book.says(r.TASK_WAITING, "pay", FAILED, due=DUE).text.endswith("Chile; again at once")
    assert book.says(r.TASK_WAITING, "pay", cause="40001").text == "rolled back by the database (40001), tried again"
    assert book.says(r.TIMER_SET, "pay", timer=4, due=DUE + 1_040_000).text == "waits for 1 s"
    assert book.says(r.TIMER_SET, timer=5, due=DUE + 60_050_000)[1:3] == ("the run", "has 1 min 0 s to end in")
    assert book.says(r.RUN_WAITING).text == "waits"
    assert book.says(r.TASK_FAILURE, "pay", classes=[], given_up=True).text.startswith("given up before it was done")


def test_cli_tale_of_what_took_too_long(book: Book) -> None:
    late = {**FAILED, "type": "sagalog.errors.AttemptTimeout", "message": "the attempt took longer than 1 s"}
    said = book.says(r.TASK_FAILURE, "pay", late, timed_out=1.0, abandoned=True)
    assert said.text.endswith("longer than 1 s; its thread was abandoned, and may still be running")
    assert book.says(r.TASK_FAILURE, "pay", late, terminated=True).text.endswith("; its process was terminated")


def test_cli_tale_of_progress(book: Book) -> None:
    assert book.says(r.TASK_PROGRESS, "pay", progress=0.25).text == "25% done"
    assert book.says(r.TASK_PROGRESS, "pay", {"page": 3}, progress=0.5).text == "50% done: {page: 3}"


def test_cli_tale_of_what_persons_do(book: Book) -> None:
    who = {"by": "ann", "reason": "checked at the bank"}
    said = book.says(r.OPERATOR_AMENDED, "pay", who, action="amend", state="SUCCESS")
    assert (said.subject, said.text) == ("pay", "said to be SUCCESS by ann: checked at the bank")
    assert book.says(r.TASK_SUCCESS, "pay", {"cents": 5}, amended=True).text == "taken as done → {cents: 5}"
    said = book.says(r.OPERATOR_AMENDED, "ship", who, action="retry_revert")
    assert said.text == "its revert is to be tried again by ann: checked at the bank"
    assert book.says(r.RUN_REVERTING, cause="operator").text == "the revert goes on"
    said = book.says(r.OPERATOR_AMENDED, "ship", who, action="skip_revert")
    assert said.text == "its revert is to be left out by ann: checked at the bank"
    assert book.says(r.TASK_REVERTED, "ship", outcome="skipped").text == "its revert is left out"
    assert book.says(r.RUN_REVERTING, None, who, cause="operator").text == "revert asked for by ann: checked at the bank"


def test_cli_tale_of_a_run_that_is_recovered_or_reset(book: Book) -> None:
    atoms = [book.atoms["pay"], book.atoms["ship"]]
    said = book.says(r.RUN_RECOVERED, None, {"inputs": {"order": 7}, "by": "ann", "reason": "typo"}, atoms=atoms, fans=[])
    assert said.text == "recovered: 'pay', 'ship' are done anew, now with order=7 by ann: typo"
    said = book.says(r.RUN_RECOVERED, atoms=atoms[1:], since=atoms[1], fans=[])
    assert said.text == "recovered from 'ship' on: 'ship' is done anew"
    assert book.says(r.RUN_PENDING, None, {"by": "ann"}).text == "reset by ann; it is as if nothing of it had been done"


def test_cli_tale_of_a_run_of_which_a_part_was_reverted(book: Book) -> None:
    said = book.says(r.RUN_REVERTED_PARTLY, cause="scope", atoms=[book.atoms["pay"]])
    assert said.text == "REVERTED_PARTLY: only the flow of one retry was to be reverted; 'pay' stay as they are"
    assert "never_resolve" in book.says(r.RUN_FAILURE, cause="never_resolve", atoms=[book.atoms["pay"]]).text


def test_cli_tale_of_a_task_that_takes_its_default(book: Book) -> None:
    book.write(r.TASK_RUNNING, "thank", defaulted=["label"])
    book.write(r.TASK_SUCCESS, "thank")
    text = book.told()
    assert "started, with its own default of 'label', which nothing that ran provides" in text and "done" in text


def test_cli_tale_leaves_out_what_goes_without_saying(book: Book) -> None:
    book.write(r.TASK_RUNNING, "pay")
    book.write(r.TASK_WAITING, "pay", FAILED, due=DUE + 1_020_000)
    book.write(r.TIMER_SET, "pay", timer=3, due=DUE + 1_020_000)
    book.write(r.RUN_WAITING)
    book.write(r.TIMER_FIRED, timer=3)
    book.write(r.TASK_RUNNING, "pay", attempt=2)
    book.write(r.TASK_SUCCESS, "pay", attempt=2)
    book.write(r.TASK_PENDING, "pay")
    told = book.told()
    assert [line.split()[0] for line in told.splitlines()] == ["2", "4", "7"]
    assert "failed: Refused: no parcels to Chile; again in 1 s" in told and "done (attempt 2)" in told
    everything = book.told(everything=True).splitlines()
    assert len(everything) == 8 and "pay" in everything[4] and "has waited" in everything[4]


def test_cli_tale_of_many_elements_is_about_those_that_need_a_look(book: Book) -> None:
    book.write(r.TASK_RUNNING, "count")
    book.write(r.EACH_OPENED, "count", count=100)
    for instance in range(100):
        book.write(r.TASK_RUNNING, "count", instance=instance)
    for instance in range(100):
        if instance == 42:
            book.write(r.TASK_FAILURE, "count", FAILED, instance=instance)
        else:
            book.write(r.TASK_SUCCESS, "count", instance, instance=instance)
    book.write(r.TASK_FAILURE, "count", successes=99, errors=1, classes=[])
    lines = book.told().splitlines()
    assert len(lines) == 3
    assert "once for each of 100 elements" in lines[0] and "count[42]" in lines[1] and "99 successes, 1 failure" in lines[2]


def test_cli_tale_of_few_elements_is_about_each(book: Book) -> None:
    book.write(r.TASK_RUNNING, "count")
    book.write(r.EACH_OPENED, "count", count=2)
    for type in (r.TASK_RUNNING, r.TASK_SUCCESS):
        for instance in range(2):
            book.write(type, "count", None if type == r.TASK_RUNNING else instance, instance=instance)
    lines = book.told().splitlines()
    assert len(lines) == 4 and "count[0]" in lines[2] and "done → 1" in lines[3]


def test_cli_tale_of_types_that_are_not_known_is_their_name(book: Book) -> None:
    assert book.says("task.dreaming", "pay")[1:3] == ("pay", "task.dreaming")
