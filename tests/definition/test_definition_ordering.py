"""The order of a growing graph against a naive search, and what a hard order of links costs."""

from __future__ import annotations

import itertools
import random
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagalog.engine.definition import ordering
from sagalog.engine.definition.ordering import Ordering


def reaches(after: list[set[int]], start: int, end: int) -> bool:
    walk, seen = [start], {start}
    while walk:
        node = walk.pop()
        if node == end:
            return True
        walk += after[node] - seen
        seen |= after[node]
    return False


@settings(max_examples=200, deadline=None)
@given(st.data(), st.integers(1, 12), st.sampled_from([3, 1 << 62]))
def test_links_are_kept_in_order_and_cycles_refused(data: st.DataObject, count: int, gap: int) -> None:
    order, after = Ordering(), [set[int]() for _ in range(count)]
    pairs = data.draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=40))
    added = data.draw(st.integers(1, count))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ordering, "GAP", gap)  # a small gap: labels run out, and are given anew
        for _ in range(added):
            order.add()
        for u, v in pairs:
            while max(u, v) >= len(order.after):
                order.add()
            path = order.link(u, v)
            assert (path is None) == (not reaches(after, v, u))
            if path is None:
                after[u].add(v)
            else:
                assert path[0] == v
                assert path[-1] == u
                assert all(b in after[a] for a, b in itertools.pairwise(path))
            place = {node: turn for turn, node in enumerate(order)}
            assert sorted(place) == list(range(len(order.after)))
            assert all(place[a] < place[b] for a in range(count) for b in after[a])
            assert [set(behind) for behind in order.after] == after[: len(order.after)]


@pytest.mark.parametrize("gap", [2, 1 << 62])
@pytest.mark.parametrize("seed", range(60))
def test_the_order_holds_in_crowded_graphs(seed: int, gap: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "GAP", gap)
    rng, count = random.Random(seed), 24
    order, after = Ordering(), [set[int]() for _ in range(count)]
    for _ in range(count):
        order.add()
    for _ in range(120):
        u, v = rng.randrange(count), rng.randrange(count)
        refused = order.link(u, v) is not None
        assert refused == reaches(after, v, u)
        if not refused:
            after[u].add(v)
        place = {node: turn for turn, node in enumerate(order)}
        assert sorted(place) == list(range(count))
        assert all(place[a] < place[b] for a in range(count) for b in after[a])


def lines(links: list[tuple[int, int]], count: int) -> int:
    """How many calls it takes to make these links."""
    order, calls = Ordering(), 0
    for _ in range(count):
        order.add()

    def profile(frame: object, event: str, arg: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(profile)
    try:
        for u, v in links:
            assert order.link(u, v) is None
    finally:
        sys.setprofile(None)
    return calls


def forwards(count: int) -> list[tuple[int, int]]:
    return [(i, i + 1) for i in range(count - 1)]


def backwards(count: int) -> list[tuple[int, int]]:
    return [(i + 1, i) for i in range(count - 1)]


def backwards_from_the_end(count: int) -> list[tuple[int, int]]:
    return backwards(count)[::-1]


def hub_last(count: int) -> list[tuple[int, int]]:
    half = count // 2
    return [(0, i) for i in range(1, half)] + [(i, 0) for i in range(half, count)]


def hub_first(count: int) -> list[tuple[int, int]]:
    return [(count - 1, i) for i in range(count - 1)]


def shuffled(count: int) -> list[tuple[int, int]]:
    rng = random.Random(count)
    turns = rng.sample(range(count), count)
    pairs = {tuple(sorted((rng.randrange(count), rng.randrange(count)))) for _ in range(4 * count)}
    return [(turns[u], turns[v]) for u, v in sorted(pairs, key=lambda pair: rng.random()) if u != v]


@pytest.mark.parametrize("make", [forwards, backwards, backwards_from_the_end, hub_last, hub_first])
def test_chains_and_hubs_cost_the_same_per_link_however_long(make: object) -> None:
    assert callable(make)
    assert lines(make(4_000), 4_000) / lines(make(500), 500) < 8 * 1.2


def test_a_shuffled_graph_stays_far_from_quadratic() -> None:
    assert lines(shuffled(4_000), 4_000) / lines(shuffled(500), 500) < 8 * 2.5
