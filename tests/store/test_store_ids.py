"""Ids: well-formed, in order of time, never twice."""

from __future__ import annotations

import os
import threading
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagalog.store.ids import STANDING, record_ids, run_id, standing_id

MOMENTS = st.integers(0, 0xFF0000000000 * 1000 - 1)


@given(MOMENTS)
def test_a_run_id_is_a_uuid_of_its_moment(now: int) -> None:
    made = run_id(now)
    assert made.version == 7 and made.variant == "specified in RFC 4122"
    assert made.int >> 80 == now // 1000
    assert made < STANDING


@given(MOMENTS, MOMENTS)
def test_run_ids_are_in_the_order_of_their_moments(one: int, other: int) -> None:
    if one != other:
        assert (run_id(one) < run_id(other)) == (one < other)


def test_no_two_run_ids_of_a_moment() -> None:
    assert len({run_id(0) for _ in range(1000)}) == 1000


@pytest.mark.parametrize("now", [-1, 0xFF0000000000 * 1000])
def test_a_moment_beyond_the_range_is_refused(now: int) -> None:
    with pytest.raises(ValueError, match="microseconds"):
        run_id(now)


@given(st.text(), st.text())
def test_a_standing_id_is_always_the_same_and_in_its_range(namespace: str, name: str) -> None:
    made = standing_id(namespace, name)
    assert made == standing_id(namespace, name)
    assert made >= STANDING and made.version == 8 and made.variant == "specified in RFC 4122"


def test_names_and_namespaces_do_not_run_into_each_other() -> None:
    assert standing_id("ab", "c") != standing_id("a", "bc")


def test_record_ids_are_uuids_and_never_twice() -> None:
    ids = [*record_ids(3), *record_ids(2000), *record_ids(0)]
    assert len(set(ids)) == 2003
    assert {UUID(bytes=id).version for id in ids} == {8}


def test_threads_get_different_record_ids() -> None:
    made: list[list[bytes]] = []
    threads = [threading.Thread(target=lambda: made.append(record_ids(5000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id for ids in made for id in ids}) == 20_000


def test_a_forked_child_has_ids_of_its_own() -> None:
    reading, writing = os.pipe()
    before = record_ids(1)
    child = os.fork()
    if child == 0:
        os.write(writing, b"".join(record_ids(10)))
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    theirs = os.read(reading, 1000)
    os.close(reading)
    ours = set(record_ids(10)) | set(before)
    assert len(theirs) == 160
    assert not ours & {theirs[at : at + 16] for at in range(0, 160, 16)}
    assert theirs[:9] != before[0][:9]
