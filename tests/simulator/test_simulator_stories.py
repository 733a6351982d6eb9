"""A seed is a story: the same bytes each time, shrunk when a law is broken, kept, and played again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sagalog.engine.core import evolve
from sagalog.engine.core.records import RUN_SUSPENDED
from sagalog.engine.definition import Context, linear, task
from sagalog.testing import Ledger
from sagalog.testing.__main__ import main
from sagalog.testing.simulator import ALL, CALM, CRASHES, Broken, Chance, Faults, simulate, trial
from sagalog.testing.simulator.shrink import shrunk

CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))


def told(*arguments: str, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-m", "sagalog.testing", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


def test_a_seed_is_told_with_the_same_bytes_each_time() -> None:
    one, other = told("--seed", "7"), told("--seed", "7", hash_seed="1")
    assert one.returncode == other.returncode == 0, one.stderr
    assert one.stdout == other.stdout
    assert one.stdout.splitlines()[0].endswith("process 1  begins the run")
    assert "no law broken" in one.stdout.splitlines()[-1]


def test_machines_get_json() -> None:
    found = json.loads(told("--seed", "7", "--json").stdout)
    assert found["seed"] == 7 and found["records"] > 3 and len(found["story"]) > 5


def test_a_soak_says_what_it_saw() -> None:
    found = json.loads(told("--soak", "1", "--first", "10", "--json").stdout)
    assert found["seeds"] >= 50 and found["crashes"] > 100 and found["broken"] == [] and found["first"] == 10


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_a_soak_has_a_length(seconds: str) -> None:
    found = CliRunner().invoke(main, ["--soak", seconds])
    assert found.exit_code == 2 and "--soak: expected a number of seconds above 0" in found.stderr


def test_one_of_seed_and_soak_has_to_be_given() -> None:
    assert CliRunner().invoke(main, []).exit_code == 2
    assert "give either --seed N or --soak SECONDS" in CliRunner().invoke(main, ["--seed", "1", "--soak", "2"]).stderr


def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plant a bug: what is suspended is folded as if it still ran."""
    monkeypatch.setitem(evolve._HANDLERS, RUN_SUSPENDED, lambda state, facts: None)


def test_a_broken_law_is_told_and_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    forgetful(monkeypatch)
    broken = None
    for seed in range(200):
        try:
            trial(seed)
        except Broken as found:
            broken = found
            break
    assert broken is not None
    small = shrunk(broken, seconds=2)
    assert small.law == broken.law and len(small.story) <= len(broken.story)
    assert str(small).startswith(f"seed {broken.seed}: the law {small.law!r} is broken: ")
    with pytest.raises(Broken) as again:
        trial(small.seed, ALL, small.drawn)
    assert str(again.value) == str(small)


@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
def test_what_was_broken_once_is_mended(case: Path) -> None:
    kept = json.loads(case.read_text(encoding="utf-8"))
    assert trial(kept["seed"], ALL, kept["script"]).records > 0


def paid(ledger: Ledger) -> Any:
    @task(provides="paid")
    def charge(order: int, context: Context) -> int:
        ledger.call("charge", context.idempotency_key, order=order)
        return order

    @charge.revert
    def refund(context: Context) -> None:
        ledger.call("refund", context.idempotency_key)

    @task
    def ship(paid: int) -> None:
        if paid > 100:
            raise ValueError("too heavy")

    return linear("paid").add(charge, ship)


@pytest.mark.parametrize("seed", range(20))
def test_ones_own_flow_is_simulated(seed: int) -> None:
    ledger = Ledger()
    found = simulate(paid(ledger), {"order": 7}, seed, CRASHES)
    assert found.run.results["paid"] == 7
    assert len(ledger.effects("charge")) == 1 and ledger.calls("refund") == []
    ledger = Ledger()
    found = simulate(paid(ledger), {"order": 700}, seed, CRASHES)
    assert found.run.state == "REVERTED"
    assert len(ledger.effects("charge")) == len(ledger.effects("refund")) == 1
    assert simulate(paid(Ledger()), {"order": 700}, seed, CRASHES).story == found.story


def test_without_faults_nothing_happens_but_the_run() -> None:
    found = simulate(paid(Ledger()), {"order": 7}, 3, CALM)
    assert found.crashes == 0 and [line.split("  ")[-1][:5] for line in found.story if "calls" in line] == ["calls"] * 2


@pytest.mark.parametrize("kind", ["kill", "lost", "stall", "thief"])
def test_one_kind_of_fault_alone_happens(kind: str) -> None:
    calm = [simulate(paid(Ledger()), {"order": 7}, seed, CALM).story for seed in range(20)]
    assert [simulate(paid(Ledger()), {"order": 7}, seed, Faults(**{kind: 3})).story for seed in range(20)] != calm


def test_chance_answers_by_its_script_and_then_calmly() -> None:
    chance = Chance(script=(3, 9))
    assert [chance(5), chance(5), chance(5), chance.often(0)] == [3, 4, 0, False]
    assert chance.drawn == [3, 4, 0]
