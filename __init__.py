"""sagalog: an event-sourced transactional flow engine on Postgres.

Describe a business process as a flow of tasks that know how to execute and how to revert; every transition is
appended to a Postgres event log, from which a run is resumed, audited and compensated.
"""

from __future__ import annotations

from .codec.registry import register
from .config import Settings
from .engine.core.states import RetryState, RunState, TaskState
from .engine.definition import (
    Atom,
    Compensation,
    Context,
    Flow,
    FunctorTask,
    MapFunctorTask,
    Recovery,
    ReduceFunctorTask,
    Task,
    Unknown,
    did_not_happen,
    dont_know,
    graph,
    happened,
    linear,
    task,
    unordered,
)
from .engine.runtime.app import Sagalog
from .engine.runtime.engine import Engine
from .engine.runtime.views import AtomView, Record, Run
from .errors import (
    AmbiguousDependency,
    Conflict,
    CorruptLog,
    CycleError,
    DefinitionChanged,
    DuplicateName,
    Failure,
    FailureError,
    Fenced,
    FlowError,
    FlowFailed,
    LeaseHeld,
    MissingArgument,
    NotStorable,
    SagalogError,
    SchemaMismatch,
    StoreUnavailable,
    UnknownRun,
    UnknownSource,
    UsageError,
    ValueTooLarge,
)
from .store.report import Fault, Verification

__version__ = "0.1.0"

__all__ = [
    "AmbiguousDependency",
    "Atom",
    "AtomView",
    "Compensation",
    "Conflict",
    "Context",
    "CorruptLog",
    "CycleError",
    "DefinitionChanged",
    "DuplicateName",
    "Engine",
    "Failure",
    "FailureError",
    "Fault",
    "Fenced",
    "Flow",
    "FlowError",
    "FlowFailed",
    "FunctorTask",
    "LeaseHeld",
    "MapFunctorTask",
    "MissingArgument",
    "NotStorable",
    "Record",
    "Recovery",
    "ReduceFunctorTask",
    "RetryState",
    "Run",
    "RunState",
    "Sagalog",
    "SagalogError",
    "SchemaMismatch",
    "Settings",
    "StoreUnavailable",
    "Task",
    "TaskState",
    "Unknown",
    "UnknownRun",
    "UnknownSource",
    "UsageError",
    "ValueTooLarge",
    "Verification",
    "did_not_happen",
    "dont_know",
    "graph",
    "happened",
    "linear",
    "register",
    "task",
    "unordered",
]
