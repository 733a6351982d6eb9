"""`sagalog run`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from .. import telemetry
from ..engine.definition import Atom, Flow
from ..engine.runtime.app import Made, Sagalog
from ..engine.runtime.engine import Engine
from ..errors import UsageError
from . import words
from .answers import run_code
from .going import answer_for, answer_one, go_on, saying_who_is_waited_for
from .inputs import read_input, read_orders
from .load import find_app, load_flow, parse_arguments
from .options import app_option, common
from .picture import see
from .place import Place
from .screen import Screen


@click.command()
@click.argument("target", metavar="MODULE:FLOW")
@click.option("--arg", "arguments", multiple=True, metavar="NAME=VALUE", help="An argument for a factory of flows.")
@click.option("--input", "given", metavar="JSON|@FILE", help="The run's inputs, {name: value}.")
@click.option(
    "--each", type=click.Path(path_type=Path), metavar="FILE", help="A run for each line of a JSON lines file."
)
@click.option(
    "--concurrency", type=click.IntRange(min=1), default=64, show_default=True, metavar="N", help="Runs at a time."
)
@click.option("--key", metavar="K", help="A name for the run: one that has it already goes on instead.")
@app_option
@common
def run(
    place: Place, screen: Screen, target: str, arguments: Sequence[str], given: str | None, each: Path | None,
    concurrency: int, key: str | None, app: str | None,
) -> int:  # fmt: skip
    """Run a flow, or one for each line of a file.

    Exit code 0: SUCCESS; 3: reverted, with --each some and none worse; else 1. The same --each again goes on.
    """
    if each is not None and (given is not None or key is not None):
        raise UsageError("run: --each gives each run its inputs and its key; --input and --key are for a single run")
    code = find_app(app, place.settings) if app else None
    code = code or Sagalog()
    flow = load_flow(code, target, parse_arguments(arguments))
    if each is not None:
        return _run_each(place, screen, code, flow, each, concurrency)
    return _run_one(place, screen, code, flow, read_input(given), key)


def _run_one(
    place: Place, screen: Screen, app: Sagalog, flow: Flow | Atom | Made, inputs: dict[str, Any], key: str | None
) -> int:
    with place.engine(app) as engine:
        ids: list[UUID] = []
        try:
            with _noting(ids), saying_who_is_waited_for(screen):
                ended = engine.run(flow, inputs, key=key, raises=False)
        except KeyboardInterrupt:
            how = f"To go on: sagalog resume {ids[0]}" if ids else "Nothing was started."
            raise KeyboardInterrupt(how) from None
        answer_one(screen, see(engine.session, ended.id))
    return run_code([ended.state])


@contextmanager
def _noting(ids: list[UUID]) -> Iterator[None]:
    """Note the id of the run as soon as it is in the log."""

    def hear(event: str, facts: dict[str, Any]) -> None:
        if event == "append.after" and not ids:
            ids.extend(facts["runs"])

    stop = telemetry.listen(hear)
    try:
        yield
    finally:
        stop()


def _run_each(
    place: Place, screen: Screen, app: Sagalog, flow: Flow | Atom | Made, file: Path, concurrency: int
) -> int:
    orders = read_orders(app, flow, file, place.settings.value_limit)
    with place.engine(app) as engine:
        ids = _start(engine, screen, orders, file)
        ended, why, seconds = go_on(engine, screen, ids, concurrency, _same_command())
        answer_for(screen, ended, why, seconds)
    return run_code(state for _, state in ended)


def _start(engine: Engine, screen: Screen, orders: Sequence[Any], file: Path) -> list[UUID]:
    if not orders:
        screen.say(f"{file}: has no lines, so there is nothing to run", "yellow")
        return []
    screen.say(f"{file}: {words.count(len(orders), 'line')}, each a run", "dim")
    return engine.start_many(orders)


def _same_command() -> str:
    return "the same command again, or sagalog resume --all"
