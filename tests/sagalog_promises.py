"""`make promises`: runs what docs/semantics.md names as the proof of each promise, and nothing else.

The page has tables whose last column is headed "proof": each row needs at least one pytest id in it, as
`tests/…/test_….py::test_…`. A table about one of the pages that sagalog follows stands under a heading that ends in
"(n lines)": its rows and the paragraph "Lines that promise nothing" together account for all n lines of that page.

Ends with 1 where a promise has no proof, a line is not accounted for or a test does not exist; else as pytest does.
"""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "semantics.md"

_ID = re.compile(r"`(tests/[\w/]+\.py::[^`]+)`")
_HEADING = re.compile(r"^#+ (.*?)(?: \((\d+) lines\))?$")
_SILENT = "Lines that promise nothing:"


class Row(NamedTuple):
    """One promise: `line` of the page that it stands in, `where` it was made, what it says, the ids that prove it."""

    line: int
    section: str
    where: str
    promise: str
    ids: tuple[str, ...]


class Section(NamedTuple):
    """A heading, how many lines the page has that it is about (None: it is about none), and the silent ones of them."""

    title: str
    lines: int | None
    silent: list[int]


def read(text: str) -> tuple[list[Section], list[Row]]:
    """The sections of the page and the rows of its tables of proofs."""
    sections, rows, in_table = [Section("", None, [])], [], False
    for number, line in enumerate(text.splitlines(), 1):
        heading = _HEADING.match(line)
        if heading:
            sections.append(Section(heading[1], int(heading[2]) if heading[2] else None, []))
        elif line.startswith(_SILENT):
            sections[-1].silent.extend(lines_of(line.removeprefix(_SILENT)))
        if not line.startswith("|"):
            in_table = False
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if cells[-1] == "proof":
            in_table = True
        elif in_table and set(line) - set("|- "):
            rows.append(Row(number, sections[-1].title, cells[0], cells[1], tuple(_ID.findall(line))))
    return sections, rows


def lines_of(text: str) -> Iterator[int]:
    """The numbers in "3, 5-7"."""
    for first, last in re.findall(r"(\d+)(?:-(\d+))?", text):
        yield from range(int(first), int(last or first) + 1)


def faults(text: str, root: Path = ROOT) -> list[str]:
    """What is wrong with the page: promises without proof, lines not accounted for, tests that do not exist."""
    sections, rows = read(text)
    found = [f"docs/semantics.md:{row.line}: {row.where}: no proof: {row.promise}" for row in rows if not row.ids]
    for section in sections:
        if section.lines is not None:
            told = {line for row in rows if row.section == section.title for line in lines_of(row.where)}
            left = sorted(set(range(1, section.lines + 1)) - told - set(section.silent))
            found += [f"{section.title}: line {line} is in no row, and not said to promise nothing" for line in left]
    for row in rows:
        found += [f"docs/semantics.md:{row.line}: there is no {id}" for id in row.ids if not _exists(id, root)]
    if not rows:
        found.append("docs/semantics.md has no table whose last column is headed 'proof'")
    return found


def _exists(id: str, root: Path) -> bool:
    path, _, name = id.partition("::")
    return name.partition("[")[0] in _tests(root / path)


@functools.cache
def _tests(path: Path) -> frozenset[str]:
    """The test functions of a file."""
    if not path.exists():
        return frozenset()
    body = ast.parse(path.read_text()).body
    names = [node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return frozenset(name for name in names if name.startswith("test_"))


def main(arguments: list[str]) -> int:
    """Check the page, then run its ids; `arguments` go to pytest."""
    text = PAGE.read_text()
    wrong = faults(text)
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 1
    _, rows = read(text)
    ids = list(dict.fromkeys(id for row in rows for id in row.ids))
    print(f"{len(rows)} promises, {len(ids)} tests that prove them")
    return subprocess.run([sys.executable, "-m", "pytest", "-q", *arguments, *ids], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
