"""Each law is broken by something, and by its own name."""

from __future__ import annotations

import pytest
import sagalog_lawbreaks_effects
import sagalog_lawbreaks_failures
import sagalog_lawbreaks_forward
import sagalog_lawbreaks_log
from sagalog_lawkit import Break, broken_by, failed, fanned, gated, grouped, nested, ran, scoped, timed, two

from sagalog.engine.core.inputs import Reset, Restore, Resume
from sagalog.testing import Play
from sagalog.testing.laws import LAWS, LawBroken, Watch, broken, durable

ROOMS = (
    sagalog_lawbreaks_log, sagalog_lawbreaks_forward, sagalog_lawbreaks_failures, sagalog_lawbreaks_effects
)
WAYS = [(law, way) for law, found in broken_by.items() for way in found]


def more() -> list[Play]:
    """Runs that hold: with a recovery and a reset among them."""
    recovered = failed(two(), "b")
    recovered.take(Restore(None, {}, None))
    recovered.advance()
    reset = ran(two())
    reset.take(Reset({}, None), Resume())
    reset.advance()
    return [ran(two()), failed(two(), "b"), scoped(), nested(), grouped(), gated(), fanned(2), timed(), recovered, reset]


@pytest.mark.parametrize(("law", "way"), WAYS, ids=[way.__name__ for _, way in WAYS])
def test_the_law_is_broken_by_name(law: str, way: Break) -> None:
    with pytest.raises(LawBroken) as found:
        way()
    assert found.value.law == law, str(found.value)
    assert str(found.value) == f"law {law!r}: {found.value.detail}"


def test_every_law_is_broken_by_something() -> None:
    assert set(broken_by) == set(LAWS)
    assert {way.__module__ for _, way in WAYS} == {room.__name__ for room in ROOMS}


@pytest.mark.parametrize("play", more(), ids=lambda play: f"{play.definition.name} {len(play.records)}")
def test_what_holds_is_left_alone(play: Play) -> None:
    watch = Watch(play.definition, every=1)
    watch.committed(durable(play.records))
    watch.live(play.state)
    watch.between(9)
    if play.state.run in ("SUCCESS", "REVERTED"):
        watch.ended()
        watch.rests()


def test_a_law_that_does_not_exist_cannot_be_broken() -> None:
    with pytest.raises(KeyError):
        broken("justice", "there is none")


def test_laws_are_sentences() -> None:
    assert all(text.endswith(".") and text[0].isupper() for text in LAWS.values())
