"""`simulate`: a flow under faults, by one seed; `trial`: a generated case, whose end must be that of its calm run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg

from ...engine.definition import MapFunctorTask, ReduceFunctorTask
from ...engine.runtime.app import Sagalog
from ...engine.runtime.taking import look
from ...engine.runtime.views import Run
from ...errors import SagalogError
from ..generated import Case, make
from ..laws import LawBroken, allowed, end_of, same
from ..ledger import Entry
from .chance import Chance
from .faults import ALL, CALM, CRASHES, Faults
from .scene import RUN, Scene
from .story import story

MUTE = (MapFunctorTask, ReduceFunctorTask)
"""Tasks of a case that do not call its world."""
RAISED = (
    SagalogError, psycopg.Error, ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError,
    ValueError,
)  # fmt: skip
"""What an engine with a bug raises. What ends a trial from outside, as a test's own alarm, passes."""
CAPACITIES = (1, 1, 1, 2, 4)
"""Calls that a process of a trial makes at a time; with one, all happens in one order, however often it crashes."""


class Simulation(NamedTuple):
    """What came of it: the run at its end, and how many records, crashes and steps it took; `story`: a line for each thing.

    `compared`: its end was compared with that of a calm run.
    """

    seed: int
    run: Run
    records: int
    crashes: int
    steps: int
    story: list[str]
    compared: bool = False


class Broken(AssertionError):
    """A law is broken: `law` and `detail`; `story` is what happened until then, `drawn` what chance has answered.

    Where the engine raised what it must not, `law` is "no exception".
    """

    def __init__(self, seed: int, law: str, detail: str, story: list[str], drawn: Sequence[int]) -> None:
        super().__init__(seed, law, detail)
        self.seed, self.law, self.detail, self.story, self.drawn = seed, law, detail, story, list(drawn)

    def __str__(self) -> str:
        return "\n".join([f"seed {self.seed}: the law {self.law!r} is broken: {self.detail}", *self.story])


def simulate(
    flow: Any, inputs: Mapping[str, Any] | None = None, seed: int = 0, faults: Faults = CRASHES, *,
    capacity: int = 1, **options: Any,
) -> Simulation:  # fmt: skip
    """Run a flow, by its own code, in a world of processes that crash: the same seed, the same story.

    `capacity`: calls that a process makes at a time. `options` are those of `Engine.run`. Raises Broken.
    """
    scene = Scene(Sagalog([flow]), flow, inputs, Chance(seed), faults, capacity, options=options)
    _play(scene, seed)
    return _report(seed, scene)


def trial(seed: int = 0, faults: Faults = ALL, script: Sequence[int] | None = None) -> Simulation:
    """A generated case under faults; `script`: what chance answers, instead of what the seed says. Raises Broken.

    How often processes are killed, if at all, and whether anybody meddles, if they may, is left to chance, too.
    """
    chance = Chance(seed, script)
    return tried(make(chance), chance, faults, seed)


def tried(case: Case, chance: Chance, faults: Faults = ALL, seed: int = 0) -> Simulation:
    """A case under faults, then calmly; where nothing but crashes befell it, both must have come to the same end."""
    app = Sagalog([case.flow])
    if faults.meddler and chance(2):  # every other run comes to the end that is its own, whatever befalls it
        faults = faults._replace(meddler=0, died=0)
    harsh = faults._replace(kill=chance.pick((12, 4, 8, 20)) if faults.kill else 0)
    capacity = chance.pick(CAPACITIES)
    scene = Scene(app, case.flow, case.inputs, chance, harsh, capacity, case.world, case.options)
    _play(scene, seed)
    with _laws(seed, scene):
        entries = case.world.ledger.calls()
        mute = [place for place, atom in enumerate(scene.order.compiled.atoms) if isinstance(atom, MUTE)]
        seen = scene.onlooker
        allowed(seen.definition, seen.rows, entries, seen.key, seen.written, mute)
    compared = not (seen.raced or seen.meddled or seen.skipped) and _alike(case, scene, entries, seed)
    return _report(seed, scene, compared)


def _alike(case: Case, scene: Scene, entries: Sequence[Entry], seed: int) -> bool:
    """Broken unless a calm run comes to the same end; False: that leaves something to chance, and need not."""
    case.world.reset()
    calm = Scene(scene.app, case.flow, case.inputs, Chance(script=()), CALM, 1, case.world, case.options)
    with _laws(seed, calm, scene.chance):
        calm.play()
    if calm.onlooker.raced:
        return False
    with _laws(seed, scene):
        same(end_of(calm.state, _results(calm), case.world.ledger.calls()), end_of(scene.state, _results(scene), entries))
    return True


def _results(scene: Scene) -> dict[str, Any]:
    return dict(Run(scene.log.once(look(RUN))).results)


def _play(scene: Scene, seed: int) -> None:
    with _laws(seed, scene):
        scene.play()
        scene.onlooker.watch.rests()
        scene.onlooker.watch.ended()


@contextmanager
def _laws(seed: int, scene: Scene, chance: Chance | None = None) -> Iterator[None]:
    """Whatever does not hold is told with the story of the scene. `chance`: what brings it about, else the scene's."""
    drawn = (chance or scene.chance).drawn
    try:
        yield
    except LawBroken as broken:
        raise Broken(seed, broken.law, broken.detail, story(scene), drawn) from broken
    except RAISED as error:
        raise Broken(seed, "no exception", f"{type(error).__name__}: {error}", story(scene), drawn) from error


def _report(seed: int, scene: Scene, compared: bool = False) -> Simulation:
    run = Run(scene.log.once(look(RUN)))
    return Simulation(seed, run, len(scene.log.tables.records), scene.crashes, scene.steps, story(scene), compared)
