"""The options that every command has."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

import click

from ..errors import UsageError
from .place import Place
from .screen import Screen
from .secrets import redacted

_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


def common(function: Callable[..., int | None]) -> Callable[..., int | None]:
    """Give a command --database-url, --json and -v; it is called with a `Place` and a `Screen` before its own."""

    @click.option("--database-url", metavar="URL", help="PostgreSQL 15 or later (SAGALOG_DATABASE_URL; else embedded).")
    @click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document on stdout.")
    @click.option("-v", "--verbose", count=True, help="Tell more; twice: everything.")
    @functools.wraps(function)
    def command(*, database_url: str | None, as_json: bool, verbose: int, **own: Any) -> int | None:
        set_up_logging(verbose)
        with Screen(as_json) as screen:
            return function(Place(database_url), screen, **own)

    return command


def set_up_logging(verbose: int) -> None:
    """Log to stderr from WARNING on; -v: INFO, -vv: DEBUG."""
    root = logging.getLogger("sagalog")
    root.setLevel(_LEVELS[min(verbose, 2)])
    root.handlers[:] = [_handler()]
    root.propagate = False


def _handler() -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setFormatter(_Discreet("%(levelname)s %(name)s: %(message)s"))
    return handler


class _Discreet(logging.Formatter):
    """Without the password of the database."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


def not_empty(context: click.Context, option: click.Parameter, text: str | None) -> str | None:
    """For an option whose text has to say something. Raises UsageError."""
    if text is not None and not text.strip():
        raise UsageError(f"{option.opts[0]}: expected a text that says something, found {text!r}")
    return text


def talkative() -> bool:
    """Whether -v was given to the command at hand."""
    context = click.get_current_context(silent=True)
    return bool(context and context.params.get("verbose"))


app_option = click.option(
    "--app", metavar="MODULE:OBJ", help="The code, a Sagalog app (SAGALOG_APP; [tool.sagalog] app in ./pyproject.toml)."
)
