"""The crash kit finds what a crash would change, names it, and finds nothing where nothing is wrong."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sagalog import (
    Context,
    FunctorTask,
    Recovery,
    RetryPolicy,
    Run,
    Times,
    did_not_happen,
    each,
    graph,
    happened,
    linear,
    task,
    unordered,
)
from sagalog.errors import UsageError
from sagalog.testing import CrashReport, FileLedger, Ledger, crash_everywhere
from sagalog.testing.crash.database import throw_away_database

Code = Callable[..., Any]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with throw_away_database() as (made, _):
        yield made


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def crash(url: str, ledger: Ledger) -> Callable[..., CrashReport]:
    def crashed(flow: Any, inputs: Any = None, **options: Any) -> CrashReport:
        return crash_everywhere(flow, inputs, **{"ledger": ledger, "database": url, "again": 4, **options})

    return crashed


def step(ledger: Ledger, name: str, keyed: bool = True, undone: bool = True, **more: Any) -> FunctorTask:
    """A task that asks the outside for its own name, and back again."""

    def execute(context: Context) -> str:
        ledger.call(name, context.idempotency_key if keyed else None, cents=5)
        return f"{name} of {context.run_id}, {context.idempotency_key}"

    def revert(context: Context) -> None:
        ledger.call(f"un{name}", context.idempotency_key if undone else None)

    return FunctorTask(execute, name=name, revert=revert, **more)


def test_a_flow_that_passes_the_key_on_is_clean_and_each_point_is_counted(
    crash: Callable[..., CrashReport], ledger: Ledger
) -> None:
    seen: list[Run] = []
    report = crash(
        linear("f").add(step(ledger, "a", provides="a"), step(ledger, "b")), check=lambda run, _: seen.append(run)
    )
    assert report.ok, report
    # Three commits and two calls, with one effect each; the same again on the way back.
    assert (report.points["forward"], report.points["reverting"]) == (2 * 3 + 3 * 2, 2 * 3 + 3 * 2)
    # Behind each of two commits there is a call, and behind the last one nothing that is left to do.
    assert report.points["resuming"] == 2 * 4 * 2 + 4 * 2
    assert report.ends == {"run": "SUCCESS", "revert": "REVERTED"}
    assert report.runs == len(seen) == 4 + sum(report.points.values())
    assert (report.never_reverted, report.unreachable, report.notes, report.questions) == ((), (), (), {})
    assert ledger.count("a") > len(ledger.effects("a"))


@pytest.mark.parametrize("recovery", [Recovery.RERUN, Recovery.ASK])
def test_an_execute_that_takes_effect_twice_is_named_with_point_and_advice(
    crash: Callable[..., CrashReport], ledger: Ledger, recovery: Recovery
) -> None:
    report = crash(linear("f").add(step(ledger, "a"), step(ledger, "charge", keyed=False, recovery=recovery)))
    if recovery is Recovery.ASK:  # whoever is asked knows better than to have it done again
        assert report.ok and report.questions["charge"] > 0 and "a" not in report.questions, report
        return
    (fault,) = report.faults
    assert (fault.kind, fault.atom, fault.direction) == ("not_idempotent", "charge", "execute")
    assert "killed after the call of charge returned, before its outcome was recorded" in fault.points
    assert all("charge" in point for point in fault.points)
    told = str(report)
    for words in (
        "charge is not idempotent",
        """'charge' took effect twice with {"cents": 5}; in a run without a crash once with {"cents": 5}""",
        "recovery=RERUN (the default)", "context.idempotency_key", "recovery=PROBE", "recovery=ASK",
    ):  # fmt: skip
        assert words in " ".join(told.split())
    assert json.loads(report.to_json())["not_idempotent"] == ["charge"]


def test_a_revert_that_takes_effect_twice_is_named(crash: Callable[..., CrashReport], ledger: Ledger) -> None:
    report = crash(linear("f").add(step(ledger, "charge", undone=False), step(ledger, "b")))
    (fault,) = report.faults
    assert (fault.kind, fault.atom, fault.direction) == ("not_idempotent", "charge", "revert")
    assert "the revert of charge is not idempotent" in str(report)
    assert "revert_recovery=PROBE" in " ".join(str(report).split())


def test_a_person_is_asked_about_reverts_too_and_of_a_run_that_is_undone(
    crash: Callable[..., CrashReport], ledger: Ledger
) -> None:
    @task(recovery=Recovery.ASK, compensation="not_needed")
    def fails(context: Context) -> None:
        ledger.call("fails")
        raise ValueError("no")

    charge = step(ledger, "charge", False, False, recovery=Recovery.ASK, revert_recovery=Recovery.ASK)
    for flow, end in ((linear("f").add(charge), "SUCCESS"), (linear("g").add(charge, fails), "REVERTED")):
        report = crash(flow)
        assert report.ok and report.ends["run"] == end, report
        assert report.questions["charge"] > 4
        assert ("fails" in report.questions) is (end == "REVERTED")


@pytest.mark.parametrize("honest", [True, False])
def test_a_probe_is_asked_and_one_that_lies_is_found_out(
    crash: Callable[..., CrashReport], ledger: Ledger, honest: bool
) -> None:
    numbers = itertools.count()

    @task(name="charge", provides="paid", recovery=Recovery.PROBE, compensation="irreversible")
    def charge(context: Context) -> str:
        ledger.call("charge", under=context.idempotency_key, n=next(numbers))
        return "paid"

    @charge.probe
    def look(context: Context) -> Any:
        keys = [entry.details["under"] for entry in ledger.calls("charge")]
        return happened("paid") if honest and context.idempotency_key in keys else did_not_happen

    report = crash(linear("f").add(charge))
    assert report.ok is honest and report.ends["run"] == "SUCCESS", report
    if not honest:
        assert report.of("not_idempotent") == ["charge"] and "its answer was not true" in " ".join(str(report).split())
    assert any("its details" in note for note in report.notes)  # the number is another each time: nothing is said of it


def test_what_is_skipped_after_a_crash_may_be_lost(crash: Callable[..., CrashReport], ledger: Ledger) -> None:
    report = crash(linear("f").add(step(ledger, "mail", recovery=Recovery.SKIP)))
    assert report.of("lost_effect") == ["mail"]
    assert "killed after the start of the call of mail was recorded, before it was made" in str(report)


def test_effects_that_the_user_tells_are_compared_and_laid_at_the_call_that_was_cut_short(
    crash: Callable[..., CrashReport]
) -> None:
    bottles: dict[Any, int] = {}

    @task(compensation="not_needed")
    def first() -> None: ...

    @task(compensation="irreversible")
    def drink(context: Context) -> None:
        bottles[context.run_id] = bottles.get(context.run_id, 0) + 1

    report = crash(linear("f").add(first, drink), ledger=None, effects=lambda run: bottles[run.id])
    assert [(fault.kind, fault.atom) for fault in report.faults] == [("not_idempotent", "drink")]
    assert "effects(run) gave 2; in a run without a crash 1" in str(report)


def test_nobody_watching_is_said_and_where_to_look(crash: Callable[..., CrashReport]) -> None:
    @task(compensation="irreversible")
    def drink() -> None: ...

    report = crash(linear("f").add(drink), ledger=None)
    assert report.ok and len(report.notes) == 2
    assert "effects were not watched" in report.notes[0] and "drink" in report.notes[1]


def test_an_end_that_depends_on_the_crash_is_found(crash: Callable[..., CrashReport], ledger: Ledger) -> None:
    begun: set[Any] = set()

    @task(compensation="not_needed", provides="said")
    def once(context: Context) -> str:
        if context.run_id in begun:
            raise RuntimeError("I was here before")
        begun.add(context.run_id)
        return "done"

    report = crash(linear("f").add(step(ledger, "a"), once), again=0)
    assert {fault.kind for fault in report.faults} == {"ending"}, report
    told = str(report)
    assert "it ended REVERTED; without a crash SUCCESS" in told and "once ended REVERTED; without a crash SUCCESS" in told
    assert "result 'said' is missing; without a crash \"done\"" in told


def test_an_effect_that_is_another_after_a_crash_is_found(crash: Callable[..., CrashReport], ledger: Ledger) -> None:
    asked: Counter[Any] = Counter()

    @task(provides="price", compensation="not_needed")
    def ask(context: Context) -> int:
        asked[context.run_id] += 1
        return asked[context.run_id]

    @task(compensation="irreversible")
    def bid(price: int, context: Context) -> None:
        ledger.call("bid", context.idempotency_key, cents=price)

    report = crash(linear("f").add(ask, bid), again=0)
    assert [fault.title for fault in report.faults] == [
        "bid does something else after a crash", "a crash changes how the run ends",
    ]  # fmt: skip
    assert "result 'price' is 2; without a crash 1" in str(report)


def test_a_check_that_fails_is_told_with_words_and_points(crash: Callable[..., CrashReport], ledger: Ledger) -> None:
    def check(run: Run, calls: Ledger) -> bool:
        assert calls.count("a") < 2, "asked twice"
        return True

    (fault,) = crash(linear("f").add(step(ledger, "a")), check=check).faults
    assert fault.kind == "check" and fault.what.startswith("AssertionError: asked twice")
    assert fault.count == len(fault.points) > 2


def test_a_check_that_fails_without_a_crash_kills_nobody(crash: Callable[..., CrashReport], ledger: Ledger) -> None:
    report = crash(linear("f").add(step(ledger, "a")), check=lambda run, _: run.state == "FAILURE")
    assert [fault.title for fault in report.faults] == ["your check fails without any crash"]
    assert report.runs == 2 and sum(report.points.values()) == 0


def test_undeclared_unreachable_and_never_reverted_atoms_are_named(
    crash: Callable[..., CrashReport], ledger: Ledger
) -> None:
    @task(provides="seen")
    def forgotten(context: Context) -> bool:
        ledger.call("reserve", context.idempotency_key)
        return True

    flow = graph("f").add(forgotten, step(ledger, "never"), step(ledger, "late", revertible_for=timedelta(microseconds=1)))
    first, never, _ = flow
    flow.link(first, never, decider=lambda history: False, decider_depth="ATOM")
    report = crash(flow, again=0)
    assert report.of("undeclared") == ["forgotten"] and report.unreachable == ("never",)
    assert report.never_reverted == ("late",)
    assert "what forgotten did stays: 'reserve' {}" in " ".join(str(report).split())
    assert "@forgotten.revert" in str(report)


def test_waits_are_not_waited_for_and_a_flow_of_all_kinds_is_clean(
    crash: Callable[..., CrashReport], ledger: Ledger
) -> None:
    tried: dict[Any, int] = {}

    def flaky(context: Context) -> str:
        if ledger.knows("flaky", context.idempotency_key) or context.attempt > 1:
            ledger.call("flaky", context.idempotency_key)
            return "at last"
        raise ConnectionError("busy")

    def weigh(context: Context, item: int) -> int:
        ledger.call("weigh", context.idempotency_key, item=item)
        return item * 2

    async def greet(context: Context) -> str:
        ledger.call("greet", context.idempotency_key)
        return "hello"

    policy = RetryPolicy(max_attempts=9, backoff_factor=1000.0, max_backoff=5000.0)
    flow = linear("all", Times(2, "twice")).add(
        FunctorTask(flaky, name="flaky", retry_policy=policy, compensation="not_needed"),
        each(FunctorTask(weigh, name="weigh", provides="weights", compensation="not_needed"), "items"),
        unordered("both").add(FunctorTask(greet, name="greet", compensation="not_needed"), step(ledger, "c")),
    )
    report = crash(flow, {"items": [1, 2]}, again=3)
    assert report.ok, report
    assert tried == {} and report.unreachable == () and report.never_reverted == ()


def test_transactions_are_rolled_back_with_who_dies_in_them(crash: Callable[..., CrashReport], url: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("CREATE TABLE taken (run uuid, n int); GRANT ALL ON taken TO PUBLIC")

    @task(transactional=True)
    def take(context: Context, conn: Any) -> None:
        conn.execute("INSERT INTO taken VALUES (%s, 1)", [context.run_id])

    @take.revert
    def give(context: Context, conn: Any) -> None:
        conn.execute("INSERT INTO taken VALUES (%s, -1)", [context.run_id])

    def rows(run: Run) -> Any:
        with psycopg.connect(url) as conn:
            return conn.execute("SELECT n FROM taken WHERE run = %s ORDER BY n", [run.id]).fetchall()

    report = crash(linear("f").add(take), ledger=None, effects=rows)
    assert report.ok, report


def test_points_that_are_left_out_are_counted(crash: Callable[..., CrashReport], ledger: Ledger) -> None:
    flow = linear("f").add(step(ledger, "a", keyed=False), step(ledger, "b"))
    report = crash(flow, at_most=3, again=4)
    assert report.points["forward"] == 3 and report.left_out > 10 and f"not tried: {report.left_out}" in str(report)
    assert crash(flow, at_most=0).points == {"forward": 0, "reverting": 0, "resuming": 0}


def test_processes_are_killed_and_the_file_keeps_what_they_did(url: str, tmp_path: Path) -> None:
    ledger = FileLedger(tmp_path / "ledger")
    flow = linear("f").add(step(ledger, "charge", keyed=False), step(ledger, "b"))
    here = crash_everywhere(flow, ledger=ledger, database=url, again=2)
    there = crash_everywhere(flow, ledger=ledger, database=url, again=2, kill="process")
    assert there.kill == "process" and "killed with SIGKILL" in str(there)
    assert there.points == here.points and [f.points for f in there.faults] == [f.points for f in here.faults]
    assert there.of("not_idempotent") == ["charge"]
    with pytest.raises(UsageError, match="FileLedger"):
        crash_everywhere(flow, ledger=Ledger(), database=url, kill="process")
    with pytest.raises(UsageError, match="'in-process', 'process'; found 'kindly'"):
        crash_everywhere(flow, kill="kindly")
