"""The inputs of runs: one JSON object, or a file of JSON lines, each of which becomes a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from ..engine.definition import Atom, Flow
from ..engine.runtime.app import Made, Sagalog
from ..engine.runtime.taking import Order, RunOptions
from ..errors import FlowError, NotStorable, UsageError, ValueTooLarge


class _Row(NamedTuple):
    number: int
    value: Any


def read_input(text: str | None) -> dict[str, Any]:
    """The inputs that `--input JSON` or `--input @FILE` gives (@-: stdin).

    Raises:
        UsageError: it cannot be read, or is no JSON object.
    """
    if text is None:
        return {}
    found = read_json(text, "--input")
    if not isinstance(found, dict):
        where = f"--input {text}" if text.startswith("@") else "--input"
        raise UsageError(f"{where}: expected an object of input names and values, found {_described(found)}")
    return found


def read_json(text: str, option: str) -> Any:
    """What an option gives as `JSON` or `@FILE` (@-: stdin). Raises UsageError: it cannot be read, or is no JSON."""
    if not text.startswith("@"):
        return _json(text, option)
    where = f"{option} {text}"
    return _json(
        sys.stdin.read() if text == "@-" else _read(Path(text[1:]), where).decode("utf-8", "surrogateescape"), where
    )


def read_orders(
    app: Sagalog, flow: Flow | Atom | Made, file: Path, limit: int, options: RunOptions | None = None
) -> list[Order]:
    """An order for each line of `file`, with the key "<sha256 of the file>:<line>"; blank lines are passed over.

    A line's keys are the inputs; a flow that requires exactly one name which the line lacks gets the whole line.
    `limit` is the most bytes that one input may take.

    Raises:
        UsageError: the file cannot be read, or a line is no good; names file and line.
    """
    data = _read(file, "--each")
    digest = sha256(data).hexdigest()
    required = app.compiled(flow).definition.requires
    orders = []
    for row in _rows(data, file):
        where = f"{file}:{row.number}"
        try:
            inputs = _inputs(row.value, required, where)
            known = RunOptions(key=f"{digest}:{row.number}", **(options or {}))
            orders.append(Order(app, flow, inputs, limit, **known))
        except (FlowError, NotStorable, ValueTooLarge) as error:
            raise UsageError(f"{where}: {error}") from error
    return orders


def _rows(data: bytes, file: Path) -> Iterator[_Row]:
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            where = f"{file}:{number}"
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise UsageError(
                    f"{where}: expected UTF-8, found byte {line[error.start]:#04x} at {error.start}"
                ) from None
            yield _Row(number, _json(text, where))


def _inputs(value: Any, required: tuple[str, ...], where: str) -> Mapping[str, Any]:
    if len(required) == 1 and not (isinstance(value, dict) and required[0] in value):
        return {required[0]: value}
    if not isinstance(value, dict):
        raise UsageError(f"{where}: expected an object of input names and values, found {_described(value)}")
    return value


def _read(file: Path, where: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{where}: {file}: cannot be read: {error.strerror}") from error


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise UsageError(f"{where}: nests too deeply") from None
    except json.JSONDecodeError as error:
        at = f"column {error.colno}" if error.lineno == 1 else f"line {error.lineno}, column {error.colno}"
        raise UsageError(f"{where}: not JSON: {error.msg} at {at}: {_around(text, error.pos)}") from None
    except ValueError as error:
        raise UsageError(f"{where}: not JSON: {error}") from None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON's")


def _around(text: str, position: int) -> str:
    return repr(text[max(position - 20, 0) : position + 20])


def _described(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
