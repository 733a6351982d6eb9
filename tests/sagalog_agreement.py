"""Runs a flow on the real engine, in memory, and in the model, and says where the two ended differently."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sagalog_model import Ending, interpret
from sagalog_model_engine import run_in_memory

from sagalog import Failure, ResultSet
from sagalog.testing.generated import Case


class Nowhere:
    """The connection of a transactional task, in the model: what is written is of no account."""

    def execute(self, query: str, params: Any = ()) -> None: ...


class Seen(NamedTuple):
    """How a run ended, in either: values that are equal where the values are; `calls` in order."""

    state: str
    atoms: dict[str, tuple[str, int]]
    results: dict[str, Any]
    calls: list[Any]


def agreed(
    make: Callable[[list[Any]], Any], inputs: Mapping[str, Any] | None = None, **options: Any
) -> Seen:
    """What engine and model agree upon about the flow that `make` makes around a list of notes, which are the calls."""
    notes: list[Any] = []
    engine = of_engine(run_in_memory(make(notes), inputs, **options), notes)
    again: list[Any] = []
    model = of_model(interpret(make(again), inputs, **options), again)
    assert model == engine
    return engine


def both(case: Case) -> tuple[Seen, Seen]:
    """(engine, model) about a generated case; the calls are those that its world has seen, with what they were handed."""
    case.world.reset()
    run = run_in_memory(case.flow, case.inputs, **case.options)
    engine = of_engine(run, _calls(case))
    case.world.reset()
    ending = interpret(case.flow, case.inputs, conn=Nowhere(), **case.options)
    return engine, of_model(ending, _calls(case))


def _calls(case: Case) -> list[Any]:
    return [(call.what, call.key, plain(dict(call.details))) for call in case.world.ledger.calls()]


def of_engine(run: Any, calls: list[Any]) -> Seen:
    atoms = {name: (str(view.state), view.execution) for name, view in run.atoms.items()}
    return Seen(str(run.state), atoms, plain(run.results), calls)


def of_model(ending: Ending, calls: list[Any]) -> Seen:
    return Seen(ending.state, ending.atoms, plain(ending.results), calls)


def plain(value: Any) -> Any:
    """A failure by its class, message and atom (its traceback is of no account), views and lists by their elements."""
    if isinstance(value, Failure):
        return ("failure", value.type, value.message, value.atom)
    if isinstance(value, list | tuple | ResultSet):
        return [plain(element) for element in value]
    if isinstance(value, dict):
        return {name: plain(element) for name, element in value.items()}
    return value
