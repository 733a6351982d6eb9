"""The log as a file: a header, the records and head of one stream after the other, a trailer (docs/log-format.md).

Writing, reading and verifying go line by line, so that a log of any size passes through.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from uuid import UUID

from ..errors import CorruptLog
from .audit import Audit, Item, StreamEnd, Tally
from .exportline import Header, Line, Trailer, from_line, to_line
from .report import Fault, Verification
from .shape import StoredRow

PROGRESS_EVERY = 1_000
"""Records between two calls of `progress`."""

_NO_RUN = UUID(int=0)
_STREAM = re.compile(rb'"stream_id":"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"')
_VERSION = re.compile(rb'"version":([0-9]{1,18}),"record_id"')


def export_lines(items: Iterable[Item], scope: UUID | None = None) -> Iterator[str]:
    """The lines of a file, each with its end, for items as `verify.scan` gives them.

    `scope` is the one run that is exported, None the whole log. What is faulty in the log is exported as it stands.
    """
    tally = Tally()
    yield to_line(Header(scope))
    for item in items:
        tally.add(item)
        yield to_line(item)
    yield to_line(Trailer(tally.runs, tally.records, tally.head))


def read_export(lines: Iterable[bytes | str], name: str = "export") -> Iterator[Line]:
    """What stands in a file: a header, rows and stream ends, a trailer; `name` is for messages.

    Raises CorruptLog, naming the line, for one that cannot be read, and for a file without header or trailer.
    """
    number, content = 0, None
    for number, line in enumerate(lines, 1):
        if isinstance(content, Trailer):
            raise CorruptLog(
                f"{name}:{number}: expected nothing behind the trailer; cut the file after line {number - 1}"
            )
        content = from_line(line, f"{name}:{number}")
        if isinstance(content, Header) != (number == 1):
            raise CorruptLog(f"{name}:{number}: expected a header as the first line, and only there; export again")
        yield content
    if not isinstance(content, Trailer):
        raise CorruptLog(f"{name}: expected a trailer, found the end of the file after line {number}: it was cut")


def verify_export(
    lines: Iterable[bytes | str],
    name: str = "export",
    head: bytes | None = None,
    progress: Callable[[int], object] | None = None,
) -> Verification:
    """Check a file without a database; `head` is what its head was when it was written, where that was noted.

    A line that cannot be read is a fault of the record that should stand there, a missing trailer a removed tail.
    Raises CorruptLog for what is no export, or one of another format. `progress` is told how many records were read.
    """
    reader = _Reader(name)
    for number, line in enumerate(lines, 1):
        reader.line(number, line)
        if progress is not None and reader.audit.tally.records % PROGRESS_EVERY == 0:
            progress(reader.audit.tally.records)
    return reader.result(head)


class _Reader:
    """Feeds an audit with a file of which any line may be damaged, missing or in the wrong place."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.audit = Audit()
        self.trailer: Trailer | None = None
        self.read = 0

    def line(self, number: int, line: bytes | str) -> None:
        where = f"{self.name}:{number}"
        self.read = number
        if number == 1:
            if not isinstance(from_line(line, where), Header):
                raise CorruptLog(f"{where}: expected the header of a sagalog export, found another line of one")
            return
        try:
            content = from_line(line, where)
        except CorruptLog as error:
            self._unreadable(line if isinstance(line, bytes) else line.encode("utf-8", "replace"), str(error))
            return
        if self.trailer is not None:
            self._file_fault("order", f"{where}: something stands behind the trailer")
        elif isinstance(content, StoredRow):
            self._row(content, where)
        elif isinstance(content, StreamEnd):
            self.audit.add(content)
        elif isinstance(content, Trailer):
            self.trailer = content
        else:
            self._file_fault("order", f"{where}: a second header")

    def _row(self, row: StoredRow, where: str) -> None:
        stream = self.audit.stream
        if stream is not None and row.stream_id != stream.id and row.version != 1:
            # Each stream ends with its head, so this line is not another stream's: its run was changed.
            why = f"{where}: stands among this run's records, but names {row.stream_id}"
            self.audit.unreadable(stream.id, stream.version + 1, why)
            return
        self.audit.add(row)

    def _unreadable(self, line: bytes, why: str) -> None:
        """What is left of a line says whose it was, else its place does."""
        found, version, stream = _STREAM.search(line), _VERSION.search(line), self.audit.stream
        if line.startswith(b'{"head"'):
            run_id = stream.id if stream is not None else UUID(found[1].decode()) if found else _NO_RUN
            self.audit.fault(Fault(run_id, stream.version if stream is not None else 0, None, "tail", why))
        elif stream is not None:
            self.audit.unreadable(stream.id, stream.version + 1, why)
        elif found is not None:
            run_id = UUID(found[1].decode())
            self.audit.unreadable(run_id, int(version[1]) if version else 1, why)
        else:
            self._file_fault("hash", why)

    def _file_fault(self, kind: str, message: str) -> None:
        """A fault of the file as a whole; with one run in it, of that run's end."""
        only = self.audit.last if self.audit.tally.runs <= 1 else None
        self.audit.fault(Fault(only or _NO_RUN, self.audit.version if only else 0, None, kind, message))

    def result(self, head: bytes | None) -> Verification:
        if self.read == 0:
            raise CorruptLog(f"{self.name}: expected the header of a sagalog export, found nothing")
        self.audit.close()
        found, trailer = self.audit.tally, self.trailer
        if trailer is None:
            self._file_fault("tail", f"{self.name}: ends at line {self.read} without a trailer: it was cut")
        elif trailer != (found.runs, found.records, found.head):
            said = f"the trailer says {_summary(*trailer)}, found {_summary(found.runs, found.records, found.head)}"
            self._file_fault("tail", f"{self.name}: {said}")
        if head is not None and head != found.head:
            said = f"expected head {head.hex()}, found {found.head.hex()}: its end was removed, or it was written anew"
            self._file_fault("tail", f"{self.name}: {said}")
        return self.audit.result()


def _summary(runs: int, records: int, head: bytes) -> str:
    return f"{runs} runs, {records} records and head {head.hex()}"
