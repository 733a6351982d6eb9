"""The payment: its policy, its gateways, its receipts and the person who settles it, as they stand in the log."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples import payment
from sagalog import Engine, FlowFailed, Run, RunState

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def engine(migrated: str) -> Iterator[Engine]:
    with Engine.open(migrated, app=payment.app) as engine:
        yield engine


def told(engine: Engine, run: Run, *types: str) -> list[str]:
    return [record.type for record in engine.history(run.id) if record.type.startswith(types)]


def of_charge(engine: Engine, run: Run) -> list[tuple[str, int | None, int | None]]:
    return [
        (record.type, record.execution, record.attempt)
        for record in engine.history(run.id)
        if record.atom == "charge" and record.type.startswith("task.")
    ]


def test_examples_payment_calls_a_gateway_three_times_and_then_the_next(engine: Engine) -> None:
    run = payment.elsewhere(engine)
    assert run.state is RunState.SUCCESS and run.results["payment"]["by"] == "south"
    assert [(type, attempt) for type, execution, attempt in of_charge(engine, run) if execution == 1] == [
        ("task.running", 1), ("task.waiting", 1),
        ("task.running", 2), ("task.waiting", 2),
        ("task.running", 3), ("task.failure", 3),
        ("task.reverting", 1), ("task.reverted", 1),
    ]  # fmt: skip
    assert of_charge(engine, run)[8:] == [("task.running", 2, 1), ("task.success", 2, 1)]


def test_examples_payment_sends_what_can_be_sent(engine: Engine) -> None:
    run = payment.elsewhere(engine)
    receipts = run.results["receipts"]
    assert receipts[0] == "250 cents to ann@example.org" and receipts[2] == "250 cents to books@shop.example"
    assert receipts[1].check(payment.NoAddress) and run.results["told"] == "2 sent, 1 not"


def test_examples_payment_declined_everywhere_is_undone(engine: Engine) -> None:
    with pytest.raises(FlowFailed, match="the card has expired"):
        engine.run(payment.payment, {"order": payment.order(3, card="expired")})
    (run,) = engine.runs()
    assert run.state is RunState.REVERTED and told(engine, run, "retry.consulted") == ["retry.consulted"] * 2
    assert "task.waiting" not in told(engine, run, "task.")


def test_examples_payment_goes_on_when_a_person_has_said_that_it_was_paid(engine: Engine) -> None:
    run = payment.by_hand(engine)
    assert run.state is RunState.SUCCESS and run.results["payment"]["by"] == "counter"
    (said,) = [record.value for record in engine.history(run.id) if record.type == "operator.amended"]
    assert (said["by"], said["reason"]) == ("ann", "paid in cash")


def test_examples_payment_can_be_paid_back_long_after(engine: Engine) -> None:
    back = engine.revert(payment.elsewhere(engine).id, reason="sent back", by="ann")
    assert back.state is RunState.REVERTED_PARTLY
    assert back.atoms["charge"].revert_result == "250 cents paid back"


def test_examples_payment_is_a_program(throwaway_home: Path) -> None:
    environment = {**os.environ, "SAGALOG_HOME": str(throwaway_home)}
    done = subprocess.run(
        [sys.executable, "-m", "examples.payment"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[::2] == [
        "SUCCESS: 250 cents by south; receipts: 2 sent, 1 not",
        "SUCCESS: 500 cents by counter; receipts: 2 sent, 1 not",
    ]
