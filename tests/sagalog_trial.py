"""A run tried by choices: what is under way succeeds or fails, retries answer, timers go off, processes die, persons act.

It does what the drive does, turn by turn, without a log. Whoever chooses (hypothesis, or seeded random numbers) finds a
fault as an AssertionError or CorruptLog, with all that was recorded in `records`.
"""

from __future__ import annotations

from typing import Any

from sagalog_mixed import Choose, pick
from sagalog_play import Play

from sagalog.codec.values import encode
from sagalog.engine.core.decide import (
    DECIDE,
    EXECUTE,
    EXPAND,
    ON_FAILURE,
    PROBE,
    PROBE_REVERT,
    Amend,
    Call,
    Consulted,
    Decided,
    Expanded,
    Failed,
    Fired,
    Input,
    Probed,
    Progressed,
    Recover,
    Reset,
    Restore,
    Resume,
    RetryRevert,
    Revert,
    SkipRevert,
    Succeeded,
    Suspend,
    may_revert,
    may_suspend,
)
from sagalog.engine.core.going import may_reset, may_restore, may_resume
from sagalog.engine.core.operator import amends, settles
from sagalog.engine.core.records import Draft
from sagalog.engine.core.specs import DeciderSpec
from sagalog.engine.core.states import SETTLED_RUN, RunState, TaskState
from sagalog.testing.laws import Watch, durable

WAITS = (RunState.RUNNING, RunState.WAITING)
OVER = (RunState.SUCCESS, RunState.REVERTED, RunState.REVERTED_PARTLY)
AT_REST = (*SETTLED_RUN, RunState.SUSPENDED, RunState.PENDING)
TURNS = 60
"""After so many turns nothing bad happens any more, and the run must come to its end in as many again per atom."""


class Trial(Play):
    """One run, and who looks on: `watch` folds a state of its own, from the records as they would be stored."""

    def __init__(self, flow: Any, choose: Choose, turns: int = TURNS) -> None:
        self.choose = choose
        self.turns = turns
        self.turn = 0
        self.inputs: list[Input] = []
        self.watch: Watch | None = None
        self.fresh: list[Draft] = []
        created = {"defer_reverts": choose(3) > 0, "never_resolve": choose(8) == 7}
        if choose(8) == 7:
            created["timeout"] = 1
        super().__init__(flow, 1 + choose(5), **created)
        self.watch = Watch(self.definition, every=1)
        self.watch.committed(durable(self.records))

    @property
    def calm(self) -> bool:
        """Whether nothing bad happens any more."""
        return self.turn >= self.turns

    def often(self, one_in: int) -> bool:
        """Once in so many times, as long as bad things happen."""
        return not self.calm and self.choose(one_in) == one_in - 1

    def fold(self, draft: Draft) -> None:
        if self.watch is not None:
            self.fresh.append(draft)
        super().fold(draft)

    def take(self, *inputs: Input) -> list[str]:
        """What is decided at once becomes durable at once; then its calls are made."""
        known = len(self._fresh)
        told = super().take(*inputs)
        if self.watch is not None and self.fresh:
            self.watch.committed(durable(self.fresh, self.watch.state.version + 1))
            self.fresh.clear()
        for call in self._fresh[known:]:
            self.looked_on.calling(call)
        return told

    @property
    def looked_on(self) -> Watch:
        """Who looks on."""
        assert self.watch is not None
        return self.watch

    def play(self) -> None:
        """To the end. AssertionError, CorruptLog: something does not hold."""
        self.drive(Resume())
        while not self.over():
            self.drive(Recover(), *self.wishes())

    def over(self) -> bool:
        """Whether the run is over, and nobody wants anything of it any more."""
        return self.state.run in OVER and not self.often(3)

    def drive(self, *first: Input) -> None:
        """Until the run rests, or its process dies."""
        self.calls.clear()
        arrived: list[Input] = list(first)
        while True:
            self.turn += 1
            assert self.turn < self.turns + 60 * (len(self.definition.atoms) + 2), "it does not come to an end"
            self.inputs += arrived
            self.take(*arrived)
            timers = list(self.state.timers) if self.state.run in WAITS else []
            if timers and not self.choose(4):
                self.take(Fired(pick(self.choose, timers)))
            self.go()
            self.looked_at()
            if not self.calls and not self.state.running and not self.state.reverting:
                if self.state.run not in WAITS:
                    assert self.state.run in AT_REST, f"there is nothing to do, and it is {self.state.run}"
                    return
                assert self.state.timers, f"there is nothing to do, and it is {self.state.run}"
                arrived = [Fired(pick(self.choose, list(self.state.timers)))]
            else:
                assert self.calls, "something is under way that nobody was told to do"
                arrived = self.arrivals()
            if self.often(12):
                self.calls.clear()
                self.state = self.refold()
                return

    def looked_at(self) -> None:
        """What must hold between two turns."""
        self.looked_on.between(self.capacity)
        self.looked_on.live(self.state, whole=not self.choose(4))

    # --- what comes of what is under way ------------------------------------------------------------------------------

    def arrivals(self) -> list[Input]:
        """One or a few of the calls under way end; now and then a person has something to say."""
        found: list[Input] = []
        while self.calls and (not found or self.choose(3) == 2):
            found += self.outcome(self.calls.pop(self.choose(len(self.calls))))
        if self.often(25) and may_suspend(self.state):
            found.insert(self.choose(len(found) + 1), Suspend({}, None))
        if self.often(40) and may_revert(self.state):
            found.insert(self.choose(len(found) + 1), Revert({}, None))
        if self.often(15):
            found += [wish for wish in self.wishes() if type(wish) not in (Resume, Suspend)]
        return found

    def outcome(self, call: Call) -> list[Input]:
        kind = call.kind
        if kind in (PROBE, PROBE_REVERT):
            answer = "happened" if self.calm else pick(self.choose, ("happened", "did_not_happen", "dont_know"))
            return [Probed(call, answer, encode(1) if answer == "happened" else None)]
        if self.often(3 if kind == EXECUTE else 10):
            due = self.choose(100) if kind == EXECUTE and self.often(3) else None
            return [Failed(call, ("ValueError",), b"{}", due, at_once=due is not None and self.often(4))]
        if kind == ON_FAILURE:
            calm = ("REVERT", "REVERT_ALL")
            return [Consulted(call, pick(self.choose, calm if self.calm else ("RETRY", "RETRY", *calm)))]
        if kind == DECIDE:
            deciders = self.definition.gate_at[call.atom].deciders
            ran = [place for place, spec in enumerate(deciders) if self.has_run(spec)]
            votes = [(place, self.choose(2) > 0) for place in ran]
            return [Decided(call, tuple(votes))]
        if kind == EXPAND:
            counts = [1 + self.choose(2) for _ in range(self.choose(3))]
            return [Expanded(call, tuple((count, b"[]") for count in counts))]
        told: list[Input] = [Progressed(call, 0.5, None)] if kind == EXECUTE and self.often(10) else []
        return [*told, Succeeded(call, encode(1))]

    def has_run(self, decider: DeciderSpec) -> bool:
        """Whether something of what it goes by has succeeded: else it has no vote."""
        flows, source = self.definition.flows, decider.source
        atoms = [source] if decider.kind == "atom" else range(flows[source].first, flows[source].last)
        return any(self.state.task[atom] is TaskState.SUCCESS for atom in atoms)

    # --- what persons want --------------------------------------------------------------------------------------------

    def wishes(self) -> list[Input]:
        """What is done with a run that nobody has in hand: gone on with, or something that a person may want of it."""
        state = self.state
        if self.calm:
            return self.calm_wishes()
        kind = self.choose(8)
        some = [*range(state.atoms), *(fan.base + i for fan in state.fans.values() for i in range(fan.count))]
        if kind == 0 and may_revert(state):
            return [Revert({}, None), Resume()]
        if kind == 1 and may_suspend(state):
            return [Suspend({}, None)]
        if kind in (2, 3):
            said = [(slot, to) for slot in some for to in TaskState if amends(state, slot, to) is None]
            return [self.amended(*pick(self.choose, said)), Resume()] if said else [Resume()]
        if kind in (4, 5) and may_restore(state) is None:
            since = self.choose(state.atoms) if state.atoms and not self.choose(3) else None
            return [Restore(since, {}, None), Resume()]
        if kind == 6 and may_reset(state) and not self.choose(2):
            return [Reset({}, None), Resume()]
        if kind == 7 and (stuck := [slot for slot in some if settles(state, slot) is None]):
            slot, make = pick(self.choose, stuck), pick(self.choose, (RetryRevert, SkipRevert))
            return [make(state.atom_of(slot), state.instance(slot), {}, None), Resume()]
        return [Resume()]

    def amended(self, slot: int, to: TaskState) -> Input:
        value = None if to is TaskState.PENDING else encode(1)
        return Amend(self.state.atom_of(slot), self.state.instance(slot), str(to), value, {}, None)

    def calm_wishes(self) -> list[Input]:
        """A person sees to it that the run ends."""
        state = self.state
        stuck = [slot for slot in (*state.stuck, *state.lost) if settles(state, slot) is None]
        if stuck:
            return [SkipRevert(state.atom_of(stuck[0]), state.instance(stuck[0]), {}, None), Resume()]
        if state.run is RunState.FAILURE and may_revert(state):
            return [Revert({}, None), Resume()]
        assert may_resume(state) or state.run is RunState.PENDING, f"nobody can go on with it: {state.run} {state.cause}"
        return [Resume()]
