"""The retries that a user might have written, and deciders: the code of a case that is asked what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...engine.definition import Context, Decision, History, Retry
from .script import Refused
from .world import World, checksum

# --- retries ----------------------------------------------------------------------------------------------------------


class Answering(Retry):
    """Answers by the number of tries: the n-th of `answers`, and the last one from then on."""

    def __init__(self, world: World, answers: Sequence[Decision], name: str, provides: str | None, **more: Any) -> None:
        self.world, self.answers = world, answers
        super().__init__(name, provides, **more)

    def _start(self, context: Context, history: History, *handed: Any) -> Any:
        # Which atoms had failed in a try may hang on who was quicker; what is returned does not.
        seen = [len(history), list(history.provided_iter()), *handed]
        return self.world.call(context, "execute", (seen,), tries=tries(history))

    def _undo(self, context: Context, history: History, *handed: Any, **details: Any) -> Any:
        return self.world.call(context, "revert", (len(history), *handed), tries=tries(history), **details)

    def _answer(self, context: Context, history: History) -> Decision:
        key = (context.atom, context.execution, "on_failure")
        if self.world.script(context.atom).fails(key, self.world.failed[key]):
            self.world.fail(key, Refused)
        return self.answers[min(len(history), len(self.answers)) - 1]


class Scripted(Answering):
    """One with nothing to be undone."""

    def execute(self, context: Context, history: History) -> Any:
        return self._start(context, history)

    def on_failure(self, context: Context, history: History) -> Decision:
        return self._answer(context, history)


class Undone(Scripted):
    """One with something to be undone."""

    def revert(self, context: Context, history: History, result: Any) -> Any:
        return self._undo(context, history, result=result)


class Taking(Answering):
    """One that takes an argument, and reverts by it."""

    def execute(self, context: Context, history: History, a: Any) -> Any:
        return self._start(context, history, a)

    def on_failure(self, history: History, context: Context, a: Any) -> Decision:
        return self._answer(context, history)

    def revert(self, context: Context, history: History, a: Any, flow_failures: Any) -> Any:
        return self._undo(context, history, a, flow_failures=flow_failures)


class Choosy(Answering):
    """One that retries only what was refused, and takes whatever it may; a coroutine each."""

    async def execute(self, context: Context, history: History, **more: Any) -> Any:
        return self._start(context, history, sorted(more.items()))

    async def on_failure(self, context: Context, history: History, **more: Any) -> Decision:
        answer = self._answer(context, history)
        if answer is Decision.RETRY and not history.caused_by(Refused, -1):
            return Decision.REVERT
        return answer


def tries(history: History) -> list[list[str]]:
    """The names of the atoms that failed, for each try."""
    return [sorted(failures) for _, failures in history]


# --- deciders ---------------------------------------------------------------------------------------------------------


def yes(history: Any) -> bool:
    return True


def no(history: Any) -> bool:
    return False


def mostly(history: Any) -> bool:
    return checksum(history) % 4 > 0


async def mostly_async(history: Any) -> bool:
    return checksum(history) % 4 > 0
