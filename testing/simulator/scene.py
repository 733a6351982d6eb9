"""`Scene`: one run, the processes that drive it one after the other or at once, and all that happens to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from ...engine.core.decide import EXECUTE, REVERT, Resume, Succeeded
from ...engine.core.state import State
from ...engine.runtime.app import Sagalog
from ...engine.runtime.taking import Order
from ...errors import Conflict, Fenced, LeaseHeld, ProcessDied
from ..clock import FakeClock
from ..laws import LawBroken
from .chance import Chance
from .faults import CALM, Died, Faults
from .faulty import FaultyLog
from .onlooker import Onlooker
from .person import Person, Wishes
from .process import LEASE, Job, Place, Process

RUN = UUID("01980000-0000-7000-8000-000000000001")
"""Every simulated run has this id: what depends on it is the same each time."""


class Happening(NamedTuple):
    """Something that happened: when (microseconds since 1970), which process (0: nobody's doing), what, and of what."""

    at: int
    process: int
    what: str
    about: Any = None


class Scene:
    """One run of a case. `crashes` and `steps` are counted; `story` is what happened, in order.

    `alone`: nobody looks after the run: it is over when it first rests. `world`: that of a generated case.
    """

    def __init__(
        self, app: Sagalog, flow: Any, inputs: Mapping[str, Any] | None, chance: Chance, faults: Faults = CALM,
        capacity: int = 1, world: Any = None, options: Mapping[str, Any] | None = None, alone: bool = False,
    ) -> None:  # fmt: skip
        self.app = app
        self.chance = chance
        self.faults = faults
        self.harmless = faults == CALM
        self.capacity = capacity
        self.world = world
        self.alone = alone
        self.clock = FakeClock()
        self.log = FaultyLog(self.clock, self)
        self.order = Order(app, flow, inputs, run_id=RUN, **(options or {}))
        self.onlooker = Onlooker(self.order.compiled.definition, self.order.compiled.atoms, world)
        self.person = Person(self)
        self.alive: list[Process] = []
        self.actor: Process | None = None  # whoever just acts
        self.story: list[Happening] = []
        self.crashes = self.steps = self.number = 0
        self.limit = 400 + 100 * len(self.order.compiled.atoms)

    # --- the play -----------------------------------------------------------------------------------------------------

    def play(self) -> State:
        """To the end; what the log holds then, folded. Raises LawBroken."""
        self._enter(lambda process: process.begin(self.order), "begins the run")
        while True:
            self.steps += 1
            if self.steps > self.limit:
                raise LawBroken("progress", f"after {self.steps} steps the run is still {self.state.run}")
            self._happen()
            if self.alive:
                self._move()
            elif self.over():
                return self.state
            else:
                self._again()

    @property
    def state(self) -> State:
        """What the durable records fold to."""
        return self.onlooker.state

    @property
    def calm(self) -> bool:
        """Whether nothing bad happens any more."""
        return self.harmless or self.steps > self.limit // 2 or 0 < self.faults.crashes <= self.crashes

    def over(self) -> bool:
        """Whether the run is over, as far as it and whoever looks after it are concerned."""
        if not self.log.tables.records:
            return False
        return self.alone or not self.person.wants()

    def tell(self, what: str, about: Any = None, process: Process | None = None) -> None:
        """Take down what happens."""
        who = process or self.actor
        self.story.append(Happening(self.clock.now(), who.number if who else 0, what, about))

    # --- who goes on --------------------------------------------------------------------------------------------------

    def _enter(self, body: Callable[[Process], Any], what: str) -> None:
        self.number += 1
        process = Process(self.number, self.log, self.app, self.capacity, self.onlooker.live)
        process.body = body(process)
        self.alive.append(process)
        self.tell(what, process=process)

    def _again(self) -> None:
        """Nobody drives the run: somebody begins it, takes it over, or does what a person wants."""
        if not self.log.tables.records:
            self._enter(lambda process: process.begin(self.order), "begins the run")
            return
        owner = self.log.tables.streams[RUN.bytes].owner
        if owner is not None and self.log.tables.alive(owner, self.clock.now()):
            if self.chance(2):
                self.log.tables.workers.pop(owner)
                self.tell("its process is known to have gone")
            else:
                self._pass(LEASE)
        self._take(False)

    def _take(self, steal: bool) -> None:
        wishes: Wishes = self.person.wishes() if not steal else Wishes([Resume()], "steals the run")
        self._enter(lambda process: process.take(RUN, steal, wishes.inputs), wishes.told)

    def _move(self) -> None:
        """One of those who can goes on."""
        moves: list[tuple[Process, Job | None]] = []
        slow: list[tuple[Process, Job | None]] = []  # calls that last longer than all else
        for process in self.alive:
            if process.frozen:
                continue
            if process.ready() or self._due(process):
                moves.append((process, None))
            jobs = process.jobs if process.capacity > 1 else process.jobs[:1]
            for job in jobs:
                if job.slow is None:
                    job.slow = len(jobs) > 1 and self.chance.often(3)
                (slow if job.slow else moves).append((process, job))
        moves = moves or slow
        if not moves:
            self._idle()
            return
        self._act(*(self.chance.pick(moves) if len(moves) > 1 else moves[0]))

    def _act(self, process: Process, job: Job | None = None) -> None:
        """A process goes on, or makes a call; it may die of it, or learn that the run is another's."""
        self.actor = process
        try:
            if job is None:
                self._step(process)
            else:
                self._call(process, job)
        except Died:
            self._kill(process)
        except (Fenced, Conflict, LeaseHeld) as error:
            self.tell("stops:", type(error).__name__)
            self._refused(process, error)
            self._leave(process)
        finally:
            self.actor = None

    def _refused(self, process: Process, error: Exception) -> None:
        """LawBroken where the owner of the run is refused: only somebody else could have come before it."""
        stream, held = self.log.tables.streams.get(RUN.bytes), process.held
        if stream is None or held is None or not held.head.version or isinstance(error, LeaseHeld):
            return
        if (stream.owner, stream.epoch) == (process.worker, held.head.epoch):
            raise LawBroken("one writer", f"the owner of the run is refused its own: {error}")

    def _due(self, process: Process) -> bool:
        due = process.turn.due if process.turn is not None else None
        return process.place is Place.WAITS and due is not None and due <= self.clock.now()

    def _step(self, process: Process) -> None:
        posted = process.place is Place.WAITS and not process.messages and bool(self.log.tables.inbox)
        if posted and not self.chance.often(self.faults.wake):
            process.messages = process.look()
        if not process.step():
            self._leave(process)
        self.onlooker.raced |= len(process.jobs) > 1

    def _call(self, process: Process, job: Job) -> None:
        if self.dies():
            self.tell("dies before the call", job)
            raise Died
        assert process.held is not None
        if self.chance.often(0 if self.calm else self.faults.died):
            self.onlooker.meddled = True
            process.fail(job, ProcessDied("the process that executed it died"))
            self.tell("loses what executes", job)
            return
        key = None
        if job.call.kind in (EXECUTE, REVERT):
            key = process.held.idempotency_key(job.call.atom, job.call.execution, job.call.kind, job.call.instance)
        self.onlooker.watch.calling(job.call, key, process.held.head.epoch)
        self.tell("calls", job)
        if self.world is not None:
            self.world.rewind(self.onlooker.failed)  # whatever it has told those who could not write it down
        process.make(job)
        if isinstance(job.outcome, Succeeded):
            self.onlooker.watch.returned(job.call)
        if self.dies():
            self.tell("dies behind the call", job)
            raise Died

    def _idle(self) -> None:
        """Nobody can go on: time passes, or whoever stands still goes on."""
        frozen = [process for process in self.alive if process.frozen]
        if frozen and (len(frozen) == len(self.alive) or not self.chance(2)):
            frozen[0].frozen = False
            self.tell("goes on", process=frozen[0])
            return
        dues = [process.turn.due for process in self.alive if process.turn is not None and process.turn.due is not None]
        if not dues:
            raise LawBroken("progress", f"the run is {self.state.run}, its process waits, and nothing is under way")
        late = self.chance(3) * 0.5 if self.chance.often(self.faults.late) else 0.0
        self._pass(max((min(dues) - self.clock.now()) / 1e6, 0.0) + late)

    def _pass(self, seconds: float) -> None:
        """Let time pass; whoever is alive and awake gives signs of life meanwhile."""
        self.clock.advance(seconds)
        until = self.clock.now() + round(LEASE * 1e6)
        for process in self.alive:
            known = self.log.tables.workers.get(process.worker)
            if known is not None and not process.frozen:
                self.log.tables.workers[process.worker] = known._replace(lease_until=until)

    def _leave(self, process: Process) -> None:
        process.end()
        self.alive.remove(process)

    def _kill(self, process: Process) -> None:
        self.crashes += 1
        process.die()
        self.alive.remove(process)

    # --- what happens to them -----------------------------------------------------------------------------------------

    def _happen(self) -> None:
        """What happens between two steps, to anybody."""
        if not self.harmless:
            self.clock.advance(0.001)
        if self.calm or not self.alive:
            return
        chance, faults, process = self.chance, self.faults, self.alive[0]
        if chance.often(faults.stall):
            process.frozen = True
            self.tell("stands still", process=process)
            if chance(2):
                self._pass(LEASE + 1)
        if chance.often(faults.thief) and self.log.tables.records and len(self.alive) < 3:
            self._take(True)
        if chance.often(faults.person) and self.log.tables.records:
            self.person.posts()
        if chance.often(faults.wake) and process.place is Place.WAITS and not process.frozen and process.jobs:
            self.tell("is woken for nothing", process=process)
            self._act(process)

    def dies(self) -> bool:
        """Whether whoever acts dies at this moment."""
        may = self.actor is not None and not self.calm and self.crashes < self.faults.crashes
        return may and self.chance.often(self.faults.kill)
