"""`Person`: whoever looks after a run.

Goes on with one that has stopped, says what became of what nobody knows, and has reverts tried again that failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from ...codec.values import encode
from ...engine.core.decide import REVERT, Input, Resume
from ...engine.core.going import may_reset, may_restore, may_resume
from ...engine.core.operator import amends, may_revert, may_suspend, settles
from ...engine.core.state import State
from ...engine.core.states import RunState, TaskState
from ...engine.runtime.wishes import body, said, wish
from ...errors import Failure
from ...store import hold

if TYPE_CHECKING:
    from .scene import Scene

SAID = said("somebody", "as it is")
TRIES = 4
"""How often a revert may fail before whoever looks after the run gives it up."""


class Wishes(NamedTuple):
    """What whoever takes the run is to do with it, and how that is told."""

    inputs: list[Input]
    told: str


class Person:
    """Of one scene."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.posted = 0
        self.meddled = 0

    @property
    def state(self) -> State:
        return self.scene.state

    def wants(self) -> bool:
        """Whether the run, which nobody drives, is to be gone on with."""
        if self.goes_on() or self.open_slots() or self.stuck_slots():
            return True
        faults = self.scene.faults
        return not self.scene.calm and self.meddled < 3 and bool(self.scene.chance.often(faults.meddler and 4))

    def goes_on(self) -> bool:
        """Whether the run goes on by itself. A failure that is nobody's to settle is the end: it would only come again."""
        state = self.state
        return state.run is not RunState.FAILURE and (may_resume(state) or state.run is RunState.PENDING)

    def stuck_slots(self) -> list[int]:
        """Reverts that failed, or of which nobody knows."""
        state = self.state
        return [slot for slot in (*state.stuck, *state.lost) if settles(state, slot) is None]

    def open_slots(self) -> list[int]:
        """Executions of which nobody knows, and a person was to be asked."""
        state = self.state
        return [slot for slot in state.unknown if amends(state, slot, TaskState.SUCCESS) is None]

    def wishes(self) -> Wishes:
        """What is to be done with the run now."""
        stuck, open = self.stuck_slots(), self.open_slots()
        if stuck:
            return self._settled(stuck[0])
        if open:
            return self._amended(open[0])
        if self.goes_on():
            return Wishes([Resume()], "takes the run over")
        return self._meddles()

    def _settled(self, slot: int) -> Wishes:
        """A revert that has failed over and over is given up; any other is tried again."""
        state = self.state
        name = state.name(slot)
        data = body(SAID, {"atom": state.atom_of(slot), "instance": state.instance(slot)})
        if self.scene.onlooker.failed[name, state.execution[slot], REVERT] < TRIES:
            return Wishes([wish("retry_revert", data), Resume()], f"tries the revert of {name} again")
        return Wishes([wish("skip_revert", data), Resume()], f"gives the revert of {name} up")

    def _amended(self, slot: int) -> Wishes:
        """The person looks at the outside, and says what is true."""
        state, world = self.state, self.scene.world
        name = state.name(slot)
        happened, value = (False, None)
        if world is not None:
            happened, value = world.happened((name, state.execution[slot], "execute"))
        answers = (TaskState.SUCCESS,) if happened else (TaskState.PENDING, TaskState.FAILURE)
        to = next(answer for answer in answers if amends(state, slot, answer) is None)
        self.scene.onlooker.meddled |= to is not TaskState.SUCCESS  # the execution has another number then, or is a failure
        about = {"atom": state.atom_of(slot), "instance": state.instance(slot), "state": str(to)}
        failure = Failure("amended", (), "it never took place", atom=name)
        parts = {"result": encode(failure.to_data() if to is TaskState.FAILURE else value)}
        return Wishes([wish("amend", body(SAID, about, **parts)), Resume()], f"says that {name} is {to}")

    def posts(self) -> None:
        """Somebody puts a wish into the inbox, while the run may be driven."""
        scene, state = self.scene, self.state
        kind = "suspend"
        if scene.chance.often(scene.faults.meddler and 3):
            kind, scene.onlooker.meddled = "revert", True
        possible = may_suspend(state) if kind == "suspend" else may_revert(state)
        if not possible:
            return
        self.posted += 1
        message = UUID(int=self.posted)
        scene.tell("somebody posts", kind)
        run: Any = scene.order.run_id  # which `Scene` gives each order
        scene.log.once(hold.post(run, message, kind, SAID, "somebody"))

    def _meddles(self) -> Wishes:
        """A run that rests is reverted, recovered or reset by somebody who just wants it so."""
        scene, state = self.scene, self.state
        self.meddled += 1
        possible: list[tuple[str, bytes]] = []
        if may_revert(state):
            possible.append(("revert", SAID))
        if may_restore(state) is None:
            possible.append(("restore", body(SAID, {})))
        if may_reset(state):
            possible.append(("reset", SAID))
        if not possible:
            return Wishes([Resume()], "looks at the run")
        scene.onlooker.meddled = True
        kind, data = scene.chance.pick(possible)
        return Wishes([wish(kind, data), Resume()], f"{kind}s the run")
