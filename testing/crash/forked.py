"""`ForkedStage`: each life is that of a child process, which is killed with SIGKILL where it is to be struck down."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
import traceback
import warnings
from typing import Any
from uuid import UUID

from ...errors import SagalogError, UsageError
from ..ledger import FileLedger
from .points import Called, Point
from .stage import Deed, Stage
from .watch import Effect, Seen, Watch

_PR_SET_PDEATHSIG = 1


class ChildBroke(SagalogError):
    """A child process ended otherwise than it was to; the text is its traceback."""


class ForkedStage(Stage):
    """A stage on which who is struck down is a process: a child, forked from this one, with an engine of its own.

    Raises UsageError: not on Linux, or with a ledger that would die with the child.
    """

    def __init__(self, *arguments: Any) -> None:
        if not sys.platform.startswith("linux"):
            raise UsageError(f"kill='process' needs Linux, which knows a process that is gone; found {sys.platform}")
        super().__init__(*arguments)
        if self.ledger is not None and not isinstance(self.ledger, FileLedger):
            self.close()
            raise UsageError(
                "kill='process': what a Ledger in memory was told dies with the process that is killed; take "
                "FileLedger(path)"
            )

    def live(self, run: UUID, deed: Deed, at: int | None, resumed: bool) -> Seen:
        """Have a child do the deed; see `Stage.live`."""
        source, sink = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the child uses nothing that other threads may hold
            child = os.fork()
        if not child:
            os.close(source)
            self._live(_Line(sink), run, deed, at, resumed)
        os.close(sink)
        with os.fdopen(source, "rb") as words:
            told = [json.loads(line) for line in words if line.endswith(b"\n")]
        _, status = os.waitpid(child, 0)
        return self._seen(told, os.waitstatus_to_exitcode(status))

    def _live(self, line: _Line, run: UUID, deed: Deed, at: int | None, resumed: bool) -> None:
        """The child's whole life."""
        try:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # whoever kills the tests ends this, too

            def strike() -> None:
                line.tell(watch.seen)
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)

            def rest() -> None:
                self.wait_for(engine, run)
                line.say({"ahead": self.clock.ahead})

            engine = self._new(self._connected(None))
            with Watch(run, self.ledger, at, strike, rest, resumed) as watch:
                deed(engine, run)
            line.tell(watch.seen)
        except BaseException:
            line.say({"broken": traceback.format_exc()[-6000:]})
        finally:
            os._exit(0)

    def _seen(self, told: list[dict[str, Any]], code: int) -> Seen:
        for words in told:
            self.clock.ahead = words.get("ahead", self.clock.ahead)
        last: dict[str, Any] = told[-1] if told else {"broken": "it said nothing"}
        if "broken" in last or "points" not in last or (code != 0) is not (last["killed"] or last["endless"]):
            raise ChildBroke(f"a child process broke (exit {code}): {last.get('broken', last)}")
        seen = Seen()
        seen.points = [Point.loaded(point) for point in last["points"]]
        seen.effects = [Effect(None if call is None else Called(*call), *rest) for call, *rest in last["effects"]]
        seen.durable = last["durable"]
        seen.killed = seen.points[-1] if last["killed"] else None
        if last["endless"]:
            raise seen.no_end()
        return seen


class _Line:
    """A child's line to its parent: JSON documents, one a line."""

    def __init__(self, sink: int) -> None:
        self._sink = sink

    def say(self, document: dict[str, Any]) -> None:
        data = json.dumps(document).encode() + b"\n"
        while data:
            data = data[os.write(self._sink, data) :]

    def tell(self, seen: Seen) -> None:
        how = {"killed": seen.killed is not None, "endless": seen.endless}
        self.say({"points": seen.points, "effects": seen.effects, "durable": seen.durable, **how})
