"""Workers: whether one is alive, by its lease and by its process."""

from __future__ import annotations

import os
import subprocess
import sys
from uuid import uuid4

import pytest
from sagalog_logkit import settings

from sagalog.store import hold
from sagalog.store.hold import gone, this_process
from sagalog.store.session import Session


def test_this_process_is_not_gone() -> None:
    me = this_process(uuid4())
    assert me.pid == os.getpid() and me.started.isdigit()
    assert not gone(me)


def test_a_process_that_has_ended_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    begun = hold._started(child.pid)
    assert begun is not None
    worker = this_process(uuid4())._replace(pid=child.pid, started=begun)
    assert not gone(worker)
    child.communicate(b"")
    assert gone(worker)


def test_a_process_that_nobody_has_waited_for_yet_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    begun = hold._started(child.pid)
    worker = this_process(uuid4())._replace(pid=child.pid, started=begun or "")
    assert child.stdin is not None
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert gone(worker)
    child.wait()


def test_another_process_with_the_same_number_is_not_the_worker() -> None:
    assert gone(this_process(uuid4())._replace(started="1"))


@pytest.mark.parametrize("change", [{"host": "elsewhere b pid:[1]"}, {"started": ""}])
def test_what_cannot_be_told_is_not_gone(change: dict[str, str]) -> None:
    worker = this_process(uuid4())._replace(started="1")
    assert gone(worker)
    assert not gone(worker._replace(**change))  # type: ignore[arg-type]  # texts, all of them
    assert not gone(None)


def test_a_lease_is_extended_by_beats_and_ends_with_the_worker(migrated_on: str) -> None:
    with Session(migrated_on, settings()) as session:
        me = this_process(uuid4())
        first = session.perform(lambda: hold.enroll(me, 10.0))
        session.connection.execute("set sagalog.now = '2100-01-01'")
        later = session.perform(lambda: hold.beat(me.id, 10.0))
        assert later is not None and later > first
        assert (later.year, later.second, later.microsecond) == (2100, 10, 0)
        (stored,) = session.perform(hold.workers)
        assert stored == me._replace(lease_until=later)
        assert session.perform(lambda: hold.expire(me.id)) is True
        assert session.perform(lambda: hold.beat(me.id, 10.0)) is None
        assert session.perform(hold.workers) == []


def test_a_worker_that_enrolls_again_has_a_new_lease(migrated_on: str) -> None:
    with Session(migrated_on, settings()) as session:
        me = this_process(uuid4())
        first = session.perform(lambda: hold.enroll(me, 1.0))
        assert session.perform(lambda: hold.enroll(me, 60.0)) > first
        assert len(session.perform(hold.workers)) == 1
