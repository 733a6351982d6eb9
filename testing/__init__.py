"""For tests, ours and users': a log in memory, a clock, a ledger, the core played by hand. See docs/testing.md."""

from __future__ import annotations

from ..engine.core.decide import Fired, Recover, Resume, Revert, Suspend
from ..engine.core.records import Draft
from .clock import FakeClock
from .ledger import Entry, Ledger
from .log import SimulatedLog
from .play import Play, answers, fails, probes, succeeds

__all__ = [
    "Draft", "Entry", "FakeClock", "Fired", "Ledger", "Play", "Recover", "Resume", "Revert", "SimulatedLog", "Suspend",
    "answers", "fails", "probes", "succeeds",
]  # fmt: skip
