"""Points at which a process can be struck down, in the order saga: a child counts them, and dies at one of them.

==================  ==============================================================================================
point               where the process is
==================  ==============================================================================================
``append.before``   a turn is decided; nothing of it is in the log
``append.inside``   about to send one of the last statements of a transactional task: to close it, append, commit
``append.after``    the turn is durable
``call.before``     a task's intent is durable; its code is about to run
``effect.before``   a call to the outside is counted by the ledger; it has not taken effect
``effect.after``    it has
``call.after``      the code has returned; its outcome is nowhere yet
==================  ==============================================================================================
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

from sagalog_children import Line

from examples import ledger
from sagalog import telemetry
from sagalog.store.io import Operation, perform
from sagalog.store.session import Session


class Striker:
    """Counts the points of this process from 1 on; at the one numbered `at` the process is killed (SIGKILL).

    With `of` only the points of that name count.
    What it says on the line: {"durable": [record types]} for each append that is durable, and last
    {"struck": name of the point, "owing": …}, `owing` being the kind of the call to the outside that was made and whose
    outcome is not durable. For a process forked for this and nothing else: it never lets go of what it listens to.
    """

    def __init__(self, line: Line, at: int | None = None, of: str | None = None) -> None:
        self.line = line
        self.at = at
        self.of = of
        self.points: list[str] = []
        self.owing: str | None = None
        self._durable: list[str] = ["task.running"]
        telemetry.listen(self._hear)
        self._watch_effects()
        self._watch_transactions()

    def point(self, name: str) -> None:
        """The process has come to a point."""
        self.points.append(name)
        if self.of in (None, name) and self.at == (self.points.count(name) if self.of else len(self.points)):
            self.line.say({"struck": name, "owing": self.owing})
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)

    def _hear(self, event: str, facts: dict[str, Any]) -> None:
        if event == "append.after":
            self.owing = None
            self._durable = facts["records"]
            self.line.say({"durable": facts["records"]})
        if event == "call.before":
            # Law 2: the newest thing in the log is what the code is about to do.
            assert self._durable[-1] in ("task.running", "task.reverting"), self._durable
        if event in ("append.before", "append.after", "call.before", "call.after"):
            self.point(event)

    def _watch_effects(self) -> None:
        attempt = ledger.Ledger.attempt

        def counted(book: Any, kind: str, call: Any) -> None:
            attempt(book, kind, call)
            self.owing = kind
            self.point("effect.before")

        def entered(method: Callable[..., bool]) -> Callable[..., bool]:
            def enter(*args: Any) -> bool:
                done = method(*args)
                self.point("effect.after")
                return done

            return enter

        for name, method in (
            ("attempt", counted),
            ("enter", entered(ledger.Ledger.enter)),
            ("_undo", entered(ledger.Ledger._undo)),
        ):
            setattr(ledger.Ledger, name, method)

    def _watch_transactions(self) -> None:
        def watched(session: Session, operation: Operation[Any]) -> Any:
            return perform(session.connection, self._stepping(operation))

        setattr(Session, "inside", watched)  # noqa: B010  # in a process that ends with the test

    def _stepping(self, operation: Operation[Any]) -> Operation[Any]:
        try:
            query = next(operation)
            while True:
                self.point("append.inside")
                query = operation.send((yield query))
        except StopIteration as done:
            return done.value
