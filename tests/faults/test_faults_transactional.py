"""Transactional tasks: what they wrote and the record of it are one, whatever happens to the transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest
from sagalog_faults import Business, both, new_id, resume, run, told, verified, write
from sagalog_proxy import Cut, Proxy

from sagalog.config import Settings
from sagalog.engine.core.states import RunState, TaskState
from sagalog.engine.definition import Context, FunctorTask, linear, task, unordered
from sagalog.engine.runtime.engine import Engine
from sagalog.engine.runtime.transactions import TRIES
from sagalog.engine.runtime.views import Run
from sagalog.errors import FlowFailed, StoreUnavailable
from sagalog.store import transaction
from sagalog.store.io import Operation


def booking(name: str, then: Callable[[Any], object] = lambda conn: None) -> FunctorTask:
    """A transactional task that writes one row; the first time, `then` something is done before it ends."""
    first = [then]

    def book(context: Context, conn: Any) -> str:
        write(conn, context.run_id, name)
        if first:
            first.pop()(conn)
        return name

    return FunctorTask(book, name=name, transactional=True, provides=name)


def failed_with(done: Run, atom: str, kind: type[BaseException]) -> bool:
    """Whether an atom's failure is of that class."""
    failure = done.atoms[atom].failure
    return failure is not None and failure.check(kind) is kind


def plain(name: str) -> FunctorTask:
    return FunctorTask(lambda: name, name=name)


PLACES: dict[str, Callable[..., Any]] = {
    "first": lambda *then: linear("books").add(booking("book", *then), plain("after")),
    "middle": lambda *then: linear("books").add(plain("before"), booking("book", *then), plain("after")),
    "last": lambda *then: linear("books").add(plain("before"), booking("book", *then)),
}
"""Where the transactional task `book` may stand; the last one's outcome ends the run, too."""


# ---- a commit in doubt


@both
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("cut", list(Cut))
def test_a_commit_in_doubt_is_settled_and_the_row_is_there_once(
    settings: Settings, business: Business, how: str, cut: Cut, last: bool
) -> None:
    def arm(conn: Any) -> None:
        # COMMIT was sent once on this connection; from now on it goes out under the name that it got then.
        (name,) = conn.execute("SELECT name FROM pg_prepared_statements WHERE statement ~ '^commit'").fetchone()
        proxy.arm(b"\0" + name.encode() + b"\0", cut)

    with Proxy(business.url) as proxy:
        flow = linear("books").add(booking("warm"), booking("book", arm), *([] if last else [plain("after")]))
        done = run(attrs.evolve(settings, database_url=proxy.url), how, flow)
        assert proxy.cuts == 1
    assert done.state is RunState.SUCCESS
    assert business.effects() == ["book", "warm"]
    records = told(settings, done.id)
    assert records.count("task.success book") == 1
    # What had got through is not tried again; where it had not, the attempt is, and the log says so.
    tries = {Cut.BEFORE: (2,), Cut.AFTER: (1,), Cut.DURING: (1, 2)}[cut]
    assert records.count("task.running book") in tries
    assert records.count("task.waiting book") == records.count("task.running book") - 1
    assert verified(settings, done.id)


@both
def test_the_connection_of_a_task_is_cut_while_its_code_runs(settings: Settings, business: Business, how: str) -> None:
    """Also when the code does not let on: what it wrote is gone, so it runs again."""
    calls = []

    @task(transactional=True)
    def book(context: Context, conn: Any) -> None:
        write(conn, context.run_id, "book")
        calls.append(context.attempt)
        if len(calls) == 1:
            with psycopg.connect(business.url, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s)", [conn.info.backend_pid])
            with pytest.raises(psycopg.OperationalError):
                conn.execute("SELECT 1")

    done = run(settings, how, linear("books").add(book))
    assert done.state is RunState.SUCCESS
    assert calls == [1, 2]
    assert business.effects() == ["book"]
    assert told(settings, done.id).count("task.waiting book") == 1


# ---- broken off by the database


@both
def test_a_serialization_failure_runs_the_attempt_again_and_is_recorded(
    settings: Settings, business: Business, how: str
) -> None:
    calls: list[int] = []

    @task(transactional=True, provides="left")
    def withdraw(context: Context, conn: Any) -> int:
        calls.append(context.attempt)
        ((cents,),) = conn.execute("SELECT cents FROM account WHERE name = 'a'").fetchall()
        if len(calls) <= 2:
            write(conn, context.run_id, "rolled back")
            raise psycopg.errors.SerializationFailure("could not serialize access") from _real_40001(business)
        write(conn, context.run_id, "withdraw")
        return int(cents)

    done = run(settings, how, linear("bank").add(withdraw))
    assert (done.state, calls) == (RunState.SUCCESS, [1, 2, 3])
    assert business.effects() == ["withdraw"]
    records = told(settings, done.id)
    assert records.count("task.running withdraw") == 3
    assert records.count("task.waiting withdraw") == 2
    assert done.atoms["withdraw"].attempt == 3


def _real_40001(business: Business) -> BaseException:
    """What a server says when two transactions changed the same row."""
    with psycopg.connect(business.url) as one, psycopg.connect(business.url) as two:
        for conn in (one, two):
            conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            conn.execute("SELECT * FROM account")
        one.execute("UPDATE account SET cents = cents WHERE name = 'b'")
        one.commit()
        with pytest.raises(psycopg.errors.SerializationFailure) as failure:
            two.execute("UPDATE account SET cents = cents WHERE name = 'b'")
        return failure.value


@both
@pytest.mark.parametrize("last", [True, False])
def test_a_serialization_failure_at_commit_runs_the_attempt_again(
    settings: Settings, business: Business, how: str, last: bool
) -> None:
    """Under SERIALIZABLE it may be the commit itself that fails: the outcome was decided, and is taken back."""
    with psycopg.connect(business.url, autocommit=True) as conn:
        conn.execute("CREATE TABLE stumble (times int)")
        conn.execute("CREATE TABLE tried (n serial)")
        conn.execute(
            """
            CREATE FUNCTION stumbling() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
            BEGIN
              IF nextval('tried_n_seq') <= 2 THEN
                RAISE EXCEPTION 'could not serialize access' USING errcode = '40001';
              END IF;
              RETURN NULL;
            END $$
            """
        )
        conn.execute(
            "CREATE CONSTRAINT TRIGGER stumbles AFTER INSERT ON effect DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION stumbling()"
        )
    done = run(settings, how, PLACES["last" if last else "middle"]())
    assert done.state is RunState.SUCCESS
    assert business.effects() == ["book"]
    records = told(settings, done.id)
    assert (records.count("task.running book"), records.count("task.success book")) == (3, 1)
    assert verified(settings, done.id)


@both
def test_what_can_never_be_serialized_is_a_failure_in_the_end(settings: Settings, business: Business, how: str) -> None:
    calls: list[int] = []

    @task(transactional=True)
    def withdraw(context: Context, conn: Any) -> None:
        calls.append(context.attempt)
        write(conn, context.run_id, "withdraw")
        raise psycopg.errors.SerializationFailure("could not serialize access")

    done = run(settings, how, linear("bank").add(plain("before"), withdraw), raises=False)
    assert done.state is RunState.REVERTED
    assert calls == list(range(1, TRIES + 1))
    assert business.effects() == []
    assert failed_with(done, "withdraw", psycopg.errors.SerializationFailure)
    assert told(settings, done.id).count("task.waiting withdraw") == TRIES - 1


@both
def test_a_deadlock_with_another_transaction_runs_the_attempt_again(
    settings: Settings, business: Business, how: str
) -> None:
    calls: list[int] = []
    held = threading.Event()
    rival = threading.Thread(target=_cross, args=(business.url, held))

    @task(transactional=True)
    def transfer(context: Context, conn: Any) -> None:
        calls.append(context.attempt)
        conn.execute("SET LOCAL deadlock_timeout = '20ms'")  # this one is to look first, and to give way
        conn.execute("UPDATE account SET cents = cents - 1 WHERE name = 'a'")
        if len(calls) == 1:
            rival.start()
            assert held.wait(10)
        conn.execute("UPDATE account SET cents = cents + 1 WHERE name = 'b'")
        write(conn, context.run_id, "transfer")

    done = run(settings, how, linear("bank").add(transfer))
    rival.join()
    assert (done.state, calls) == (RunState.SUCCESS, [1, 2])
    assert business.effects() == ["transfer"]
    waiting = [record for record in told(settings, done.id) if record.startswith("task.waiting")]
    assert waiting == ["task.waiting transfer"]
    with psycopg.connect(business.url) as conn:
        assert conn.execute("SELECT name, cents FROM account ORDER BY name").fetchall() == [("a", 98), ("b", 102)]


def _cross(url: str, held: threading.Event) -> None:
    with psycopg.connect(url) as conn:
        conn.execute("SET LOCAL deadlock_timeout = '60s'")
        conn.execute("UPDATE account SET cents = cents + 1 WHERE name = 'b'")
        held.set()
        conn.execute("UPDATE account SET cents = cents - 1 WHERE name = 'a'")


# ---- failures of the task that the database tells


@both
def test_a_statement_timeout_in_a_task_is_its_failure(settings: Settings, business: Business, how: str) -> None:
    @task(transactional=True)
    def slow(context: Context, conn: Any) -> None:
        write(conn, context.run_id, "slow")
        conn.execute("SET LOCAL statement_timeout = '20ms'")
        conn.execute("SELECT pg_sleep(30)")

    done = run(settings, how, linear("bank").add(slow), raises=False)
    assert done.state is RunState.REVERTED
    assert failed_with(done, "slow", psycopg.errors.QueryCanceled)
    assert business.effects() == []


@both
@pytest.mark.parametrize("place", ["middle", "last"])
def test_a_constraint_that_fails_at_commit_is_a_failure_of_the_task(
    settings: Settings, business: Business, how: str, place: str
) -> None:
    """A run that met it and stayed RUNNING would meet it again at each resume, and never come to an end."""
    with psycopg.connect(business.url, autocommit=True) as conn:
        conn.execute("ALTER TABLE effect ADD UNIQUE (task) DEFERRABLE INITIALLY DEFERRED")
        write(conn, new_id(), "book")
    with pytest.raises(FlowFailed) as failed:
        run(settings, how, PLACES[place]())
    done = resume(settings, how, PLACES[place](), failed.value.run_id, raises=False)
    assert done.state is RunState.REVERTED
    assert failed_with(done, "book", psycopg.errors.UniqueViolation)
    assert business.effects() == ["book"]
    assert verified(settings, done.id)


@both
def test_an_error_that_the_task_swallowed_is_a_failure_of_the_task(
    settings: Settings, business: Business, how: str
) -> None:
    """The transaction is beyond help then, and nothing that the task wrote can be kept."""

    @task(transactional=True)
    def careless(context: Context, conn: Any) -> str:
        write(conn, context.run_id, "careless")
        with pytest.raises(psycopg.Error):
            conn.execute("SELECT 1 / 0")
        return "all is well"

    done = run(settings, how, linear("bank").add(plain("before"), careless), raises=False)
    assert done.state is RunState.REVERTED
    assert done.atoms["careless"].state is TaskState.REVERTED
    assert failed_with(done, "careless", psycopg.errors.InFailedSqlTransaction)
    assert business.effects() == []


@both
@pytest.mark.parametrize("end", ["commit", "rollback", "again"])
def test_a_task_that_ends_its_own_transaction_fails_and_is_told_so(
    settings: Settings, business: Business, how: str, end: str
) -> None:
    @task(transactional=True)
    def rash(context: Context, conn: Any) -> None:
        write(conn, context.run_id, "rash")
        conn.rollback() if end == "rollback" else conn.commit()
        if end == "again":
            conn.execute("BEGIN")
            write(conn, context.run_id, "of the second transaction")

    @rash.revert
    def undo(context: Context, conn: Any) -> None:
        conn.execute("DELETE FROM effect WHERE run = %s", [context.run_id])

    with pytest.raises(FlowFailed) as failed:
        run(settings, how, linear("bank").add(plain("before"), rash))
    (failure,) = failed.value.failures
    assert failure.atom == "rash"
    # In a second transaction of its own making it has not even the rights that it had in the first.
    assert ("permission denied" if end == "again" else "ended its transaction") in failure.message
    done = resume(settings, how, linear("bank").add(plain("before"), rash), failed.value.run_id, raises=False)
    assert done.state is RunState.REVERTED
    assert business.effects() == []


@both
def test_a_task_that_closes_its_connection_fails_and_is_told_so(
    settings: Settings, business: Business, how: str
) -> None:
    @task(transactional=True)
    def rash(context: Context, conn: Any) -> None:
        write(conn, context.run_id, "rash")
        conn.close()

    done = run(settings, how, linear("bank").add(rash), raises=False)
    assert done.state is RunState.REVERTED
    assert business.effects() == []


@both
def test_siblings_that_are_broken_off_at_once_all_come_through(
    settings: Settings, business: Business, how: str
) -> None:
    """Eight transactions on the same two rows, in crossing order: deadlocks among them, and each row once."""

    def crossing(n: int) -> FunctorTask:
        names = ("a", "b") if n % 2 else ("b", "a")

        def transfer(context: Context, conn: Any) -> None:
            conn.execute("SET LOCAL deadlock_timeout = '10ms'")
            for name, cents in zip(names, (-1, 1), strict=True):
                conn.execute("UPDATE account SET cents = cents + %s WHERE name = %s", [cents, name])
            write(conn, context.run_id, f"t{n}")

        return FunctorTask(transfer, name=f"t{n}", transactional=True)

    flow = unordered("all").add(*(crossing(n) for n in range(4)))
    with Engine.open(settings=settings):
        done = run(settings, how, flow, raises=False)
    succeeded = [name for name, view in done.atoms.items() if view.state is TaskState.SUCCESS]
    if done.state is RunState.SUCCESS:
        assert business.effects() == succeeded == ["t0", "t1", "t2", "t3"]
    else:
        assert business.effects() == ["t0", "t1", "t2", "t3"][: len(business.effects())]
    assert verified(settings, done.id)


@both
def test_an_error_of_the_log_itself_is_not_taken_for_the_tasks(
    settings: Settings, business: Business, how: str
) -> None:
    """The append inside the transaction fails, and not for what the task did: the run stays as it was, and goes on."""

    def full(conn: Any) -> None:
        with psycopg.connect(business.url, autocommit=True) as other:
            other.execute(
                "CREATE FUNCTION full_up() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'could not extend file' USING errcode = '53100'; END $$"
            )
            other.execute(
                "CREATE TRIGGER full_up BEFORE INSERT ON sagalog.record FOR EACH STATEMENT EXECUTE FUNCTION full_up()"
            )

    run_id = new_id()
    flow = PLACES["middle"](full)
    with pytest.raises(StoreUnavailable, match="disk is full"):
        run(settings, how, flow, run_id=run_id)
    assert business.effects() == []
    assert told(settings, run_id)[-1] == "task.running book"
    with psycopg.connect(business.url, autocommit=True) as other:
        other.execute("DROP TRIGGER full_up ON sagalog.record")
    assert resume(settings, how, flow, run_id).state is RunState.SUCCESS
    assert business.effects() == ["book"]


LEFT_BEHIND = {
    "SET synchronous_commit = off": "synchronous_commit",
    "SET LOCAL synchronous_commit = off": "synchronous_commit",
    "RESET ROLE": "role",
    "SET default_transaction_isolation = 'serializable'": "default_transaction_isolation",
    "SET TimeZone = 'Asia/Tokyo'": "TimeZone",
}


@pytest.mark.parametrize("statement", LEFT_BEHIND)
def test_what_a_task_sets_for_its_session_does_not_outlive_its_transaction(
    settings: Settings, business: Business, statement: str
) -> None:
    """The connection is the engine's: a commit that is acknowledged is on disk (law 4), whoever ran on it before."""
    seen: list[str] = []

    @task(transactional=True)
    def sets(context: Context, conn: Any) -> None:
        conn.execute(statement.encode())
        write(conn, context.run_id, "sets")

    with Engine.open(settings=settings) as engine:
        name = LEFT_BEHIND[statement]

        def shown() -> str:
            row = engine.session.connection.execute(b"SELECT current_setting('%s')" % name.encode()).fetchone()
            assert row is not None
            return str(row[0])

        before = shown()
        commit = transaction.commit

        def watched() -> Operation[None]:
            seen.append(shown())
            yield from commit()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(transaction, "commit", watched)
            engine.run(linear("f").add(sets))
        assert seen == [before], "while its own outcome is committed"
        assert shown() == before, "and afterwards"


@both
def test_deferred_triggers_of_the_business_run_with_the_rights_of_the_business(
    migrated_on: str, tmp_path: Path, how: str
) -> None:
    """They come at the end of the transaction, when the engine's own role has appended the outcome already."""
    with psycopg.connect(migrated_on, autocommit=True) as conn:
        conn.execute("CREATE TABLE effect (run uuid NOT NULL, task text NOT NULL)")
        conn.execute("CREATE TABLE audit (task text NOT NULL)")
        conn.execute(
            "CREATE FUNCTION audited() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN INSERT INTO audit VALUES (NEW.task); RETURN NULL; END $$"
        )
        conn.execute(
            "CREATE CONSTRAINT TRIGGER audits AFTER INSERT ON effect DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION audited()"
        )
    settings = Settings(home=tmp_path, database_url=migrated_on)
    assert run(settings, how, linear("f").add(booking("book"))).state is RunState.SUCCESS
    with psycopg.connect(migrated_on) as conn:
        assert conn.execute("SELECT task FROM audit").fetchall() == [("book",)]
