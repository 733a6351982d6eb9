"""The check of one stream: its rows by version in, then its head; faults out. Pure.

A changed record must be told from its neighbours, which are in order. So a record whose hash fails is *suspected*,
and the next one may follow either the hash that stands there (a field was changed) or the one that ought to (the hash
was). What is still suspected at the end of the stream is tried in each other's places: that tells records that were
swapped from records that were changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from .chain import ZERO_HASH, digest, relink
from .report import FAULTS_KEPT, Fault
from .shape import Head, StoredRow

SUSPECTS = 64
"""Of a stream with more suspected records than this, none is tried in another's place: each is a fault by itself."""
CANDIDATES = 16
"""Changed hashes of so many records in a row are told from their successors."""

Hashes = tuple[bytes, ...]
"""The hashes that a record may follow: first the one that stands before it, then what that ought to be; or none."""


class Suspect(NamedTuple):
    """A record whose hash fails, with what it was tried against; its value is left behind."""

    row: StoredRow
    previous: Hashes


class Gap(NamedTuple):
    """Versions `first` to `last` were passed over."""

    first: int
    last: int


class Place(NamedTuple):
    """Where a record stands in the whole log."""

    version: int
    position: int


class StreamCheck:
    """What has been seen of one stream. Memory is bounded: faults beyond `FAULTS_KEPT` are only counted, in `more`."""

    def __init__(self, stream_id: UUID) -> None:
        self.id = stream_id
        self.version = 0
        self.more = 0
        self._previous: Hashes = (ZERO_HASH,)
        self._place: Place | None = None
        self._before: Place | None = None
        self._epoch = 0
        self._gaps: list[Gap] = []
        self._suspects: list[Suspect] = []
        self._misplaced: list[tuple[Place, Place, Fault]] = []
        self._faults: list[Fault] = []

    def row(self, row: StoredRow) -> None:
        """The next record."""
        self._check_value(row)
        if row.version <= self.version:
            self._late(row)
            return
        if row.version > self.version + 1:
            self._pass_over(row.version - 1)
        self._check_position(row)
        self._check_hash(row)
        self.version = row.version

    def unreadable(self, version: int, why: str) -> None:
        """A record that stands there but cannot be read; what follows it is taken on trust."""
        self._note("hash", version, None, why)
        if version > self.version + 1:
            self._pass_over(version - 1)
        self.version = max(version, self.version)
        self._previous = ()

    def finish(self, head: Head | None) -> list[Fault]:
        """All faults, by version; `head` is the stream's head row, if there is one."""
        places = self._places()
        moved = {slot for slot, row in places.items() if row.version != slot}
        for gap in self._gaps:
            self._note("gap", gap.first, None, _gone(gap))
        for one, other, fault in self._misplaced:
            if one.version not in moved and other.version not in moved:
                self._keep(fault)
        last = places.get(self.version)
        self._check_tail(head, self._previous if last is None else (last.hash,))
        return sorted(self._faults, key=lambda fault: fault.version)

    def _check_value(self, row: StoredRow) -> None:
        value, salt, stored = row.value, row.salt, row.value_digest
        if value is None and salt is None:
            return  # never had one, or erased
        if stored is None:
            wrong = "there is a value or a salt, but no digest of it"
        elif value is None:
            wrong = "the value is gone, but its salt is not: one is erased with the other"
        elif salt is None:
            wrong = "the value has lost its salt, so that it cannot be compared with its digest"
        else:
            try:
                wrong = (
                    "" if digest(salt, value) == stored else "the value (or its salt) is not the one that was written"
                )
            except ValueError as error:
                wrong = str(error)
        if wrong:
            self._note("payload", row.version, row.position, wrong)

    def _late(self, row: StoredRow) -> None:
        """A version that has been passed already: lines of a file were exchanged, or a version is below 1."""
        self._note("order", row.version, row.position, f"it stands behind version {self.version}")
        for index, gap in enumerate(self._gaps):
            if gap.first <= row.version <= gap.last:
                parts = (Gap(gap.first, row.version - 1), Gap(row.version + 1, gap.last))
                self._gaps[index : index + 1] = [part for part in parts if part.first <= part.last]
                return

    def _pass_over(self, last: int) -> None:
        gap = Gap(self.version + 1, last)
        if len(self._gaps) < FAULTS_KEPT:
            self._gaps.append(gap)
        else:
            self._note("gap", gap.first, None, _gone(gap))
        self._previous = ()

    def _check_position(self, row: StoredRow) -> None:
        last, before, here = self._place, self._before, Place(row.version, row.position)
        if last is None or here.position > last.position:
            self._before, self._place = last, here
            return
        # Out of line is the one without which the others rise.
        last_is_odd = here.position > (0 if before is None else before.position)
        odd = last if last_is_odd else here
        said = (
            f"positions do not rise: version {last.version} has {last.position}, version {here.version} {here.position}"
        )
        fault = Fault(self.id, odd.version, odd.position, "order", said)
        if len(self._misplaced) < FAULTS_KEPT:
            self._misplaced.append((last, here, fault))
        else:
            self._keep(fault)
        if last_is_odd:
            self._place = here

    def _check_hash(self, row: StoredRow) -> None:
        expected = [_relinked(row, previous) for previous in self._previous]
        if expected and row.hash not in expected:
            if len(self._suspects) > SUSPECTS:
                self._note_changed(row)
            else:
                self._suspects.append(Suspect(row._replace(value=None, salt=None), self._previous))
            self._previous = _candidates(row, expected)
        else:
            self._previous = (row.hash,)
            self._epoch = max(self._epoch, row.epoch)

    def _places(self) -> dict[int, StoredRow]:
        """Which suspected record belongs where, by its own hash; notes those that moved, and those that fit nowhere."""
        if len(self._suspects) > SUSPECTS:
            for suspect in self._suspects:
                self._note_changed(suspect.row)
            return {}
        places: dict[int, StoredRow] = {}
        ought: dict[int, Hashes] = {}
        for suspect in self._suspects:
            slot = suspect.row.version
            previous = ought.get(slot - 1, suspect.previous)
            row = next(self._fitting(slot, previous), None)
            if row is None:
                ought[slot] = _candidates(suspect.row, [_relinked(suspect.row, one) for one in previous])
                self._note_changed(suspect.row)
                continue
            places[slot] = row
            ought[slot] = (row.hash,)
            if row.version != slot:
                said = f"another record stands in its place; its own stands at version {row.version}"
                self._note("order", slot, suspect.row.position, said)
        return places

    def _fitting(self, slot: int, previous: Hashes) -> Iterator[StoredRow]:
        for suspect in self._suspects:
            row = suspect.row._replace(version=slot)
            if any(_relinked(row, one) == row.hash for one in previous):
                yield suspect.row

    def _check_tail(self, head: Head | None, hashes: Hashes) -> None:
        if head is None:
            self._note("tail", self.version, self._last_position(), "the stream has no head row")
        elif head.version > self.version:
            gone = _gone(Gap(self.version + 1, head.version))
            self._note("tail", self.version + 1, None, f"the head row says version {head.version}; {gone}")
        elif head.version < self.version:
            said = f"the head row says version {head.version}, but there are records up to {self.version}"
            self._note("tail", head.version + 1, None, said)
        elif hashes and head.hash not in hashes:
            said = f"the head row says hash {head.hash.hex()}, the last record has {hashes[0].hex()}"
            self._note("tail", self.version, self._last_position(), said)
        elif head.epoch < self._epoch:
            said = f"the head row says epoch {head.epoch}, a record has epoch {self._epoch}"
            self._note("tail", self.version, self._last_position(), said)

    def _last_position(self) -> int | None:
        return None if self._place is None else self._place.position

    def _note_changed(self, row: StoredRow) -> None:
        said = "its hash is not that of its fields and the record before it: one of them was changed"
        self._note("hash", row.version, row.position, said)

    def _note(self, kind: str, version: int, position: int | None, message: str) -> None:
        self._keep(Fault(self.id, version, position, kind, message))

    def _keep(self, fault: Fault) -> None:
        if len(self._faults) < FAULTS_KEPT:
            self._faults.append(fault)
        else:
            self.more += 1


def _relinked(row: StoredRow, previous: bytes) -> bytes:
    try:
        return relink(row, previous)
    except ValueError:
        return b""  # a field that no writer writes so: equal to no hash


def _candidates(row: StoredRow, expected: Sequence[bytes]) -> Hashes:
    """What may be followed after a suspected record: what stands there, or what ought to by what came before."""
    newest = dict.fromkeys((row.hash, *expected[: CANDIDATES - 2], expected[-1]))
    return tuple(newest)


def _gone(gap: Gap) -> str:
    return (
        f"version {gap.first} is missing"
        if gap.first == gap.last
        else f"versions {gap.first} to {gap.last} are missing"
    )
