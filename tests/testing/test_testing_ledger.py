"""The ledger counts each call before it deduplicates."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from sagalog.testing import Ledger


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
