"""`Code`: the functions of which the tasks of a case are made. One for each signature; the world says what they do.

They are methods, so that all cases share what is worked out of a function once.
"""

from __future__ import annotations

from typing import Any

from ...engine.definition import Context, Outcome, ProbeAnswer, Task, did_not_happen, dont_know, happened
from .script import Refused
from .world import World, checksum


class Code:
    """The code of one case. `a` and `b` are looked up; an element of a fan-out is `a`."""

    def __init__(self, world: World) -> None:
        self.world = world

    # --- execute ------------------------------------------------------------------------------------------------------

    def alone(self, context: Context) -> Any:
        return self.world.call(context, "execute", ())

    def one(self, context: Context, a: Any) -> Any:
        return self.world.call(context, "execute", (a,))

    def two(self, context: Context, a: Any, b: Any) -> Any:
        return self.world.call(context, "execute", (a, b))

    def may(self, context: Context, b: Any = None) -> Any:
        return self.world.call(context, "execute", (b,))

    def one_may(self, context: Context, a: Any, b: Any = None) -> Any:
        return self.world.call(context, "execute", (a, b))

    def many(self, context: Context, **more: Any) -> Any:
        return self.world.call(context, "execute", (sorted(more.items()),))

    def pair(self, context: Context, b: Any = None) -> tuple[bool, Any]:
        """The code of an event."""
        told = self.world.call(context, "execute", (b,))
        return (False, told.content) if isinstance(told, Outcome) else (True, told)

    async def alone_async(self, context: Context) -> Any:
        return self.world.call(context, "execute", ())

    async def one_async(self, context: Context, a: Any) -> Any:
        return self.world.call(context, "execute", (a,))

    async def one_may_async(self, context: Context, a: Any, b: Any = None) -> Any:
        return self.world.call(context, "execute", (a, b))

    def alone_inside(self, context: Context, conn: Any) -> Any:
        return self.world.call(context, "execute", (), conn)

    def one_inside(self, context: Context, conn: Any, a: Any) -> Any:
        return self.world.call(context, "execute", (a,), conn)

    def one_may_inside(self, context: Context, conn: Any, a: Any, b: Any = None) -> Any:
        return self.world.call(context, "execute", (a, b), conn)

    # --- revert -------------------------------------------------------------------------------------------------------

    def back(self, context: Context) -> Any:
        return self.world.call(context, "revert", ())

    def back_of(self, context: Context, result: Any) -> Any:
        return self.world.call(context, "revert", (), result=result)

    def back_why(self, context: Context, result: Any, flow_failures: Any) -> Any:
        return self.world.call(context, "revert", (), result=result, flow_failures=flow_failures)

    def back_one(self, context: Context, result: Any, a: Any) -> Any:
        return self.world.call(context, "revert", (a,), result=result)

    def back_may(self, context: Context, a: Any = None, **more: Any) -> Any:
        result, flow_failures = more.pop("result", None), more.pop("flow_failures", None)
        handed = (a, sorted(more.items()))
        return self.world.call(context, "revert", handed, result=result, flow_failures=flow_failures)

    async def back_async(self, context: Context, result: Any) -> Any:
        return self.world.call(context, "revert", (), result=result)

    def back_inside(self, context: Context, conn: Any, result: Any) -> Any:
        return self.world.call(context, "revert", (), conn, result=result)

    # --- probes -------------------------------------------------------------------------------------------------------

    def asked(self, context: Context) -> ProbeAnswer:
        return self._answer(context, "execute")

    async def asked_async(self, context: Context) -> ProbeAnswer:
        return self._answer(context, "execute")

    def asked_back(self, context: Context) -> ProbeAnswer:
        return self._answer(context, "revert")

    def _answer(self, context: Context, direction: str) -> ProbeAnswer:
        kind = self.world.script(context.atom).probes
        if kind == "raises":
            raise Refused(f"{context.atom} {context.execution} {direction}: nobody there to be asked")
        if kind == "doubts":
            return dont_know
        there, value = self.world.happened((context.atom, context.execution, direction))
        return happened(value) if there else did_not_happen


class Hooked(Task):
    """A task that is a class, with hooks."""

    def __init__(self, world: World, name: str, **options: Any) -> None:
        self.world = world
        super().__init__(name, **options)

    def execute(self, context: Context, b: Any = None) -> Any:
        return self.world.call(context, "execute", (b,))

    def revert(self, context: Context, result: Any, b: Any = None) -> Any:
        return self.world.call(context, "revert", (b,), result=result)

    def probe(self, context: Context) -> ProbeAnswer:
        return Code(self.world).asked(context)

    def pre_execute(self) -> None:
        self.world.hooks[f"pre_execute {self.name}"] += 1

    def post_execute(self) -> None:
        self.world.hooks[f"post_execute {self.name}"] += 1

    def pre_revert(self) -> None:
        self.world.hooks[f"pre_revert {self.name}"] += 1

    def post_revert(self) -> None:
        self.world.hooks[f"post_revert {self.name}"] += 1


def sum_of(value: Any) -> int:
    """What a map does with each value."""
    return checksum([value])


def sum_of_two(one: Any, other: Any) -> int:
    """What a reduction does with two values."""
    return checksum([one, other])
