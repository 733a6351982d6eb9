"""One record: which laws are asked before it is folded, and which after."""

from __future__ import annotations

from collections.abc import Callable

from ...engine.core.evolve import evolve
from ...errors import CorruptLog
from . import ends, groups, reverting, running, scopes, timers
from .broken import broken
from .durable import Durable
from .moves import ATOM, ATOM_STATES, RUN, RUN_STATES
from .seen import PERSON, Facts, Seen

OfAtom = Callable[[Seen, Facts, int], None]
OfRun = Callable[[Seen, Facts], None]


def _succeeded(seen: Seen, facts: Facts, slot: int) -> None:
    running.succeeded(seen, facts, slot)
    if slot < seen.state.atoms and seen.definition.atoms[slot].over is not None:
        groups.spread(seen, facts, slot, ok=True)


def _failed(seen: Seen, facts: Facts, slot: int) -> None:
    running.failed(seen, facts, slot)
    if slot < seen.state.atoms and seen.definition.atoms[slot].over is not None:
        groups.spread(seen, facts, slot, ok=False)


BEFORE: dict[str, OfAtom] = {
    "running": running.begun,
    "success": _succeeded,
    "failure": _failed,
    "waiting": running.waits,
    "unknown": running.unknown,
    "pending": running.put_back,
    "ignored": groups.ignored,
    "reverting": reverting.turned,
    "reverted": reverting.undone,
    "revert_failure": reverting.failed,
    "revert_unknown": reverting.unknown,
    "consulted": scopes.consulted,
    "retrying": scopes.retrying,
    "given_up": scopes.given_up,
}
"""By what a record says of an atom: the law that is asked before it is folded; AFTER: those asked after that."""
AFTER: dict[str, OfAtom] = {
    "retrying": scopes.forgot,
    "failure": groups.spares,
    "given_up": groups.retry_spares,
    "consulted": scopes.remembered,
}
OTHER: dict[str, OfRun] = {
    "run.reverting": scopes.round_about,
    "run.suspended": ends.suspended,
    "run.recovered": ends.anew,
    "run.pending": ends.anew,
    "group.settled": groups.settled,
    "decider.answered": groups.decided,
    "each.elements": groups.listed,
    "each.opened": groups.opened,
    "timer.cancelled": timers.cancelled,
    "message.accepted": timers.accepted,
}
OTHER_AFTER: dict[str, OfRun] = {"group.settled": groups.group_spares, "decider.answered": groups.refused}


def written(seen: Seen, row: Durable, facts: Facts) -> None:
    """What holds of the place and the writer of a record."""
    after = seen.state.version
    if row.version != after + 1:
        broken("gapless", f"record {row.version} ({row.type}) follows version {after}")
    whose = f"record {row.version} ({row.type}) is by epoch {row.epoch}"
    if row.epoch < max(seen.epoch, seen.claimed):
        broken("one writer", f"{whose}, and {max(seen.epoch, seen.claimed)} has claimed the run")
    if row.type == "run.claimed":
        if facts["epoch"] != row.epoch:
            broken("one writer", f"{whose}, and claims the run for epoch {facts['epoch']}")
    elif row.epoch != seen.epoch and after:
        broken("one writer", f"{whose}, which has not claimed the run")
    seen.epoch = row.epoch


def record(seen: Seen, version: int, type: str, facts: Facts, now: int | None) -> None:
    """What holds of a record, before and after it is folded."""
    state = seen.state
    kind, _, what = type.partition(".")
    if state.run in ends.ENDED:
        ends.over(seen, type)
    if seen.spared:
        _passed_by(seen, facts, what)
    of_atom = kind == "task" or kind == "retry"
    slot = -1
    if of_atom:
        slot = _slot(seen, type, facts)
        if what in ATOM_STATES:
            _move(seen, facts, slot, ATOM_STATES[what])
        look = BEFORE.get(what)
        if look is not None:
            look(seen, facts, slot)
    elif kind == "timer":
        _timer(seen, version, what, facts, now)
    else:
        if kind == "run" and what in RUN_STATES:
            _run_move(seen, RUN_STATES[what])
        other = OTHER.get(type)
        if other is not None:
            other(seen, facts)
    _fold(seen, version, type, facts)
    if what == "ignored":
        seen.spared.discard(slot)
    if of_atom and what in AFTER:
        AFTER[what](seen, facts, slot)
    elif type in OTHER_AFTER:
        OTHER_AFTER[type](seen, facts)
    _person(seen, type, facts)
    if kind == "run" and state.run in ends.ENDED:
        ends.ended(seen)


def _timer(seen: Seen, version: int, what: str, facts: Facts, now: int | None) -> None:
    if what == "set":
        timers.timer_set(seen, facts, version)
    elif what == "fired":
        timers.went_off(seen, facts, now)
    else:
        timers.cancelled(seen, facts)


def _fold(seen: Seen, version: int, type: str, facts: Facts) -> None:
    try:
        evolve(seen.state, version, type, facts)
    except (CorruptLog, LookupError) as error:
        broken("foldable", f"record {version} ({type}): {error}")


def _person(seen: Seen, type: str, facts: Facts) -> None:
    """What a person says is about the next record; in between the run may have to be taken up again."""
    if type == PERSON:
        seen.said = facts
    elif not type.startswith("run."):
        seen.said = None


def _slot(seen: Seen, type: str, facts: Facts) -> int:
    state = seen.state
    atom, instance = facts.get("atom", -1), facts.get("instance")
    if not 0 <= atom < state.atoms:
        broken("moves", f"{type} of an atom that the definition does not have: {atom}")
    if instance is None:
        return int(atom)
    fan = state.fans.get(atom)
    if fan is None or not 0 <= instance < fan.count:
        broken("elements", f"{type} of {seen.name(facts)}, which is no element of the list")
    return fan.base + int(instance)


def _move(seen: Seen, facts: Facts, slot: int, to: str) -> None:
    found = str(seen.state.task[slot])
    if (found, to) not in ATOM:
        broken("moves", f"{seen.name(facts)} is {found} and becomes {to}")


def _run_move(seen: Seen, to: str) -> None:
    found = str(seen.state.run)
    if (found, to) not in RUN:
        broken("moves", f"the run is {found} and becomes {to}")


def _passed_by(seen: Seen, facts: Facts, what: str) -> None:
    """Something has to be passed by before anything else happens."""
    atom = facts.get("atom")
    if what != "ignored" or atom not in seen.spared:
        broken(seen.law, f"not passed by, and should have been: {seen.names(seen.spared)}")
