"""The example data is what its generators make, and has the shape that it says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from examples.data import make_orders, make_workflow
from examples.invoice import ImpossibleOrder, invoice

ORDERS = make_orders.make_orders()


def test_examples_orders_file_is_what_the_generator_makes() -> None:
    assert make_orders.OUT.read_bytes() == make_orders.text(make_orders.make_orders()).encode()


def test_examples_workflow_file_is_what_the_generator_makes() -> None:
    assert make_workflow.OUT.read_bytes() == make_workflow.text(make_workflow.make_workflow()).encode()


@pytest.mark.parametrize("generator", [make_orders, make_workflow])
def test_examples_generator_writes_where_it_is_told(
    generator: Any, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    generator.main([str(out)])
    assert out.read_bytes() == generator.OUT.read_bytes()
    assert str(out) in capsys.readouterr().out


def test_examples_orders_of_another_seed_differ() -> None:
    assert make_orders.make_orders(seed=make_orders.SEED + 1) != ORDERS


def test_examples_orders_have_the_shape_of_an_export() -> None:
    assert len({order["order_id"] for order in ORDERS}) == len(ORDERS) == make_orders.ORDERS
    for order in ORDERS:
        assert list(order) == ["order_id", "placed_at", "customer", "billing", "total", "lines"]
        assert list(order["customer"]) == ["id", "name", "email", "country"]
        assert list(order["billing"]) == ["address", "city", "country", "postal_code"]
        assert {tuple(line) for line in order["lines"]} == {("track_id", "track", "unit_price", "quantity")}
        assert order["customer"]["email"].isascii() and order["customer"]["email"].endswith("@example.org")


def test_examples_orders_add_up_but_for_a_few() -> None:
    impossible = []
    for place, order in enumerate(ORDERS):
        try:
            invoice(order)
        except ImpossibleOrder:
            impossible.append(place)
    assert impossible == [96, 193, 290]


def test_examples_workflow_tasks_come_after_their_parents() -> None:
    known = set[str]()
    for task in json.loads(make_workflow.OUT.read_text())["tasks"]:
        assert list(task) == ["id", "name", "parents", "runtime_s"]
        assert known.issuperset(task["parents"]) and task["id"] not in known
        known.add(task["id"])
    assert len(known) == 2 + make_workflow.SAMPLES * len(make_workflow.STAGES)
