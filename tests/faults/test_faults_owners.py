"""Two processes and one run: one of them is its owner, and the other is told so and has written nothing."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import attrs
import psycopg
import pytest
from sagalog_children import Child, Line, run_all
from sagalog_faults import Business, both, new_id, told, verified, write

from sagalog import telemetry
from sagalog.config import Settings
from sagalog.engine.core.states import RunState
from sagalog.engine.definition import Context, FunctorTask, linear
from sagalog.engine.runtime.app import Sagalog
from sagalog.engine.runtime.engine import Engine
from sagalog.engine.runtime.views import Run
from sagalog.errors import Fenced, LeaseHeld, SagalogError

LEASE = 1.0


@pytest.fixture
def settings(migrated: str, tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, database_url=migrated, lease=LEASE, reconnect=10.0, poll=0.05)


def slow_saga(folder: Path, step: str = "slow", transactional: bool = False, broken: bool = False) -> Any:
    """Three tasks that note their calls; the one in the middle waits for a file `go`. `broken`: no revert works."""

    def noting(name: str) -> Callable[[], str]:
        def call() -> str:
            _note(folder, name)
            while name == step and not (folder / "go").exists():
                time.sleep(0.005)
            return name

        return call

    def inside(context: Context, conn: Any) -> str:
        write(conn, context.run_id, step)
        return noting(step)()

    def undoing(name: str) -> Callable[[], None]:
        def undo() -> None:
            _note(folder, f"undo {name}")
            if broken:
                raise ValueError("this cannot be undone")

        return undo

    slow = FunctorTask(inside if transactional else noting(step), name=step, transactional=transactional,
                       revert=undoing(step))  # fmt: skip
    return linear("saga").add(
        FunctorTask(noting("first"), name="first", revert=undoing("first")),
        slow,
        FunctorTask(noting("last"), name="last", revert=undoing("last")),
    )


def _note(folder: Path, name: str) -> None:
    with open(folder / "calls", "a", encoding="utf-8") as calls:
        calls.write(f"{name}\n")


def calls(folder: Path) -> list[str]:
    file = folder / "calls"
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def until(condition: Callable[[], bool], patience: float = 20.0) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def running(settings: Settings, flow: Any, run_id: UUID, how: str = "blocking") -> Callable[[Line], None]:
    """A process that runs the flow and says how that ended."""

    def body(line: Line) -> None:
        line.say(_outcome(lambda: _run(settings, flow, run_id, how)))

    return body


def _run(settings: Settings, flow: Any, run_id: UUID, how: str) -> Run:
    if how == "blocking":
        with Engine.open(settings=settings) as engine:
            return engine.run(flow, run_id=run_id, raises=False)

    async def on_loop() -> Run:
        async with Engine.open(settings=settings) as engine:
            return await engine.arun(flow, run_id=run_id, raises=False)

    return asyncio.run(on_loop())


def _outcome(do: Callable[[], Run]) -> dict[str, str]:
    try:
        return {"state": str(do().state)}
    except SagalogError as error:
        return {"error": type(error).__name__, "text": str(error)}


# ---- two at once


@both
def test_of_two_that_resume_one_run_at_once_one_does_and_the_other_says_so(
    settings: Settings, tmp_path: Path, how: str
) -> None:
    flow, run_id = slow_saga(tmp_path), new_id()
    with Child(running(settings, flow, run_id)) as owner:
        until(lambda: calls(tmp_path) == ["first", "slow"])
        owner.kill()

    def resuming(line: Line) -> None:
        line.say("ready")
        line.hear()
        appended: list[Any] = []
        telemetry.listen(lambda event, facts: appended.append(facts) if event == "append.after" else None)

        def resume() -> Run:
            if how == "blocking":
                with Engine.open(settings=settings, app=Sagalog(flows=[flow])) as engine:
                    return engine.resume(run_id, steal=False)

            async def on_loop() -> Run:
                async with Engine.open(settings=settings, app=Sagalog(flows=[flow])) as engine:
                    return await engine.aresume(run_id, steal=False)

            return asyncio.run(on_loop())

        line.say({**_outcome(resume), "appended": len(appended)})

    with Child(resuming) as one, Child(resuming) as two:
        for child in (one, two):
            assert child.next() == "ready"
        for child in (one, two):
            child.tell("go")
        until(lambda: calls(tmp_path).count("slow") == 2)
        loser = next(child for child in _racing(one, two))
        told_loser = loser.next()
        (tmp_path / "go").touch()
        told_winner = (two if loser is one else one).next()
    assert told_winner["state"] == "SUCCESS"
    assert told_loser["error"] == "LeaseHeld" and told_loser["appended"] == 0
    assert "belongs to process" in told_loser["text"]
    assert calls(tmp_path) == ["first", "slow", "slow", "last"]
    assert told(settings, run_id).count("run.claimed") == 2
    assert verified(settings)


def _racing(one: Child, two: Child) -> list[Child]:
    """The one that has ended first; the other waits for a file."""
    while one.alive() and two.alive():
        time.sleep(0.005)
    return [two if one.alive() else one]


def test_a_run_of_a_living_process_is_waited_for_for_one_lease_at_most(settings: Settings, tmp_path: Path) -> None:
    flow, run_id = slow_saga(tmp_path), new_id()
    with Child(running(settings, flow, run_id)) as owner:
        until(lambda: calls(tmp_path) == ["first", "slow"])

        def resuming(line: Line) -> None:
            with Engine.open(settings=settings, app=Sagalog(flows=[flow])) as engine:
                awaited: list[str] = []
                telemetry.listen(lambda event, facts: awaited.append(event) if event == "run.awaited" else None)
                with pytest.raises(LeaseHeld):
                    engine.resume(run_id)
                line.say(len(awaited))

        ((code, words),) = run_all([resuming])
        assert code == 0 and words[0] > 1, words
        (tmp_path / "go").touch()
        assert owner.next() == {"state": "SUCCESS"}
    assert calls(tmp_path) == ["first", "slow", "last"]
    assert told(settings, run_id).count("run.claimed") == 1


# ---- an owner that comes back from the dead


@both
@pytest.mark.parametrize("transactional", [False, True])
def test_an_owner_that_stood_still_comes_back_and_is_fenced(
    settings: Settings, business: Business, tmp_path: Path, how: str, transactional: bool
) -> None:
    flow, run_id = slow_saga(tmp_path, transactional=transactional), new_id()
    with Child(running(settings, flow, run_id, how)) as stale:
        until(lambda: calls(tmp_path) == ["first", "slow"])
        stale.stop()
        (tmp_path / "go").touch()

        def taking_over(line: Line) -> None:
            with Engine.open(settings=settings, app=Sagalog(flows=[flow])) as engine:
                line.say(_outcome(lambda: engine.resume(run_id)))

        ((code, words),) = run_all([taking_over])
        assert (code, words) == (0, [{"state": "SUCCESS"}])
        before = told(settings, run_id)
        stale.go_on()
        ended = stale.next()
        assert stale.wait() == 0
    assert ended["error"] == Fenced.__name__
    assert str(run_id) in ended["text"] and "another process took it over" in ended["text"]
    assert told(settings, run_id) == before
    assert before.count("run.success") == 1
    assert business.effects() == (["slow"] if transactional else [])
    assert verified(settings)


def test_an_owner_that_stood_still_while_nobody_came_goes_on(settings: Settings, tmp_path: Path) -> None:
    """Its lease has run out, and nobody has taken anything: nothing has happened."""
    flow, run_id = slow_saga(tmp_path), new_id()
    with Child(running(settings, flow, run_id)) as owner:
        until(lambda: calls(tmp_path) == ["first", "slow"])
        owner.stop()
        time.sleep(LEASE * 1.2)
        owner.go_on()
        (tmp_path / "go").touch()
        assert owner.next() == {"state": "SUCCESS"}
    assert calls(tmp_path) == ["first", "slow", "last"]


@both
def test_a_run_that_is_stolen_is_lost_to_its_owner_and_its_other_runs_are_not(
    settings: Settings, tmp_path: Path, how: str
) -> None:
    """Its lease is as good as ever; only the one run is somebody else's now."""
    flow, run_id, other = slow_saga(tmp_path), new_id(), linear("other").add(FunctorTask(lambda: 1, name="one"))

    def body(line: Line) -> None:
        def after() -> Run:
            with Engine.open(settings=settings) as engine:
                first = _outcome(lambda: engine.run(flow, run_id=run_id))
                line.say(first)
                return engine.run(other)

        async def on_loop() -> Run:
            async with Engine.open(settings=settings) as engine:
                try:
                    await engine.arun(flow, run_id=run_id)
                except SagalogError as error:
                    line.say({"error": type(error).__name__, "text": str(error)})
                return await engine.arun(other)

        line.say(_outcome(after if how == "blocking" else lambda: asyncio.run(on_loop())))

    with Child(body) as owner:
        until(lambda: calls(tmp_path) == ["first", "slow"])

        def stealing(line: Line) -> None:
            with Engine.open(settings=settings, app=Sagalog(flows=[flow])) as engine:
                line.say(_outcome(lambda: engine.resume(run_id, steal=True)))

        with Child(stealing) as thief:
            until(lambda: calls(tmp_path).count("slow") == 2)
            (tmp_path / "go").touch()
            assert thief.next() == {"state": "SUCCESS"}
        assert owner.next()["error"] == "Fenced"
        assert owner.next() == {"state": "SUCCESS"}
    assert verified(settings)


# ---- what others want of a run


@both
def test_a_run_of_another_process_is_suspended_through_its_inbox(settings: Settings, tmp_path: Path, how: str) -> None:
    flow, run_id = slow_saga(tmp_path), new_id()
    with Child(running(settings, flow, run_id, how)) as owner:
        until(lambda: calls(tmp_path) == ["first", "slow"])

        def suspending(line: Line) -> None:
            with Engine.open(settings=settings, app=Sagalog(flows=[flow]), actor="somebody") as engine:
                line.say(_outcome(lambda: engine.suspend(run_id, reason="wait a moment")))

        with Child(suspending) as asker:
            time.sleep(0.3)
            assert asker.alive(), "running atoms finish first"
            (tmp_path / "go").touch()
            assert asker.next() == {"state": "SUSPENDED"}
        assert owner.next() == {"state": "SUSPENDED"}
    assert calls(tmp_path) == ["first", "slow"]
    assert told(settings, run_id)[-1] == "run.suspended"
    with Engine.open(settings=settings, app=Sagalog(flows=[flow])) as engine:
        records = [record for record in engine.history(run_id) if record.type == "message.accepted"]
        assert [(record.facts["kind"], record.facts["sender"]) for record in records] == [("suspend", "somebody")]
        assert engine.state(run_id).reason == "wait a moment"
        assert engine.resume(run_id).state is RunState.SUCCESS
    assert calls(tmp_path) == ["first", "slow", "last"]


@pytest.mark.parametrize("kind", ["suspend", "revert"])
def test_a_run_that_its_owner_lets_go_between_two_looks_is_left_as_it_is(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Who asked saw it at work, and takes it a moment after its owner has done what was asked: nothing is left to do."""
    flow, run_id = slow_saga(tmp_path, broken=True), new_id()
    owned: list[Run] = []
    with Engine.open(settings=settings) as owner, Engine.open(settings=settings, app=Sagalog(flows=[flow])) as asker:
        thread = threading.Thread(target=lambda: owned.append(owner.run(flow, run_id=run_id, raises=False)))
        thread.start()
        until(lambda: calls(tmp_path) == ["first", "slow"])
        look = Engine.state

        def late(engine: Engine, run: UUID | str) -> Run:
            seen = look(engine, run)
            if engine is asker and thread.is_alive():
                time.sleep(4 * settings.poll)  # when a task has ended, its owner looks into the inbox, once in so long
                (tmp_path / "go").touch()
                thread.join()
            return seen

        monkeypatch.setattr(Engine, "state", late)
        ask = asker.suspend if kind == "suspend" else asker.revert
        assert ask(run_id, reason="because").state is owned[0].state
        assert owned[0].state is (RunState.SUSPENDED if kind == "suspend" else RunState.FAILURE)
    assert told(settings, run_id).count("run.claimed") == 1, "by its owner"
    assert calls(tmp_path) == ["first", "slow", *(["undo slow"] if kind == "revert" else [])]
    assert verified(settings)


@both
def test_a_run_of_another_process_is_reverted_through_its_inbox(settings: Settings, tmp_path: Path, how: str) -> None:
    flow, run_id = slow_saga(tmp_path), new_id()
    with Child(running(settings, flow, run_id, how)) as owner:
        until(lambda: calls(tmp_path) == ["first", "slow"])

        def reverting(line: Line) -> None:
            with Engine.open(settings=settings, app=Sagalog(flows=[flow])) as engine:
                line.say(_outcome(lambda: engine.revert(run_id, reason="withdrawn", by="p7")))

        with Child(reverting) as asker:
            time.sleep(0.3)
            (tmp_path / "go").touch()
            assert asker.next() == {"state": "REVERTED"}
        assert owner.next() == {"state": "REVERTED"}
    assert calls(tmp_path) == ["first", "slow", "undo slow", "undo first"]
    assert told(settings, run_id).count("message.accepted") == 1


@both
def test_a_revert_that_fails_in_another_process_is_not_tried_again_by_who_asked(
    settings: Settings, tmp_path: Path, how: str
) -> None:
    flow, run_id = slow_saga(tmp_path, broken=True), new_id()
    with Child(running(settings, flow, run_id, how)) as owner:
        until(lambda: calls(tmp_path) == ["first", "slow"])

        def reverting(line: Line) -> None:
            with Engine.open(settings=settings, app=Sagalog(flows=[flow])) as engine:
                line.say(_outcome(lambda: engine.revert(run_id, reason="withdrawn")))

        with Child(reverting) as asker:
            until(lambda: _posted(settings, run_id) == 1)
            time.sleep(0.5)  # the owner looks, and takes it with the outcome of what runs
            (tmp_path / "go").touch()
            assert asker.next() == {"state": "FAILURE"}
        assert owner.next() == {"state": "FAILURE"}
    assert calls(tmp_path) == ["first", "slow", "undo slow"]


@both
@pytest.mark.parametrize("kind", ["suspend", "revert"])
def test_a_message_that_a_killed_owner_had_not_accepted_is_applied_once(
    settings: Settings, tmp_path: Path, how: str, kind: str
) -> None:
    # The owner does not look into its inbox before it is killed.
    flow, run_id = slow_saga(tmp_path), new_id()
    with Child(running(attrs.evolve(settings, poll=60.0), flow, run_id, how)) as owner:
        until(lambda: calls(tmp_path) == ["first", "slow"])

        def asking(line: Line) -> None:
            with Engine.open(settings=settings, app=Sagalog(flows=[flow])) as engine:
                ask = engine.suspend if kind == "suspend" else engine.revert
                line.say(_outcome(lambda: ask(run_id, reason="because")))

        with Child(asking) as asker:
            until(lambda: _posted(settings, run_id) == 1)
            asker.kill()
        owner.kill()
        (tmp_path / "go").touch()
    assert "message.accepted" not in told(settings, run_id)

    def resuming(line: Line) -> None:
        with Engine.open(settings=settings, app=Sagalog(flows=[flow])) as engine:
            line.say(_outcome(lambda: engine.resume(run_id, raises=False)))

    ((code, words),) = run_all([resuming])
    records = told(settings, run_id)
    assert records.count("message.accepted") == 1
    assert _posted(settings, run_id) == 0
    if kind == "revert":
        assert (code, words) == (0, [{"state": "REVERTED"}])
        assert records.count("run.reverting") == 1
        assert calls(tmp_path).count("undo first") == calls(tmp_path).count("undo slow") == 1
    else:
        # Whoever resumes wants it to go on: it was suspended, and it is resumed.
        assert (code, words) == (0, [{"state": "SUCCESS"}])
        assert records.count("run.suspending") == records.count("run.suspended") == 1
    assert verified(settings)


@pytest.mark.parametrize("kind", ["suspend", "revert"])
def test_who_asks_takes_over_when_the_owner_is_killed_meanwhile(settings: Settings, tmp_path: Path, kind: str) -> None:
    flow, run_id = slow_saga(tmp_path), new_id()
    with Child(running(attrs.evolve(settings, poll=60.0), flow, run_id)) as owner:
        until(lambda: calls(tmp_path) == ["first", "slow"])

        def asking(line: Line) -> None:
            with Engine.open(settings=settings, app=Sagalog(flows=[flow])) as engine:
                ask = engine.suspend if kind == "suspend" else engine.revert
                line.say(_outcome(lambda: ask(run_id, reason="because")))

        with Child(asking) as asker:
            until(lambda: _posted(settings, run_id) == 1)
            owner.kill()
            assert asker.next() == {"state": "SUSPENDED" if kind == "suspend" else "REVERTED"}
            assert asker.wait() == 0
    records = told(settings, run_id)
    assert records.count("message.accepted") == 1
    assert records.count("run.suspending" if kind == "suspend" else "run.reverting") == 1
    assert calls(tmp_path).count("slow") == 1, "once it reverts, or rests, what is unknown is not executed again"


def _posted(settings: Settings, run_id: UUID) -> int:
    with psycopg.connect(str(settings.database_url), autocommit=True) as conn:
        ((count,),) = conn.execute("SELECT count(*) FROM sagalog.inbox WHERE stream_id = %s", [run_id]).fetchall()
        return int(count)


def test_a_killed_process_is_known_to_be_gone_at_once(settings: Settings, tmp_path: Path) -> None:
    """No lease is waited for that belongs to a process of this machine which has ended."""
    flow, run_id = slow_saga(tmp_path), new_id()
    patient = attrs.evolve(settings, lease=600.0)
    with Child(running(patient, flow, run_id)) as owner:
        until(lambda: calls(tmp_path) == ["first", "slow"])
        owner.signal(signal.SIGKILL)
        assert owner.wait() == -signal.SIGKILL
    (tmp_path / "go").touch()
    with Engine.open(settings=patient, app=Sagalog(flows=[flow])) as engine:
        assert engine.resume(run_id, steal=False).state is RunState.SUCCESS


def test_one_process_that_resumes_a_run_twice_at_once_drives_it_once(settings: Settings, tmp_path: Path) -> None:
    flow, run_id = slow_saga(tmp_path), new_id()
    with Child(running(settings, flow, run_id)) as owner:
        until(lambda: calls(tmp_path) == ["first", "slow"])
        owner.kill()
    (tmp_path / "go").touch()

    async def scene() -> list[Any]:
        async with Engine.open(settings=settings, app=Sagalog(flows=[flow])) as engine:
            ways = [engine.aresume(run_id, steal=False) for _ in range(4)]
            return await asyncio.gather(*ways, return_exceptions=True)

    ended = asyncio.run(scene())
    assert {type(one) for one in ended if isinstance(one, BaseException)} <= {LeaseHeld, Fenced}
    assert [str(one.state) for one in ended if isinstance(one, Run)].count("SUCCESS") >= 1
    assert calls(tmp_path) == ["first", "slow", "slow", "last"]
    assert told(settings, run_id).count("run.claimed") == 2
    assert verified(settings)


def test_two_runs_that_are_given_the_same_id_harm_nobody(settings: Settings) -> None:
    """They would be in one commit, with others beside them."""
    flow = linear("f").add(*(FunctorTask(_tick, name=f"t{n}") for n in range(2)))
    run_id = new_id()

    async def scene() -> list[Any]:
        async with Engine.open(settings=settings) as engine:
            ways = [engine.arun(flow, run_id=given) for given in (run_id, None, run_id, None, run_id)]
            return await asyncio.gather(*ways, return_exceptions=True)

    ended = asyncio.run(scene())
    assert [type(one).__name__ for one in ended] == ["Run", "Run", "LeaseHeld", "Run", "LeaseHeld"]
    assert verified(settings)


def test_a_run_that_is_fenced_takes_nothing_of_its_neighbours_with_it(settings: Settings, tmp_path: Path) -> None:
    """Twenty runs share each commit; some of them are stolen. The others do not notice."""
    flow = linear("f").add(*(FunctorTask(_tick, name=f"t{n}") for n in range(5)))
    ids = [new_id() for _ in range(20)]
    stolen = ids[::4]

    def body(line: Line) -> None:
        async def scene() -> list[str]:
            async with Engine.open(settings=settings) as engine:
                line.say("going")
                ways = (engine.arun(flow, run_id=run_id) for run_id in ids)
                ended = await asyncio.gather(*ways, return_exceptions=True)
                return [str(one.state) if isinstance(one, Run) else type(one).__name__ for one in ended]

        line.say(asyncio.run(scene()))

    with Child(body) as owner:
        assert owner.next() == "going"

        def stealing(line: Line) -> None:
            with Engine.open(settings=settings, app=Sagalog(flows=[flow])) as engine:
                until(lambda: all(engine.find(run_id.hex) for run_id in stolen))
                line.say([str(engine.resume(run_id, steal=True).state) for run_id in stolen])

        with Child(stealing) as thief:
            assert thief.next() == ["SUCCESS"] * len(stolen)
        ended = dict(zip(ids, owner.next(), strict=True))
    assert {state for run_id, state in ended.items() if run_id not in stolen} == {"SUCCESS"}
    assert "Fenced" in {ended[run_id] for run_id in stolen}
    assert {ended[run_id] for run_id in stolen} <= {"Fenced", "SUCCESS"}
    assert verified(settings)


async def _tick() -> None:
    await asyncio.sleep(0.1)
