"""`Ordering`: nodes of a growing graph, kept in an order in which every link points forward; refuses a cycle at once.

A link that agrees with the order costs O(1). For another one the two ends search towards each other, in turns, within
the stretch of the order between them; as soon as one side has seen all it can reach, that side alone is moved past the
other end. (An online topological order after Pearce and Kelly, with the balanced search and the movable labels
of Alpern and others: adding a long chain from its end costs as little as adding it from its start.)
"""

from __future__ import annotations

from collections.abc import Iterator

GAP = 1 << 62
STRIDE = 1 << 20


class Ordering:
    """Nodes are 0, 1, 2, … as they were added; `after[u]` and `before[v]` are the links, in the order made."""

    __slots__ = ("_first", "_label", "_last", "_next", "_previous", "after", "before")

    def __init__(self) -> None:
        self.after: list[dict[int, None]] = []
        self.before: list[dict[int, None]] = []
        self._label: list[int] = []
        self._next: list[int] = []
        self._previous: list[int] = []
        self._first = self._last = -1

    def add(self) -> int:
        """Add a node at the end of the order."""
        node = len(self.after)
        self.after.append({})
        self.before.append({})
        self._label.append(self._label[self._last] + GAP if node else 0)
        self._next.append(-1)
        self._previous.append(-1)
        self._join(self._last, node)
        self._last = node
        return node

    def link(self, u: int, v: int) -> list[int] | None:
        """Link u to v; where that would close a cycle, do nothing and return the path from v to u."""
        if u == v:
            return [u]
        if v in self.after[u]:
            return None
        if self._label[u] > self._label[v]:
            cycle = self._make_room(u, v)
            if cycle is not None:
                return cycle
        self.after[u][v] = None
        self.before[v][u] = None
        return None

    def _make_room(self, u: int, v: int) -> list[int] | None:
        """Bring u before v in the order, or give the path from v to u that forbids it."""
        low, high = self._label[v], self._label[u]
        ahead, behind = _Search(v, self.after), _Search(u, self.before)
        while True:
            for side, other in ((ahead, behind), (behind, ahead)):
                met = side.step(other, self._label, low, high)
                if met is not None:
                    return _path(met, ahead.seen, behind.seen)
                if not side.ends:
                    if side is ahead:
                        self._move(ahead.seen, u, self._next[u], leftward=False)
                    else:
                        self._move(behind.seen, self._previous[v], v, leftward=True)
                    return None

    def _move(self, nodes: dict[int, int], left: int, right: int, leftward: bool) -> None:
        """Put `nodes`, in their order, between two neighbours of the order (-1: its end) that are not among them.

        They stand close to the one that they were not moved for, so that many moves to one place find room there.
        """
        moved = sorted(nodes, key=self._label.__getitem__)
        for node in moved:
            self._join(self._previous[node], self._next[node])
        parts = len(moved) + 1
        step = self._step(left, right, parts)
        if step == 0:
            for place, node in enumerate(self):
                self._label[node] = place * GAP * parts
            step = self._step(left, right, parts)
        from_left = right < 0 or (left >= 0 and leftward)
        start = self._label[left] if from_left else self._label[right] - step * parts
        for place, node in enumerate(moved, 1):
            self._label[node] = start + step * place
            self._join(left, node)
            left = node
        self._join(left, right)

    def _step(self, left: int, right: int, parts: int) -> int:
        if left < 0 or right < 0:
            return GAP
        return min(STRIDE, (self._label[right] - self._label[left]) // parts)

    def _join(self, left: int, right: int) -> None:
        if left >= 0:
            self._next[left] = right
        else:
            self._first = right
        if right >= 0:
            self._previous[right] = left
        else:
            self._last = left

    def __iter__(self) -> Iterator[int]:
        """The nodes in order."""
        node = self._first
        while node >= 0:
            yield node
            node = self._next[node]


class _Search:
    """One side of the search: `seen` node -> the node it was reached from, `ends`: links still to be followed."""

    __slots__ = ("ends", "links", "seen", "via")

    def __init__(self, start: int, links: list[dict[int, None]]) -> None:
        self.links = links
        self.seen = {start: start}
        self.ends = [iter(links[start])]
        self.via = [start]

    def step(self, other: _Search, label: list[int], low: int, high: int) -> int | None:
        """Follow one link; the node at which the two searches meet, if they do."""
        near = next(self.ends[-1], -1)
        if near < 0:
            self.ends.pop()
            self.via.pop()
            return None
        if near in other.seen:
            self.seen.setdefault(near, self.via[-1])
            return near
        if near not in self.seen and low < label[near] < high:
            self.seen[near] = self.via[-1]
            self.ends.append(iter(self.links[near]))
            self.via.append(near)
        return None


def _path(met: int, forward: dict[int, int], backward: dict[int, int]) -> list[int]:
    """From where the forward search began, over `met`, to where the backward search began."""
    path = [met]
    while forward[path[-1]] != path[-1]:
        path.append(forward[path[-1]])
    path.reverse()
    while backward[path[-1]] != path[-1]:
        path.append(backward[path[-1]])
    return path
