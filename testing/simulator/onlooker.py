"""`Onlooker`: what of a scene is durable, held against the laws, and what of it may be compared with other scenes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import orjson

from ...engine.core.decide import EXECUTE, ON_FAILURE, REVERT
from ...engine.core.graph import Definition
from ...engine.core.state import State
from ...engine.definition import RetryPolicy
from ..generated import text
from ..laws import Durable, Watch
from .process import Process

FAILED = {
    "task.failure": EXECUTE, "task.waiting": EXECUTE, "task.revert_failure": REVERT,
    "retry.failure": EXECUTE, "retry.revert_failure": REVERT, "retry.consulted": ON_FAILURE,
}  # fmt: skip
"""Records of a call that has failed -> what was called."""


class Onlooker:
    """Looks on at one run.

    `failed`: how many failures of each call are recorded. `written`: what transactional tasks have written, by key.
    `meddled`: somebody, or something, has given the run another end than its own; `skipped`: it has passed something by;
    `raced`: several things were under way at a time, so that the order of what came of them was left to chance.
    """

    def __init__(self, definition: Definition, atoms: Sequence[Any], world: Any) -> None:
        self.definition = definition
        self.world = world
        self.watch = Watch(definition, most=_attempts(atoms))
        self.failed: Counter[tuple[str, int, str]] = Counter()
        self.rows: list[Durable] = []
        self.written: list[str] = []
        self.meddled = self.skipped = self.raced = False

    @property
    def state(self) -> State:
        """What the durable records fold to."""
        return self.watch.state

    def committed(self, durable: list[Durable], now: int) -> None:
        """These records are durable now. Raises LawBroken."""
        self.rows += durable
        # Whoever takes over a run that a retry's code has stopped has it asked again, as a person may.
        self.meddled |= bool(self.state.halted) and any(record.type == "run.running" for record in durable)
        self.watch.committed(durable, now)
        self.raced |= bool(self.state.timers and (self.state.running or self.state.reverting))
        for record in durable:
            if record.type in FAILED:
                self._failed(FAILED[record.type], orjson.loads(record.facts))
            elif record.type == "task.success":
                self.skipped |= b'"skipped":true' in record.facts

    def _failed(self, what: str, facts: dict[str, Any]) -> None:
        if "classes" not in facts:  # the database has broken it off: the call itself has not failed
            return
        if what != ON_FAILURE or facts["done"] == "raised":
            self.failed[self.named(facts["atom"], facts.get("instance")), facts["execution"], what] += 1

    def wrote(self, statements: Sequence[tuple[str, tuple[Any, ...]]]) -> None:
        """The code of a transactional task has written this, for good."""
        if self.world is not None:
            for _, params in statements:
                self.world.committed(params[0])
                self.written.append(params[0])

    def live(self, process: Process) -> None:
        """A process has learned that its append is durable: what it holds is what the log does. Raises LawBroken."""
        assert process.held is not None
        if process.held.head.version == self.state.version:
            self.watch.live(process.held.state)
            self.watch.between(process.capacity)

    def named(self, atom: int, instance: int | None) -> str:
        """An atom, or an element `name[i]` of a fan-out."""
        name = self.definition.atoms[atom].name
        return name if instance is None else f"{name}[{instance}]"

    def key(self, direction: str, atom: int, instance: int | None, execution: int) -> str:
        """Under which key the world of a case knows an execution."""
        return text((self.named(atom, instance), execution, direction))


def _attempts(atoms: Sequence[Any]) -> dict[str, int]:
    """How often each atom with a RetryPolicy may be tried in all."""
    policies = {atom.name: getattr(atom, "retry_policy", None) for atom in atoms}
    return {name: policy.max_attempts for name, policy in policies.items() if isinstance(policy, RetryPolicy)}
