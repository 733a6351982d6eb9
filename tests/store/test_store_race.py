"""Many at once: on one stream one wins, the others are told, and nobody waits for ever."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg
from sagalog_logkit import again, appending, copy, settings, stream

from sagalog.store import hold, log
from sagalog.store.session import Session
from sagalog.store.shape import Append, Head

T = TypeVar("T")


def at_once(url: str, calls: list[Callable[[Session], T]]) -> list[T]:
    """Each call with a session of its own, all started together; what they return."""
    outcomes: list[Any] = [None] * len(calls)
    start = threading.Barrier(len(calls))

    def run(place: int) -> None:
        with Session(url, settings()).open() as session:
            start.wait()
            try:
                outcomes[place] = calls[place](session)
            except Exception as error:
                outcomes[place] = error

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wrong = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert not wrong, wrong
    return outcomes


def appends(*batch: Append) -> Callable[[Session], list[str]]:
    """The statuses that a batch is refused with."""

    def call(session: Session) -> list[str]:
        return [refusal.status for refusal in session.perform(lambda: log.append(batch))]

    return call


def test_of_those_who_append_to_one_stream_one_wins(migrated_on: str) -> None:
    with Session(migrated_on, settings()) as session:
        head = stream()
        session.perform(lambda: log.append([appending(head)]))
        for version in range(1, 6):
            others: list[tuple[Append, ...]] = [(), (), (appending(stream()),), (appending(stream()),)]
            batches = [(appending(copy(head)), *more) for more in others]
            outcomes = at_once(migrated_on, [appends(*batch) for batch in batches])
            assert sorted(outcomes) == [[], ["conflict"], ["conflict"], ["conflict"]]
            stored = session.perform(partial(log.head, head.stream_id))
            assert stored is not None and stored.version == version + 1
            head = stored
            winner = batches[outcomes.index([])][0]
            (last,) = session.perform(partial(log.read, head.stream_id, head.version))
            assert last.record_id == winner.records[0].record_id and last.hash == winner.head.hash


def test_of_those_who_create_one_stream_one_wins(migrated_on: str) -> None:
    for _ in range(5):
        head = stream()
        outcomes = at_once(migrated_on, [appends(appending(copy(head), 2)) for _ in range(4)])
        assert sorted(outcomes) == [[], ["conflict"], ["conflict"], ["conflict"]]


def test_all_who_append_the_same_records_succeed_and_they_are_there_once(migrated_on: str) -> None:
    """As after a commit in doubt, when the first try is still at work."""
    with Session(migrated_on, settings()) as session:
        for new in (True, False):
            head = stream()
            if not new:
                session.perform(partial(log.append, [appending(head)]))
            append = appending(head, 2, claims=(("run", str(uuid4())),) if new else ())
            tries = [again(append, copy(head)) for _ in range(4)]
            assert at_once(migrated_on, [appends(one) for one in tries]) == [[]] * 4
            rows = session.perform(partial(log.read, head.stream_id))
            assert len(rows) == head.version + 2
            assert {(one.head.version, one.head.hash) for one in tries} == {(len(rows), rows[-1].hash)}


def test_of_those_who_claim_one_key_one_wins(migrated_on: str) -> None:
    with Session(migrated_on, settings()) as session:
        for _ in range(5):
            key = ("run", str(uuid4()))
            heads = [stream() for _ in range(4)]
            outcomes = at_once(migrated_on, [appends(appending(head, claims=(key,))) for head in heads])
            assert sorted(outcomes) == [[], ["claimed"], ["claimed"], ["claimed"]]
            assert session.perform(partial(log.claimed, *key)) == heads[outcomes.index([])].stream_id
    with psycopg.connect(migrated_on) as conn:
        assert conn.execute("select count(*) from sagalog.stream").fetchone() == (5,)


def test_of_those_who_accept_one_message_one_wins(migrated_on: str) -> None:
    with Session(migrated_on, settings()) as session:
        head = stream()
        session.perform(lambda: log.append([appending(head)]))
        message = uuid4()
        session.perform(lambda: hold.post(head.stream_id, message, "event", b"", "somebody"))
        outcomes = at_once(migrated_on, [appends(appending(copy(head), accepted=(message,))) for _ in range(3)])
        assert sorted(outcomes) == [[], ["conflict"], ["conflict"]]
        assert session.perform(lambda: hold.inbox([head.stream_id])) == []


def test_of_those_who_take_a_free_stream_one_has_it(migrated_on: str) -> None:
    with Session(migrated_on, settings()) as session:
        head = stream()
        session.perform(lambda: log.append([appending(head, owner=None)]))
        workers = [hold.Worker(uuid4(), "here", place, "1") for place in range(4)]
        for worker in workers:
            session.perform(partial(hold.enroll, worker, 60.0))

        def taking(worker: hold.Worker) -> Callable[[Session], object]:
            return lambda own: own.perform(lambda: hold.take(head.stream_id, worker.id))

        outcomes = at_once(migrated_on, [taking(worker) for worker in workers])
        taken = [outcome for outcome in outcomes if isinstance(outcome, Head)]
        assert len(taken) == 1 and taken[0].epoch == 2
        held = [outcome for outcome in outcomes if isinstance(outcome, hold.Held)]
        assert [other.owner for other in held] == [taken[0].owner] * 3


def test_large_batches_over_the_same_streams_never_deadlock(migrated_on: str) -> None:
    """Each in an order of its own, creating and claiming as they go: whoever comes late is refused, all get through."""
    shared: list[UUID] = [stream().stream_id for _ in range(40)]

    def load(seed: int) -> Callable[[Session], int]:
        def call(session: Session) -> int:
            dice, done = random.Random(seed), 0
            for _ in range(25):
                chosen = dice.sample(shared, 20)
                heads = [session.perform(partial(log.head, id)) or Head(id, epoch=1) for id in chosen]
                batch = [
                    appending(head, claims=(("run", f"{head.stream_id} {head.version} {dice.randint(0, 1)}"),),
                              definitions=((f"d{dice.randint(0, 9)}", b"{}"),))
                    for head in heads
                ]  # fmt: skip
                dice.shuffle(batch)
                tries = 0

                def make() -> Any:
                    nonlocal tries
                    tries += 1
                    return log.append(batch)  # noqa: B023  # used up before the next turn

                refused = session.perform(make)
                assert tries == 1, "a deadlock"
                done += len(batch) - len(refused)
            return done

        return call

    done = at_once(migrated_on, [load(seed) for seed in range(6)])
    with psycopg.connect(migrated_on) as conn:
        row = conn.execute(
            "select (select count(*) from sagalog.record), (select sum(version) from sagalog.stream), "
            "(select count(*) from sagalog.claim)"
        ).fetchone()
    assert row == (sum(done), sum(done), sum(done))
