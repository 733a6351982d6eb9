"""Where a command writes: its answer to stdout, everything else to stderr."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self, TextIO

import orjson
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from .secrets import redacted

_WIDE = 160
"""Columns where no terminal says how many there are: nobody wants a pipe cut to 80."""


class Screen:
    """The two streams of one command. A context manager: with `as_json` it keeps stdout for one document.

    While it is open, whatever else writes to stdout (the user's tasks, the programs that they start) goes to stderr.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._answer: TextIO = sys.stdout
        self._saved: tuple[int, int] | None = None
        self._redirected = contextlib.ExitStack()
        self.out = _console(sys.stdout)
        self.err = _console(sys.stderr)

    def __enter__(self) -> Self:
        if self.as_json:
            self._reserve()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._redirected.close()
        if self._saved is not None:
            stdout, kept = self._saved
            sys.stdout.flush()
            os.dup2(kept, stdout)
            self._answer.close()
            self._saved = None

    def _reserve(self) -> None:
        try:
            stdout, stderr = sys.stdout.fileno(), sys.stderr.fileno()
        except (OSError, ValueError):  # streams of a test, which are no files
            self._redirected.enter_context(contextlib.redirect_stdout(sys.stderr))
            return
        sys.stdout.flush()
        kept = os.dup(stdout)
        self._answer = os.fdopen(kept, "w", encoding="utf-8")
        self._saved = (stdout, kept)
        os.dup2(stderr, stdout)

    def answer(self, document: Any) -> None:
        """Write the one JSON document: UUIDs as text, times ISO 8601 in UTC."""
        pretty = orjson.OPT_INDENT_2 if self._answer.isatty() else 0
        self._answer.write(
            orjson.dumps(document, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE | pretty).decode()
        )
        self._answer.flush()

    def show(self, *what: RenderableType) -> None:
        """Write for a person to stdout; text as it is, without markup."""
        for part in what:
            with self.out.capture() as printed:
                self.out.print(part, markup=False, highlight=False, soft_wrap=isinstance(part, str | Text))
            text = printed.get()
            # Tables fill their lines with blanks; in a file or a pipe those are of no use.
            lines = text.split("\n") if self.out.is_terminal else [line.rstrip() for line in text.split("\n")]
            sys.stdout.write("\n".join(lines))
        sys.stdout.flush()

    def say(self, text: str, style: str = "") -> None:
        """Write a remark to stderr."""
        self.err.print(Text(redacted(text), style), soft_wrap=True)

    @contextlib.contextmanager
    def progress(self, unit: str, total: int | None) -> Iterator[Bar]:
        """A bar on stderr, where that is a terminal."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn(unit),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        progress = Progress(
            *columns,
            console=self.err,
            disable=not self.err.is_terminal,
            redirect_stdout=sys.stdout.isatty(),
            transient=True,
        )
        with progress:
            yield Bar(progress, total)


class Bar:
    """A progress bar: how much is done of `total` (None: nobody knows), and a note beside it."""

    def __init__(self, progress: Progress, total: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=total, note="")
        self.done = 0

    def add(self, note: str = "") -> None:
        """One more is done."""
        self.done += 1
        self._progress.update(self._task, completed=self.done, note=note)

    def at(self, done: int, total: int | None = None, what: str = "") -> None:
        """So many are done by now."""
        self.done = done
        self._progress.update(self._task, completed=done, total=total, description=what)


def _console(stream: TextIO) -> Console:
    console = Console(file=stream, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDE
    return console
