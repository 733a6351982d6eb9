"""Stock and reservations: nothing is lost, nothing waits for itself, and the first order finds the shop closed."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import psycopg
import pytest

from examples import shop
from examples.shop import STOCK, Connection, OutOfStock, Reserved, Shelf

RUN = UUID(int=1)


@pytest.fixture
def conn(database: str) -> Iterator[Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def reserve(conn: Connection, run: UUID, items: list[tuple[int, int]], order_id: int = 1) -> int:
    with conn.transaction():
        return shop.reserve(conn, run, order_id, items)


def release(conn: Connection, run: UUID) -> int:
    with conn.transaction():
        return shop.release(conn, run)


def test_examples_shop_that_was_never_opened_is_empty(conn: Connection) -> None:
    assert shop.read_shop(conn) == ([], [])
    assert release(conn, RUN) == 0


def test_examples_shop_reserves_and_releases(conn: Connection) -> None:
    assert reserve(conn, RUN, [(3, 2), (5, 1)], order_id=8) == 3
    assert shop.read_shop(conn) == (
        [Shelf(3, STOCK - 2, STOCK), Shelf(5, STOCK - 1, STOCK)],
        [Reserved(RUN, 3, 2, 8), Reserved(RUN, 5, 1, 8)],
    )
    assert [release(conn, RUN), release(conn, RUN)] == [3, 0]
    assert shop.read_shop(conn) == ([Shelf(3, STOCK, STOCK), Shelf(5, STOCK, STOCK)], [])


def test_examples_shop_has_the_columns_it_promises(conn: Connection) -> None:
    shop.open_shop(conn)
    query = "SELECT column_name FROM information_schema.columns WHERE table_schema = 'shop' AND table_name = %s"
    columns = {name: {row[0] for row in conn.execute(query, [name])} for name in ("stock", "reservation")}
    assert columns["stock"] >= {"track_id", "on_hand"}
    assert columns["reservation"] >= {"run_id", "track_id", "quantity"}


def test_examples_shop_opened_again_keeps_its_stock(conn: Connection) -> None:
    shop.open_shop(conn, [1, 1, 2])
    reserve(conn, RUN, [(1, 4)])
    shop.open_shop(conn, [1, 3])
    assert shop.read_shop(conn)[0] == [Shelf(1, STOCK - 4, STOCK), Shelf(2, STOCK, STOCK), Shelf(3, STOCK, STOCK)]


def test_examples_shop_reserves_all_of_an_order_or_nothing(conn: Connection) -> None:
    with pytest.raises(OutOfStock, match=f"order 8: {STOCK + 1} of track 2 wanted, {STOCK} on hand"):
        reserve(conn, RUN, [(1, 1), (2, STOCK + 1)], order_id=8)
    assert shop.read_shop(conn) == ([], [])
    assert reserve(conn, RUN, [(1, 1), (2, STOCK)]) == STOCK + 1
    with pytest.raises(OutOfStock, match="1 of track 2 wanted, 0 on hand"):
        reserve(conn, uuid4(), [(1, 1), (2, 1)])
    assert shop.read_shop(conn)[0] == [Shelf(1, STOCK - 1, STOCK), Shelf(2, 0, STOCK)]


def test_examples_shop_is_opened_by_many_first_orders_at_once(database: str) -> None:
    together = threading.Barrier(8)

    def first(number: int) -> None:
        with psycopg.connect(database, autocommit=True) as conn:
            together.wait()
            reserve(conn, UUID(int=number), [(1, 1), (number, 1)])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(first, range(2, 10)))
    with psycopg.connect(database, autocommit=True) as conn:
        shelves, reserved = shop.read_shop(conn)
    assert shelves[0] == Shelf(1, STOCK - 8, STOCK)
    assert len(shelves) == 9 and len(reserved) == 16


def test_examples_shop_orders_in_each_others_way_do_not_deadlock(database: str) -> None:
    """Orders that share tracks, some of them new, named in any order; a third of them is released again."""

    def orders(seed: int) -> int:
        dice, kept = random.Random(seed), 0
        with psycopg.connect(database, autocommit=True) as conn:
            for number in range(25):
                run, tracks = UUID(int=seed * 1_000 + number), dice.sample(range(1, 13), 6)
                kept += reserve(conn, run, [(track, dice.randint(1, 3)) for track in tracks])
                if number % 3 == 0:
                    kept -= release(conn, run)
        return kept

    with ThreadPoolExecutor(8) as pool:
        kept = sum(pool.map(orders, range(8)))
    with psycopg.connect(database, autocommit=True) as conn:
        shelves, reserved = shop.read_shop(conn)
    assert sum(row.quantity for row in reserved) == kept
    for shelf in shelves:
        assert shelf.on_hand + sum(row.quantity for row in reserved if row.track_id == shelf.track_id) == STOCK
