"""Planted bugs: each can still be planted, some are caught here, and the page tells of all of them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from mutants.hunting import Catch, hunted, table, tried
from mutants.mutant import ROOT, Mutant
from mutants.page import written
from mutants.planted import BY_NAME, PLANTED

from sagalog.testing.laws import LAWS

QUICKLY = {"fence skipped": "one writer", "priority turned round": "order", "intent dropped": "intent before effect"}
"""Bugs that are caught within a few seeds, and by which law."""


@pytest.mark.parametrize("mutant", PLANTED, ids=lambda mutant: mutant.name)
def test_mutants_each_can_be_planted(mutant: Mutant) -> None:
    source = (ROOT / mutant.file).read_text()
    planted = mutant.broken(source)
    assert ast.dump(ast.parse(planted)) != ast.dump(ast.parse(source))
    assert mutant.what.endswith(".") and mutant.what[0].isupper()


def test_mutants_there_are_enough_of_them_each_another() -> None:
    assert len(PLANTED) == len(BY_NAME) == len({(mutant.file, mutant.old, mutant.new) for mutant in PLANTED}) >= 40
    inside = [mutant for mutant in PLANTED if mutant.file.startswith(("engine/", "store/"))]
    assert len(inside) > 0.9 * len(PLANTED)


@pytest.mark.parametrize("name", QUICKLY)
def test_mutants_a_law_catches(name: str) -> None:
    catch = tried(BY_NAME[name], 300, 60.0)
    assert (catch.smoke, catch.law) == ("", QUICKLY[name])
    assert catch.good and catch.seed == catch.seeds - 1


def test_mutants_one_too_crude_is_no_success() -> None:
    crude = BY_NAME["priority turned round"]._replace(name="no such bug")
    catch = tried(crude, 1, 60.0)
    assert not catch.good and "FAILS THE SMOKE RUN" in catch.verdict and "no such bug" in catch.error


def test_mutants_what_is_not_tried_in_time_is_not_caught() -> None:
    (catch,) = hunted(PLANTED[:1], 1, 0.0, 1)
    assert not catch.good and catch.verdict == "NOT CAUGHT" and "NOT CAUGHT" in table(PLANTED[:1], [catch])


def test_mutants_a_text_that_has_moved_is_told() -> None:
    with pytest.raises(ValueError, match="0 times, expected once; the code has changed"):
        PLANTED[0].broken("")


def test_mutants_nothing_on_disk_is_changed_and_nothing_kept() -> None:
    mutant = BY_NAME["one call too many"]
    script = (
        "from mutants.patching import plant; from mutants.planted import BY_NAME; "
        f"plant(BY_NAME[{mutant.name!r}]); import sagalog.engine.core.forward as f; "
        "print(f._free.__code__.co_consts, f.__file__); import dis; dis.dis(f._free)"
    )
    before = (ROOT / mutant.file).read_bytes()
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT / "tests")
    assert "<=" in told.stdout and (ROOT / mutant.file).read_bytes() == before
    again = subprocess.run(
        [sys.executable, "-c", "import sagalog.engine.core.forward as f, dis; dis.dis(f._free)"],
        capture_output=True, text=True, check=True, cwd=ROOT / "tests",
    )  # fmt: skip
    assert "<=" not in again.stdout


def test_mutants_the_page_tells_of_all_of_them() -> None:
    rows = [line.split(" | ") for line in written().splitlines()[2:]]
    assert [row[0].removeprefix("| ").partition(":")[0] for row in rows] == [mutant.name for mutant in PLANTED]
    assert {row[2] for row in rows} <= set(LAWS)
    assert {row[1].strip("`") for row in rows} == {mutant.file for mutant in PLANTED}


def test_mutants_a_catch_says_what_it_is() -> None:
    catch = Catch("a bug", "", "order", "b before a", 4, 5, 0, "", 0.1)
    assert catch.good and catch.verdict == "order" and Path(ROOT, "Makefile").read_text().count("-m mutants") == 1
