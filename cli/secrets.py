"""Passwords stay out of all that is printed: errors of the driver repeat a URL, or pieces of one that is mistaken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict

HIDDEN = "***"
_AUTHORITY = re.compile(r"//[^:@/?]*:(.+)@", re.DOTALL)
_NAMED = re.compile(r"(?:^|[\s?&])password\s*=\s*('(?:[^'\\]|\\.)*'|[^\s&]*)")
_SEPARATOR = re.compile(r"[@/?#&:]")
_SHORT = 4
"""A password of fewer characters is hidden only where it stands by itself, or no text could be read any more."""
_ORDINARY = {"sagalog", "postgres", "postgresql", "password"}
_known: dict[str, str] = {}
"""Password -> the pattern of the places where it is hidden."""


def keep_secret(url: str) -> None:
    """Hide the password of `url` from now on, however it may be cut to pieces when the URL is not well formed."""
    found = sorted({secret for secret in _passwords(url) if secret}, key=len, reverse=True)
    _known.clear()
    _known.update({secret: _places(secret, url) for secret in found})


def _places(secret: str, url: str) -> str:
    pattern = re.escape(secret)
    if secret in _ORDINARY or re.search(rf"//{pattern}:|[/=]{pattern}(?:[?&]|$)", url):
        return rf"(?<=:){pattern}(?=@)"  # as a word it tells nobody that it is the password too
    return pattern if len(secret) >= _SHORT else rf"(?<!\w){pattern}(?!\w)"


def redacted(text: str) -> str:
    """The text without passwords."""
    for pattern in _known.values():
        text = re.sub(pattern, HIDDEN, text)
    return text


def _passwords(url: str) -> Iterator[str]:
    named = [given.strip("'") for given in _NAMED.findall(url)]
    yield from (form for given in named for form in (given, unquote(given)))
    between = _AUTHORITY.search(url)
    if between is None:
        return
    read = _read(url)
    if read is not None:
        # Also as it stands in the URL.
        yield from (read, *(form for form in _raw_forms(between[1]) if unquote(form) == read))
        return
    # Nobody knows where the password begins and ends: all that stands between user and host.
    for piece in (between[1], *_SEPARATOR.split(between[1])):
        yield from (piece, unquote(piece))


def _raw_forms(between: str) -> Iterator[str]:
    yield between
    yield between.partition("@")[0]


def _read(url: str) -> str | None:
    """The password of a URL that is read as it was meant; None of any other."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error:
        return None
    password = parts.pop("password", None)
    if password is None or any("@" in str(parts.get(name, "")) for name in ("host", "port", "dbname")):
        return None
    return str(password)
