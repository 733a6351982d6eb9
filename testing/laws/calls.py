"""The laws of calls: the intent of each is durable, it is made once, and its key is its own."""

from __future__ import annotations

from ...engine.core.inputs import EXECUTE, PROBE, PROBE_REVERT, REVERT, Call
from ...engine.core.states import TaskState
from .broken import broken
from .seen import Key, Seen

T = TaskState


def called(seen: Seen, call: Call, key: str | None, epoch: int | None) -> None:
    """User code is about to be called, by the owner of `epoch` (None: the present one)."""
    seen.hears = True
    own: Key = call.atom, call.instance, call.execution
    if call.kind in (PROBE, PROBE_REVERT):
        whose = EXECUTE if call.kind == PROBE else REVERT, own
        seen.probed.add(whose)
        if whose in seen.returned:
            seen.known.add(whose)
    if call.kind not in (EXECUTE, REVERT):
        return
    name = f"{call.kind} of {seen.one(own)}, attempt {call.attempt},"
    intent = call.kind, own, call.attempt
    wrote = seen.intents.get(intent)
    if wrote is None:
        broken("intent before effect", f"{name} is called, and its intent is not in the log")
    if epoch is not None and wrote != epoch:
        broken("intent before effect", f"{name} is called by epoch {epoch}, and its intent was written by epoch {wrote}")
    if intent in seen.called:
        broken("one call an intent", f"{name} is called again")
    seen.called[intent] = None
    if epoch is None or epoch == seen.epoch:
        _open(seen, call, name)
    if key is not None:
        _keyed(seen, call.kind, own, key)


def returned(seen: Seen, call: Call) -> None:
    """The code of an execute or a revert has returned, whatever becomes of that."""
    if not seen.definition.atoms[call.atom].transactional:
        seen.returned.add((call.kind, (call.atom, call.instance, call.execution)))


def _open(seen: Seen, call: Call, name: str) -> None:
    """It is under way as far as the log knows."""
    state = seen.state
    slot = state.slot(call.atom, call.instance)
    found = state.task[slot], state.execution[slot], state.attempt[slot]
    if found != (T.RUNNING if call.kind == EXECUTE else T.REVERTING, call.execution, call.attempt):
        at = f"{found[0]}, execution {found[1]}, attempt {found[2]}"
        broken("intent before effect", f"{name} is called, and in the log it is {at}")


def _keyed(seen: Seen, direction: str, own: Key, key: str) -> None:
    whose = direction, own
    for known, by in ((seen.keys.setdefault(key, whose), whose), (seen.keys.setdefault(whose, key), key)):
        if known != by:
            one = f"{direction} of {seen.one(own)} has the key {key}"
            broken("keys", f"{one}, and another call or attempt has it otherwise: {known}")
