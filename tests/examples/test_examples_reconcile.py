"""Reconciliation: agrees with books that are right, and names what is wrong in books that are not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import attrs
import psycopg
import pytest

from examples import reconcile as room
from examples import shop
from examples.ledger import Call, Entry, Ledger
from examples.reconcile import Books, Fault, as_document, as_text, reconcile
from examples.shop import Reserved, Shelf


def order(order_id: int, total: str, items: dict[int, int]) -> dict[str, Any]:
    rows = [{"track_id": track, "quantity": n, "unit_price": "1.00"} for track, n in items.items()]
    return {"order_id": order_id, "total": total, "lines": rows}


KEPT, REFUSED, UNTOUCHED, IMPOSSIBLE = 1, 2, 3, 4
ORDERS = {
    KEPT: order(KEPT, "3.00", {10: 2, 11: 1}),
    REFUSED: order(REFUSED, "1.00", {10: 1}),
    UNTOUCHED: order(UNTOUCHED, "1.00", {11: 1}),
    IMPOSSIBLE: order(IMPOSSIBLE, "9.00", {11: 1}),
}
ENTRIES = [Entry("c1", "charge", 1, 300), Entry("s1", "ship", 1, 0), Entry("c2", "charge", 2, 100)]
ENTRIES += [Entry("r2", "refund", 2, 100)]
# The refused shipment of order 2 was a call, and so was a charge sent twice.
ATTEMPTS = [*ENTRIES, Entry("s2", "ship", 2, 0), Entry("c1", "charge", 1, 300)]
RUN = UUID(int=1)
BOOKS = Books(
    shelves=[Shelf(10, 98, 100), Shelf(11, 99, 100)],
    reserved=[Reserved(RUN, 10, 2, KEPT), Reserved(RUN, 11, 1, KEPT)],
    entries=ENTRIES,
    attempts=ATTEMPTS,
)


def with_entry(books: Books, *rows: Entry) -> Books:
    """Entries whose calls are counted, as those of a flow are."""
    return attrs.evolve(books, entries=[*books.entries, *rows], attempts=[*books.attempts, *rows])


def without(books: Books, key: str) -> Books:
    return attrs.evolve(books, entries=[row for row in books.entries if row.key != key])


def shelves(books: Books, *rows: Shelf) -> Books:
    return attrs.evolve(books, shelves=rows)


def reserved(books: Books, *rows: Reserved) -> Books:
    """The shelves always fit the reservations, so that only the order is wrong."""
    held = {
        shelf.track_id: sum(row.quantity for row in rows if row.track_id == shelf.track_id) for shelf in books.shelves
    }
    fitting = [shelf._replace(on_hand=shelf.initial - held[shelf.track_id]) for shelf in books.shelves]
    return attrs.evolve(books, shelves=fitting, reserved=rows)


def test_examples_reconcile_agrees_with_books_that_are_right() -> None:
    report = reconcile(ORDERS, BOOKS)
    assert report.ok and report.faults == []
    document = as_document(report)
    assert {name: document[name] for name in ("ok", "orders", *room.OUTCOMES)} == {
        "ok": True,
        "orders": 4,
        "kept": 1,
        "refunded": 1,
        "untouched": 2,
        "disputed": 0,
    }
    assert (document["cents_kept"], document["units_reserved"]) == (300, 3)
    assert document["outcomes"]["refunded"] == {
        "orders": 1,
        "cents_ordered": 100,
        "cents_charged": 100,
        "cents_refunded": 100,
        "units_reserved": 0,
    }
    assert document["attempts"] == {"charge": 3, "refund": 1, "ship": 2}
    assert document["entries"] == {"charge": 2, "refund": 1, "ship": 1}
    assert json.loads(json.dumps(document)) == document


PLANTED: list[tuple[str, Callable[[Books], Books], int | None, str]] = [
    ("charge lost", lambda b: without(b, "c1"), KEPT, "charged 0 times (0.00)"),
    ("charged twice", lambda b: with_entry(b, Entry("x", "charge", 1, 300)), KEPT, "charged 2 times (6.00)"),
    ("refund lost", lambda b: without(b, "r2"), REFUSED, "refunded 0 times"),
    ("refunded twice", lambda b: with_entry(b, Entry("x", "refund", 2, 100)), REFUSED, "refunded 2 times (2.00)"),
    ("kept order refunded", lambda b: with_entry(b, Entry("x", "refund", 1, 300)), KEPT, "refunded 1 times (3.00)"),
    ("never shipped", lambda b: without(b, "s1"), KEPT, "shipped 0 times"),
    ("cancelled", lambda b: with_entry(b, Entry("x", "unship", 1, 0)), KEPT, "cancelled 1 times"),
    ("shipped unpaid", lambda b: with_entry(b, Entry("x", "ship", 3, 0)), UNTOUCHED, "expected 1.00 kept, one parcel"),
    (
        "too little",
        lambda b: with_entry(without(b, "c1"), Entry("x", "charge", 1, 299)),
        KEPT,
        "charged 1 times (2.99)",
    ),
    (
        "an impossible order kept",
        lambda b: with_entry(b, Entry("x", "charge", 4, 900), Entry("y", "ship", 4, 0)),
        IMPOSSIBLE,
        "expected nothing of it, the order is impossible",
    ),
    ("reservation lost", lambda b: reserved(b), KEPT, "0 units reserved; expected 3.00 kept, one parcel, 3 units"),
    ("half of it", lambda b: reserved(b, b.reserved[0]), KEPT, "2 units reserved"),
    (
        "another track",
        lambda b: reserved(b, Reserved(RUN, 10, 3, KEPT)),
        KEPT,
        "3 units reserved of other tracks: [10]",
    ),
    (
        "reserved unpaid",
        lambda b: reserved(b, *b.reserved, Reserved(UUID(int=2), 11, 1, 3)),
        UNTOUCHED,
        "1 units reserved",
    ),
    (
        "not in the file",
        lambda b: with_entry(b, Entry("x", "charge", 99, 5)),
        99,
        "it is in no file; found charge 0.05",
    ),
    (
        "reserved by none",
        lambda b: reserved(b, *b.reserved, Reserved(UUID(int=2), 11, 1, None)),
        None,
        str(UUID(int=2)),
    ),
    (
        "no call counted",
        lambda b: attrs.evolve(b, attempts=[row for row in b.attempts if row.key != "c1"]),
        KEPT,
        "charge of key c1 took effect, but no call is counted",
    ),
    (
        "stock gone",
        lambda b: shelves(b, Shelf(10, 97, 100), b.shelves[1]),
        None,
        "track 10: 97 on hand and 2 reserved (by orders: 1); expected 100 in all",
    ),
    ("stock found", lambda b: shelves(b, Shelf(10, 99, 100), b.shelves[1]), None, "track 10: 99 on hand"),
    ("shelf gone", lambda b: shelves(b, b.shelves[0]), None, "track 11: 1 reserved, but no shelf"),
]


@pytest.mark.parametrize(("plant", "names", "words"), [row[1:] for row in PLANTED], ids=[row[0] for row in PLANTED])
def test_examples_reconcile_names_what_is_wrong(plant: Callable[[Books], Books], names: int | None, words: str) -> None:
    report = reconcile(ORDERS, plant(BOOKS))
    assert [(fault.order_id, words in fault.message) for fault in report.faults] == [(names, True)]
    assert not report.ok and as_document(report)["ok"] is False
    assert f"FAULT  {report.faults[0].message}" in as_text(report)
    assert "The books do not agree: 1 faults." in as_text(report)


def test_examples_reconcile_text_adds_up() -> None:
    lines = as_text(reconcile(ORDERS, BOOKS)).splitlines()
    assert lines[0].split() == ["outcome", "orders", "ordered", "charged", "refunded", "kept", "units", "reserved"]
    assert lines[2].split() == ["kept", "1", "3.00", "3.00", "0.00", "3.00", "3"]
    assert lines[3].split() == ["refunded", "1", "1.00", "1.00", "1.00", "0.00", "0"]
    assert lines[7].split() == ["all", "4", "5.00", "4.00", "1.00", "3.00", "3"]
    assert (
        lines[8] == "calls to the outside: charge 3 (2 took effect), refund 1 (1 took effect), ship 2 (1 took effect)"
    )
    assert lines[9:] == ["The books agree."]


def test_examples_reconcile_text_cuts_a_long_list_of_faults() -> None:
    faults = [Fault(number, f"order {number}: wrong") for number in range(50)]
    text = as_text(attrs.evolve(reconcile(ORDERS, BOOKS), faults=faults))
    assert text.count("FAULT") == room.FAULTS_SHOWN and "… and 30 more faults" in text


def test_examples_reconcile_reads_tables_and_ledger(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, ledger = tmp_path / "orders.jsonl", tmp_path / "ledger.sqlite"
    file.write_text("".join(json.dumps(row) + "\n" for row in ORDERS.values()))
    monkeypatch.setenv("SAGALOG_LEDGER", str(ledger))
    with psycopg.connect(database, autocommit=True) as conn:
        assert room.run(conn, [file]) == 0, "nothing has happened yet"
        assert "untouched  " in capsys.readouterr().out

        book, call = Ledger(ledger), Call("s", str(RUN), KEPT)
        shop.reserve(conn, RUN, KEPT, [(10, 2), (11, 1)])
        book.charge(Call("c", str(RUN), KEPT, 300))
        assert room.run(conn, [file], as_json=True) == 1, "charged and not shipped"
        assert json.loads(capsys.readouterr().out)["disputed"] == 1
        book.attempt("ship", call)
        book.enter("ship", call)
        book.close()
        assert room.run(conn, [file], as_json=True) == 0
        document = json.loads(capsys.readouterr().out)
        assert (document["kept"], document["cents_kept"], document["units_reserved"]) == (1, 300, 3)

        conn.execute("UPDATE shop.stock SET on_hand = on_hand - 1 WHERE track_id = 10")
        assert room.run(conn, [file]) == 1
        assert "track 10" in capsys.readouterr().out
