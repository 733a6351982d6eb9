"""Whether the tasks of a flow can be called as they say they are to be: seen when the flow joins an App, before it runs."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from ..core.compile import Compiled
from ..definition.coded import Coded
from ..definition.execution import execution_of
from . import policies
from .parcels import check_portable

_POLICIES = (-1, "policies")


def check_calls(atoms: Iterable[Coded]) -> None:
    """See whether each policy can be asked, and whether what is to run in another process can be taken there.

    Raises:
        FlowError: not so; it names the task and says why.
    """
    for atom in atoms:
        if atom.retry_policy is None and atom.executor is None:
            continue
        execution = execution_of(atom)
        policies.check(execution.policy, atom.name)
        if _other_process(execution.executor):
            for kind in ("execute", "revert"):
                if atom.plan.call(kind) is not None:
                    check_portable(atom, kind)


def _other_process(executor: object) -> bool:
    if isinstance(executor, type):
        return issubclass(executor, ProcessPoolExecutor)
    return executor == "process" or isinstance(executor, ProcessPoolExecutor)


def effective_policies(compiled: Compiled) -> list[dict[str, Any]]:
    """The retry policies of a flow's tasks as they will be asked, each with the names of its tasks, for the audit."""
    known: list[dict[str, Any]] | None = compiled.prepared.get(_POLICIES)
    if known is None:
        names: dict[int, tuple[Any, list[str]]] = {}
        for atom in compiled.atoms:
            if atom.retry_policy is not None:
                policy = execution_of(atom).policy
                names.setdefault(id(policy), (policy, []))[1].append(atom.name)
        known = [{**policies.effective(policy), "tasks": tasks} for policy, tasks in names.values()]
        compiled.prepared[_POLICIES] = known
    return known
