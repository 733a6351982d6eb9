"""One line of an exported file: to text and back (docs/log-format.md)."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from ..errors import CorruptLog
from .audit import Item, StreamEnd
from .shape import Head, StoredRow

FORMAT = 1
"""The layout of the file, and of the chain in it."""


class Header(NamedTuple):
    """The first line: `scope` is the one run that the file is about, None the whole log."""

    scope: UUID | None


class Trailer(NamedTuple):
    """The last line: what the file should hold; `head` is 32 bytes."""

    runs: int
    records: int
    head: bytes


Line = Header | Item | Trailer


def to_line(content: Line) -> str:
    """The text of a line, with its end."""
    if isinstance(content, StoredRow):
        data = _row_data(content)
    elif isinstance(content, StreamEnd):
        data = {"head": _head_data(content)}
    elif isinstance(content, Header):
        data = {"sagalog": "log", "format": FORMAT, "scope": str(content.scope) if content.scope else "all"}
    else:
        data = {"end": {"runs": content.runs, "records": content.records, "head": content.head.hex()}}
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")) + "\n"


def from_line(line: bytes | str, where: str) -> Line:
    """What a line says; `where` is for messages. Raises CorruptLog for one that no export writes."""
    try:
        data = json.loads(line)
        if not isinstance(data, dict):
            raise ValueError(f"expected an object, found {type(data).__name__}")
        if "record_id" in data:
            return _row(data)
        if "head" in data:
            return _stream_end(data["head"])
        if "end" in data:
            end = data["end"]
            return Trailer(_integer(end["runs"]), _integer(end["records"]), bytes.fromhex(end["head"]))
        return _header(data)
    except KeyError as error:
        raise CorruptLog(f"{where}: expected the key {error}, which is not there; {_ADVICE}") from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise CorruptLog(f"{where}: not a line of a sagalog export: {error}; {_ADVICE}") from error


_ADVICE = "the file was changed or damaged: export again, or verify it to see which records are hurt"


def _header(data: dict[str, Any]) -> Header:
    if data.get("sagalog") != "log":
        raise ValueError('expected a record, a head, an end or a header with "sagalog": "log", found none of them')
    if data["format"] != FORMAT:
        raise ValueError(f"expected format {FORMAT}, found {data['format']!r}, which takes a newer sagalog")
    return Header(None if data["scope"] == "all" else UUID(data["scope"]))


def _head_data(end: StreamEnd) -> dict[str, Any]:
    head = end.head
    if head is None:
        return {"stream_id": str(end.stream_id), "version": None, "epoch": None, "hash": None}
    return {"stream_id": str(end.stream_id), "version": head.version, "epoch": head.epoch, "hash": head.hash.hex()}


def _stream_end(data: dict[str, Any]) -> StreamEnd:
    stream_id = UUID(data["stream_id"])
    if data["version"] is None:
        return StreamEnd(stream_id, None)
    hashed = _digest(data["hash"])
    return StreamEnd(stream_id, Head(stream_id, _integer(data["version"]), hashed, _integer(data["epoch"])))


def _row_data(row: StoredRow) -> dict[str, Any]:
    return {
        "position": row.position,
        "stream_id": str(row.stream_id),
        "version": row.version,
        "record_id": str(UUID(bytes=row.record_id)),
        "type": row.type,
        "schema_version": row.schema,
        "epoch": row.epoch,
        "actor": row.actor,
        "occurred_at": row.occurred_at,
        "recorded_at": row.recorded_at.isoformat(),
        "correlation_id": None if row.correlation is None else str(row.correlation),
        "causation_id": None if row.causation is None else str(UUID(bytes=row.causation)),
        "facts": _readable(row.facts),
        "facts_base64": _base64(row.facts),
        "value_base64": _base64(row.value),
        "encoding": row.encoding,
        "key_id": row.key_id,
        "salt_base64": _base64(row.salt),
        "value_digest": None if row.value_digest is None else row.value_digest.hex(),
        "meta_base64": _base64(row.meta),
        "hash": row.hash.hex(),
    }


def _row(data: dict[str, Any]) -> StoredRow:
    facts = _bytes(data["facts_base64"]) or b""
    if _readable(facts) != data["facts"]:
        raise ValueError("the facts as text differ from those in facts_base64")
    correlation, causation, value_digest = data["correlation_id"], data["causation_id"], data["value_digest"]
    return StoredRow(
        position=_integer(data["position"]),
        stream_id=UUID(data["stream_id"]),
        version=_integer(data["version"]),
        record_id=UUID(data["record_id"]).bytes,
        type=_text(data["type"]),
        schema=_integer(data["schema_version"]),
        epoch=_integer(data["epoch"]),
        actor=_text(data["actor"]),
        occurred_at=_integer(data["occurred_at"]),
        recorded_at=_time(data["recorded_at"]),
        correlation=None if correlation is None else UUID(correlation),
        causation=None if causation is None else UUID(causation).bytes,
        facts=facts,
        value=_bytes(data["value_base64"]),
        encoding=None if data["encoding"] is None else _text(data["encoding"]),
        key_id=None if data["key_id"] is None else _text(data["key_id"]),
        salt=_bytes(data["salt_base64"]),
        value_digest=None if value_digest is None else _digest(value_digest),
        meta=_bytes(data["meta_base64"]),
        hash=_digest(data["hash"]),
    )


def _readable(facts: bytes) -> Any:
    """The facts as JSON; null where they are none, which a log in order does not have."""
    try:
        return json.loads(facts, parse_constant=str)
    except (ValueError, RecursionError):
        return None


def _base64(data: bytes | None) -> str | None:
    return None if data is None else b64encode(data).decode("ascii")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text, validate=True)


def _digest(text: str) -> bytes:
    return bytes.fromhex(text)


def _integer(found: Any) -> int:
    if type(found) is not int or not -(2**63) <= found < 2**63:
        raise ValueError(f"expected an integer of 64 bits, found {found!r}")
    return found


def _text(found: Any) -> str:
    if not isinstance(found, str):
        raise ValueError(f"expected a text, found {found!r}")
    return found


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"expected a time with its offset, found {text!r}")
    return found
