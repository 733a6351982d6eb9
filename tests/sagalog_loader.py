"""A program that loads the log and is as hard on its readers as it can be.

``python sagalog_loader.py URL APPENDS SEED`` appends to streams of its own until it has committed APPENDS appends. Some
go out by themselves, others in transactions that got their number long before, sleep before and after they take
positions, and are rolled back now and then, wholly or to a savepoint. Prints how many transactions it rolled back.
"""

from __future__ import annotations

import random
import sys
import time
from uuid import uuid4

import psycopg
from sagalog_logkit import appending, copy, stream

from sagalog.store import log
from sagalog.store.io import perform
from sagalog.store.shape import Append, Head


class Undone(Exception):
    """Raised to roll back."""


def main(url: str, appends: int, seed: int) -> None:
    dice = random.Random(seed)
    heads = [stream(owner=uuid4()) for _ in range(40)]
    left, undone = appends, 0
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("set role sagalog_writer")
        while left > 0:
            chosen = dice.sample(range(len(heads)), min(dice.randint(1, 8), left))
            try:
                _commit(conn, dice, heads, chosen)
                left -= len(chosen)
            except Undone:
                undone += 1
    print(undone)


def _commit(conn: psycopg.Connection[object], dice: random.Random, heads: list[Head], chosen: list[int]) -> None:
    moved = [copy(heads[place]) for place in chosen]
    batch: list[Append] = [appending(head, dice.randint(1, 2)) for head in moved]
    if dice.random() < 0.6:
        assert perform(conn, log.append(batch)) == []
    else:
        with conn.transaction():
            conn.execute("select pg_current_xact_id()")
            _nap(dice)
            if dice.random() < 0.2:
                _try_and_undo(conn, dice, batch)
            assert perform(conn, log.append(batch)) == []
            _nap(dice)
            if dice.random() < 0.3:
                raise Undone
    for place, head in zip(chosen, moved, strict=True):
        heads[place] = head


def _try_and_undo(conn: psycopg.Connection[object], dice: random.Random, batch: list[Append]) -> None:
    """Take positions, and give back to a savepoint what holds readers up for them."""
    try:
        with conn.transaction():
            trial = [appending(copy(append.head), 2) for append in batch]
            assert perform(conn, log.append(trial)) == []
            _nap(dice)
            raise Undone
    except Undone:
        pass


def _nap(dice: random.Random) -> None:
    if dice.random() < 0.5:
        time.sleep(dice.random() * 0.01)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
