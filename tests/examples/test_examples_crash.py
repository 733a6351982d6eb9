"""The order saga, killed everywhere with the kit that users have: nothing but time is lost."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from examples import orders, shop
from sagalog import Run
from sagalog.testing import Ledger, crash_everywhere
from sagalog.testing.crash.database import throw_away_database

ORDER: dict[str, Any] = {
    "order_id": 7,
    "customer": {"name": "Ayla Groß", "email": "ayla@example.org"},
    "billing": {"country": "Sweden"},
    "total": "2.97",
    "lines": [{"track_id": 5, "unit_price": "0.99", "quantity": 2}, {"track_id": 3, "unit_price": "0.99", "quantity": 1}],
}
REFUSED = {**ORDER, "billing": {"country": "Chile"}}


@pytest.fixture
def url() -> Iterator[str]:
    with throw_away_database() as (made, _):
        yield made


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAGALOG_LEDGER", str(tmp_path / "ledger.sqlite"))
    return tmp_path / "ledger.sqlite"


class Outside:
    """What a run has left outside: in the ledger, and on the shelves."""

    def __init__(self, book: Path, url: str) -> None:
        self.book = book
        self.url = url

    def of(self, run: Run) -> Any:
        db = sqlite3.connect(self.book)
        query = "SELECT kind, cents FROM entry JOIN reference USING (key) WHERE run_id = ? ORDER BY kind, cents"
        entries = db.execute(query, [str(run.id)]).fetchall()
        db.close()
        with psycopg.connect(self.url) as conn:
            _, reserved = shop.read_shop(conn)
        return entries, [(row.track_id, row.quantity) for row in reserved if row.run_id == run.id]

    def check(self, run: Run, _: Ledger | None) -> None:
        """Paid for and taken off the shelves, or neither."""
        entries, reserved = self.of(run)
        kinds = Counter(kind for kind, _ in entries)
        if run.state == "SUCCESS":
            assert entries == [("charge", 297), ("ship", 0)] and reserved == [(3, 1), (5, 2)]
        else:
            assert reserved == [] and kinds["charge"] == kinds["refund"] == 1 and kinds["ship"] == kinds["unship"]


@pytest.mark.parametrize(("order", "ends"), [(ORDER, ["SUCCESS", "REVERTED"]), (REFUSED, ["REVERTED"])])
def test_the_orders_example_comes_out_clean(url: str, book: Path, order: dict[str, Any], ends: list[str]) -> None:
    outside = Outside(book, url)
    report = crash_everywhere(
        orders.order, {"order": order}, check=outside.check, effects=outside.of, database=url, again=6
    )
    assert report.ok, report
    assert list(report.ends.values()) == ends
    assert report.never_reverted == () and report.unreachable == (() if order is ORDER else ("notify",))
    assert min(report.points.values()) >= 14 and report.left_out == 0
    with sqlite3.connect(book) as db:
        (calls,), (entries,) = db.execute("SELECT count(*) FROM attempt UNION ALL SELECT count(*) FROM entry").fetchall()
    assert calls > entries  # some were made again, and took no effect


def test_the_kit_sees_when_the_provider_is_not_told_the_key(
    url: str, book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same order, had somebody made a new key for each call."""
    keys = iter(range(1_000_000))
    monkeypatch.setattr(
        orders, "_call", lambda context, order, cents=0: orders.Call(f"{next(keys)}", str(context.run_id), order, cents)
    )
    outside = Outside(book, url)
    report = crash_everywhere(orders.order, {"order": ORDER}, effects=outside.of, database=url, again=0)
    assert report.of("not_idempotent") == ["charge", "ship"]
