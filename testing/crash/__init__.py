"""The crash kit: a flow is killed wherever a process can die, gone on with, and what is left is compared."""

from __future__ import annotations

from .report import CrashReport, Fault
from .sweep import crash_everywhere

__all__ = ["CrashReport", "Fault", "crash_everywhere"]
