"""What a session lives through: cut connections, restarts, deadlocks; and what it says when it cannot."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import psycopg
import pytest
from sagalog_logkit import StoredLog, again, appending, copy, record, settings, stream
from sagalog_proxy import Cut, Proxy

from sagalog.errors import SchemaMismatch, StoreUnavailable, UsageError
from sagalog.store import hold, log
from sagalog.store.io import Operation, Query
from sagalog.store.migrate import MIGRATIONS
from sagalog.store.session import TRIES, AsyncSession, Reconnect, Session, Sleep, steady
from sagalog.store.shape import NewRecord
from sagalog_testkit import Server


@pytest.fixture(scope="module")
def used(server_on: Server) -> Iterator[str]:
    """A database for the tests that leave others' streams alone."""
    url = server_on.create_migrated()
    yield url
    server_on.drop(url)


@pytest.fixture
def proxy(migrated: str) -> Iterator[Proxy]:
    with Proxy(migrated) as standing:
        yield standing


# ---- a commit in doubt


@pytest.mark.parametrize("cut", list(Cut))
@pytest.mark.parametrize("records", [1, 3])
def test_an_append_is_there_once_wherever_the_connection_is_cut(proxy: Proxy, cut: Cut, records: int) -> None:
    with Session(proxy.url, settings()) as session:
        head = stream(owner=uuid4())
        session.perform(lambda: log.append([appending(head)]))
        append = appending(head, records)
        proxy.arm(append.records[-1].record_id, cut)
        assert session.perform(lambda: log.append([append])) == []
        assert (proxy.cuts, proxy.connections) == (1, 2)
        assert session.perform(lambda: log.append([appending(head)])) == []
        rows = session.perform(lambda: log.read(head.stream_id))
        assert [row.record_id for row in rows[1:-1]] == [item.record_id for item in append.records]
        assert rows[-1].version == len(rows) == head.version == records + 2
        assert rows[-1].hash == head.hash


@pytest.mark.parametrize("cut", list(Cut))
def test_a_batch_that_creates_and_claims_is_there_once(proxy: Proxy, cut: Cut) -> None:
    with Session(proxy.url, settings()) as session:
        old, new = stream(), stream()
        key = ("run", str(uuid4()))
        session.perform(lambda: log.append([appending(old)]))
        batch = [appending(old, 2), appending(new, 2, claims=(key,), definitions=((uuid4().hex, b"{}"),))]
        proxy.arm(batch[1].records[0].record_id, cut)
        assert session.perform(lambda: log.append(batch)) == []
        assert proxy.cuts == 1
        assert session.perform(lambda: log.claimed(*key)) == new.stream_id
        for head in (old, new):
            assert session.perform(partial(log.append, [appending(head)])) == []
            rows = session.perform(partial(log.read, head.stream_id))
            assert [row.version for row in rows] == list(range(1, head.version + 1))
            assert rows[-1].hash == head.hash


@pytest.mark.parametrize("cut", list(Cut))
def test_an_asyncio_session_settles_a_commit_in_doubt(proxy: Proxy, cut: Cut) -> None:
    async def scene() -> None:
        async with AsyncSession(proxy.url, settings()) as session:
            head = stream()
            await session.perform(lambda: log.append([appending(head)]))
            append = appending(head, 2)
            proxy.arm(append.records[0].record_id, cut)
            assert await session.perform(lambda: log.append([append])) == []
            rows = await session.perform(lambda: log.read(head.stream_id))
            assert [row.version for row in rows] == [1, 2, 3] and rows[-1].hash == head.hash
            assert proxy.cuts == 1

    asyncio.run(scene())


def test_an_asyncio_session_that_is_cancelled_while_it_connects_leaves_no_connection(migrated: str) -> None:
    """Also where somebody keeps the task, and with it what was raised in it, and nothing has swept cycles up."""
    kept: list[asyncio.Task[Any]] = []

    async def whole() -> float:
        """How long it takes, in seconds."""
        began = time.perf_counter()
        session = await AsyncSession(migrated, settings()).open()
        took = time.perf_counter() - began
        await session.end()
        return took

    async def scene() -> None:
        took = min([await whole() for _ in range(3)])
        for step in range(40):
            kept.append(asyncio.create_task(AsyncSession(migrated, settings()).open()))
            await asyncio.sleep(took * step / 40)
            kept[-1].cancel()
            await asyncio.wait([kept[-1]])
            if not kept[-1].cancelled():
                await kept[-1].result().end()

    gc.disable()
    try:
        asyncio.run(scene())
        assert sum(task.cancelled() for task in kept) > 5
        with psycopg.connect(migrated, autocommit=True) as looking:
            left = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            deadline = time.monotonic() + 10
            while found := looking.execute(left).fetchall():
                assert time.monotonic() < deadline, found
                time.sleep(0.01)
    finally:
        gc.enable()


def test_a_stolen_stream_stays_stolen_when_the_commit_was_in_doubt(proxy: Proxy, migrated: str) -> None:
    """The append did not get through, and somebody took the stream over meanwhile: fenced, nothing written."""
    with Session(proxy.url, settings()) as session, Session(migrated, settings()) as thief:
        head = stream(owner=uuid4())
        session.perform(lambda: log.append([appending(head)]))
        append = appending(head)

        def make() -> Operation[Any]:
            if proxy.cuts:
                thief.perform(lambda: hold.take(head.stream_id, uuid4(), steal=True))
            return log.append([append])

        proxy.arm(append.records[0].record_id, Cut.BEFORE)
        assert [refusal.status for refusal in session.perform(make)] == ["fenced"]
        assert len(session.perform(lambda: log.read(head.stream_id))) == 1


def test_what_was_done_before_the_loss_is_not_done_twice(proxy: Proxy) -> None:
    """A batch with a stream that the data make fail goes in halves: lost in the second, the first is there already."""
    with Session(proxy.url, settings()) as session:
        heads = sorted((stream() for _ in range(4)), key=lambda head: head.stream_id.int)
        batch = [appending(head) for head in heads]
        bad = appending(heads[2], records=[record(type="no\x00good")])
        batch[2] = bad
        seen = 0

        def make() -> Operation[Any]:
            nonlocal seen
            seen += 1
            return log.append(batch)

        first = batch[0].records[0].record_id
        last = batch[3].records[0].record_id
        proxy.arm(last, Cut.AFTER, nth=3)  # the whole batch, the second half, and then by itself
        refused = session.perform(make)
        assert [(refusal.stream_id, refusal.status) for refusal in refused] == [(heads[2].stream_id, "rejected")]
        assert (seen, proxy.cuts) == (2, 1)
        rows = session.perform(lambda: log.read(heads[0].stream_id))
        assert [row.record_id for row in rows] == [first]
        assert [head.version for head in heads] == [1, 1, 0, 1]


# ---- lost and found


def test_a_server_that_restarts_is_waited_for(own_server: Server) -> None:
    url = own_server.create_migrated()
    with Session(url, settings(reconnect=60.0)) as session:
        head = stream()
        session.perform(lambda: log.append([appending(head)]))
        own_server.cluster.stop("immediate")
        starter = threading.Timer(0.5, own_server.cluster.start)
        starter.start()
        assert session.perform(lambda: log.append([appending(head)])) == []
        starter.join()
        own_server.cluster.stop("fast")
        own_server.cluster.start()
        assert [row.version for row in session.perform(lambda: log.read(head.stream_id))] == [1, 2]
        user = session.connection.execute("select current_user::text").fetchone()
        assert user == ("sagalog_writer",), "a new connection is told what the first was"


def test_a_server_that_stays_away_is_given_up(proxy: Proxy) -> None:
    with Session(proxy.url, settings(reconnect=0.3)) as session:
        session.perform(log.horizon)
        proxy.refuse()
        proxy.cut_all()
        with pytest.raises(StoreUnavailable, match="check the server") as caught:
            session.perform(log.horizon)
        assert isinstance(caught.value.__cause__, psycopg.OperationalError)
        proxy.refuse(False)
        assert session.perform(log.horizon) == 0, "and used again once it is there again"


def test_no_patience_is_no_second_look(proxy: Proxy) -> None:
    with Session(proxy.url, settings(reconnect=0.0)) as session:
        session.perform(log.horizon)
        proxy.cut_all()
        with pytest.raises(StoreUnavailable):
            session.perform(log.horizon)
        assert proxy.connections == 1


def test_a_session_that_was_closed_opens_again(migrated: str) -> None:
    session = Session(migrated, settings())
    assert session.perform(log.horizon) == 0
    session.close()
    session.close()
    assert session.connection.info.dbname in migrated
    session.close()


# ---- deadlocks, serialization, timeouts


def test_a_deadlock_is_answered_with_another_try(migrated_on: str) -> None:
    with Session(migrated_on, settings()) as session, psycopg.connect(migrated_on) as other:
        low, high = sorted((stream(), stream()), key=lambda head: head.stream_id.int)
        session.perform(lambda: log.append([appending(low), appending(high)]))
        lock = "select 1 from sagalog.stream where stream_id = %s for update"
        other.execute(lock, (high.stream_id,))
        tries = 0

        def make() -> Operation[Any]:
            nonlocal tries
            tries += 1
            return log.append([appending(low), appending(high)])

        thread = threading.Thread(target=lambda: session.perform(make))
        thread.start()
        _until_somebody_waits(migrated_on)
        # The server looks for deadlocks one second after a wait has begun, and ends the wait that began first.
        other.execute(lock, (low.stream_id,))
        other.rollback()
        thread.join()
        assert tries == 2
        assert (low.version, high.version) == (2, 2)


def _until_somebody_waits(url: str) -> None:
    query = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    with psycopg.connect(url, autocommit=True) as conn:
        while conn.execute(query).fetchone() == (0,):
            pass


def _played(make: Callable[[], Operation[Any]], patience: float = 1.0) -> list[Any]:
    """The effects of `steady`, all of which succeed, and at last what it returns or raises."""
    steps, effects = steady(make, patience, clock=lambda: 0.0), list[Any]()
    try:
        effect = next(steps)
        while True:
            effects.append(effect)
            effect = steps.send([])
    except StopIteration as done:
        return [*effects, done.value]
    except Exception as error:
        return [*effects, error]


def _failing(times: int, error: type[psycopg.Error]) -> Callable[[], Operation[str]]:
    left = times

    def make() -> Operation[str]:
        nonlocal left
        yield Query("now")
        left -= 1
        if left >= 0:
            raise error("so it is")
        return "done"

    return make


@pytest.mark.parametrize("error", [psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected])
def test_what_the_server_undid_for_others_is_tried_five_times_more(error: type[psycopg.Error]) -> None:
    effects = _played(_failing(TRIES, error))
    assert effects[-1] == "done"
    assert [type(effect) for effect in effects[:-1]] == [Query, *[Sleep, Query] * TRIES]
    pauses = [effect.seconds for effect in effects if isinstance(effect, Sleep)]
    assert all(later > earlier * 0.9 for earlier, later in pairwise(pauses))
    effects = _played(_failing(TRIES + 1, error))
    assert isinstance(effects[-1], StoreUnavailable) and isinstance(effects[-1].__cause__, error)


def test_a_lost_connection_is_made_anew_before_the_next_try() -> None:
    effects = _played(_failing(2, psycopg.OperationalError))
    assert [type(effect) for effect in effects] == [Query, Sleep, Reconnect, Query, Sleep, Reconnect, Query, str]


@pytest.mark.parametrize("error", [psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction])
def test_what_is_missing_is_a_matter_of_the_schema(error: type[psycopg.Error]) -> None:
    (query, raised) = _played(_failing(1, error))
    assert isinstance(query, Query) and isinstance(raised, SchemaMismatch) and "sagalog init" in str(raised)


def test_an_error_of_the_operation_itself_comes_through() -> None:
    def make() -> Operation[None]:
        yield Query("now")
        raise LookupError("its own")

    assert isinstance(_played(make)[-1], LookupError)


def test_a_statement_timeout_says_so_and_leaves_nothing(migrated_on: str) -> None:
    with Session(migrated_on, settings()) as session, psycopg.connect(migrated_on) as other:
        head = stream()
        session.perform(lambda: log.append([appending(head)]))
        before = copy(head)
        other.execute("select 1 from sagalog.stream where stream_id = %s for update", (head.stream_id,))
        session.connection.execute("set statement_timeout = '100ms'")
        with pytest.raises(StoreUnavailable, match="statement_timeout"):
            session.perform(lambda: log.append([appending(head)]))
        other.rollback()
        assert head == before
        assert session.perform(lambda: log.append([appending(head)])) == []
        assert len(session.perform(lambda: log.read(head.stream_id))) == 2


def test_nothing_is_performed_again_within_a_transaction(migrated: str) -> None:
    with Session(migrated, settings()) as session:
        with session.connection.transaction(), pytest.raises(RuntimeError, match="use `once`"):
            session.perform(log.horizon)
        assert session.perform(log.horizon) == 0


# ---- what it says when it cannot


def test_a_server_that_takes_no_writes_says_so(migrated_on: str) -> None:
    with Session(migrated_on, settings()) as session:
        name = session.connection.info.dbname
        with psycopg.connect(migrated_on, autocommit=True) as other:
            other.execute(f"alter database {name} set default_transaction_read_only = on")
        session.close()
        head = stream()
        with pytest.raises(StoreUnavailable, match="takes no writes"):
            session.perform(lambda: log.append([appending(head)]))
        assert session.perform(lambda: log.tail(0)) == ([], 0), "reading goes on"


def test_a_wrong_password_is_not_tried_for_long(own_server: Server) -> None:
    url = own_server.create_migrated()
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("create role guest login password 'right' in role sagalog_writer")
    hba = own_server.cluster.data / "pg_hba.conf"
    hba.write_text("local all guest scram-sha-256\n" + hba.read_text())
    own_server.cluster.stop()
    own_server.cluster.start()
    host = url.partition("?")[2]
    name = url.partition("?")[0].rpartition("/")[2]

    def url_with(password: str) -> str:
        return f"postgresql://guest:{quote(password)}@/{name}?{host}"

    with Session(url_with("right"), settings()) as session:
        assert session.perform(log.horizon) == 0
    with pytest.raises(StoreUnavailable, match="password authentication failed"):
        Session(url_with("wrong"), settings()).open()
    with pytest.raises(StoreUnavailable, match="password authentication failed"):
        Session(url_with("wrong"), settings(reconnect=60.0)).perform(log.horizon)


def test_no_server_no_database_no_url(migrated: str) -> None:
    with pytest.raises(StoreUnavailable, match="check the server and the database URL"):
        Session("postgresql://nobody@/none?host=/nonexistent", settings()).open()
    missing = migrated.replace("/test_", "/no_test_")
    with pytest.raises(StoreUnavailable, match="does not exist"):
        Session(missing, settings()).open()
    with pytest.raises(UsageError, match="expected postgresql://"):
        Session("mysql://here", settings())


def test_a_role_that_may_not_write_is_told_what_it_lacks(migrated_on: str) -> None:
    role = f"stranger_{uuid4().hex}"
    with psycopg.connect(migrated_on, autocommit=True) as conn:
        conn.execute(f"create role {role} login in role sagalog_reader")
        try:
            with pytest.raises(StoreUnavailable, match="sagalog_writer"):
                Session(migrated_on.replace("postgres@", f"{role}@"), settings()).open()
        finally:
            conn.execute(f"drop role {role}")


def test_a_schema_that_is_older_or_newer_is_refused(database: str, migrated: str) -> None:
    with pytest.raises(SchemaMismatch, match="none of it; run `sagalog init`"):
        Session(database, settings()).open()
    last = MIGRATIONS[-1].number
    with psycopg.connect(migrated, autocommit=True) as conn:
        conn.execute("delete from sagalog.migration where number = %s", (last,))
        with pytest.raises(SchemaMismatch, match=f"expected version {last}, found version .*; run `sagalog init`"):
            Session(migrated, settings()).open()
        newer = "insert into sagalog.migration (number, name, digest) values (%s, 'later', '')"
        conn.execute(newer, (last + 1,))
        with pytest.raises(SchemaMismatch, match=f"found the newer {last + 1}"):
            Session(migrated, settings()).open()


# ---- a connection's manners


def test_a_session_is_the_writer_durable_and_in_utc(migrated_on: str) -> None:
    with psycopg.connect(migrated_on, autocommit=True) as conn:
        name = conn.info.dbname
        conn.execute(f"alter database {name} set synchronous_commit = off")
        conn.execute(f"alter database {name} set default_transaction_isolation = 'serializable'")
        conn.execute(f"alter database {name} set timezone = 'Asia/Tokyo'")
    with Session(migrated_on, settings()) as session:
        told = session.connection.execute(
            "select current_user::text, current_setting('synchronous_commit'), current_setting('transaction_isolation'), "
            "current_setting('TimeZone')"
        ).fetchone()
        assert told == ("sagalog_writer", "on", "read committed", "UTC")
        assert session.connection.autocommit


BAD = {
    "a zero byte": record(type="no\x00good"),
    "half a surrogate": record(type="no\ud800good"),
    "a schema version out of range": record()._replace(schema=2**31),
    "an id that is none": record()._replace(record_id=b"short"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@pytest.mark.parametrize("where", [0, 3, 7])
def test_the_stream_whose_data_fail_is_found_and_its_neighbours_are_appended(
    used: str, where: int, bad: NewRecord
) -> None:
    with Session(used, settings()) as session:
        stored = StoredLog(session)
        heads = sorted((stream() for _ in range(8)), key=lambda head: head.stream_id.int)
        batch = [appending(head) for head in heads]
        batch[where] = appending(heads[where], records=[bad])
        refused = stored.append(batch)  # type: ignore[operator]
        assert [(r.stream_id, r.status, r.version) for r in refused] == [(heads[where].stream_id, "rejected", 0)]
        assert refused[0].detail
        assert [head.version for head in heads] == [int(place != where) for place in range(8)]
        assert stored.head(heads[where].stream_id) is None  # type: ignore[operator]
        assert [r.status for r in stored.append([again(batch[where], copy(heads[where]))])] == ["rejected"]  # type: ignore[operator]
