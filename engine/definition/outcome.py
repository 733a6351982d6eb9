"""`Outcome`: success told by value. `OutcomePolicy`: what the successes and errors of a group make of the group."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import attrs

from ...errors import FlowError


@attrs.frozen
class Outcome:
    """What a task may return instead of a bare value: `Outcome.ok(x)` is x, `Outcome.error(x)` is a failure.

    Such a failure is never tried again by the task's RetryPolicy.
    """

    succeeded: bool
    content: Any = None

    @classmethod
    def ok(cls, content: Any = None) -> Outcome:
        """A success, with `content` as the result."""
        return cls(True, content)

    @classmethod
    def error(cls, content: Any = None) -> Outcome:
        """A failure, with `content` as what is said about it."""
        return cls(False, content)


class OutcomePolicy(StrEnum):
    """When a group (an unordered flow, or the fan-out of one task) has succeeded; after volnux's evaluation states."""

    SUCCESS_ON_ALL_EVENTS_SUCCESS = "SUCCESS_ON_ALL_EVENTS_SUCCESS"
    FAILURE_FOR_PARTIAL_ERROR = "FAILURE_FOR_PARTIAL_ERROR"
    SUCCESS_FOR_PARTIAL_SUCCESS = "SUCCESS_FOR_PARTIAL_SUCCESS"
    FAILURE_FOR_ALL_EVENTS_FAILURE = "FAILURE_FOR_ALL_EVENTS_FAILURE"

    def verdict(self, successes: int, errors: int) -> bool:
        """Whether a group with so many members that succeeded and so many that failed has succeeded."""
        return _VERDICTS[self][(successes > 0) + 2 * (errors > 0)]

    def lost(self, errors: int) -> bool:
        """Whether the group can only fail, whatever becomes of the members that are not done."""
        _, _, failed, mixed = _VERDICTS[self]
        return errors > 0 and not failed and not mixed


_VERDICTS = {
    #                                             nothing ran, all succeeded, all failed, some of both
    OutcomePolicy.SUCCESS_ON_ALL_EVENTS_SUCCESS: (False, True, False, False),
    OutcomePolicy.FAILURE_FOR_PARTIAL_ERROR: (True, True, False, False),
    OutcomePolicy.SUCCESS_FOR_PARTIAL_SUCCESS: (False, True, False, True),
    OutcomePolicy.FAILURE_FOR_ALL_EVENTS_FAILURE: (True, True, False, True),
}


def outcome_policy_of(value: object, whose: str) -> OutcomePolicy:
    """`value` as an OutcomePolicy; FlowError says whose it is ("flow 'f'") and what is possible."""
    for policy in OutcomePolicy:
        if policy == value:
            return policy
    possible = ", ".join(repr(str(policy)) for policy in OutcomePolicy)
    raise FlowError(f"{whose}: outcome must be one of {possible}; found {value!r}")
