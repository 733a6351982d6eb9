"""Tasks and fan-outs, made by choice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ...engine.definition import (
    Each,
    FunctorTask,
    MapFunctorTask,
    OutcomePolicy,
    ReduceFunctorTask,
    Task,
    each,
    event,
)
from .arguments import a_name, gives, optional, takes
from .behaviour import Hooked, sum_of, sum_of_two
from .making import Making, Seen
from .policies import KINDS, recovery, retry_policy, revert_recovery
from .script import Script

POLICIES = tuple(OutcomePolicy)
SPECIAL = ("",) * 16 + ("event", "hooked", "pure")
PROBES = ("tells",) * 14 + ("doubts", "raises")


def item(m: Making, seen: Seen, provides: Seen, renew: list[str]) -> Task | Each:
    """A task or a fan-out; what it provides is added to `provides`. `renew`: names that it may provide once more."""
    fan = m.once_in(6)
    task, script = _task(m, seen, provides, renew, fan)
    m.part.atoms += 1
    if not fan:
        m.scripts[task.name] = script
        return task
    m.scripts[task.name] = _elements(m, script)
    return _fan(m, task, seen, provides)


def _task(m: Making, seen: Seen, provides: Seen, renew: list[str], fan: bool) -> tuple[Task, Script]:
    name, script = m.name("t"), Script(probes=m.pick(PROBES))
    options: dict[str, Any] = {}
    special = "" if fan else m.pick(SPECIAL)
    if special == "pure":
        return _pure(m, name, seen, provides), script
    function = _function(m, seen, options, fan, special)
    if not fan:
        script = gives(m, script, options, provides, renew)
    if m.choose(4) == 3:
        m.has("priority")
        options["priority"] = m.pick((1, 2, -1, 2.5))
    if m.goes_wrong():
        script = m.failing(script)
    if m.choose(7) == 6:
        script = retry_policy(m, script, options)
    if special == "hooked":
        options.pop("probe", None)  # it has one
        return Hooked(m.world, name, **options), script
    script = _undoing(m, seen, options, script, fan or function.startswith(("one", "two")))
    if special == "event":
        return event(name=name, **options)(m.code.pair), script
    return FunctorTask(getattr(m.code, function), name, **options), script


def _function(m: Making, seen: Seen, options: dict[str, Any], fan: bool, special: str) -> str:
    """The name of what it executes, and how that is called."""
    if special:
        m.has(special)
        recovery(m, options)
        optional(m, seen, options)
        return "pair"
    kind = m.choose(12)
    if kind == 11:
        m.has("transactional")
        options["transactional"] = True
        return takes(m, seen, options, fan, "_inside")
    recovery(m, options)
    if kind > 8:
        m.has("async")
    return takes(m, seen, options, fan, "_async" if kind > 8 else "")


def _pure(m: Making, name: str, seen: Seen, provides: Seen) -> Task:
    """A map or a reduction: it acts on nothing."""
    given = m.name("x")
    names = [a_name(m, seen) for _ in range(2 + m.choose(2))]
    if m.choose(2):
        m.has("map")
        provides[given] = True
        return MapFunctorTask(sum_of, list(dict.fromkeys(names)), name, given)
    m.has("reduce")
    provides[given] = False
    return ReduceFunctorTask(sum_of_two, [*dict.fromkeys([*names, m.input(1)])], name, given)


# --- how it is undone -------------------------------------------------------------------------------------------------


def _undoing(m: Making, seen: Seen, options: dict[str, Any], script: Script, takes: bool) -> Script:
    kind = m.pick(KINDS)
    if kind != "revert":
        m.has(kind)
        if kind != "undeclared":
            options["compensation"] = kind
        return script
    if "transactional" in options:
        options["revert"] = m.pick((m.code.back_inside, m.code.back_of))
    else:
        options["revert"] = _revert(m, seen, options, takes)
        revert_recovery(m, options)
    if m.once_in(20):
        m.has("revertible_for")
        options["revertible_for"] = timedelta(days=3650)
    if m.goes_wrong(6):
        m.has("failing revert")
        script = script._replace(reverts=1 + m.choose(2))
    return script


def _revert(m: Making, seen: Seen, options: dict[str, Any], takes: bool) -> Any:
    code = m.code
    kind = m.choose(8)
    if kind == 7 and takes:
        return code.back_one
    if kind == 6:
        if seen and not takes and "ignore_list" not in options and m.choose(2):
            m.has("revert rebind")
            options["revert_rebind"] = {"a": a_name(m, seen)}
            if m.choose(2):
                options["revert_requires"] = ["a"]
        return code.back_may
    return (code.back, code.back_of, code.back, code.back_why, code.back_of, code.back_async, code.back, code.back)[kind]


# --- fan-outs ---------------------------------------------------------------------------------------------------------


def _elements(m: Making, script: Script) -> Script:
    """Of a fan-out some elements fail, or all."""
    if script.executions and m.choose(4):
        m.has("failing element")
        return script._replace(elements=1 + m.choose(15))
    return script


def _fan(m: Making, task: Task, seen: Seen, provides: Seen) -> Each:
    m.has("fan-out")
    lists = [name for name, is_list in seen.items() if is_list]
    if lists and m.choose(2):
        m.has("fan-out over a result")
        over = m.pick(lists)
    elif seen and m.choose(12) == 11:
        over = next(reversed(seen))
    else:
        over = m.list_input()
        if not m.inputs[over]:
            m.has("fan-out over nothing")
    name = m.name("x") if m.choose(3) else None
    if name is not None:
        provides[name] = True
    outcome = m.pick(POLICIES)
    m.has("outcome policy", f"policy {outcome}")
    return each(task, over, into="a", provides=name, outcome=outcome, on_empty=m.pick(("ok", "policy")))
