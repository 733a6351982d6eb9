"""`Decision`: what a retry may answer when it is asked about a failure."""

from __future__ import annotations

from enum import StrEnum


class Decision(StrEnum):
    """RETRY: undo the retry's flow and run it again. REVERT: undo it, the retry around it is asked too. REVERT_ALL:
    undo everything that ran, whatever any other retry says.
    """

    REVERT = "REVERT"
    REVERT_ALL = "REVERT_ALL"
    RETRY = "RETRY"
