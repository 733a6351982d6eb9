"""What users write: atoms, tasks, flows and how arguments are found. Pure."""

from __future__ import annotations

from .atom import Atom
from .context import Context
from .flow import Flow, LinearFlow, UnorderedFlow, linear, unordered
from .functor import FunctorTask, MapFunctorTask, ReduceFunctorTask, task
from .graph import GraphFlow, graph
from .probes import ProbeAnswer, did_not_happen, dont_know, happened
from .task import Task
from .unknown import Unknown
from .words import Compensation, Recovery

__all__ = [
    "Atom",
    "Compensation",
    "Context",
    "Flow",
    "FunctorTask",
    "GraphFlow",
    "LinearFlow",
    "MapFunctorTask",
    "ProbeAnswer",
    "Recovery",
    "ReduceFunctorTask",
    "Task",
    "Unknown",
    "UnorderedFlow",
    "did_not_happen",
    "dont_know",
    "graph",
    "happened",
    "linear",
    "task",
    "unordered",
]
