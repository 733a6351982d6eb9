"""docs/semantics.md names a proof for each promise, and `make promises` notices where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from sagalog_promises import PAGE, faults, read

HEAD = "## A page (3 lines)\n\nLines that promise nothing: 3.\n\n| lines | promise | proof |\n|---|---|---|\n"
PROVED = "| 1-2 | it works | `tests/test_it.py::test_it_works` |\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text("def test_it_works() -> None: ...\n")
    return tmp_path


def test_the_page_has_a_proof_for_each_promise_and_each_proof_is_there() -> None:
    assert faults(PAGE.read_text()) == []
    _, rows = read(PAGE.read_text())
    assert len(rows) > 200


def test_a_page_that_accounts_for_all_is_fine(root: Path) -> None:
    assert faults(HEAD + PROVED, root) == []
    assert faults(HEAD + PROVED.replace("works` |", "works[blocking]` |"), root) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "| 1-2 | it works | |\n", "no proof: it works"),
        (HEAD + "| 1-2 | it works | see above |\n", "no proof: it works"),
        (HEAD + PROVED.replace("1-2", "1"), "line 2 is in no row"),
        (HEAD + PROVED.replace("::test_it_works", "::test_it_flies"), "there is no tests/test_it.py::test_it_flies"),
        (HEAD + PROVED.replace("test_it.py", "test_that.py"), "there is no tests/test_that.py::test_it_works"),
        ("# Nothing\n", "no table"),
    ],
    ids=["empty", "no id", "a gap", "no such test", "no such file", "no table"],
)
def test_what_is_missing_is_named(root: Path, text: str, said: str) -> None:
    (fault,) = faults(text, root)
    assert said in fault
