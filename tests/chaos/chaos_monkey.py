"""The monkey: kills processes, has them stand still, and restarts the server, as its seed says."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter

from attrs import define, field
from chaos_crew import Crew
from chaos_place import LEASE, Place

EVERY = {"kill": 0.8, "stop": 1.2, "restart": 10.0}
"""Seconds between two of a kind, on average."""
RESTARTS = ("fast", "immediate", "killed")
KILLED, STOPPED, STALE = "processes killed", "processes stopped and woken", "of them for longer than their lease"
LONGEST_STOP = 2.5 * LEASE
"""Who stands still for longer than its lease comes back as a stale owner."""


@define(eq=False)
class Monkey:
    """Does its damage whenever `act` is called, so much and no more as is due by then."""

    place: Place
    crew: Crew
    chance: random.Random
    done: Counter[str] = field(factory=Counter)
    troubles: list[BaseException] = field(factory=list)
    _due: dict[str, float] = field(factory=dict)
    _restarting: threading.Thread | None = None

    def act(self) -> None:
        """What is due now."""
        now = time.monotonic()
        for hand in self.crew.alive():
            if hand.still_until is not None and hand.still_until <= now:
                hand.process.send_signal(signal.SIGCONT)
                hand.still_until = None
        for kind, mean in EVERY.items():
            due = self._due.setdefault(kind, now + self.chance.expovariate(1 / mean))
            if due <= now:
                self._due[kind] = now + self.chance.expovariate(1 / mean)
                getattr(self, f"_{kind}")(now)

    @property
    def told(self) -> str:
        """What it has done so far, in a line."""
        done, restarts = self.done, sum(count for what, count in self.done.items() if what.startswith("server"))
        return f"{done[KILLED]} killed, {done[STOPPED]} stopped ({done[STALE]} beyond their lease), {restarts} restarts"

    def end(self) -> None:
        """Leave the server up."""
        if self._restarting is not None:
            self._restarting.join()
        if self.troubles:
            raise self.troubles[0]

    def _kill(self, now: float) -> None:
        if alive := self.crew.alive():
            hand = self.chance.choice(alive)
            hand.process.kill()
            self.done[KILLED] += 1
            self.done["of them as they stood still"] += hand.still_until is not None

    def _stop(self, now: float) -> None:
        if moving := [hand for hand in self.crew.alive() if hand.still_until is None]:
            hand, seconds = self.chance.choice(moving), self.chance.uniform(0.05, LONGEST_STOP)
            hand.process.send_signal(signal.SIGSTOP)
            hand.still_until = now + seconds
            self.done[STOPPED] += 1
            self.done[STALE] += seconds > LEASE

    def _restart(self, now: float) -> None:
        if self._restarting is not None and self._restarting.is_alive():
            return
        how = self.chance.choice(RESTARTS)
        self.done[f"server restarts, {how}"] += 1
        self._restarting = threading.Thread(target=self._restarted, args=(how,), daemon=True)
        self._restarting.start()

    def _restarted(self, how: str) -> None:
        try:
            self.place.restart(how)
        except BaseException as error:
            self.troubles.append(error)
