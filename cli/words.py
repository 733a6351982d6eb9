"""Values and times as a person reads them."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from rich.text import Text

from ..engine.core.states import RunState, TaskState

COLOURS: dict[str, str] = {
    "PENDING": "bright_black",
    "RUNNING": "cyan",
    "WAITING": "cyan",
    "RETRYING": "cyan",
    "SUSPENDING": "yellow",
    "SUSPENDED": "yellow",
    "REVERTING": "magenta",
    "SUCCESS": "green",
    "REVERTED": "magenta",
    "REVERTED_PARTLY": "bright_magenta",
    "FAILURE": "red",
    "ABANDONED": "bright_black",
    "IGNORED": "bright_black",
    "UNKNOWN": "yellow",
    "REVERT_FAILURE": "bold red",
    "REVERT_UNKNOWN": "yellow",
}
"""State of a run or a task -> its colour on a terminal."""

OUTCOMES: dict[str | None, str] = {
    "nothing_to_revert": "nothing to revert",
    "undeclared": "nothing to revert, undeclared",
    "not_revertible": "cannot be undone",
    "skipped": "its revert was left out by a person",
}
"""What became of the effect of a task that is REVERTED, where it was not undone -> in words."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_FAILURE = {"type", "bases", "message", "traceback", "atom", "causes"}
_TAG = re.compile(r"\$[^$].*@\d+")


def state(word: RunState | TaskState | str) -> Text:
    """A state in its colour."""
    return Text(str(word), COLOURS.get(str(word), ""))


def clean(text: str) -> str:
    """Text on one line, without what would move a terminal's cursor."""
    return _CONTROL.sub(" ", text).strip()


def collapsed(text: str) -> str:
    """Text whose runs of blanks are one blank each; lines stay lines."""
    return re.sub(r"[ \t]+", " ", text)


def brief(text: str, width: int = 100) -> str:
    """Text on one line of at most `width` characters."""
    text = clean(text[: 4 * width])
    return text if len(text) <= width else f"{text[: width - 1].rstrip()}…"


def value(tree: Any, width: int = 60) -> str:
    """A stored value in at most `width` characters: as Python would write it, tags dissolved, keys without quotes."""
    text, room = "", width + 1
    for part in _parts(tree):
        text += part
        if len(text) > room:
            break
    return brief(text, width)


def moment(at: datetime) -> str:
    """A time as it is here."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def ago(at: datetime, now: datetime) -> str:
    """How long ago a moment was: `just now`, `12 s ago`, `5 min ago`; from a day on its date."""
    seconds = (now - at).total_seconds()
    if seconds >= 86_400:
        return f"{at.astimezone():%Y-%m-%d %H:%M}"
    if seconds < 1:
        return "just now"
    size, unit = (3_600, "h") if seconds >= 3_600 else (60, "min") if seconds >= 60 else (1, "s")
    return f"{int(seconds) // size} {unit} ago"


def span(seconds: float) -> str:
    """A length of time: `3 ms`, `1.25 s`, `2 min 5 s`, `3 h 20 min`, `2 d 4 h`."""
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds == int(seconds) or seconds >= 10 else f"{seconds:.2f} s"
    whole = int(seconds)
    for name, size, smaller, unit in (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // unit} {smaller}"
    raise AssertionError(seconds)


def names(items: Sequence[str], most: int = 5) -> str:
    """`'a', 'b' and 3 more`."""
    said = ", ".join(repr(brief(item, 60)) for item in items[:most])
    return f"{said} and {len(items) - most:,} more" if len(items) > most else said


def count(number: int, one: str, many: str = "") -> str:
    """`1 run`, `2 runs`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _parts(tree: Any) -> Iterator[str]:
    """The pieces of a value's text, so that whoever has enough need not make the rest."""
    if isinstance(tree, dict):
        tag = next(iter(tree)) if len(tree) == 1 else ""
        if _TAG.fullmatch(tag):
            yield from _tagged(tag[1:].rpartition("@")[0], tree[tag])
        elif tree.keys() == _FAILURE:
            yield f"<{str(tree['type']).rpartition('.')[2]}: {str(tree['message'])[:500]}>"
        else:
            pairs = ((_name(key), item) for key, item in tree.items())
            yield from _joined("{", "}", ((f"{name}: ", item) for name, item in pairs))
    elif isinstance(tree, list):
        yield from _joined("[", "]", (("", item) for item in tree))
    elif isinstance(tree, str):
        yield repr(tree[:500])
    else:
        yield str(tree)


def _tagged(name: str, form: Any) -> Iterator[str]:
    if name == "tuple":
        yield from _joined("(", ")", (("", item) for item in form))
    elif name in ("set", "frozenset"):
        yield from _joined("{", "}", (("", item) for item in form))
    elif name == "dict":
        yield from _joined("{", "}", (("".join(_parts(key)) + ": ", item) for key, item in form))
    elif name in ("bytes", "bytearray") and isinstance(form, str):
        yield repr(base64.b64decode(form[:400]))
    elif isinstance(form, str | int | float):
        yield str(form)
    else:
        yield name
        yield from _parts(form)


def _joined(before: str, after: str, items: Iterator[tuple[str, Any]]) -> Iterator[str]:
    yield before
    for number, (label, item) in enumerate(items):
        yield f", {label}" if number else label
        yield from _parts(item)
    yield after


def _name(key: str) -> str:
    key = key[1:] if key.startswith("$$") else key
    return key if key.isidentifier() else repr(key)
