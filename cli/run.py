"""`sagalog run`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from ..engine.core.states import SETTLED_RUN, RunState
from ..engine.definition import Atom, Flow
from ..engine.runtime.app import Made, Sagalog
from ..engine.runtime.engine import Engine
from ..engine.runtime.taking import RunOptions
from ..engine.runtime.views import moment
from ..errors import Conflict, UsageError
from ..store import log
from ..store.rebuild import KEY_SCOPE
from . import words
from .answers import run_code
from .going import answer_for, answer_one, go_on, saying_who_is_waited_for, warn_of_what_stayed
from .inputs import read_input, read_orders
from .load import find_app, load_flow, parse_arguments
from .noting import noting
from .options import app_option, common, not_empty
from .picture import stayed
from .place import Place
from .screen import Screen
from .seen import see

_TOLD = 10
"""Suspended runs that are named, of many."""


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
@click.option(
    "--key", callback=not_empty, metavar="K", help="A name for the run: one that has it already goes on instead."
)
@click.option("--timeout", type=float, metavar="SECONDS", help="What a run may take from when it begins.")
@click.option("--never-resolve", is_flag=True, help="A failure stops the run as it is: nothing is retried or reverted.")
@click.option(
    "--no-defer-reverts", "local", is_flag=True, help="A retry that gives up has its own flow reverted, and no more."
)
@app_option
@common
def run(
    place: Place, screen: Screen, target: str, arguments: Sequence[str], given: str | None, each: Path | None,
    concurrency: int, key: str | None, timeout: float | None, never_resolve: bool, local: bool, app: str | None,
) -> int:  # fmt: skip
    """Run a flow, or one for each line of a file.

    FLOW is a flow, a task or a factory, a function that makes one. A function is called only if its annotation says
    that it returns a flow or a task; or, without annotation, if it is the module's own and not what one of its tasks
    does.

    With --each, a line's keys are the inputs: {"order": 1} gives 1 to the input order. If the flow requires exactly
    one input and the line does not have it as a key, the whole line is that input, whatever else it holds.
    All lines become runs first, in one transaction; the same command with the same file goes on with them.

    A run that is there already under its key goes on, but a SUSPENDED one stays so until `sagalog resume`.

    Exit code 0: SUCCESS; 3: reverted, with --each some and none worse; else 1.
    """
    if each is not None and (given is not None or key is not None):
        raise UsageError("run: --each gives each run its inputs and its key; --input and --key are for a single run")
    code = find_app(app, place.settings) if app else None
    code = code or Sagalog()
    flow = load_flow(code, target, parse_arguments(arguments))
    options = RunOptions(timeout=timeout, never_resolve=never_resolve, defer_reverts=not local)
    if each is not None:
        return _run_each(place, screen, code, flow, each, concurrency, options)
    return _run_one(place, screen, code, flow, read_input(given), RunOptions(key=key, **options))


def _run_one(
    place: Place, screen: Screen, app: Sagalog, flow: Flow | Atom | Made, inputs: dict[str, Any], options: RunOptions
) -> int:
    key = options.get("key")
    with place.engine(app) as engine:
        if key is not None:
            _tell_if_known(engine, screen, key)
        ids: list[UUID] = []
        try:
            with noting(ids), saying_who_is_waited_for(screen):
                ended = engine.run(flow, inputs, raises=False, **options)
        except KeyboardInterrupt:
            how = f"To go on: sagalog resume {ids[0]}" if ids else "Nothing was started."
            raise KeyboardInterrupt(how) from None
        except Conflict as error:
            if key is None:
                raise
            raise UsageError(str(error)) from error
        seen = see(engine.session, ended.id)
        answer_one(screen, seen)
        warn_of_what_stayed(screen, [stayed(seen)])
        if ended.state is RunState.SUSPENDED:
            screen.say(f"it is SUSPENDED, and left so. To go on: sagalog resume {ended.id}", "yellow")
    return run_code([ended.state])


def _tell_if_known(engine: Engine, screen: Screen, key: str) -> None:
    """Say which run has the key already, if there is one."""
    run = engine.perform(lambda: log.claimed(KEY_SCOPE, key))
    if run is None:
        return
    seen = see(engine.session, run)
    created, now = moment(seen.row["created_at"]).astimezone(), datetime.now().astimezone()
    at = f"{created:%H:%M:%S}" if created.date() == now.date() else words.moment(created)
    already = "already " if seen.state.run in SETTLED_RUN else ""
    screen.say(f"key {words.brief(key, 60)}: the run of {at}, {already}{seen.state.run}", "yellow")


def _run_each(
    place: Place, screen: Screen, app: Sagalog, flow: Flow | Atom | Made, file: Path, concurrency: int, options: RunOptions
) -> int:
    orders = read_orders(app, flow, file, place.settings.value_limit, options)
    with place.engine(app) as engine:
        ids = _start(engine, screen, orders, file)
        lines = {run: f"{file}:{order.facts['key'].rpartition(':')[2]}" for run, order in zip(ids, orders, strict=True)}
        suspended = {row.run_id for row in engine.rows(states=[RunState.SUSPENDED])} & set(ids)
        going = [run for run in ids if run not in suspended]
        ended, why, seconds = go_on(engine, screen, going, concurrency, _same_command(), lines)
        states = dict(ended) | dict.fromkeys(suspended, RunState.SUSPENDED)
        ended = [(run, states[run]) for run in dict.fromkeys(ids)]
        answer_for(screen, ended, why, seconds)
        _tell_of_suspended(screen, [f"{lines[run]}: run {run}" for run in ids if run in suspended])
    return run_code(state for _, state in ended)


def _tell_of_suspended(screen: Screen, runs: Sequence[str]) -> None:
    for run in runs[:_TOLD]:
        screen.say(f"{run} is left SUSPENDED", "yellow")
    if runs:
        more = f"and {len(runs) - _TOLD:,} more are. " if len(runs) > _TOLD else ""
        screen.say(f"{more}To go on with one: sagalog resume RUN", "yellow")


def _start(engine: Engine, screen: Screen, orders: Sequence[Any], file: Path) -> list[UUID]:
    if not orders:
        screen.say(f"{file}: has no lines, so there is nothing to run", "yellow")
        return []
    screen.say(f"{file}: {words.count(len(orders), 'line')}, each a run", "dim")
    return engine.start_many(orders)


def _same_command() -> str:
    return "the same command again, or sagalog resume --all"
