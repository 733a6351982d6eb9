"""A run goes on with changed code only where somebody has declared the change compatible."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sagalog import Engine, FunctorTask, RunState, Sagalog, graph, linear
from sagalog.config import Settings
from sagalog.errors import DefinitionChanged, FlowError


def named(name: str, code: Callable[[], object] = lambda: None, version: str = "1.0") -> FunctorTask:
    return FunctorTask(code, name=name, version=version)


def interrupt() -> None:
    raise KeyboardInterrupt


def stopped(settings: Settings, name: str) -> tuple[str, str]:
    """The id of a run that was broken off in its second task, and its definition's fingerprint."""
    flow = linear(name).add(named("one"), named("two", interrupt), named("three"))
    with Engine.open(settings=settings) as engine:
        with pytest.raises(KeyboardInterrupt):
            engine.run(flow)
        (run,) = engine.runs(flow=name)
        return str(run.id), run.definition.fingerprint


def test_a_change_is_refused_and_says_how_it_is_declared(settings: Settings) -> None:
    run, fingerprint = stopped(settings, "refused")
    later = linear("refused").add(named("one"), named("two"), named("between"), named("three"))
    with Engine.open(settings=settings, app=Sagalog([later])) as engine:
        with pytest.raises(DefinitionChanged, match=rf"compatible={{'refused': \['{fingerprint[:12]}'\]}}"):
            engine.resume(run)
        assert engine.state(run).state is RunState.RUNNING


def test_a_declared_change_goes_on_with_the_graph_it_was_started_with(settings: Settings) -> None:
    run, fingerprint = stopped(settings, "declared")
    done: list[str] = []
    later = linear("declared").add(
        *(named(name, lambda name=name: done.append(name)) for name in ("one", "two", "between", "three"))  # type: ignore[misc]
    )
    app = Sagalog([later], compatible={"declared": [fingerprint[:12]]})
    with Engine.open(settings=settings, app=app) as engine:
        assert engine.resume(run).state is RunState.SUCCESS
        assert engine.verify(run).ok
    assert done == ["two", "three"], "what is new in the code is not part of this run"


def test_an_atom_in_another_version_is_refused_all_the_same(settings: Settings) -> None:
    run, fingerprint = stopped(settings, "versions")
    later = linear("versions").add(named("one"), named("two"), named("three", version="2.0"))
    app = Sagalog([later], compatible={"versions": [fingerprint]})
    refused = pytest.raises(DefinitionChanged, match=r"'three'.*'1\.0'.*'2\.0'")
    with Engine.open(settings=settings, app=app) as engine, refused:
        engine.resume(run)


def test_a_decider_that_is_gone_is_refused(settings: Settings) -> None:
    def asks(history: dict[str, object]) -> bool:
        return True

    one, two = named("one", interrupt), named("two")
    with Engine.open(settings=settings) as engine:
        with pytest.raises(KeyboardInterrupt):
            engine.run(graph("deciders").add(one, two).link(one, two, decider=asks))
        (run,) = engine.runs(flow="deciders")
    one, two = named("one"), named("two")
    app = Sagalog([graph("deciders").add(one, two).link(one, two)], compatible={"deciders": [run.definition.fingerprint]})
    with Engine.open(settings=settings, app=app) as engine, pytest.raises(DefinitionChanged, match="decider 'asks'"):
        engine.resume(run.id)


@pytest.mark.parametrize("prints", [["short"], [5], "short"])
def test_a_declaration_that_names_too_much_is_refused(prints: object) -> None:
    with pytest.raises(FlowError, match="at least 12 characters"):
        Sagalog(compatible={"f": prints})  # type: ignore[dict-item]
