"""Logic once, shells thin: every operation of the store is a generator that yields queries and takes rows.

`perform` and `aperform` run one on a given connection, and throw the driver's errors into it. `Session` and
`AsyncSession` (session.py) run one so that it survives what connections go through.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

import psycopg

from .queries import QUERIES

T = TypeVar("T")
Rows: TypeAlias = list[tuple[Any, ...]]


class Query(NamedTuple):
    """One of the named queries of sql/queries and its parameters, in the order of the placeholders."""

    name: str
    params: Sequence[Any] = ()


Operation: TypeAlias = Generator[Query, Rows, T]


def perform(conn: psycopg.Connection[Any], operation: Operation[T]) -> T:
    """Run an operation on a connection, in whatever transaction is open there; return what it returns.

    Raises what the operation raises; errors of the driver that it does not handle come through as they are.
    """
    cursor = psycopg.RawCursor(conn)
    try:
        query = next(operation)
        while True:
            try:
                rows = ask(cursor, query)
            except psycopg.Error as error:
                query = operation.throw(error)
            else:
                query = operation.send(rows)
    except StopIteration as done:
        result: T = done.value
        return result


async def aperform(conn: psycopg.AsyncConnection[Any], operation: Operation[T]) -> T:
    """`perform` for asyncio."""
    cursor = psycopg.AsyncRawCursor(conn)
    try:
        query = next(operation)
        while True:
            try:
                rows = await aask(cursor, query)
            except psycopg.Error as error:
                query = operation.throw(error)
            else:
                query = operation.send(rows)
    except StopIteration as done:
        result: T = done.value
        return result


def ask(cursor: psycopg.RawCursor[Any], query: Query) -> Rows:
    """Run one query; both ways in binary, prepared once for each connection."""
    cursor.execute(QUERIES[query.name], query.params, prepare=True, binary=True)
    return cursor.fetchall() if cursor.description else []


async def aask(cursor: psycopg.AsyncRawCursor[Any], query: Query) -> Rows:
    """`ask` for asyncio."""
    await cursor.execute(QUERIES[query.name], query.params, prepare=True, binary=True)
    return await cursor.fetchall() if cursor.description else []
