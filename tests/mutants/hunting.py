"""Sends the laws after every mutant, each in a process of its own, some at a time; and the table of what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from .mutant import Mutant

TESTS = Path(__file__).resolve().parents[1]


class Catch(NamedTuple):
    """What came of a mutant.

    `smoke`: why it did not even pass that, or "". `law`, `detail`: what caught it, at `seed`, the `seeds`-th that was
    played (law None: nothing did). `exceptions`: seeds before, in which the engine only raised; `error`: the last such.
    """

    name: str
    smoke: str
    law: str | None
    detail: str
    seed: int | None
    seeds: int
    exceptions: int
    error: str
    seconds: float

    @property
    def good(self) -> bool:
        """Whether it is as it should be: it passes the smoke run, and a law catches it."""
        return not self.smoke and self.law is not None

    @property
    def verdict(self) -> str:
        """The law, or why there is none."""
        if self.smoke:
            return f"FAILS THE SMOKE RUN: {self.smoke}"
        return self.law or "NOT CAUGHT"


def hunted(
    mutants: Sequence[Mutant],
    seeds: int,
    seconds: float,
    at_once: int,
    told: Callable[[Catch], object] = lambda catch: None,
) -> list[Catch]:
    """What came of each mutant, with at most so many seeds; what is not tried within so many seconds is not caught."""
    until = time.monotonic() + seconds

    def one(mutant: Mutant) -> Catch:
        catch = tried(mutant, seeds, until - time.monotonic())
        told(catch)
        return catch

    with ThreadPoolExecutor(at_once) as several:
        return list(several.map(one, mutants))


def tried(mutant: Mutant, seeds: int, seconds: float) -> Catch:
    """What came of one."""
    none = Catch(mutant.name, "", None, "", None, 0, 0, "the time is up", 0.0)
    if seconds <= 0:
        return none
    path = os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "mutants.trying", mutant.name, str(seeds)]
    try:
        ran = subprocess.run(
            command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return none
    if ran.returncode:
        return none._replace(error=ran.stderr.strip()[-500:], smoke="its process came to a bad end")
    return Catch(**json.loads(ran.stdout.splitlines()[-1]))


def table(mutants: Iterable[Mutant], catches: Iterable[Catch]) -> str:
    """As Markdown: bug, where, law, seeds needed."""
    rows = ["| bug | where | caught by the law | seeds |", "|---|---|---|---:|"]
    for mutant, catch in zip(mutants, catches, strict=True):
        rows.append(f"| {mutant.name}: {_small(mutant.what)} | `{mutant.file}` | {catch.verdict} | {catch.seeds} |")
    return "\n".join(rows)


def _small(what: str) -> str:
    return what[0].lower() + what[1:].rstrip(".")


def summary(catches: Sequence[Catch], seconds: float) -> str:
    """One line of it."""
    good = sum(catch.good for catch in catches)
    laws = {catch.law for catch in catches if catch.good}
    crashes = sum(catch.exceptions for catch in catches)
    most = max((catch.seeds for catch in catches if catch.good), default=0)
    return (
        f"{good} of {len(catches)} planted bugs caught, by {len(laws)} laws, each with at most {most} seeds, "
        f"in {seconds:.0f} s; "
        f"{crashes} seeds in which the engine only raised are not counted as caught"
    )
