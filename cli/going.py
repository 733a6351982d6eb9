"""What `run` and `resume` share: saying who is waited for, showing how far many runs are, and how they ended."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any
from uuid import UUID

from rich.table import Table
from rich.text import Text

from .. import telemetry
from ..engine.core.states import RunState
from ..engine.runtime.acting import SeveralErrors
from ..engine.runtime.engine import Engine
from ..engine.runtime.views import Run, asked
from ..errors import LeaseHeld, SagalogError, StoreUnavailable
from . import words
from .answers import REVERTED, batch, brief_failure
from .outcomes import shortened
from .picture import Stayed, picture
from .screen import Screen
from .seen import Seen

Ended = list[tuple[UUID, RunState]]


@contextmanager
def saying_who_is_waited_for(screen: Screen) -> Iterator[None]:
    """While it is open, a run that is waited for is named, once."""
    told: set[UUID] = set()

    def hear(event: str, facts: dict[str, Any]) -> None:
        if event == "run.awaited" and facts["run"] not in told:
            told.add(facts["run"])
            if len(told) <= 3:
                screen.say(f"waiting: {facts['error']}", "yellow")
            elif len(told) == 4:
                screen.say("waiting for more runs like these", "yellow")

    stop = telemetry.listen(hear)
    try:
        yield
    finally:
        stop()


def go_on(
    engine: Engine,
    screen: Screen,
    ids: Sequence[UUID],
    concurrency: int,
    again: str,
    names: Mapping[UUID, str] = MappingProxyType({}),
) -> tuple[Ended, Why, float]:
    """Resume runs, with a bar; how each of them ended, why those did that failed, and the seconds it took.

    `again` is what to do after an interruption, which is raised as KeyboardInterrupt. `names`: what else a run is
    called when it fails, such as the line of a file.
    """
    began = time.monotonic()
    ended: dict[UUID, RunState] = {}
    why: Why = Counter()
    failed: dict[UUID, str] = {}
    remains: list[Stayed] = []
    with saying_who_is_waited_for(screen), screen.progress("runs", len(ids)) as bar:

        def done(run: Run | LeaseHeld) -> None:
            if isinstance(run, Run):
                ended[run.id] = run.state
                if run.state in REVERTED:
                    remains.append(_stayed_of(run))
                if run.failures:
                    first = run.failures[0]
                    if run.id in names:
                        failed[run.id] = f"{run.state}: {words.brief(brief_failure(first.to_data()), 160)}"
                    why[str(run.state), f"{first.atom}: {first.type.rpartition('.')[2]}"] += 1
            else:
                screen.say(f"left as it is: {run}", "yellow")
            bar.add(_counts(Counter(ended.values())))

        try:
            engine.resume_these(ids, concurrency=concurrency, done=done)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"{len(ended)} of {len(ids)} runs are at rest. To go on: {again}") from None
        except SagalogError as error:
            # It concerns some of the runs; the others have come to rest meanwhile, and are told of.
            _tell_errors(screen, error, names)
    # A run that stayed where it was, for an error or with another process, is as it is there.
    for run in ids:
        if run not in ended:
            ended[run] = engine.state(run).state
    _tell_failures(screen, failed, names)
    warn_of_what_stayed(screen, remains)
    return [(run, ended[run]) for run in dict.fromkeys(ids)], why, time.monotonic() - began


_TOLD = 10
"""Failures of single runs that are told, of many."""


def _tell_errors(screen: Screen, error: SagalogError, names: Mapping[UUID, str]) -> None:
    """Each error once, with the runs that it concerns."""
    concerned: dict[str, list[UUID]] = {}
    for one in error.errors if isinstance(error, SeveralErrors) else (error,):
        runs = concerned.setdefault(words.collapsed(str(one)) if isinstance(one, StoreUnavailable) else str(one), [])
        run = getattr(one, "run", None)
        if run is not None:
            runs.append(run)
    for text, runs in concerned.items():
        runs.sort()
        said = [f"run {run}" + (f" ({names[run]})" if run in names else "") for run in runs[:_TOLD]]
        more = [f"and {len(runs) - _TOLD:,} more runs"] if len(runs) > _TOLD else []
        # A run that the text begins with is not named twice.
        who = "" if len(runs) == 1 and text.startswith(f"run {runs[0]}") else ", ".join([*said, *more])
        screen.say(f"error: {f'{who}: ' if who else ''}" + text.replace("\n", "\n  "), "red")


def _tell_failures(screen: Screen, failed: Mapping[UUID, str], names: Mapping[UUID, str]) -> None:
    for run in sorted(failed, key=list(names).index)[:_TOLD]:
        screen.say(f"{names[run]}: run {run} {failed[run]}", "red")
    if len(failed) > _TOLD:
        screen.say(f"and {len(failed) - _TOLD:,} more failed; `sagalog list` shows them all", "red")


def warn_of_what_stayed(screen: Screen, remains: Sequence[Stayed]) -> None:
    """One line where reverted runs have left effects behind; `remains` has one entry for each of them."""
    lasting = list(dict.fromkeys(name for one in remains for name in one.lasting))
    undeclared = list(dict.fromkeys(name for one in remains for name in one.undeclared))
    said = [f"what {words.names(lasting)} did cannot be undone and stays"] if lasting else []
    if undeclared:
        which = "which declares no revert" if len(undeclared) == 1 else "which declare no revert"
        said.append(f"nothing was undone for {words.names(undeclared)}, {which}")
    if said:
        runs = sum(bool(one.lasting or one.undeclared) for one in remains)
        of = f"in {runs:,} of {words.count(len(remains), 'reverted run')}: " if len(remains) > 1 else ""
        screen.say(f"warning: {of}{'; '.join(said)}", "yellow")


def _stayed_of(run: Run) -> Stayed:
    try:
        return Stayed.of((atom.name, atom.outcome, atom.failure is not None) for atom in run.atoms.values())
    except SagalogError:  # a value that this code does not know; what it says otherwise is none the worse for it
        return Stayed([], [])


Why = Counter[tuple[str, str]]
"""(state of the run, what failed first in it) -> how many runs."""


def answer_for(screen: Screen, ended: Ended, why: Why, seconds: float) -> None:
    """Say how many runs came into which state."""
    told = batch(ended, seconds)
    if screen.as_json:
        screen.answer(told)
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(justify="right")
    table.add_column(overflow="fold")
    for state, number in told["states"].items():
        reasons = [f"{what} {count:,}" for (of, what), count in why.most_common() if of == state]
        more = [f"and {len(reasons) - 5} other reasons"] if len(reasons) > 5 else []
        table.add_row(words.state(state), f"{number:,}", Text(", ".join([*reasons[:5], *more]), "dim"))
    pace = f", {len(ended) / seconds:,.0f} a second" if seconds >= 1 and len(ended) >= 10 else ""
    screen.show(Text(f"{words.count(len(ended), 'run')} in {words.span(seconds)}{pace}"), table)


def answer_one(screen: Screen, seen: Seen) -> None:
    """Say how one run ended; show's shape with --json."""
    if screen.as_json:
        screen.answer(picture(seen))
        return
    told = picture(seen)
    line = Text.assemble((words.clean(told["flow"]), "bold"), f"  {seen.id}  ", words.state(seen.state.run))
    screen.show(line)
    failures, more = shortened(seen, told["failures"], _TOLD)
    for failure in failures:
        screen.show(Text(f"  {words.brief(_said(failure), 300)}", "red"))
    if more:
        screen.show(Text(f"  and {words.count(more, 'more element')} failed", "red"))
    if question := asked(seen.state):
        screen.show(Text(f"  {words.brief(question, 300)}", "yellow"))
    for name, value in told["results"].items():
        screen.show(Text.assemble((f"  {words.brief(name, 40)} ", "dim"), words.value(value, 100)))
    if told["failures"] or seen.state.run is not RunState.SUCCESS:
        screen.say(f"sagalog history {seen.id} tells what happened", "dim")


def _said(failure: dict[str, Any]) -> str:
    kind = str(failure["type"]).rpartition(".")[2]
    return f"{failure['atom']}: {kind}: {failure['message']}"


def _counts(states: Counter[RunState]) -> str:
    return "  ".join(f"{state} {number:,}" for state in RunState if (number := states[state]))
