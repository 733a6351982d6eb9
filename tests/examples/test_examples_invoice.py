"""Orders are priced in whole cents, and one that cannot be meant is refused saying why."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.invoice import ImpossibleOrder, invoice, money, read_orders

ORDER: dict[str, Any] = {
    "order_id": 7,
    "total": "3.97",
    "lines": [
        {"track_id": 9, "track": "A", "unit_price": "0.99", "quantity": 2},
        {"track_id": 4, "track": "B", "unit_price": "1.99", "quantity": 1},
    ],
}

lines = st.lists(
    st.builds(
        lambda track, cents, quantity: {"track_id": track, "unit_price": money(cents), "quantity": quantity},
        st.integers(1, 20),
        st.integers(0, 10_000),
        st.integers(1, 50),
    ),
    min_size=1,
    max_size=8,
)


def test_examples_invoice_sums_lines_by_track() -> None:
    assert invoice(ORDER) == (7, 397, [(4, 1), (9, 2)])


@given(lines)
def test_examples_invoice_is_exact(rows: list[dict[str, Any]]) -> None:
    total = sum(Decimal(row["unit_price"]) * row["quantity"] for row in rows)
    made = invoice({"order_id": 1, "total": str(total), "lines": rows})
    assert money(made.cents) == f"{total:.2f}"
    assert sum(quantity for _, quantity in made.items) == sum(row["quantity"] for row in rows)
    assert [track for track, _ in made.items] == sorted({row["track_id"] for row in rows})


@given(lines, st.integers(1, 1_000))
def test_examples_invoice_refuses_a_total_that_is_off(rows: list[dict[str, Any]], off: int) -> None:
    total = sum((Decimal(row["unit_price"]) * row["quantity"] for row in rows), Decimal(off) / 100)
    with pytest.raises(ImpossibleOrder, match="its lines come to"):
        invoice({"order_id": 1, "total": str(total), "lines": rows})


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("order_id", "7", "order_id: expected a whole number from 1"),
        ("order_id", True, "order_id: expected a whole number from 1"),
        ("order_id", 2**63, "order_id: expected a whole number from 1"),
        ("lines", [], "order 7: expected at least one line"),
        ("lines", "none", "order 7: expected at least one line"),
        ("lines", [None], "order 7, line 1: expected an object with track_id, quantity, unit_price"),
        ("total", 3.97, 'order 7, total: expected an amount as text, such as "1.98", found 3.97'),
        ("total", "3.98", "its lines come to 3.97, its total says 3.98"),
        ("total", "NaN", "order 7, total: expected an amount"),
        ("total", "three", "order 7, total: expected an amount"),
        ("total", "1E+400000", "order 7, total: expected an amount"),
        ("lines.1.quantity", 0, "order 7, line 2, quantity: expected a whole number from 1"),
        ("lines.1.quantity", 1.5, "order 7, line 2, quantity: expected a whole number from 1"),
        ("lines.0.unit_price", "-0.99", "order 7, line 1, unit_price: expected an amount"),
        ("lines.0.unit_price", "0.999", "order 7, line 1, unit_price: expected an amount"),
        ("lines.0.track_id", None, "order 7, line 1, track_id: expected a whole number"),
    ],
)
def test_examples_invoice_refuses_and_says_why(path: str, value: Any, message: str) -> None:
    order: Any = copy.deepcopy(ORDER)
    *way, last = path.split(".")
    place = order
    for step in way:
        place = place[int(step) if step.isdigit() else step]
    place[last] = value
    with pytest.raises(ImpossibleOrder) as refused:
        invoice(order)
    assert message in str(refused.value)


@pytest.mark.parametrize("order", [None, [], {"order_id": 1, "lines": []}])
def test_examples_invoice_refuses_what_is_no_order(order: Any) -> None:
    with pytest.raises(ImpossibleOrder, match="an order: expected an object with order_id, lines, total"):
        invoice(order)


def test_examples_orders_are_read_by_id_from_all_files(tmp_path: Path) -> None:
    for name, ids in (("a", (1, 2)), ("b", (3,))):
        rows = [json.dumps({**ORDER, "order_id": number}) for number in ids]
        (tmp_path / name).write_text("\n".join(rows) + "\n\n")
    assert list(read_orders([tmp_path / "a", tmp_path / "b"])) == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"order_id": 1}\n{"order_id": 1}\n', "orders:2: order 1 is there twice"),
        ('{"order_id": 1}\n{"order_id"', "orders:2: expected an order as a JSON object"),
        ('{"order_id": [1]}\n', "orders:1: expected an order as a JSON object"),
        ("[]\n", "orders:1: expected an order as a JSON object"),
    ],
)
def test_examples_orders_file_errors_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "orders"
    file.write_text(text)
    with pytest.raises(ValueError, match="orders:") as refused:
        read_orders([file])
    assert message in str(refused.value)
