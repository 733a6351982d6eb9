"""What the engine tells whoever listens in the same process, each event in one table.

Listeners are called synchronously, in the order they came; they are for instruments (metrics, traces, crash points in
tests), not for business logic: what a program must not miss it reads from the log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Listener = Callable[[str, dict[str, Any]], None]

EVENTS = {
    "append.before": "a batch is about to be sent to the log; runs: list of run ids, records: list of record types",
    "append.after": "the batch is durable; the same facts",
    "call.before": "a task's code is about to run, its intent is durable; run, atom, kind, execution, attempt",
    "call.after": "a task's code has returned or raised, its outcome is not durable yet; the same facts",
    "run.taken": "this process has become the owner of a run; run, epoch",
    "run.left": "this process has given a run up or finished it; run, state",
    "run.awaited": "a run is wanted whose owner may be alive; its lease is waited for; run, error",
    "store.reconnect": "the connection to Postgres was lost and is being opened again; no facts",
}
"""Event name -> when it is sent and the facts it carries."""

_listeners: list[Listener] = []


def listen(listener: Listener) -> Callable[[], None]:
    """Call `listener(event, facts)` for every event from now on; the function that is returned ends that."""
    _listeners.append(listener)

    def stop() -> None:
        if listener in _listeners:
            _listeners.remove(listener)

    return stop


heard: Callable[[], int] = _listeners.__len__
"""How many listen: the hot path asks before it gathers facts, several times a step, so it is no function of Python."""


def emit(event: str, **facts: Any) -> None:
    """Tell the listeners. `event` is one of `EVENTS`; a KeyError says that it is missing from the table."""
    EVENTS[event]
    for listener in list(_listeners):
        listener(event, facts)
