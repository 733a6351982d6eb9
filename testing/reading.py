"""The simulated log's reads, one function for each query of sql/queries/log.sql."""

from __future__ import annotations

from datetime import datetime
from operator import itemgetter
from typing import Any

from ..store import wire
from ..store.io import Rows
from . import unpack
from .tables import Tables

_LIGHT = itemgetter(2, 3, 4, 5, 8, 12, 19)
_COLUMNS = itemgetter(2, 4, 5, 8, 12, 13)
_VALUE = 13


def read(tables: Tables, now: int, id: bytes, first: bytes, limit: bytes) -> Rows:
    start = max(unpack.number(first), 1) - 1
    return list(tables.rows(id)[start : start + unpack.number(limit)])


def read_light(tables: Tables, now: int, id: bytes, first: bytes, limit: bytes) -> Rows:
    return [_LIGHT(row) for row in read(tables, now, id, first, limit)]


def read_columns(tables: Tables, now: int, id: bytes) -> Rows:
    return [_COLUMNS(row) for row in tables.rows(id)]


def read_values(tables: Tables, now: int, id: bytes, versions: bytes) -> Rows:
    wanted = set(unpack.numbers(versions))
    return [(row[2], *row[_VALUE : _VALUE + 3]) for row in tables.rows(id) if row[2] in wanted]


def count_until(tables: Tables, now: int, id: bytes, at: datetime) -> Rows:
    return [(sum(row[9] <= at for row in tables.rows(id)),)]


def head(tables: Tables, now: int, id: bytes) -> Rows:
    stream = tables.streams.get(id)
    return [] if stream is None else [(stream.id, stream.version, stream.hash, stream.epoch, stream.owner)]


def find(tables: Tables, now: int, low: bytes, high: bytes, limit: int) -> Rows:
    found = sorted(id for id in tables.streams if low <= id <= high)
    return [(tables.streams[id].id,) for id in found[:limit]]


def claimed(tables: Tables, now: int, scope: str, key: str) -> Rows:
    holder = tables.claims.get((scope, key))
    return [] if holder is None else [(unpack.identity(holder),)]


def horizon(tables: Tables, now: int) -> Rows:
    return [(len(tables.records),)]


def tail(tables: Tables, now: int, after: bytes, upto: bytes, limit: bytes) -> Rows:
    start = max(unpack.number(after), 0)
    end = min(unpack.number(upto), start + unpack.number(limit))
    return [(*row[:_VALUE], None, *row[_VALUE + 1 :]) for row in tables.records[start:end]]


def definition(tables: Tables, now: int, hash: str) -> Rows:
    body = tables.definitions.get(hash)
    return [] if body is None else [(body,)]


def ensure_partitions(tables: Tables, now: int) -> Rows:
    return [(0,)]


def database_time(tables: Tables, now: int) -> Rows:
    return [(bytes(wire.time(now)),)]


QUERIES: dict[str, Any] = {
    "now": database_time,
    **{
        query.__name__: query
        for query in (
            read, read_light, read_columns, read_values, count_until, head, find, claimed, horizon, tail, definition,
            ensure_partitions,
        )
    },
}  # fmt: skip
