"""Soaking: seed after seed on all cores, and what was seen of it all."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from itertools import count
from typing import NamedTuple

from ...engine.runtime.app import Sagalog
from ..generated import make
from ..laws import LAWS, LawBroken
from .chance import Chance
from .faults import ALL, Faults
from .shells import agree
from .simulate import Broken, trial

AT_ONCE = 50
"""Seeds that are handed to a process at a time."""
SHELLS = 20
"""Once in so many seeds the engine's own shells are compared with the simulated one."""
SWEEP = 10
"""Once in so many seeds garbage that lies in cycles is swept up."""
ELSEWHERE = ("model agrees", "cost")
"""Laws that no seed of a soak looks at: they are for tests that have a model, or measure."""


class Soaked(NamedTuple):
    """What was seen: so many seeds, records, crashes, steps; ends compared with calm ones; shells compared; what broke."""

    seeds: int = 0
    records: int = 0
    crashes: int = 0
    steps: int = 0
    compared: int = 0
    shells: int = 0
    broken: tuple[tuple[int, str, str], ...] = ()

    def and_(self, other: Soaked) -> Soaked:
        """Both together."""
        return Soaked(
            self.seeds + other.seeds, self.records + other.records, self.crashes + other.crashes, self.steps + other.steps,
            self.compared + other.compared, self.shells + other.shells, self.broken + other.broken,
        )  # fmt: skip

    def __str__(self) -> str:
        told = (
            f"{self.seeds:,} seeds, {self.records:,} transitions, {self.crashes:,} crashes; "
            f"{len(LAWS.keys() - ELSEWHERE)} laws looked at; "
            f"{self.compared:,} ends compared with a calm run, {self.shells:,} with the engine's own shells; "
        )
        return told + (f"{len(self.broken)} seeds broke a law" if self.broken else "no law broken")


def one(seed: int, faults: Faults = ALL) -> Soaked:
    """One seed: a trial, and now and then the shells."""
    try:
        found = trial(seed, faults)
        shells = seed % SHELLS == 0
        if shells:
            case = make(Chance(seed))
            agree(case, Sagalog([case.flow]))
    except (Broken, LawBroken) as broken:
        return Soaked(seeds=1, broken=((seed, broken.law, broken.detail),))
    except Exception as error:  # in one of the engine's own shells, say: the soak tells of which seed, and goes on
        return Soaked(seeds=1, broken=((seed, "no exception", f"{type(error).__name__}: {error}"),))
    return Soaked(1, found.records, found.crashes, found.steps, found.compared, shells)


def some(first: int, count: int, faults: Faults = ALL) -> Soaked:
    """So many seeds, one after the other."""
    total = Soaked()
    with _swept_between() as sweep:
        for seed in range(first, first + count):
            total = total.and_(one(seed, faults))
            if seed % SWEEP == 0:
                sweep()
    return total


@contextmanager
def _swept_between() -> Iterator[Callable[[], object]]:
    """No garbage is looked for but by what this gives, among what is new: as Python does it, it takes a quarter more."""
    swept = gc.isenabled()
    gc.disable()
    try:
        yield lambda: gc.collect(0)
    finally:
        if swept:
            gc.enable()


def soak(seconds: float, first: int = 0, tell: Callable[[Soaked, float], None] | None = None) -> Soaked:
    """Seeds from `first` on, for so long, on all cores; `tell` is given the total, and how long it took, now and then."""
    begun = time.monotonic()
    total = Soaked()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for part in _parts(pool, first, begun + seconds):
            total = total.and_(part)
            if tell is not None:
                tell(total, time.monotonic() - begun)
    return total


def _parts(pool: ProcessPoolExecutor, first: int, until: float) -> Iterator[Soaked]:
    starts = count(first, AT_ONCE)
    open: set[Future[Soaked]] = {pool.submit(some, next(starts), AT_ONCE) for _ in range(2 * (os.cpu_count() or 1))}
    while open:
        done, open = wait(open, return_when=FIRST_COMPLETED)
        for each in done:
            yield each.result()
            if time.monotonic() < until:
                open.add(pool.submit(some, next(starts), AT_ONCE))
