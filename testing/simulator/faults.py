"""`Faults`: what may go wrong in a simulation, and how often."""

from __future__ import annotations

from typing import NamedTuple


class Faults(NamedTuple):
    """Each is one in so many steps, or queries, or calls; 0: never. After so many steps, or `crashes`, nothing goes wrong.

    crashes: at most so many deaths of processes.
    kill: a process dies, wherever it is: before, inside and after each append and each effect, at work or recovering.
    lost: a statement never arrives, or is done and its reply is lost; nobody can tell which.
    stall: a process stands still, beyond its lease perhaps, and comes back.
    thief: another process takes the run from one that is alive.
    wake: somebody is woken for nothing, or is not woken for something. late: a timer goes off late.
    died: what executes a task dies under it. broken: the database breaks a transaction off.
    person: somebody suspends the run. meddler: somebody reverts, resets, recovers it: another end than its own.
    """

    kill: int = 0
    crashes: int = 20
    lost: int = 0
    stall: int = 0
    thief: int = 0
    wake: int = 0
    late: int = 0
    died: int = 0
    broken: int = 0
    person: int = 0
    meddler: int = 0


CALM = Faults()
"""Nothing goes wrong."""
CRASHES = Faults(kill=7, crashes=20, lost=30, stall=60, thief=60, wake=10, late=4, broken=6, person=60)
"""All that must change nothing but time."""
ALL = CRASHES._replace(died=30, meddler=60)
"""That, and what may lead to another end."""


class Died(BaseException):
    """The process dies here."""
