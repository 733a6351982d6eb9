"""Write ``orders.jsonl``: invented orders in the shape of a shop's export, the same bytes every time.

``python -m examples.data.make_orders [FILE]`` (default: ``orders.jsonl`` beside this file).
People, streets and tracks are invented. About one order in four goes to a country the example's carrier does not
serve, and a few have a total that does not add up, so that a run of the file has failures to show.
"""

from __future__ import annotations

import json
import random
import sys
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

SEED = 20_260_214
ORDERS = 320
FIRST_ORDER = 5_001
CUSTOMERS = 48
TRACKS = 420
OUT = Path(__file__).with_name("orders.jsonl")

FIRST_NAMES = ("Ayla", "Bruno", "Célia", "Dagny", "Emre", "Fiona", "Gábor", "Hanna", "Ioana", "Jürgen", "Kaja", "Liam")
FAMILY_NAMES = ("Abendroth", "Barroso", "Castellan", "Dubrovsky", "Eklund", "Fairweather", "Groß", "Hollis")
STREETS = ("Lindenweg", "Harbour Lane", "Rua das Gaivotas", "Quai des Tilleuls", "Calle del Faro", "Mill Row")
# Country, its city, how often it is drawn, and the shape of its postal code (None: it has none).
PLACES: tuple[tuple[str, str, int, str | None], ...] = (
    ("USA", "Cedar Falls", 22, "#####"),
    ("Canada", "Elmview", 13, "K#A #B#"),
    ("France", "Clairmont", 9, "#####"),
    ("Brazil", "Porto Verde", 8, "#####-###"),
    ("Germany", "Steinbach", 8, "#####"),
    ("United Kingdom", "Ashford Mill", 6, "AB# #CD"),
    ("Portugal", "Vila Clara", 4, None),
    ("India", "Sundarpur", 3, "######"),
    ("Ireland", "Kilbrae", 2, None),
    ("Chile", "Puerto Sol", 2, None),
    ("Argentina", "Rio Manso", 2, "####"),
    ("Sweden", "Björkvik", 2, "### ##"),
)
MOODS = ("Amber", "Broken", "Crooked", "Distant", "Electric", "Folded", "Gentle", "Hollow", "Idle", "Paper", "Silent")
THINGS = ("Anchor", "Bridge", "Candle", "Engine", "Garden", "Lantern", "Mirror", "Orchard", "Signal", "Tide", "Window")
TAILS = ("", " (Live)", " Blues", " Waltz")
PRICES = ("0.99", "0.99", "0.99", "0.99", "0.99", "0.99", "1.29", "1.99")
LINES_PER_ORDER = (1, 2, 2, 4, 6, 9, 14)
IMPOSSIBLE_EVERY = 97

_T = TypeVar("_T")


class Dice:
    """Draws from a seed, by ``random()`` alone: of its module only that is promised to stay the same."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random

    def below(self, n: int) -> int:
        return int(self._random() * n)

    def pick(self, items: Sequence[_T]) -> _T:
        return items[self.below(len(items))]

    def sample(self, n: int, size: int) -> list[int]:
        """``size`` different numbers below ``n``, in rising order."""
        found: set[int] = set()
        while len(found) < size:
            found.add(self.below(n))
        return sorted(found)


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return "".join(c for c in folded if c.isascii()).lower()


def _postal_code(dice: Dice, shape: str | None) -> str | None:
    if shape is None:
        return None
    return "".join(str(dice.below(10)) if c == "#" else c for c in shape)


def _customers(dice: Dice) -> list[dict[str, Any]]:
    """Each with ``customer`` and ``billing`` as an order shows them."""
    places = [place for place in PLACES for _ in range(place[2])]
    customers = []
    for number in range(1, CUSTOMERS + 1):
        first, family = dice.pick(FIRST_NAMES), dice.pick(FAMILY_NAMES)
        # Every country has its customer, whatever the dice say; the others follow the weights.
        country, city, _, shape = PLACES[number - 1] if number <= len(PLACES) else dice.pick(places)
        email = f"{_plain(first)}.{_plain(family)}{number}@example.org"
        customers.append(
            {
                "customer": {"id": number, "name": f"{first} {family}", "email": email, "country": country},
                "billing": {
                    "address": f"{dice.pick(STREETS)} {1 + dice.below(120)}",
                    "city": city,
                    "country": country,
                    "postal_code": _postal_code(dice, shape),
                },
            }
        )
    return customers


def _tracks(dice: Dice) -> list[dict[str, Any]]:
    names = [f"{mood} {thing}{tail}" for tail in TAILS for mood in MOODS for thing in THINGS]
    return [
        {"track_id": number, "track": names[number - 1], "unit_price": dice.pick(PRICES)}
        for number in range(1, TRACKS + 1)
    ]


def make_orders(seed: int = SEED, count: int = ORDERS) -> list[dict[str, Any]]:
    """``count`` orders, by ``order_id``; the same for the same arguments."""
    dice = Dice(seed)
    customers, tracks = _customers(dice), _tracks(dice)
    placed = datetime(2024, 1, 2)
    orders = []
    for number in range(count):
        lines = [
            {**tracks[index], "quantity": 2 + dice.below(2) if dice.below(12) == 0 else 1}
            for index in dice.sample(len(tracks), dice.pick(LINES_PER_ORDER))
        ]
        total = sum((Decimal(line["unit_price"]) * line["quantity"] for line in lines), Decimal())
        if number % IMPOSSIBLE_EVERY == IMPOSSIBLE_EVERY - 1:
            total += 1
        orders.append(
            {
                "order_id": FIRST_ORDER + number,
                "placed_at": str(placed),
                **dice.pick(customers),
                "total": str(total),
                "lines": lines,
            }
        )
        placed += timedelta(days=dice.below(4))
    return orders


def text(orders: list[dict[str, Any]]) -> str:
    """The orders as JSON lines."""
    return "".join(json.dumps(order, ensure_ascii=False) + "\n" for order in orders)


def main(arguments: Sequence[str]) -> None:
    out = Path(arguments[0]) if arguments else OUT
    out.write_text(text(make_orders()), encoding="utf-8", newline="\n")
    print(f"{out}: {ORDERS} orders")


if __name__ == "__main__":
    main(sys.argv[1:])
