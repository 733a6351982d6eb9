"""What a task says of how far it has come, on its way into the log: not more than one record a second, and the last."""

from __future__ import annotations

import time
from typing import Any

from ...codec.values import encode
from ..core.decide import Call, Progressed
from ..definition.progress import Reporting, Telling
from .held import Held

EVERY = 1.0
"""Seconds between two records of one call."""


class Recorder(Reporting):
    """Takes the reports of one call, from when it is made until it is closed."""

    __slots__ = ("_call", "_held", "_kept", "_next")

    def __init__(self, held: Held, call: Call, task: Telling) -> None:
        super().__init__(task)
        self._held = held
        self._call = call
        self._next = 0.0
        self._kept: Progressed | None = None

    def report(self, fraction: float, details: Any) -> None:
        """Keep a report, or send it on; NotStorable for details that cannot be kept."""
        value = None if details is None else encode(details, path="details", limit=self._held.limit)
        report = Progressed(self._call, fraction, value)
        now = time.monotonic()
        if now >= self._next:
            self._next, self._kept = now + EVERY, None
            self._held.report(report)
        else:
            self._kept = report

    def end(self) -> None:
        """The call is over: what was said last counts."""
        if self._kept is not None:
            self._held.report(self._kept)
            self._kept = None
