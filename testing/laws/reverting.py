"""The laws of the way back: what may be reverted, when, and what came of it."""

from __future__ import annotations

from ...engine.core.states import RAN, TaskState
from .broken import broken
from .seen import Facts, Key, Seen, key_of
from .shape import bits

T = TaskState
BACK = (T.PENDING, T.IGNORED, T.REVERTED)
LEFT = (*RAN, T.RUNNING)
STAYS = ("not_revertible", "skipped")


def turned(seen: Seen, facts: Facts, slot: int) -> None:
    """Something begins to be reverted, or to be reverted again."""
    state, atom, key = seen.state, facts["atom"], key_of(facts)
    name = seen.one(key)
    if key in seen.undone:
        broken("once per execution", f"{name} is reverted again")
    if key not in seen.begun:
        broken("never started", f"{name} is reverted")
    if facts["execution"] != state.execution[slot]:
        broken("never started", f"{name} is reverted, and it is at execution {state.execution[slot]}")
    region = _of_region(seen, atom)
    if state.undo is None and region is None:
        broken("without need", f"{name} is reverted, and neither the run nor a flow around it is being undone")
    # What is UNKNOWN may be settled by a probe, which does not wait for its turn: it did not happen, and nothing is called.
    settled = state.task[slot] is T.UNKNOWN and (not seen.hears or ("execute", key) in seen.probed)
    for other in () if settled else state.running:
        if state.undo is not None or (region is not None and region[0] <= state.atom_of(other) < region[1]):
            broken("siblings finish", f"{name} is reverted, and {state.name(other)} is still under way")
    _number(seen, facts, slot, key)
    if _took_place(seen, slot):
        seen.took.add(key)
    if slot >= state.atoms:
        if state.task[atom] is not T.REVERTING and state.task[slot] is not T.UNKNOWN:
            broken("reverse order", f"{name} is reverted, and its fan-out, which is {state.task[atom]}, is not")
        if state.task[slot] in (T.SUCCESS, T.FAILURE) and facts["attempt"] == 1:
            _last(seen, slot, name)
            _next(seen, atom, region)
        return
    for other in () if settled else bits(seen.shape.behind[atom]):
        if state.task[other] not in BACK:
            detail = f"{name} is reverted, and {seen.names([other])}, which waited for it, is {state.task[other]}"
            broken("reverse order", detail)
    if state.task[slot] in (T.SUCCESS, T.FAILURE) and facts["attempt"] == 1:
        _next(seen, atom, region)


def _last(seen: Seen, slot: int, name: str) -> None:
    """Of the elements of a fan-out the last one is reverted first."""
    state = seen.state
    fan = state.fans[state.atom_of(slot)]
    for other in range(slot + 1, fan.base + fan.count):
        if state.task[other] in RAN:
            detail = f"{name} is reverted, and {state.name(other)}, which is {state.task[other]}, comes before it"
            broken("reverse order", detail)


def _of_region(seen: Seen, atom: int) -> tuple[int, int] | None:
    """The atoms of a flow around this one that is being undone, from the first that is; None where there is none."""
    for retry, region in seen.state.regions.items():
        first, last = seen.shape.of_retry(retry)
        if region.undo is not None and first <= atom < last:
            return first + (region.goal == "retry"), last  # the retry itself stays where it tries again
    return None


def _number(seen: Seen, facts: Facts, slot: int, key: Key) -> None:
    attempt, task = facts["attempt"], seen.state.task[slot]
    if ("revert", key, attempt) in seen.intents or (attempt > 1 and ("revert", key, attempt - 1) not in seen.intents):
        broken("started once", f"attempt {attempt} to revert {seen.one(key)} is begun out of its turn")
    answer = seen.state.spec(slot).revert_recovery
    if task is T.REVERT_UNKNOWN and not seen.by_person(facts, "retry_revert"):
        if answer == "ASK":
            broken("recovery", f"{seen.one(key)} is REVERT_UNKNOWN and is reverted again without a person's word")
        if answer == "PROBE" and seen.hears and ("revert", key) not in seen.probed:
            broken("recovery", f"{seen.one(key)} is REVERT_UNKNOWN and is reverted again without a probe")
        if answer == "PROBE" and ("revert", key) in seen.known:
            broken("recovery", f"{seen.one(key)} is reverted again, and its probe could say that it had been")
    seen.intents["revert", key, attempt] = seen.epoch


def _next(seen: Seen, atom: int, region: tuple[int, int] | None) -> None:
    """Nothing that might be reverted comes before it: larger priority first, then the later in the definition."""
    state, specs = seen.state, seen.definition.atoms
    task = state.task
    first, last = (0, state.atoms) if state.undo is not None else region or (0, 0)
    left = 0
    for other in range(state.atoms):
        if task[other] not in BACK:
            left |= 1 << other
    own = (-specs[atom].priority, -atom)
    for other in range(first, last):
        if other == atom or not _to_begin(seen, other) or seen.shape.behind[other] & left:
            continue
        if (-specs[other].priority, -other) < own:
            broken("order", f"{seen.names([atom])} is reverted, and {seen.names([other])} comes before it")


def _to_begin(seen: Seen, atom: int) -> bool:
    """Whether its revert, or that of one of its elements, is still to be begun."""
    state = seen.state
    fan = state.fans.get(atom)
    if fan is None or state.task[atom] is not T.REVERTING:
        return state.task[atom] in LEFT
    return any(task in RAN for task in state.task[fan.base : fan.base + fan.count])


def undone(seen: Seen, facts: Facts, slot: int) -> None:
    """Something was reverted, or there was nothing to revert."""
    state, key, task = seen.state, key_of(facts), seen.state.task[slot]
    name = seen.one(key)
    if key in seen.undone:
        broken("once per execution", f"{name} was reverted twice")
    if key not in seen.begun:
        broken("never started", f"{name} was reverted")
    if facts["outcome"] == "skipped":
        if not seen.by_person(facts, "skip_revert") and "skipped" not in _of_elements(seen, slot):
            broken("recovery", f"the revert of {name} is passed over, and no person has said so")
    elif facts.get("probed") and task is T.REVERT_UNKNOWN:
        asked = not seen.hears or ("revert", key) in seen.probed
        if state.spec(slot).revert_recovery != "PROBE" or not asked:
            broken("recovery", f"the revert of {name} is settled by a probe that nobody asked")
    else:
        _of_attempt(seen, facts, slot, key)
    _declared(seen, facts, slot, key)
    seen.undone.add(key)
    if facts["outcome"] in STAYS:
        seen.stays.add(key)
    fan = state.fans.get(slot)
    if fan is not None and state.spec(slot).compensation == "revert":
        for place in range(fan.count):
            if task is not T.REVERTING or state.task[fan.base + place] in (*RAN, T.REVERTING):
                broken("reverse order", f"{name} was reverted, and its element {place} is {state.task[fan.base + place]}")


def _took_place(seen: Seen, slot: int) -> bool:
    """Whether it has done something, as far as is known."""
    return seen.state.task[slot] in (T.SUCCESS, T.UNKNOWN)


def _of_elements(seen: Seen, slot: int) -> set[str | None]:
    """What the reverts of a fan-out's elements came to."""
    fan = seen.state.fans.get(slot)
    return set() if fan is None else {seen.state.outcome.get(fan.base + place) for place in range(fan.count)}


def _declared(seen: Seen, facts: Facts, slot: int, key: Key) -> None:
    spec, outcome, probed = seen.state.spec(slot), facts["outcome"], facts.get("probed")
    of_elements, fan = _of_elements(seen, slot), spec.over is not None
    fits = {
        "reverted": spec.compensation == "revert",
        "skipped": True,
        "not_revertible": spec.compensation == "irreversible" or facts.get("expired") or outcome in of_elements,
        "nothing_to_revert": probed or fan or spec.compensation in ("not_needed", "undeclared")
        or (spec.compensation == "irreversible" and key not in seen.took),
    }
    if not fits.get(outcome, False):
        declared = f"its compensation is declared as {spec.compensation}"
        broken("compensation", f"the revert of {seen.one(key)} came to {outcome}; {declared}")
    silent = spec.compensation == "undeclared" and outcome == "nothing_to_revert" and not fan and not probed
    if silent and not facts.get("undeclared"):
        broken("compensation", f"{seen.one(key)} had nothing to revert; nobody has declared that")


def _of_attempt(seen: Seen, facts: Facts, slot: int, key: Key) -> None:
    state = seen.state
    own, found = (facts["execution"], facts["attempt"]), (state.execution[slot], state.attempt[slot])
    if state.task[slot] is not T.REVERTING or (own != found and slot not in state.fans):
        at = f"{state.task[slot]}, execution and attempt {found}"
        broken("outcome of an intent", f"attempt {own[1]} to revert {seen.one(key)} has an outcome, and it is {at}")


def failed(seen: Seen, facts: Facts, slot: int) -> None:
    """A revert raised, or the database broke it off."""
    _of_attempt(seen, facts, slot, key_of(facts))


def unknown(seen: Seen, facts: Facts, slot: int) -> None:
    """A revert was cut short."""
    key = key_of(facts)
    _of_attempt(seen, facts, slot, key)
    seen.probed.discard(("revert", key))
