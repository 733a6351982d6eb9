"""For tests, ours and users': a clock, a ledger, a log in memory, the core played by hand, crashes. See docs/testing.md."""

from __future__ import annotations

from ..engine.core.decide import Fired, Recover, Resume, Revert, Suspend
from ..engine.core.records import Draft
from .clock import FakeClock
from .crash import CrashReport, crash_everywhere
from .ledger import Entry, FileLedger, Ledger
from .log import SimulatedLog
from .play import Play, answers, fails, probes, succeeds

__all__ = [
    "CrashReport", "Draft", "Entry", "FakeClock", "FileLedger", "Fired", "Ledger", "Play", "Recover", "Resume", "Revert",
    "SimulatedLog", "Suspend", "answers", "crash_everywhere", "fails", "probes", "succeeds",
]  # fmt: skip
