"""Flows in a simulated world: the real core, drive and codec, a log in memory, and processes that die, by one seed."""

from __future__ import annotations

from .chance import Chance
from .faults import ALL, CALM, CRASHES, Faults
from .simulate import Broken, Simulation, simulate, trial, tried

__all__ = ["ALL", "CALM", "CRASHES", "Broken", "Chance", "Faults", "Simulation", "simulate", "trial", "tried"]
