"""What tasks take and what they give, made by choice."""

from __future__ import annotations

from typing import Any

from .making import Making, Seen
from .script import Script

NOWHERE = "nowhere"
"""A name that nobody provides."""


def takes(m: Making, seen: Seen, options: dict[str, Any], fan: bool, how: str) -> str:
    """The function by the number of its arguments, each of them bound to a name or a constant."""
    wanted = m.choose(4)
    if fan:
        if wanted < 2:
            return f"one{how}"
        optional(m, seen, options)
        return f"one_may{how}"
    if wanted == 0 or (not seen and m.choose(3)):
        return f"alone{how}"
    if wanted == 1 or (how and wanted == 2):
        bind(m, seen, options, "a")
        if m.once_in(8):
            m.has("no auto_extract")
            options.update(requires=["a"], auto_extract=False)
        return f"one{how}"
    if wanted == 2:
        return several(m, seen, options)
    if not how and m.choose(2):
        optional(m, seen, options)
        return "may"
    bind(m, seen, options, "a")
    optional(m, seen, options)
    return f"one_may{how}"


def bind(m: Making, seen: Seen, options: dict[str, Any], parameter: str) -> None:
    """A required argument: bound to a name, or a constant of the task's own."""
    if m.choose(10) == 9:
        m.has("inject")
        options.setdefault("inject", {})[parameter] = m.choose(3)
        return
    options.setdefault("rebind", {})[parameter] = a_name(m, seen)


def a_name(m: Making, seen: Seen) -> str:
    """A name that there is; the last ones more often than the first."""
    if not seen or m.choose(10) == 9:
        m.has("input")
        return m.input((0, 1, [2])[m.choose(3)])
    m.has("argument")
    names = list(seen)
    return names[-1 - m.choose(min(len(names), 4 if m.choose(4) else len(names)))]


def optional(m: Making, seen: Seen, options: dict[str, Any]) -> None:
    """The argument b: bound, left to its default where nobody provides it, or left alone."""
    kind = m.choose(5)
    if kind == 4:
        m.has("ignored argument")
        options["ignore_list"] = ["b"]
        return
    m.has("optional argument")
    options.setdefault("rebind", {})["b"] = NOWHERE if kind == 3 or not seen else a_name(m, seen)


def several(m: Making, seen: Seen, options: dict[str, Any]) -> str:
    """Two arguments bound by their places, or as many as there are for a function that takes any."""
    if m.choose(3):
        names = [a_name(m, seen), a_name(m, seen)]
        m.has("rebind by place")
        options["rebind"] = names
        return "two"
    m.has("any arguments")
    options["requires"] = [a_name(m, seen) for _ in range(1 + m.choose(3))]
    return "many"


# --- what it gives ----------------------------------------------------------------------------------------------------


def gives(m: Making, script: Script, options: dict[str, Any], provides: Seen, renew: list[str]) -> Script:
    """What it provides, if anything: the whole result, or parts of it by place or key."""
    kind = m.choose(10)
    if kind == 9:
        m.has("provides by key")
        names = (m.name("x"), m.name("x"))
        options["provides"] = set(names)
        provides.update(dict.fromkeys(names, False))
        return script._replace(gives=names)
    if kind == 8:
        m.has("provides by place")
        options["provides"] = names = (m.name("x"), m.name("x"))
        provides.update(dict.fromkeys(names, False))
        return script._replace(gives=3)
    if kind < 3:
        return script
    name = m.name("x")
    if renew and m.choose(5) == 4:
        m.has("provided again")
        name = m.pick(renew)
    options["provides"] = name
    if kind == 7:
        provides[name] = False
        return script._replace(gives="text")
    provides[name] = True
    return script._replace(gives=m.choose(5)) if kind > 4 else script
