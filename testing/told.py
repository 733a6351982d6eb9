"""Records as text, read back into facts, and what was told compared with what was expected."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..engine.core.records import Draft
from ..engine.core.state import State
from ..errors import UsageError

_TOLD = re.compile(r"(?P<type>\S+)(?: (?P<name>.+?)(?:\[(?P<instance>\d+)\])?)?")
_MORE: dict[str, dict[str, Any]] = {
    "running": {}, "success": {}, "unknown": {}, "reverting": {}, "ignored": {},
    "failure": {"classes": ["Exception"]}, "revert_failure": {"classes": ["Exception"]},
    "reverted": {"outcome": "reverted"},
}  # fmt: skip


def facts_of(state: State, told: str) -> Draft:
    """The record that `told` tells, about the present execution and attempt of its atom, or the first.

    Raises UsageError for a text that does not say enough: records with facts of their own are given as a `Draft`.
    """
    found = _TOLD.fullmatch(told)
    kind, _, what = ("", "", "") if found is None else found["type"].partition(".")
    if found is None or (kind != "run" if found["name"] is None else kind not in ("task", "retry") or what not in _MORE):
        raise UsageError(
            f"given: expected a record like 'run.running' or 'task.success charge' ({', '.join(_MORE)}), found {told!r}; "
            "give others as a Draft"
        )
    if found["name"] is None:
        return Draft(told, {})
    atom = _atom(state, found["name"])
    instance = None if found["instance"] is None else int(found["instance"])
    slot = state.slot(atom, instance)
    attempt = 1 if what == "reverting" else state.attempt[slot] or 1
    facts = {"atom": atom, "execution": state.execution[slot] or 1, "attempt": attempt, **_MORE[what]}
    return Draft(found["type"], facts if instance is None else {**facts, "instance": instance})


def match(what: str, expected: Sequence[str], found: Sequence[str]) -> None:
    """AssertionError that shows both, unless they are the same."""
    if list(expected) != list(found):
        lines = [f"{what}: expected", *(f"    {line}" for line in expected or ("(none)",))]
        raise AssertionError("\n".join([*lines, "found", *(f"    {line}" for line in found or ("(none)",))]))


def _atom(state: State, name: str) -> int:
    names = [spec.name for spec in state.definition.atoms]
    if name not in names:
        flow, known = state.definition.name, ", ".join(names)
        raise UsageError(f"given: there is no atom {name!r} in flow {flow!r}; there are {known}")
    return names.index(name)
