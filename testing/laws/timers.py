"""The laws of timers and messages: never early, once."""

from __future__ import annotations

from .broken import broken
from .seen import Facts, Seen


def timer_set(seen: Seen, facts: Facts, version: int) -> None:
    """A timer is named by the version of the record that sets it."""
    if facts["timer"] != version:
        broken("timers", f"record {version} sets timer {facts['timer']}")
    seen.timers[version] = facts["due"]


def went_off(seen: Seen, facts: Facts, now: int | None) -> None:
    """A timer went off. `now`: when, microseconds since 1970, where that is known."""
    timer = facts["timer"]
    if timer not in seen.timers:
        broken("timers", f"timer {timer}{_of(seen, facts)} goes off, and is not set: it did before, or was cancelled")
    due = seen.timers.pop(timer)
    if now is not None and now < due:
        broken("timers", f"timer {timer}{_of(seen, facts)} goes off {due - now} microseconds early")


def cancelled(seen: Seen, facts: Facts) -> None:
    """Nobody waits for a timer any more."""
    if facts["timer"] not in seen.timers:
        broken("timers", f"timer {facts['timer']} is cancelled, and is not set")
    del seen.timers[facts["timer"]]


def _of(seen: Seen, facts: Facts) -> str:
    return f" of {seen.name(facts)}" if "atom" in facts else ""


def accepted(seen: Seen, facts: Facts) -> None:
    """A message was taken into the stream."""
    if facts["message"] in seen.messages:
        broken("messages once", f"message {facts['message']} ({facts['kind']} of {facts['sender']}) is accepted again")
    seen.messages.add(facts["message"])
