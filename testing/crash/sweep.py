"""`crash_everywhere`: run a flow, kill it wherever a process can die, go on with it, and compare what is left."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...config import Settings
from ...engine.core.graph import AtomSpec
from ...engine.core.inputs import EXECUTE, REVERT
from ...engine.core.states import RunState
from ...engine.definition import Atom, Flow
from ...engine.runtime.views import Run
from ...errors import UsageError
from ..ledger import Ledger
from .database import throw_away_database
from .faults import ORDER, Expected, check_fails_anyway, undeclared
from .forked import ForkedStage
from .picture import Did, Unsteady, key_of
from .play import Played, Story
from .points import BEFORE_CALL, PHASES
from .report import CrashReport, Fault
from .stage import LEASE, Stage

AGAIN = 10
"""Points of each recovery at which the process is struck once more: from taking over to the first outcome behind that."""
AT_MOST = 1_000
"""Runs of one sweep, at most."""
STAGES: dict[str, type[Stage]] = {"in-process": Stage, "process": ForkedStage}


def crash_everywhere(
    flow: Any,
    inputs: Mapping[str, Any] | None = None,
    *,
    check: Callable[[Run, Ledger | None], object] | None = None,
    ledger: Ledger | None = None,
    effects: Callable[[Run], Any] | None = None,
    kill: str = "in-process",
    again: int = AGAIN,
    at_most: int = AT_MOST,
    database: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> CrashReport:
    """Run a flow on a real engine, kill it before and after each commit and each call, and say what that changes.

    The flow is run unharmed first; then once for each point at which a process can die, forward and while it undoes;
    a run that succeeds is also reverted afterwards, and killed at each point of that. Each recovery is killed again at
    its first `again` points. What is left must be as if nobody had been killed: the end, the results, the effects.

    Args:
        flow: a flow, a task, or a function without arguments that makes one. inputs: {name: value}.
        check: called as check(run, ledger) when a run has come to its end, the ledger holding the calls of that run
            alone; it raises, or returns False, where something is wrong.
        ledger: what the flow's code calls in place of the outside; effects of one run are compared with those of another.
        effects: called with the run at its end, returns what is outside because of it, in a form that can be compared.
        kill: "in-process", or "process" for a child process that gets SIGKILL (Linux; a `FileLedger`).
        at_most: runs of the sweep; where there are more points, so many of them are taken evenly.
        database: URL of a database with the schema of sagalog, to be wasted; none: a throw-away one.
        options: more options of `Engine.run`.

    Raises:
        UsageError, FlowError: what is given cannot be run. Whatever an unharmed run raises.
    """
    if kill not in STAGES:
        raise UsageError(f"crash_everywhere: kill must be one of {', '.join(map(repr, STAGES))}; found {kill!r}")
    began = time.monotonic()
    if inputs is not None and not isinstance(inputs, Mapping):
        raise UsageError(f"crash_everywhere: inputs must be a mapping {{name: value}}; found {inputs!r}")
    made = flow if isinstance(flow, Flow | Atom) or not callable(flow) else flow()
    with throw_away_database(database) as (url, home):
        settings = Settings(home=home, database_url=url, lease=LEASE, poll=LEASE)
        stage = STAGES[kill](url, settings, made, dict(inputs or {}), ledger, dict(options or {}))
        try:
            sweep = Sweep(stage, again, at_most)
            sweep.tell(Story(stage, False, check, effects))
            if sweep.ends.get("run") == RunState.SUCCESS and sweep.sound:
                sweep.tell(Story(stage, True, check, effects))
        finally:
            stage.close()
    if ledger is None and effects is None:
        sweep.nobody_watched()
    return sweep.report(kill, time.monotonic() - began)


class Sweep:
    """Collects what comes of the runs."""

    def __init__(self, stage: Stage, again: int, at_most: int) -> None:
        self.stage = stage
        self.again = again
        self.at_most = at_most
        self.ends: dict[str, str] = {}
        self.sound = True
        self.runs = 0
        self.left_out = 0
        self.tried: Counter[str] = Counter()
        self.called: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.faults: dict[tuple[str, ...], Fault] = {}
        self.notes: dict[str, None] = {}
        self.effects: Counter[Did] = Counter()

    def tell(self, story: Story) -> None:
        """Play a story unharmed, and then with a crash at each of its points, and at each of each recovery's."""
        rehearsal = self._rehearse(story)
        if rehearsal is None:
            return
        expected, points = rehearsal
        recoveries: dict[int, tuple[int, int]] = {}
        for at in self._some(range(1, points + 1)):
            played = self._strike(story, expected, (at,))
            if played.struck and len(played.lives) > played.lives.index(played.struck[0]) + 1:
                # All points behind one commit leave the same log; the last of them has done most that is not in it.
                after = played.lives[played.lives.index(played.struck[0]) + 1]
                recoveries[played.struck[0].durable] = (at, len(after.points))
        twice = [(at, then) for at, length in recoveries.values() for then in range(1, min(self.again, length) + 1)]
        for strikes in self._some(twice):
            self._strike(story, expected, strikes)

    def _rehearse(self, story: Story) -> tuple[Expected, int] | None:
        """What the story comes to when nobody is harmed, played twice; None where that is not right already."""
        one, other = self._play(story, ()), self._play(story, ())
        assert one.run is not None and one.picture is not None and other.picture is not None
        self.ends["revert" if story.back else "run"] = str(one.run.state)
        if one.run.state != RunState.SUCCESS and not story.back:
            self.notes[f"{_failing(one.run)}; is that as it should be? Then say so in check"] = None
        wrong = one.wrong or other.wrong
        if wrong is not None:
            self._found(check_fails_anyway(wrong), [])
            self.sound = False
            return None
        story.unharmed = one.run.atoms
        self.effects = one.picture.effects
        unsteady = Unsteady.between(one.picture, other.picture)
        self._note(unsteady)
        return Expected(self.stage.definition, one.picture, unsteady), len(one.lives[story.back].points)

    def _strike(self, story: Story, expected: Expected, strikes: tuple[int, ...]) -> Played:
        played = self._play(story, strikes)
        told = [seen.killed.told for seen in played.struck if seen.killed is not None]
        if len(told) == len(strikes):
            last = played.struck[-1].killed
            assert last is not None
            self.tried[last.phase] += 1
        self.asked.update(name for _, name in played.asked)
        for fault in expected.faults(played):
            self._found(fault, [", then again while resuming: ".join(told)])
        return played

    def _play(self, story: Story, strikes: tuple[int, ...]) -> Played:
        self.runs += 1
        played = story.play(strikes)
        late = {name for name, view in played.run.atoms.items() if view.outcome == "not_revertible"} if played.run else ()
        for call in (p.call for seen in played.lives for p in seen.points if p.event == BEFORE_CALL):
            if call is not None and not (call.kind == REVERT and call.name in late):
                self.called[key_of(call)] += 1
        return played

    def _found(self, fault: Fault, points: list[str]) -> None:
        """Take note of a fault: one of each atom, direction and kind; of endings, one of each wording."""
        more = fault.what if fault.kind == "ending" else ""
        kept = self.faults.setdefault((fault.kind, fault.atom or "", fault.direction or "", more), fault)
        kept.count += 1
        kept.points.update(dict.fromkeys(points))

    def _note(self, unsteady: Unsteady) -> None:
        without = "differs between two runs without a crash, and was not compared"
        for name in sorted(unsteady.results):
            self.notes[f"result {name!r} {without}"] = None
        for call, what in sorted(unsteady.details):
            self.notes[f"of {what!r} in {call or 'no call'}: its details, or how often it is asked for, {without}"] = None
        if unsteady.outside:
            self.notes[f"what effects(run) returns {without}"] = None
        if unsteady.ending:
            self.notes[f"how the run ends {without}: what does it depend on besides its inputs?"] = None

    def nobody_watched(self) -> None:
        """Say that nobody knows what took effect twice, and where to look first."""
        self.notes["effects were not watched: give ledger=… or effects=… to learn what takes effect twice"] = None
        code = zip(self.stage.definition.atoms, self.stage.app.compiled(self.stage.flow).atoms, strict=True)
        bold = [spec.name for spec, atom in code if _bold(spec, atom) and self.called[f"{EXECUTE} {spec.name}"] > 1]
        if bold:
            self.notes[
                "called again after a crash, and not handed a context with an idempotency key to pass on: "
                f"{', '.join(bold)}; does each of them do no harm when it is called twice?"
            ] = None

    def _some(self, strikes: Iterable[Any]) -> list[Any]:
        """As many as are allowed, spread evenly."""
        every = list(strikes)
        if len(every) <= self.at_most:
            return every
        self.left_out += len(every) - self.at_most
        return [every[place * len(every) // self.at_most] for place in range(self.at_most)]

    def report(self, kill: str, seconds: float) -> CrashReport:
        """All of it."""
        atoms = self.stage.definition.atoms
        ran = [spec for spec in atoms if self.called[f"{EXECUTE} {spec.name}"]]
        silent = [
            undeclared(spec, self.effects) for spec in atoms if spec.kind == "task" and spec.compensation == "undeclared"
        ]
        faults = sorted([*self.faults.values(), *silent], key=lambda fault: ORDER.index(fault.kind))
        return CrashReport(
            flow=self.stage.definition.name,
            kill=kill,
            points={phase: self.tried[phase] for phase in PHASES},
            left_out=self.left_out,
            runs=self.runs,
            seconds=seconds,
            ends=self.ends,
            faults=tuple(faults),
            never_reverted=tuple(s.name for s in ran if s.reverts and not self.called[f"{REVERT} {s.name}"]),
            unreachable=tuple(spec.name for spec in atoms if spec not in ran),
            questions=self.asked,
            notes=tuple(self.notes),
        )


def _failing(run: Run) -> str:
    """How a run ended that nobody harmed and that did not succeed, and what failed in it."""
    told = [f"; {failure.atom} failed: {failure.type}: {failure.message}" for failure in run.failures]
    return f"without a crash it ends {run.state}" + "".join(told)


def _bold(spec: AtomSpec, atom: Any) -> bool:
    """Whether a task is called again whatever it did, and cannot tell anybody that this is the same call."""
    harmless = spec.transactional or spec.compensation == "not_needed"
    return spec.kind == "task" and spec.recovery == "RERUN" and not harmless and not atom.wants_context
