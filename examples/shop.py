"""The shop's own tables, in the database that also holds the log; ordinary SQL on an ordinary connection.

Nothing here knows of sagalog. Who calls decides on the transaction: the order flow hands in the connection of a
transactional task, so that what is reserved and the record that says so are one commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

STOCK = 1_000  # units of a track when it is first seen

Connection = psycopg.Connection[Any]

_PRESENT = "SELECT to_regclass('shop.stock') IS NOT NULL AND to_regclass('shop.reservation') IS NOT NULL"
# Two CREATE … IF NOT EXISTS at the same moment do not see each other, and the later one fails at its commit.
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('sagalog examples.shop', 0))"
_TABLES = """
CREATE SCHEMA IF NOT EXISTS shop;
CREATE TABLE IF NOT EXISTS shop.stock (
    track_id integer PRIMARY KEY,
    on_hand  integer NOT NULL CHECK (on_hand >= 0),
    initial  integer NOT NULL
);
CREATE TABLE IF NOT EXISTS shop.reservation (
    run_id   uuid    NOT NULL,
    track_id integer NOT NULL REFERENCES shop.stock,
    quantity integer NOT NULL CHECK (quantity > 0),
    order_id bigint,
    PRIMARY KEY (run_id, track_id)
);
"""
# Rows are always taken in the order of the track id, here and in _LOCK, so that no two orders wait for each other.
_FIRST_SEEN = """
INSERT INTO shop.stock (track_id, on_hand, initial)
SELECT track_id, %(stock)s, %(stock)s FROM unnest(%(tracks)s::integer[]) AS seen (track_id) ORDER BY track_id
ON CONFLICT (track_id) DO NOTHING
"""
_LOCK = "SELECT track_id, on_hand FROM shop.stock WHERE track_id = ANY (%(tracks)s) ORDER BY track_id FOR UPDATE"
_RESERVE = """
WITH item AS (
    SELECT * FROM unnest(%(tracks)s::integer[], %(quantities)s::integer[]) AS item (track_id, quantity)
), reserved AS (
    INSERT INTO shop.reservation (run_id, track_id, quantity, order_id)
    SELECT %(run_id)s, track_id, quantity, %(order_id)s FROM item
)
UPDATE shop.stock SET on_hand = on_hand - item.quantity FROM item WHERE item.track_id = stock.track_id
"""
_LOCK_RESERVED = """
SELECT stock.track_id FROM shop.stock
 WHERE track_id IN (SELECT track_id FROM shop.reservation WHERE run_id = %(run_id)s)
 ORDER BY stock.track_id FOR UPDATE
"""
_RELEASE = """
WITH gone AS (DELETE FROM shop.reservation WHERE run_id = %(run_id)s RETURNING track_id, quantity)
UPDATE shop.stock SET on_hand = on_hand + gone.quantity FROM gone WHERE gone.track_id = stock.track_id
RETURNING gone.quantity
"""
_SHELVES = "SELECT track_id, on_hand, initial FROM shop.stock ORDER BY track_id"
_RESERVATIONS = "SELECT run_id, track_id, quantity, order_id FROM shop.reservation ORDER BY track_id, run_id"


class OutOfStock(Exception):
    """A track has fewer units on hand than the order asks for."""


class Shelf(NamedTuple):
    """A row of ``shop.stock``: what is there now, and what was there at first."""

    track_id: int
    on_hand: int
    initial: int


class Reserved(NamedTuple):
    """A row of ``shop.reservation``; a row without an order was not written by the flow."""

    run_id: UUID
    track_id: int
    quantity: int
    order_id: int | None


def open_shop(conn: Connection, tracks: Iterable[int] = ()) -> None:
    """See to it that the tables and a shelf for each of ``tracks`` are there; what is there stays as it is."""
    if not _is_open(conn):
        conn.execute(_ONE_AT_A_TIME)
        conn.execute(_TABLES)
    conn.execute(_FIRST_SEEN, {"tracks": sorted(set(tracks)), "stock": STOCK})


def reserve(conn: Connection, run_id: UUID, order_id: int, items: Sequence[tuple[int, int]]) -> int:
    """Take ``items`` (track id, quantity; each track once) off the shelves for a run; return the number of units.

    Raises ``OutOfStock`` naming the first track that is short; nothing is to be kept of the transaction then.
    """
    tracks, quantities = [track for track, _ in items], [quantity for _, quantity in items]
    open_shop(conn, tracks)
    on_hand = dict(conn.execute(_LOCK, {"tracks": tracks}).fetchall())
    for track, quantity in items:
        if on_hand[track] < quantity:
            raise OutOfStock(f"order {order_id}: {quantity} of track {track} wanted, {on_hand[track]} on hand")
    wanted = {"run_id": run_id, "order_id": order_id, "tracks": tracks, "quantities": quantities}
    conn.execute(_RESERVE, wanted)
    return sum(quantities)


def release(conn: Connection, run_id: UUID) -> int:
    """Put back what is reserved for a run; return the number of units, 0 when there is nothing."""
    if not _is_open(conn):
        return 0
    conn.execute(_LOCK_RESERVED, {"run_id": run_id})
    return sum(quantity for (quantity,) in conn.execute(_RELEASE, {"run_id": run_id}))


def read_shop(conn: Connection) -> tuple[list[Shelf], list[Reserved]]:
    """All shelves and all reservations, by track; nothing of either when the shop was never opened."""
    if not _is_open(conn):
        return [], []
    shelves = conn.execute(_SHELVES)
    reserved = conn.execute(_RESERVATIONS)
    return [Shelf(*row) for row in shelves], [Reserved(*row) for row in reserved]


def _is_open(conn: Connection) -> bool:
    return conn.execute(_PRESENT).fetchone() == (True,)
