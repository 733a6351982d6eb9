"""The worker processes: some run orders files, one resumes whatever is unfinished, one is the operator."""

from __future__ import annotations

import ctypes
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from attrs import define, field
from chaos_place import ROOT, Place

ENDED_WELL = (0, 1, 2, 3)
"""Exit codes of the command line: done, an error that is no mistake, a mistake, some orders reverted."""
_PR_SET_PDEATHSIG = 1


@define(eq=False)
class Hand:
    """One process at work. `wave` is the orders file that it runs, if it is one that does."""

    role: str
    process: subprocess.Popen[bytes]
    said: Path
    wave: Path | None = None
    still_until: float | None = None  # it stands still (SIGSTOP) until then, by time.monotonic()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None


@define(eq=False)
class Crew:
    """Keeps `roles` filled: a process that has ended, or was killed, is followed by another one."""

    place: Place
    chance: random.Random
    runners: int = 2
    hands: dict[str, Hand] = field(factory=dict)
    ended: Counter[str] = field(factory=Counter)
    broken: list[str] = field(factory=list)  # of processes that ended in a way they should not
    _wave: int = 0
    _started: int = 0

    @property
    def roles(self) -> list[str]:
        return [*(f"run {number}" for number in range(1, self.runners + 1)), "resume", "operator"]

    def tend(self) -> None:
        """Start who is missing."""
        for role in self.roles:
            hand = self.hands.get(role)
            if hand is None or not hand.alive:
                if hand is not None:
                    self._take_note(hand)
                self.hands[role] = self._start(role)

    def alive(self) -> list[Hand]:
        """Who is at work."""
        return [hand for hand in self.hands.values() if hand.alive]

    def let_end(self, patience: float) -> None:
        """Wake all, let the operator go, and let the others come to their end."""
        for hand in self.alive():
            hand.process.send_signal(signal.SIGCONT)
        if operator := self.hands.get("operator"):
            operator.process.kill()
        deadline = time.monotonic() + patience
        while self.alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        for hand in self.alive():
            self.broken.append(f"{hand.role}: did not come to its end within {patience:.0f} s: {self._last(hand)}")
            hand.process.kill()
        self.close()

    def close(self) -> None:
        """End all that is left."""
        for hand in self.hands.values():
            hand.process.kill()
            hand.process.wait()
            self._take_note(hand)
        self.hands.clear()

    def _start(self, role: str) -> Hand:
        wave = None
        if role.startswith("run"):
            # Often the newest file again: two may be at it at once, and one goes on with what another has left.
            self._wave += self._wave == 0 or self.chance.random() < 0.4
            wave = self.place.wave(self._wave)
            words = ["sagalog.cli.main", "run", "examples.orders:order", "--each", str(wave), "--concurrency", "8"]
        elif role == "resume":
            words = ["sagalog.cli.main", "resume", "--all", "--concurrency", "8"]
        else:
            words = ["chaos_operator", "act", str(self.place.home), str(self.chance.randrange(2**32))]
        self._started += 1
        said = self.place.home / f"said_{self._started}"
        with said.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *words], cwd=ROOT, env=self.place.environment, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, preexec_fn=_ends_with_its_parent,
            )  # fmt: skip
        return Hand(role, process, said, wave)

    def _take_note(self, hand: Hand) -> None:
        code = hand.process.wait()
        if code == -signal.SIGKILL:
            self.ended["killed"] += 1
        elif code in ENDED_WELL and b"Traceback" not in hand.said.read_bytes():
            self.ended[f"exit {code}"] += 1
            if hand.wave is not None and code in (0, 3):
                self.place.note(wave=hand.wave.name)
        else:
            self.ended["broken"] += 1
            self.broken.append(f"{hand.role}: exit {code}: {self._last(hand)}")
        hand.said.rename(hand.said.with_name(f"{hand.said.name}_{hand.role.replace(' ', '_')}_{code}"))

    def _last(self, hand: Hand) -> str:
        return hand.said.read_text(errors="replace")[-3000:]


def _ends_with_its_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
