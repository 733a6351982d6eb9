"""The named queries of sql/queries, as data: `QUERIES["append"]` is SQL with `$1` placeholders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

SQL = Path(__file__).parent.parent / "sql"
_MARK = "-- name: "


def parse(text: str, source: str) -> dict[str, str]:
    """The queries of a file by name, without comments. Raises ValueError for a name given twice, or text without one."""
    found: dict[str, list[str]] = {}
    lines: list[str] | None = None
    for line in text.splitlines():
        if line.startswith(_MARK):
            name = line.removeprefix(_MARK).strip()
            if name in found:
                raise ValueError(f"{source}: query {name} is there twice")
            lines = found[name] = []
        elif line.strip() and not line.lstrip().startswith("--"):
            if lines is None:
                raise ValueError(f"{source}: expected '{_MARK}NAME' first, found {line!r}")
            lines.append(line)
    return {name: "\n".join(body) for name, body in found.items()}


def _load(files: Iterable[Path]) -> Mapping[str, bytes]:
    queries: dict[str, bytes] = {}
    for file in files:
        for name, text in parse(file.read_text(encoding="utf-8"), file.name).items():
            if name in queries:
                raise ValueError(f"{file.name}: query {name} is in another file already")
            queries[name] = text.encode()
    return MappingProxyType(queries)


QUERIES = _load(sorted((SQL / "queries").glob("*.sql")))
