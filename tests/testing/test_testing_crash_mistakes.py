"""What a user gets wrong is told in words: a flow that fails or never ends, a check that raises, inputs that are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tenacity

from sagalog import Context, FunctorTask, Run, linear, task
from sagalog.errors import MissingArgument, UsageError
from sagalog.testing import FileLedger, Ledger, crash_everywhere
from sagalog.testing.crash import watch
from sagalog.testing.crash.database import throw_away_database


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with throw_away_database() as (made, _):
        yield made


def mailing(ledger: Ledger) -> FunctorTask:
    def mail(context: Context) -> None:
        ledger.call("mail", context.idempotency_key)

    return FunctorTask(mail, name="mail", compensation="irreversible")


def failing(run: Run, calls: Ledger | None) -> None:
    assert calls is not None
    if calls.count("mail") > 1:
        pytest.fail("mailed twice")


def bare(run: Run, calls: Ledger | None) -> None:
    if calls is None or calls.count("mail") > 1:
        raise AssertionError


@pytest.mark.parametrize(
    ("check", "words"),
    [(failing, "Failed: mailed twice"), (bare, "AssertionError in test_testing_crash_mistakes.py, line ")],
)
def test_however_a_check_fails_it_is_a_fault_with_its_points(
    url: str, check: Callable[[Run, Ledger | None], None], words: str
) -> None:
    ledger = Ledger()
    report = crash_everywhere(linear("f").add(mailing(ledger)), ledger=ledger, database=url, check=check, again=1)
    (fault,) = report.faults
    assert fault.kind == "check" and fault.what.startswith(words), fault
    assert len(fault.points) > 2
    assert check is failing or fault.what.endswith(": raise AssertionError")


def test_a_check_does_not_keep_an_interrupt_to_itself(url: str) -> None:
    def interrupted(run: Run, calls: Ledger | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crash_everywhere(linear("f").add(mailing(Ledger())), database=url, check=interrupted)


def test_a_flow_that_fails_by_itself_is_said_to_with_what_failed(url: str) -> None:
    @task(compensation="not_needed")
    def price(order: dict[str, int]) -> int:
        return order["cents"]

    report = crash_everywhere(linear("f").add(price), {"order": {}}, database=url, again=0, at_most=0)
    told = "note: without a crash it ends REVERTED; price failed: KeyError: 'cents'; is that as it should be? Then say so"
    assert report.ok and report.ends == {"run": "REVERTED"} and any(line.startswith(told) for line in report.rest())
    assert told in str(report)
    fine = crash_everywhere(linear("f").add(price), {"order": {"cents": 1}}, database=url, again=0, at_most=0)
    assert "is that as it should be" not in str(fine)


@pytest.mark.parametrize("kill", ["in-process", "process"])
def test_a_flow_that_never_ends_is_stopped(url: str, tmp_path: Path, kill: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "ENOUGH", 60)
    ledger = FileLedger(tmp_path / "ledger")

    @task(retry_policy=tenacity.Retrying(stop=tenacity.stop_never, wait=tenacity.wait_fixed(3600)))
    def call_back() -> None:
        raise ConnectionError("nobody answers")

    with pytest.raises(watch.NeverEnds, match=r"not after 60 commits and calls; the call of call_back was made \d+ times"):
        crash_everywhere(linear("f").add(call_back), ledger=ledger, database=url, kill=kill)


def test_what_ends_unharmed_and_never_after_a_crash_is_stuck(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "ENOUGH", 60)
    ledger = Ledger()

    @task(compensation="not_needed", retry_policy=tenacity.Retrying(stop=tenacity.stop_never))
    def once(context: Context) -> None:
        if ledger.call("once", context.idempotency_key).repeated:
            raise ConnectionError("this was asked before")

    report = crash_everywhere(linear("f").add(once), ledger=ledger, database=url, again=0)
    fault = next(fault for fault in report.faults if fault.kind == "stuck")
    assert "NeverEnds: expected the run to come to an end" in fault.what and len(fault.points) >= 2


def test_inputs_that_cannot_be_are_told_and_nothing_else_is(url: str) -> None:
    @task(compensation="not_needed")
    def needs(order: int) -> int:
        return order

    with pytest.raises(MissingArgument) as missing:
        crash_everywhere(linear("f").add(needs), {"oder": 1}, database=url)
    assert missing.value.__context__ is None  # not: there is no such run; during handling of that, …
    with pytest.raises(UsageError, match=r"inputs must be a mapping .*; found 5"):
        crash_everywhere(linear("f").add(needs), 5, database=url)  # type: ignore[arg-type]  # a user's mistake
