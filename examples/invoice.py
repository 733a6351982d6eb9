"""What an order comes to: reading an orders file, and its prices in whole cents."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

LARGEST = 2**53
LARGEST_ITEM = 2**31 - 1
LARGEST_AMOUNT = Decimal(10) ** 12


class ImpossibleOrder(Exception):
    """An order that cannot be meant: nothing in it, a quantity or price that is none, a total that does not add up."""


class Invoice(NamedTuple):
    """An order that adds up: its number, its total in cents, and the quantity of each track, by track id."""

    order_id: int
    cents: int
    items: list[tuple[int, int]]


def invoice(order: dict[str, Any]) -> Invoice:
    """Return the invoice for ``order``; raise ``ImpossibleOrder`` naming the order, what was expected and found."""
    order_id, lines, stated = _parts(order, ("order_id", "lines", "total"), "an order")
    who = f"order {_whole(order_id, LARGEST, 'order_id')}"
    if not isinstance(lines, list) or not lines:
        raise ImpossibleOrder(f"{who}: expected at least one line, found {lines!r:.200}")
    total, items = 0, dict[int, int]()
    for place, line in enumerate(lines, start=1):
        where = f"{who}, line {place}"
        track, quantity, price = _parts(line, ("track_id", "quantity", "unit_price"), where)
        total += _whole(quantity, LARGEST_ITEM, f"{where}, quantity") * _cents(price, f"{where}, unit_price")
        items[track] = items.get(_whole(track, LARGEST_ITEM, f"{where}, track_id"), 0) + quantity
    if (found := _cents(stated, f"{who}, total")) != total:
        raise ImpossibleOrder(f"{who}: its lines come to {money(total)}, its total says {money(found)}")
    return Invoice(order_id, total, sorted(items.items()))


def money(cents: int) -> str:
    """``1234`` as ``12.34``."""
    return f"{Decimal(cents).scaleb(-2):.2f}"


def read_orders(files: Iterable[Path]) -> dict[int, dict[str, Any]]:
    """The orders of JSON-lines ``files`` by their id.

    Raises ``ValueError`` naming the line that is not an order, or that repeats one.
    """
    orders: dict[int, dict[str, Any]] = {}
    for file in files:
        for number, text in enumerate(file.read_text(encoding="utf-8").split("\n"), start=1):
            if not text.strip():
                continue
            order_id, order = _identified(text, f"{file}:{number}")
            if order_id in orders:
                raise ValueError(f"{file}:{number}: order {order_id} is there twice; give each order once")
            orders[order_id] = order
    return orders


def _identified(text: str, where: str) -> tuple[int, dict[str, Any]]:
    try:
        order = json.loads(text)
        return _whole(order["order_id"], LARGEST, where), order
    except (ValueError, KeyError, TypeError, ImpossibleOrder):
        raise ValueError(f"{where}: expected an order as a JSON object with an order_id, found {text!r:.80}") from None


def _parts(found: Any, names: Sequence[str], where: str) -> list[Any]:
    try:
        return [found[name] for name in names]
    except (KeyError, TypeError):
        raise ImpossibleOrder(f"{where}: expected an object with {', '.join(names)}; found {found!r:.200}") from None


def _whole(value: Any, most: int, where: str) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise ImpossibleOrder(f"{where}: expected a whole number from 1 to {most}, found {value!r:.80}")
    return value


def _cents(text: Any, where: str) -> int:
    """An amount such as ``"1.98"`` in cents. Money comes as text: a float has already lost what it was."""
    try:
        amount = Decimal(text) if isinstance(text, str) else Decimal("NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or not 0 <= amount <= LARGEST_AMOUNT or amount != round(amount, 2):
        raise ImpossibleOrder(f'{where}: expected an amount as text, such as "1.98", found {text!r:.80}')
    return int(amount.scaleb(2))
