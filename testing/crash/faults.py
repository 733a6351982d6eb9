"""What is wrong with a run that was struck down, in words that the author of its flow understands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import attrs

from ...engine.core.graph import AtomSpec, Definition
from ...engine.core.inputs import EXECUTE, REVERT
from .picture import Did, Picture, Unsteady, without_details
from .play import Played
from .points import Called
from .report import Fault

ORDER = ("not_idempotent", "lost_effect", "outside", "undeclared", "stuck", "ending", "check")
"""The kinds of faults; the first ones are often the cause of the last."""

RERUN_WHY = (
    "Where a process dies between a call and the record of its outcome, nobody knows whether the call took effect. {0} has "
    "{1}=RERUN{2}, so the engine calls it again, with the same context.idempotency_key; whatever takes effect twice then, "
    "takes effect twice for your customers."
)
RERUN_DO = (
    "hand context.idempotency_key to whatever is called, so that it can tell a second call from a second order; or declare "
    "{1}=PROBE and give {0} a probe that looks whether it happened; or declare {1}=ASK, so that a person is asked"
)
PROBE_WHY = "{0} has {1}=PROBE: its probe is asked what became of a call that was cut short, and its answer was not true."
PROBE_DO = "have the probe of {0} look at the outside itself, by context.idempotency_key; where it cannot tell: dont_know"
ASK_WHY = "{0} has {1}=ASK, and the person on the stage told the truth; still it took effect more than once."
ASK_DO = "look whether one call of {0} can take effect in part: what is done before the crash is done again behind it"
SKIP_WHY = "{0} has {1}=SKIP: after a crash it is taken as done, also where it was not."
SKIP_DO = "declare {1}=RERUN and hand context.idempotency_key to whatever is called; or {1}=PROBE, and give {0} a probe"
SAME_WHY = "Where the process dies must not decide what becomes of a run."
SAME_DO = (
    "see what the code between the crash and that reads besides its arguments: a clock, a random number, a variable of the "
    "process, something that an earlier call has changed"
)
WHY = {"RERUN": RERUN_WHY, "PROBE": PROBE_WHY, "ASK": ASK_WHY, "SKIP": SKIP_WHY}
DO = {"RERUN": RERUN_DO, "PROBE": PROBE_DO, "ASK": ASK_DO, "SKIP": SKIP_DO}


@attrs.frozen
class Expected:
    """What the runs that nobody harmed were like: `picture`, but for what is `unsteady` among them."""

    definition: Definition
    picture: Picture
    unsteady: Unsteady

    def faults(self, played: Played) -> Iterator[Fault]:
        """What is wrong with a run that was struck down."""
        if played.picture is None:
            yield stuck(played.broken or "")
            return
        yield from self._effects(played.picture)
        yield from self._outside(played, played.picture)
        yield from self._ending(played, played.picture)
        if played.wrong is not None:
            yield check_failed(played.wrong)

    def _effects(self, found: Picture) -> Iterator[Fault]:
        usual = without_details(self.picture.effects, self.unsteady.details)
        now = without_details(found.effects, self.unsteady.details)
        otherwise = (found.state, found.atoms) != (self.picture.state, self.picture.atoms)
        for call, what in dict.fromkeys((call, what) for call, what, _ in (usual - now) + (now - usual)):
            was, done = _of(usual, call, what), _of(now, call, what)
            if otherwise and (not was or not done):
                continue  # it was not called, because of an end that is told as a fault of its own
            spec, direction = self._whose(call)
            told = f"{what!r} took effect {_told(done)}; in a run without a crash {_told(was)}"
            if done.total() > was.total():
                yield repeated(spec, direction, told)
            elif done.total() < was.total():
                yield lost(spec, direction, told)
            else:
                yield other(spec, direction, told)

    def _outside(self, played: Played, found: Picture) -> Iterator[Fault]:
        if self.unsteady.outside or found.outside == self.picture.outside:
            return
        what = f"effects(run) gave {found.outside!r}; in a run without a crash {self.picture.outside!r}"
        calls = [seen.killed.doubtful for seen in played.struck if seen.killed is not None]
        spec, direction = self._spec(next((call for call in calls if call is not None), None))
        if spec is not None:
            yield repeated(spec, direction, what)
            return
        why = "A crash may cost time and nothing else: what is outside must be as if it had not been."
        title = "the outside is not as it is without a crash"
        yield Fault("outside", None, None, title, what, why, "see what else reaches the outside besides the calls")

    def _ending(self, played: Played, found: Picture) -> Iterator[Fault]:
        usual, unsteady = self.picture, self.unsteady
        if unsteady.ending:
            return
        skipped = found.state == "REVERTED_PARTLY" and any(kind == REVERT for kind, _ in played.asked)
        if found.state != usual.state and not skipped:
            yield ending(f"it ended {found.state}; without a crash {usual.state}", None)
        for name in {**usual.atoms, **found.atoms}:
            was, now = usual.atoms.get(name), found.atoms.get(name)
            if was != now:
                yield ending(f"{name} ended {now or 'nowhere'}; without a crash {was or 'nowhere'}", name)
        for name in {**usual.results, **found.results}:
            was, now = usual.results.get(name), found.results.get(name)
            if was != now and name not in unsteady.results:
                yield ending(f"result {name!r} is {now or 'missing'}; without a crash {was or 'missing'}", None)

    def _whose(self, call: str) -> tuple[AtomSpec | None, str]:
        kind, _, name = call.partition(" ")
        return self._spec(Called(kind, name) if kind else None)

    def _spec(self, call: Called | None) -> tuple[AtomSpec | None, str]:
        if call is None:
            return None, EXECUTE
        spec = next((spec for spec in self.definition.atoms if spec.name == call.atom), None)
        return spec, call.kind if call.kind in (EXECUTE, REVERT) else EXECUTE


def repeated(spec: AtomSpec | None, direction: str, what: str) -> Fault:
    """A call took effect again when it was made again."""
    why, do = _advice(spec, direction)
    title = f"{_who(spec, direction)} is not idempotent"
    return Fault("not_idempotent", None if spec is None else spec.name, direction, title, what, why, do)


def lost(spec: AtomSpec | None, direction: str, what: str) -> Fault:
    """A call that should have taken effect did not."""
    why, do = _advice(spec, direction)
    title = f"{_who(spec, direction)} loses an effect in a crash"
    return Fault("lost_effect", None if spec is None else spec.name, direction, title, what, why, do)


def other(spec: AtomSpec | None, direction: str, what: str) -> Fault:
    """A call took another effect than it does without a crash."""
    title = f"{_who(spec, direction)} does something else after a crash"
    return Fault("outside", None if spec is None else spec.name, direction, title, what, SAME_WHY, SAME_DO)


def ending(what: str, atom: str | None) -> Fault:
    """A run ended otherwise than it does without a crash."""
    return Fault("ending", atom, None, "a crash changes how the run ends", what, SAME_WHY, SAME_DO)


def check_failed(what: str) -> Fault:
    """The user's own check is not content."""
    why = "This is your own check: it holds when nobody is harmed, and must hold whatever crashes."
    do = "mend the faults above first, if there are any: a check often fails because of them"
    return Fault("check", None, None, "your check fails after a crash", what, why, do)


def check_fails_anyway(what: str) -> Fault:
    """The user's own check is not content with a run that nobody harmed."""
    why = "No crash is needed for this, so nothing was killed: first the flow, or the check, has to be right by itself."
    return Fault("check", None, None, "your check fails without any crash", what, why, "run the flow once and look at it")


def stuck(what: str) -> Fault:
    """A run could not be brought to an end."""
    why = "After a crash another process must be able to go on with the run."
    return Fault("stuck", None, None, "a run cannot be gone on with after a crash", what, why, "see what the error says")


def undeclared(spec: AtomSpec, effects: Counter[Did]) -> Fault:
    """Nobody has said how an atom is undone; `effects`: those of a run that was undone, or ended as it does."""
    name = spec.name
    left = ", ".join(f"{what!r} {more}" for call, what, more in effects if call == f"{EXECUTE} {name}")
    what = f"{name} has no revert, and does not say that it needs none: when the run is reverted, what {name} did stays"
    what += f": {left}" if left else ""
    why = (
        "If a later step fails, or somebody reverts the run afterwards, everything that ran is undone; the log will say "
        f"'undeclared' for {name}, and the run REVERTED, although what {name} did is still there."
    )
    do = (
        f"write its revert (@{name}.revert), or declare compensation='not_needed' if nothing stays of it, or "
        "compensation='irreversible' if something does and cannot be undone"
    )
    return Fault("undeclared", name, REVERT, f"nobody has said how {name} is undone", what, why, do)


def _advice(spec: AtomSpec | None, direction: str) -> tuple[str, str]:
    if spec is None:
        return "It took place in no call of this run.", "see who calls the outside besides the tasks"
    option = "recovery" if direction == EXECUTE else "revert_recovery"
    answer = spec.recovery if direction == EXECUTE else spec.revert_recovery
    who, usual = _who(spec, direction), " (the default)" if answer == "RERUN" else ""
    return WHY[answer].format(who, option, usual), DO[answer].format(who, option)


def _who(spec: AtomSpec | None, direction: str) -> str:
    if spec is None:
        return "something outside of all tasks"
    return spec.name if direction == EXECUTE else f"the revert of {spec.name}"


def _of(effects: Counter[Did], call: str, what: str) -> Counter[str]:
    """The details of those of one call and kind, counted."""
    return Counter({details: n for (whose, kind, details), n in effects.items() if (whose, kind) == (call, what)})


def _told(counted: Counter[str]) -> str:
    return ", ".join(f"{_times(n)}{' with ' if details else ''}{details}" for details, n in counted.items()) or "not at all"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
