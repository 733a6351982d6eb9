"""The ledger counts each call before it deduplicates."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sagalog_children import Line, run_all

from sagalog.errors import UsageError
from sagalog.testing import Entry, FileLedger, Ledger


def test_each_call_is_counted_and_only_the_first_of_a_key_takes_effect() -> None:
    ledger = Ledger()
    first, second = ledger.call("charge", "k", cents=5), ledger.call("charge", "k", cents=6)
    assert (first.repeated, second.repeated) == (False, True)
    assert [entry.details["cents"] for entry in ledger.calls("charge")] == [5, 6]
    assert ledger.effects() == [first]
    assert not ledger.call("refund", "k").repeated  # another thing under the same key
    assert ledger.counts() == {("charge", "k"): 2, ("refund", "k"): 1}


def test_without_a_key_every_call_takes_effect() -> None:
    ledger = Ledger()
    ledger.call("mail")
    assert not ledger.call("mail").repeated
    assert ledger.count() == len(ledger.effects("mail")) == 2
    assert ledger.calls("charge") == []


def test_whether_a_call_was_made_can_be_asked_without_making_one() -> None:
    ledger = Ledger()
    assert not ledger.knows("charge", "k")
    ledger.call("charge", "k")
    assert ledger.knows("charge", "k") and not ledger.knows("refund", "k")
    assert ledger.count() == 1


def test_what_was_noted_stays_as_it_was() -> None:
    ledger = Ledger()
    entry = ledger.call("charge", cents=5)
    with pytest.raises(TypeError):
        entry.details["cents"] = 6  # type: ignore[index]  # that is what is tried
    ledger.calls().clear()
    assert ledger.count() == 1


def test_calls_from_many_threads_are_all_counted() -> None:
    ledger = Ledger()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: ledger.call("charge", str(n % 10)), range(400)))
    assert ledger.count() == 400 and len(ledger.effects()) == 10


def test_what_came_behind_a_count_is_a_ledger_of_its_own() -> None:
    ledger = Ledger()
    ledger.call("charge", "k")
    ledger.call("charge", "k")
    ledger.call("mail")
    later = ledger.since(1)
    assert [(entry.what, entry.repeated) for entry in later.calls()] == [("charge", True), ("mail", False)]
    later.call("mail")
    assert ledger.count() == 3 and later.knows("charge", "k")


def test_who_listens_is_told_of_each_call_until_he_stops() -> None:
    ledger, heard = Ledger(), list[Entry]()
    stop = ledger.listen(heard.append)
    entry = ledger.call("mail")
    stop()
    ledger.call("mail")
    assert heard == [entry]


def test_a_key_is_a_text_in_memory_and_in_a_file(tmp_path: Path) -> None:
    key: Any = UUID(int=7)
    for ledger in (Ledger(), FileLedger(tmp_path / "ledger")):
        ledger.call("charge", key)
        assert ledger.knows("charge", key) and ledger.knows("charge", str(key))
        assert ledger.call("charge", key).repeated
    assert ledger.since(0).knows("charge", key)


def test_a_file_keeps_the_calls_of_all_processes_also_of_killed_ones(tmp_path: Path) -> None:
    ledger = FileLedger(tmp_path / "ledger")
    assert ledger.count() == 0 and not ledger.knows("charge", "k")
    ledger.call("charge", "k", cents=Decimal(5))

    def child(line: Line) -> None:
        assert ledger.call("charge", "k").repeated  # what the parent did is known
        FileLedger(ledger.path).call("mail")
        os.kill(os.getpid(), signal.SIGKILL)

    assert run_all([child]) == [(-signal.SIGKILL, [])]
    calls = [(entry.what, entry.repeated) for entry in ledger.calls()]
    assert calls == [("charge", False), ("charge", True), ("mail", False)]
    assert ledger.calls()[0].details == {"cents": "5"}
    assert FileLedger(ledger.path).counts() == ledger.counts()


def test_many_processes_write_one_file_and_each_key_takes_effect_once(tmp_path: Path) -> None:
    ledger = FileLedger(tmp_path / "ledger")

    def child(line: Line) -> None:
        for number in range(50):
            ledger.call("charge", str(number))

    assert {code for code, _ in run_all([child] * 4, at_once=4)} == {0}
    assert ledger.count() == 200 and len(ledger.effects()) == 50


def test_a_line_that_was_cut_short_is_no_call_and_another_file_is_refused(tmp_path: Path) -> None:
    ledger = FileLedger(tmp_path / "ledger")
    ledger.call("mail")
    with ledger.path.open("a") as file:
        file.write('["mail", nu')
    assert ledger.count() == 1
    ledger.call("charge")
    assert [entry.what for entry in FileLedger(ledger.path).calls()] == ["mail", "charge"]
    (tmp_path / "other").write_text("what is this\n")
    with pytest.raises(UsageError, match="expected the file of a FileLedger, found b'what is this'"):
        FileLedger(tmp_path / "other").call("mail")
