"""The law of providers: what takes the result of something has it, or its default, or is passed by."""

from __future__ import annotations

from ...engine.core.specs import Argument, Source
from ...engine.core.states import TaskState
from .broken import broken
from .seen import Facts, Seen


def argued(seen: Seen, facts: Facts, atom: int) -> None:
    """An atom is started afresh: all that it must have is there, and it is said what takes its default."""
    missing = _missing(seen, atom)
    for argument in missing:
        if not argument.optional:
            broken("providers", f"{seen.name(facts)} is started, and nothing that ran gives it {argument.name!r}")
    names = [argument.name for argument in missing]
    said = facts.get("defaulted", [])
    if names != said:
        broken("providers", f"{seen.name(facts)} takes the default for {said}; missing are {names}")


def lacked(seen: Seen, facts: Facts, atom: int) -> None:
    """An atom is passed by because something that it must have is not there; or together with such a one."""
    if "missing" in facts:
        needed = [argument.name for argument in _missing(seen, atom) if not argument.optional]
        if facts["missing"] not in needed:
            broken("providers", f"{seen.name(facts)} is passed by, and {facts['missing']!r} is not missing")


def _missing(seen: Seen, atom: int) -> list[Argument]:
    """The arguments of an atom that only others give, none of which has something to give."""
    found = []
    for argument in _wanted(seen, atom):
        others = [source for source in argument.sources if source.kind in ("atom", "group")]
        if others and argument.name not in seen.state.given and not _gives(seen, others):
            found.append(argument)
    return found


def _wanted(seen: Seen, atom: int) -> tuple[Argument, ...]:
    spec = seen.definition.atoms[atom]
    return spec.execute if spec.over is None else (spec.over, *spec.execute)


def _gives(seen: Seen, sources: list[Source]) -> bool:
    """Whether the nearest provider that was not ignored has something to give; a group without members always has."""
    for source in sources:
        if source.kind != "group":
            tasks = [seen.state.task[source.atom]]
            good = tasks[0] is TaskState.SUCCESS
        else:
            tasks = seen.state.task[slice(*seen.shape.span[source.atom])]
            good = not tasks or seen.state.verdicts.get(source.atom) is True
        if any(task is not TaskState.IGNORED for task in tasks) or not tasks:
            return good
    return False
