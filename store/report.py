"""What verification found: the shapes that `Engine.verify` and `sagalog verify` hand out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import attrs

FAULTS_KEPT = 1_000
"""A verification keeps so many faults, and as many notices, and counts the rest."""


@attrs.frozen
class Fault:
    """A record that is not as it was written.

    `kind` is 'payload', 'hash', 'gap', 'order' or 'tail' (docs/log-format.md). `position` is None where it is gone.
    """

    run_id: UUID
    version: int
    position: int | None
    kind: str
    message: str

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values, the id as text."""
        return {
            "run_id": str(self.run_id),
            "version": self.version,
            "position": self.position,
            "kind": self.kind,
            "message": self.message,
        }

    def __str__(self) -> str:
        where = "" if self.position is None else f" (position {self.position})"
        return f"{self.kind}: run {self.run_id} version {self.version}{where}: {self.message}"


@attrs.frozen
class Notice:
    """Something worth a look that is no fault: today, clocks that are more than 5 minutes apart."""

    run_id: UUID
    version: int
    position: int
    message: str

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values, the id as text."""
        return {
            "run_id": str(self.run_id),
            "version": self.version,
            "position": self.position,
            "message": self.message,
        }


@attrs.frozen
class Verification:
    """The outcome of a verification: how many streams and records were looked at, and what was wrong.

    `faults` and `notices` hold the first `FAULTS_KEPT` of each, `more` counts those beyond. `head`, 32 bytes, is the
    hash of the one stream, or what docs/log-format.md calls the head of a whole log.
    """

    runs: int
    records: int
    faults: tuple[Fault, ...]
    notices: tuple[Notice, ...] = ()
    more: int = 0
    head: bytes = b""

    @property
    def ok(self) -> bool:
        """Whether there is no fault; notices do not count."""
        return not self.faults

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values; `head` in hexadecimal."""
        return {
            "ok": self.ok,
            "runs": self.runs,
            "records": self.records,
            "faults": [fault.to_json() for fault in self.faults],
            "notices": [notice.to_json() for notice in self.notices],
            "more": self.more,
            "head": self.head.hex(),
        }
