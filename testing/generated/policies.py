"""What is declared about tasks: policies of retry, answers to crashes, compensation, priorities; by choice."""

from __future__ import annotations

from typing import Any

from ...engine.definition import Recovery, RetryPolicy
from .making import Making
from .script import Broken, Refused, Script

STEADY = (*[Recovery.RERUN] * 5, Recovery.PROBE, Recovery.PROBE, Recovery.ASK)
WILD = (*STEADY, Recovery.SKIP, Recovery.SKIP)
BACK = (*[Recovery.RERUN] * 5, Recovery.PROBE, Recovery.PROBE, Recovery.ASK)
KINDS = ("revert", "revert", "revert", "revert", "revert", "revert", "undeclared", "not_needed", "irreversible")
POLICIES: tuple[RetryPolicy | dict[str, Any], ...] = (
    RetryPolicy(max_attempts=2, backoff_factor=0.01),
    {"max_attempts": 3, "backoff_factor": 0.001, "max_backoff": 0.003},
    RetryPolicy(max_attempts=3, backoff_factor=0.001, retry_on_exceptions=(Refused,)),
    RetryPolicy(max_attempts=2, backoff_factor=0.001, retry_on_exceptions=(Broken, KeyError)),
)


def retry_policy(m: Making, script: Script, options: dict[str, Any]) -> Script:
    """A policy, and often a failure that it can overcome."""
    m.has("retry policy")
    options["retry_policy"] = m.pick(POLICIES)
    if m.trouble and m.choose(2):
        m.has("failing execute", "failing attempt")
        script = script._replace(
            executions=script.executions or m.pick((1, 2)), attempts=1 + m.choose(2), error=m.pick((Refused, Broken))
        )
    return script


def recovery(m: Making, options: dict[str, Any]) -> None:
    """What becomes of it after a crash."""
    active = m.pick(WILD if m.wild else STEADY)
    if m.choose(8) == 7:
        m.has("recovery map")
        answers = {state: m.pick(("RERUN", "SKIP")) for state in ("READY", "FAILURE", "SUCCESS")}
        options["recovery"] = {"ACTIVE": active, **answers}
    elif active is not Recovery.RERUN:
        options["recovery"] = active
    if active is not Recovery.RERUN:
        m.has(active.value.lower())
    if active is Recovery.PROBE:
        options["probe"] = m.pick((m.code.asked, m.code.asked, m.code.asked_async))


def revert_recovery(m: Making, options: dict[str, Any]) -> None:
    """What becomes of its revert after a crash."""
    back = m.pick(BACK)
    if back is not Recovery.RERUN:
        m.has(f"{back.value.lower()} revert")
        options["revert_recovery"] = back
    if back is Recovery.PROBE:
        options["probe_revert"] = m.code.asked_back
