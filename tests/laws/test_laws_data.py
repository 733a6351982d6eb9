"""Law 7: records are data. Only registered types are stored, and code comes from the App, whatever the log names."""

from __future__ import annotations

import sys
from typing import Any

import attrs
import psycopg
import pytest

from sagalog.codec.registry import Registry
from sagalog.codec.values import decode, encode
from sagalog.config import Settings
from sagalog.engine.core.states import RunState
from sagalog.engine.definition import FunctorTask, linear
from sagalog.engine.runtime.app import Sagalog
from sagalog.engine.runtime.engine import Engine
from sagalog.errors import CorruptLog, DefinitionChanged, NotStorable


@attrs.frozen
class Money:
    cents: int


class Bonus(Money):
    """A subclass without fields of its own: it would come back as a Money."""


@attrs.frozen
class Parcel(Money):
    weight: int


@pytest.mark.parametrize("value", [Bonus(1), Parcel(1, 2)])
def test_a_subclass_of_a_registered_class_is_not_registered(value: Money) -> None:
    registry = Registry()
    registry.register(Money)
    assert decode(encode(Money(1), registry=registry), registry=registry) == Money(1)
    with pytest.raises(NotStorable, match=rf"result\.paid.*{type(value).__name__}"):
        encode({"paid": value}, registry=registry)


# A module of the standard library that nothing here has a use for, with a class that could be called.
STRANGER = "this"


@pytest.mark.parametrize("tag", [f"${STRANGER}.d@1", f"${STRANGER}@1", f"${STRANGER}:d@1", "$builtins.list@1"])
def test_a_tag_that_names_a_module_imports_nothing(tag: str) -> None:
    assert STRANGER not in sys.modules
    with pytest.raises(CorruptLog):
        decode(f'{{"{tag}":"x"}}'.encode())
    assert STRANGER not in sys.modules


def parts(count: int) -> Any:
    """A factory that could be imported by its name."""
    return linear("parts").add(*(FunctorTask(lambda: None, name=f"p{n}", revert=lambda: None) for n in range(count)))


def test_a_factory_is_looked_for_in_the_app_and_nowhere_else(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "parts", sys.modules[__name__])
    app = Sagalog()
    with Engine.open(settings=settings, app=app) as engine:
        done = engine.run(app.make(parts, {"count": 2}))
    with Engine.open(settings=settings) as stranger:
        with pytest.raises(DefinitionChanged, match="parts"):
            stranger.revert(done.id, reason="its code is not at hand")
        assert stranger.state(done.id).state is RunState.SUCCESS
    with Engine.open(settings=settings, flows=[parts]) as engine:
        assert engine.revert(done.id, reason="it is").state is RunState.REVERTED


def test_a_failure_of_a_class_that_is_not_there_is_told_all_the_same(settings: Settings) -> None:
    """A described exception is never rebuilt: its class may be gone, or may do harm when it is made."""
    made: list[int] = []

    class Harmful(Exception):
        def __init__(self) -> None:
            made.append(1)

    def fail() -> None:
        raise Harmful

    flow = linear("f").add(FunctorTask(fail, name="t"))
    with Engine.open(settings=settings) as engine:
        run = engine.run(flow, raises=False)
    with Engine.open(settings=settings) as stranger:
        failure = stranger.state(run.id).failures[0]
    assert failure.exception is None and failure.check("Harmful") == "Harmful"
    assert made == [1]


def test_what_is_stored_is_json_and_holds_no_pickle(settings: Settings) -> None:
    flow = linear("f").add(FunctorTask(lambda: {"pair": (1, {2}), "raw": b"\0"}, name="t", provides="x"))
    with Engine.open(settings=settings) as engine:
        run = engine.run(flow, {"unused": (1, 2)}, tags={"a": "b"})
    with psycopg.connect(str(settings.database_url)) as conn:
        shown = conn.execute("SELECT facts, value FROM sagalog.record_json WHERE stream_id = %s", [run.id]).fetchall()
        stored = conn.execute("SELECT value FROM sagalog.record WHERE stream_id = %s", [run.id]).fetchall()
    assert all(isinstance(facts, dict) for facts, _ in shown)
    assert [value is None for _, value in shown] == [body is None for (body,) in stored], "each value is JSON"
    assert not any(b"pickle" in body for (body,) in stored if body is not None)
