"""`sagalog verify`."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import click
from rich.text import Text

from ..errors import UsageError
from ..store.export import verify_export
from ..store.report import Verification
from ..store.verify import expected
from ..store.verify import verify as verification
from . import words
from .options import common
from .place import Place, find_run
from .screen import Screen

_HEAD = 32


@click.command()
@click.argument("run", required=False)
@click.option("--all", "every", is_flag=True, help="The whole log (as without a RUN).")
@click.option(
    "--file", type=click.Path(path_type=Path), metavar="EXPORT", help="An exported file; no database is needed."
)
@click.option(
    "--head", metavar="HEX",
    help="The head that `export` printed for this very file: without it a file whose end was cut off, or that was "
    "written anew as a whole, looks right. Keep it elsewhere than the file.",
)  # fmt: skip
@common
def verify(place: Place, screen: Screen, run: str | None, every: bool, file: Path | None, head: str | None) -> int:
    """Check the hash chain of one run or of the whole log; name each record that is not as it was written."""
    if run is not None and every:
        raise UsageError("verify: give one RUN, or --all")
    if file is not None and (run is not None or every):
        raise UsageError("verify: --file is checked as a whole, without RUN or --all")
    if head is not None and file is None:
        raise UsageError("verify: --head goes with --file; in the database the heads are known")
    checked = _in_database(place, screen, run) if file is None else _in_file(screen, file, head)
    _tell(screen, checked)
    return 0 if checked.ok else 1


def _in_database(place: Place, screen: Screen, run: str | None) -> Verification:
    with place.session() as session:
        found: UUID | None = None if run is None else find_run(session, run)
        total = session.perform(lambda: expected(found))
        with screen.progress("records", total) as bar:
            return session.perform(lambda: verification(found, bar.at))


def _in_file(screen: Screen, file: Path, head: str | None) -> Verification:
    wanted = None if head is None else _digest(head)
    try:
        with file.open("rb") as lines, screen.progress("records", None) as bar:
            return verify_export(lines, str(file), wanted, bar.at)
    except OSError as error:
        raise UsageError(f"--file {file}: cannot be read: {error.strerror}") from error


def _digest(text: str) -> bytes:
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != _HEAD:
        raise UsageError(f"--head: expected {2 * _HEAD} hexadecimal digits, found {text!r}")
    return digest


def _tell(screen: Screen, checked: Verification) -> None:
    if screen.as_json:
        screen.answer(checked.to_json())
        return
    for fault in checked.faults:
        screen.show(Text(words.clean(str(fault)), "red"))
    for notice in checked.notices:
        screen.show(
            Text(f"notice: run {notice.run_id} version {notice.version}: {words.clean(notice.message)}", "yellow")
        )
    if checked.more:
        screen.show(f"and {checked.more:,} more")
    what = f"{words.count(checked.runs, 'run')}, {words.count(checked.records, 'record')}"
    if checked.ok:
        screen.show(Text.assemble(("ok", "bold green"), f": {what}, each as it was written"))
    else:
        faults = words.count(len(checked.faults) + checked.more, "fault")
        screen.show(Text.assemble((faults, "bold red"), f" in {what}"))
