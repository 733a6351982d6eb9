"""`sagalog export`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import orjson

from ..errors import UsageError
from ..store.export import export_lines
from ..store.verify import expected, scan
from . import words
from .options import common
from .place import Place, find_run
from .screen import Bar, Screen


@click.command()
@click.argument("run", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Where to; else to stdout.")
@common
def export(place: Place, screen: Screen, run: str | None, output: Path | None) -> None:
    """Write one run, or the whole log, as JSON lines that `verify --file` can check without a database."""
    if screen.as_json and output is None:
        raise UsageError("export: --json describes the file that -o names; without -o the export itself is on stdout")
    with place.session() as session:
        found = None if run is None else find_run(session, run)
        total = session.perform(lambda: expected(found))
        with screen.progress("records", total) as bar:
            last = _write(_counted(export_lines(scan(session.perform, found), found), bar), output)
    end = orjson.loads(last)["end"]
    if screen.as_json:
        screen.answer({"file": str(output), **end})
    else:
        what = f"{words.count(end['runs'], 'run')}, {words.count(end['records'], 'record')}"
        screen.say(f"exported {what}; head {end['head']}\nkeep the head elsewhere: {_advice(output, end)}")


def _counted(lines: Iterable[str], bar: Bar) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number % 500 == 0:
            bar.at(number)
        yield line


def _write(lines: Iterable[str], output: Path | None) -> str:
    """Write all lines; the last one. A file is there only once it is complete."""
    if output is None:
        return _all(lines, sys.stdout)
    part = output.with_name(f"{output.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            last = _all(lines, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(output)
    except OSError as error:
        raise UsageError(f"-o {output}: cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    return last


def _all(lines: Iterable[str], file: Any) -> str:
    line = ""
    for line in lines:
        file.write(line)
    file.flush()
    return line


def _advice(output: Path | None, end: dict[str, Any]) -> str:
    return f"sagalog verify --file {output or 'FILE'} --head {end['head']}"
