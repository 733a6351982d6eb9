"""The order saga, one order at a time: what each outcome leaves in the shop and in the outside ledger."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from examples import orders, shop
from examples.ledger import read_ledger
from sagalog import Engine

ORDER: dict[str, Any] = {
    "order_id": 7,
    "placed_at": "2024-05-01 00:00:00",
    "customer": {"id": 1, "name": "Ayla Groß", "email": "ayla@example.org", "country": "Sweden"},
    "billing": {"address": "Mill Row 1", "city": "Björkvik", "country": "Sweden", "postal_code": None},
    "total": "2.97",
    "lines": [
        {"track_id": 5, "track": "B", "unit_price": "0.99", "quantity": 2},
        {"track_id": 3, "track": "A", "unit_price": "0.99", "quantity": 1},
    ],
}
REFUSED = {**ORDER, "billing": {**ORDER["billing"], "country": "Chile"}}
IMPOSSIBLE = {**ORDER, "total": "2.98"}
TOO_MANY = {**ORDER, "total": "1980.00", "lines": [{**ORDER["lines"][0], "quantity": 2_000}]}


@pytest.fixture(autouse=True)
def surroundings(migrated: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGALOG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SAGALOG_LEDGER", str(tmp_path / "ledger.sqlite"))
    monkeypatch.setenv("SAGALOG_DATABASE_URL", migrated)


@pytest.fixture
def engine(migrated: str) -> Iterator[Engine]:
    with Engine.open(migrated, app=orders.app) as opened:
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "orders.jsonl"
    path.write_text(json.dumps(ORDER) + "\n")
    return path


def calls(tmp_path: Path) -> tuple[list[tuple[str, int]], Counter[str]]:
    """Kind and cents of each entry, and how often each kind was called."""
    entries, attempts = read_ledger(tmp_path / "ledger.sqlite")
    return [(row.kind, row.cents) for row in entries], Counter(row.kind for row in attempts)


def on_hand(url: str) -> dict[int, int]:
    with psycopg.connect(url, autocommit=True) as conn:
        shelves, reserved = shop.read_shop(conn)
    held = Counter[int]()
    for row in reserved:
        held[row.track_id] += row.quantity
    assert all(shelf.on_hand + held[shelf.track_id] == shelf.initial for shelf in shelves)
    return {shelf.track_id: shelf.on_hand - shelf.initial for shelf in shelves}


def test_examples_orders_flow_needs_an_order_and_no_more() -> None:
    assert set(orders.order.requires) == {"order"}
    assert set(orders.order.provides) == {"invoice", "reservation", "payment", "shipment", "letter"}


def test_examples_orders_keeps_an_order_that_succeeds(
    engine: Engine, migrated: str, tmp_path: Path, file: Path
) -> None:
    run = engine.run(orders.order, {"order": ORDER})
    assert run.state == "SUCCESS"
    assert run.results["invoice"] == {"order_id": 7, "cents": 297, "items": [[3, 1], [5, 2]]}
    assert run.results["reservation"] == {"units": 3}
    assert run.results["letter"]["text"] == "Order 7: 2.97 charged, on its way to Sweden."
    assert calls(tmp_path) == ([("charge", 297), ("ship", 0)], {"charge": 1, "ship": 1})
    assert on_hand(migrated) == {3: -1, 5: -2}
    assert orders.main(["reconcile", str(file)]) == 0


@pytest.mark.parametrize(
    ("order", "error", "entries", "attempts", "stock"),
    [
        (
            REFUSED,
            "CarrierRefused",
            [("charge", 297), ("refund", 297)],
            {"charge": 1, "ship": 1, "refund": 1},
            {3: 0, 5: 0},
        ),
        (IMPOSSIBLE, "ImpossibleOrder", [], {}, {}),
        (TOO_MANY, "OutOfStock", [], {}, {}),
    ],
    ids=["refused", "impossible", "out of stock"],
)
def test_examples_orders_undoes_an_order_that_fails(
    engine: Engine,
    migrated: str,
    tmp_path: Path,
    order: dict[str, Any],
    error: str,
    entries: list[tuple[str, int]],
    attempts: dict[str, int],
    stock: dict[int, int],
) -> None:
    run = engine.run(orders.order, {"order": order}, raises=False)
    assert run.state == "REVERTED"
    assert [failure.type.rpartition(".")[2] for failure in run.failures] == [error]
    assert calls(tmp_path) == (entries, attempts)
    assert on_hand(migrated) == stock


def test_examples_orders_undoes_an_order_long_after(engine: Engine, migrated: str, tmp_path: Path, file: Path) -> None:
    run = engine.run(orders.order, {"order": ORDER})
    reverted = engine.revert(run.id, reason="customer withdrew")
    assert reverted.state == "REVERTED"
    assert calls(tmp_path)[0] == [("charge", 297), ("ship", 0), ("unship", 0), ("refund", 297)]
    assert on_hand(migrated) == {3: 0, 5: 0}
    assert orders.main(["reconcile", str(file)]) == 0


def test_examples_orders_setup_opens_the_shop(
    migrated: str, tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert orders.main(["setup", str(file)]) == 0
    assert orders.main(["setup", str(file)]) == 0
    assert capsys.readouterr().out == "The shop is open, with 2 tracks on its shelves.\n" * 2
    assert on_hand(migrated) == {3: 0, 5: 0}
    assert (tmp_path / "ledger.sqlite").exists()


def test_examples_orders_reconcile_exits_1_and_says_why(
    engine: Engine, migrated: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.run(orders.order, {"order": ORDER})
    with psycopg.connect(migrated, autocommit=True) as conn:
        conn.execute("DELETE FROM shop.reservation WHERE track_id = 3")
    assert orders.main(["reconcile", "--json", str(file)]) == 1
    document = json.loads(capsys.readouterr().out)
    assert [fault["order_id"] for fault in document["faults"]] == [7, None]


@pytest.mark.parametrize("text", [None, "no json\n"], ids=["no file", "no orders"])
def test_examples_orders_reconcile_exits_2_for_a_file_that_is_none(
    text: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / "wrong").write_text(text)
    assert orders.main(["reconcile", str(tmp_path / "wrong")]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and str(tmp_path / "wrong") in printed.err and "Traceback" not in printed.err


def test_examples_orders_that_were_withdrawn_are_taken_up_again(engine: Engine, tmp_path: Path) -> None:
    """What was refunded stays refunded; the new execution is charged anew, and refunded again."""
    done = engine.run(orders.order, {"order": ORDER})
    assert engine.revert(done.id, reason="withdrawn").state == "REVERTED"
    assert engine.resume(done.id, mode="RECOVER").state == "SUCCESS"
    once = [("charge", 297), ("ship", 0)]
    assert calls(tmp_path)[0] == [*once, ("unship", 0), ("refund", 297), *once]
    assert engine.revert(done.id, reason="withdrawn again").state == "REVERTED"
    assert calls(tmp_path)[0][-2:] == [("unship", 0), ("refund", 297)]
