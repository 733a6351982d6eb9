"""What users write: atoms, tasks, flows and how arguments are found. Pure."""

from __future__ import annotations

from .atom import Atom
from .context import Context
from .controllers import AlwaysRevert, AlwaysRevertAll, ForEach, ParameterizedForEach, Times
from .deciders import Depth
from .decision import Decision
from .each import Each, each
from .event import EventBase, event
from .execution import ExecutorConfig
from .flow import Flow, LinearFlow, UnorderedFlow, linear, unordered
from .functor import FunctorTask, MapFunctorTask, ReduceFunctorTask, task
from .graph import GraphFlow, graph
from .history import History
from .outcome import Outcome, OutcomePolicy
from .policy import RetryPolicy
from .probes import ProbeAnswer, did_not_happen, dont_know, happened
from .resultset import ResultSet
from .retry import Retry
from .task import Task
from .unknown import Unknown
from .words import Compensation, Recovery

__all__ = [
    "AlwaysRevert",
    "AlwaysRevertAll",
    "Atom",
    "Compensation",
    "Context",
    "Decision",
    "Depth",
    "Each",
    "EventBase",
    "ExecutorConfig",
    "Flow",
    "ForEach",
    "FunctorTask",
    "GraphFlow",
    "History",
    "LinearFlow",
    "MapFunctorTask",
    "Outcome",
    "OutcomePolicy",
    "ParameterizedForEach",
    "ProbeAnswer",
    "Recovery",
    "ReduceFunctorTask",
    "ResultSet",
    "Retry",
    "RetryPolicy",
    "Task",
    "Times",
    "Unknown",
    "UnorderedFlow",
    "did_not_happen",
    "dont_know",
    "each",
    "event",
    "graph",
    "happened",
    "linear",
    "task",
    "unordered",
]
