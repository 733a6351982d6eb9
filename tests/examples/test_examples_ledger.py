"""The outside ledger counts every call, and lets each key take effect once, whoever calls and dies at the same time."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from examples import ledger as room
from examples.ledger import Call, KeyReused, Ledger, Withdrawn, read_ledger

ROOT = Path(__file__).resolve().parents[2]
CALLER = """
import sys
from pathlib import Path
from examples.ledger import Call, Ledger
book, first, last = Ledger(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
for number in range(first, last):
    book.charge(Call(f"charge-{number}", f"run-{number}", number, 100))
    print(number, flush=True)
"""
FORK = """
import os
from examples.ledger import ledger
here = ledger()
child = os.fork()
if child == 0:
    os._exit(0 if ledger() is not here else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def book(path: Path) -> Iterator[Ledger]:
    made = Ledger(path)
    yield made
    made.close()


def caller(path: Path, first: int, last: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CALLER, str(path), str(first), str(last)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def kinds(path: Path) -> tuple[Counter[str], Counter[str]]:
    entries, attempts = read_ledger(path)
    return Counter(row.kind for row in entries), Counter(row.kind for row in attempts)


def test_examples_ledger_has_the_columns_it_promises(book: Ledger, path: Path) -> None:
    book.charge(Call("k", "run", 1, 100))
    db = sqlite3.connect(path)
    columns = {name: [row[1] for row in db.execute(f"PRAGMA table_info({name})")] for name in ("attempt", "entry")}
    mode = db.execute("PRAGMA journal_mode").fetchone()
    db.close()
    assert columns == {
        "attempt": ["seq", "key", "kind", "order_id", "cents", "at"],
        "entry": ["key", "kind", "order_id", "cents"],
    }
    assert mode == ("wal",)


def test_examples_ledger_charges_once_per_key_and_counts_each_call(book: Ledger, path: Path) -> None:
    call = Call("k", "run", 1, 250)
    assert [book.charge(call) for _ in range(3)] == [True, False, False]
    entries, attempts = read_ledger(path)
    assert entries == [("k", "charge", 1, 250)]
    assert attempts == [("k", "charge", 1, 250)] * 3


@pytest.mark.parametrize("other", [Call("k", "run", 1, 251), Call("k", "run", 2, 250)])
def test_examples_ledger_refuses_a_key_for_another_call(book: Ledger, path: Path, other: Call) -> None:
    book.charge(Call("k", "run", 1, 250))
    with pytest.raises(KeyReused, match="charge of order 1, 250 cents"):
        book.charge(other)
    assert kinds(path) == ({"charge": 1}, {"charge": 2})


def test_examples_ledger_refunds_once_what_the_run_was_charged(book: Ledger, path: Path) -> None:
    book.charge(Call("c1", "run 1", 1, 250))
    book.charge(Call("c2", "run 2", 1, 900))
    # The amount asked for is not what counts: the caller may not know what was charged.
    assert [book.refund(Call("r1", "run 1", 1, 999)) for _ in range(2)] == [True, False]
    assert read_ledger(path)[0][-1] == ("r1", "refund", 1, 250)
    assert kinds(path) == ({"charge": 2, "refund": 1}, {"charge": 2, "refund": 2})


def test_examples_ledger_refunds_nothing_where_nothing_was_charged(book: Ledger, path: Path) -> None:
    book.attempt("charge", Call("c1", "run 1", 1, 250))
    assert book.refund(Call("r1", "run 1", 1, 250)) is False
    assert kinds(path) == ({}, {"charge": 1, "refund": 1})


def test_examples_ledger_refunds_each_execution_by_itself(book: Ledger, path: Path) -> None:
    for execution in (1, 2):
        book.charge(Call(f"c{execution}", "run", 1, 250))
        assert book.refund(Call(f"r{execution}", "run", 1, 250)) is True
    assert book.refund(Call("r3", "run", 1, 250)) is False
    assert kinds(path)[0] == {"charge": 2, "refund": 2}


def test_examples_ledger_cancels_only_a_shipment_there_is(book: Ledger, path: Path) -> None:
    assert book.unship(Call("u0", "run", 1)) is False
    book.attempt("ship", Call("s1", "run", 1))
    assert book.enter("ship", Call("s1", "run", 1)) is True
    assert [book.unship(Call("u1", "run", 1)), book.unship(Call("u2", "run", 1))] == [True, False]
    assert kinds(path)[0] == {"ship": 1, "unship": 1}


@pytest.mark.parametrize(("done", "undo"), [("charge", Ledger.refund), ("ship", Ledger.unship)])
def test_examples_ledger_refuses_what_comes_after_it_was_taken_back(
    book: Ledger, path: Path, done: str, undo: Callable[[Ledger, Call], bool]
) -> None:
    """A process stands still before its call; another one, which knows nothing of it, takes it back; then it goes on."""
    assert undo(book, Call("u1", "run", 1, 250, execution=1)) is False
    book.attempt(done, Call("d1", "run", 1, 250, execution=1))
    with pytest.raises(Withdrawn, match=f"{done} of order 1, key d1"):
        book.enter(done, Call("d1", "run", 1, 250, execution=1))
    # The next execution is another matter, and so is another run.
    book.attempt(done, Call("d2", "run", 1, 250, execution=2))
    assert book.enter(done, Call("d2", "run", 1, 250, execution=2)) is True
    assert book.enter(done, Call("e1", "other", 1, 250, execution=1)) is True
    assert undo(book, Call("u2", "run", 1, 250, execution=2)) is True
    # What had come, and comes once more, is told so as before.
    assert book.enter(done, Call("d2", "run", 1, 250, execution=2)) is False
    assert kinds(path)[0][done] == 2


def test_examples_ledger_of_an_older_make_is_brought_up_to_date(book: Ledger, path: Path) -> None:
    book.charge(Call("c", "run", 1, 250))
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE withdrawn")
    db.close()
    assert read_ledger(path)[0] == [("c", "charge", 1, 250)]
    newer = Ledger(path)
    assert newer.refund(Call("r", "run", 1, 250, execution=1)) is True
    newer.close()


def test_examples_ledger_keeps_nothing_of_a_call_that_fails(book: Ledger, path: Path) -> None:
    with pytest.raises(OverflowError):
        book.attempt("charge", Call("k", "run", 2**64, 1))
    assert book.charge(Call("k", "run", 1, 1)) is True
    assert kinds(path) == ({"charge": 1}, {"charge": 1})


def test_examples_ledger_serves_threads(book: Ledger, path: Path) -> None:
    calls = [Call(f"k{number % 40}", f"run{number % 40}", number % 40, 100) for number in range(200)]
    with ThreadPoolExecutor(32) as pool:
        first = list(pool.map(book.charge, calls))
    assert sum(first) == 40
    assert kinds(path) == ({"charge": 40}, {"charge": 200})


def test_examples_ledger_serves_processes_that_open_it_at_the_same_moment(path: Path) -> None:
    callers = [caller(path, 0, 25) for _ in range(6)]
    assert [process.communicate()[0].split()[-1] for process in callers] == ["24"] * 6
    assert kinds(path) == ({"charge": 25}, {"charge": 150})


def test_examples_ledger_survives_callers_that_are_killed(path: Path) -> None:
    acknowledged = set[int]()
    dice = random.Random(4)
    for round_ in range(6):
        process = caller(path, round_ * 1_000, round_ * 1_000 + 1_000)
        assert process.stdout is not None
        acknowledged.add(int(process.stdout.readline()))
        time.sleep(dice.random() / 20)
        process.send_signal(signal.SIGKILL)
        acknowledged |= {int(line) for line in process.communicate()[0].split()}
    entries, attempts = read_ledger(path)
    entered = {row.order_id for row in entries}
    assert acknowledged <= entered <= {row.order_id for row in attempts}
    # A call that was cut short may have been counted and not entered, never the other way round.
    assert len(attempts) - len(entries) <= 6 and len(entered - acknowledged) <= 6


def test_examples_ledger_that_nobody_opened_is_empty(path: Path) -> None:
    assert read_ledger(path) == ([], [])
    sqlite3.connect(path).close()
    path.touch()
    assert read_ledger(path) == ([], [])


def test_examples_ledger_is_found_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGALOG_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SAGALOG_LEDGER", raising=False)
    assert room.ledger_path() == tmp_path / "home" / "ledger.sqlite"
    monkeypatch.setenv("SAGALOG_LEDGER", str(tmp_path / "deep" / "books.sqlite"))
    room.ledger().charge(Call("k", "run", 1, 100))
    assert room.ledger() is room.ledger()
    assert kinds(tmp_path / "deep" / "books.sqlite")[0] == {"charge": 1}


def test_examples_ledger_is_not_shared_with_a_forked_child(path: Path) -> None:
    # In a process of its own: the one that runs the tests may have threads, which a fork would leave behind.
    done = subprocess.run([sys.executable, "-c", FORK], cwd=ROOT, env={**os.environ, "SAGALOG_LEDGER": str(path)})
    assert done.returncode == 0


def test_examples_ledger_is_made_by_many_at_the_same_moment(tmp_path: Path) -> None:
    together = threading.Barrier(8)

    def make(path: Path) -> None:
        together.wait()
        Ledger(path).close()

    with ThreadPoolExecutor(8) as pool:
        for number in range(30):
            list(pool.map(make, [tmp_path / f"{number}.sqlite"] * 8))
    assert len(list(tmp_path.glob("*.sqlite"))) == 30
