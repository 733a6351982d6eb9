"""Failure: an exception described, kept, matched by name; and errors that a person reads."""

from __future__ import annotations

import copy
import pickle
import sys
import traceback
from types import ModuleType, SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from sagalog import errors
from sagalog.codec import decode, encode
from sagalog.errors import (
    CAUSE_COUNT,
    CAUSE_DEPTH,
    MESSAGE_LIMIT,
    TRACEBACK_LIMIT,
    CorruptLog,
    Failure,
    FailureError,
    FlowFailed,
    NotStorable,
    SagalogError,
    ValueTooLarge,
    qualified_name,
)

RUN = UUID("0190a0b0-c0d0-7000-8000-00000000000a")


class CardRefused(ValueError):
    class Soft(Exception):
        pass


class Nasty(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def raised(make: Any) -> Failure:
    try:
        make()
    except BaseException as exc:
        return Failure.of(exc, "charge")
    raise AssertionError("nothing was raised")


def fail(exc: BaseException, cause: BaseException | None = None) -> Any:
    def make() -> None:
        raise exc from cause

    return make


def count(failure: Failure) -> int:
    return sum(1 + count(cause) for cause in failure.causes)


def test_an_exception_is_described() -> None:
    exc = CardRefused("no funds")
    failure = raised(fail(exc))
    assert failure.type == f"{__name__}.CardRefused"
    assert failure.bases == (f"{__name__}.CardRefused", "ValueError", "Exception", "BaseException")
    assert (failure.message, failure.atom, failure.causes) == ("no funds", "charge", ())
    assert failure.exception is exc
    assert "in make" in failure.traceback
    assert failure.traceback.endswith("CardRefused: no funds\n")
    assert str(failure) == f"charge: {__name__}.CardRefused: no funds"


def test_what_is_stored_is_equal_and_has_no_exception() -> None:
    failure = raised(fail(CardRefused("a\0\ud800"), KeyError("b")))
    again = Failure.from_data(decode(encode(failure.to_data())))
    assert again == failure
    assert again.exception is None
    assert pickle.loads(pickle.dumps(failure)) == copy.deepcopy(failure) == failure


def test_check_goes_by_recorded_names() -> None:
    live = raised(fail(CardRefused("x")))
    for failure in (live, Failure.from_data(live.to_data())):
        assert failure.check(KeyError, ValueError, CardRefused) is ValueError
        assert failure.check("CardRefused") == "CardRefused"
        assert failure.check(f"{__name__}.CardRefused") == f"{__name__}.CardRefused"
        assert failure.check(KeyError, "elsewhere.CardRefused", "Refused", CardRefused.Soft) is None
        assert failure.check() is None
    namesake = type("ValueError", (Exception,), {"__module__": "elsewhere"})
    assert raised(fail(namesake())).check(ValueError) is None


def test_reraise_gives_the_live_exception_else_the_description() -> None:
    exc = CardRefused("x")
    failure = raised(fail(exc))
    with pytest.raises(CardRefused) as caught:
        failure.reraise()
    assert caught.value is exc
    with pytest.raises(FailureError, match="CardRefused: x") as described:
        Failure.from_data(failure.to_data()).reraise()
    assert described.value.failure == failure


def test_causes_are_the_members_of_a_group_then_what_it_came_from() -> None:
    group = ExceptionGroup("both", [ValueError("a"), ExceptionGroup("inner", [KeyError("b")])])
    failure = raised(fail(group, OSError("root")))
    assert [cause.type for cause in failure.causes] == ["ValueError", "ExceptionGroup", "OSError"]
    assert [cause.type for cause in failure.causes[1].causes] == ["KeyError"]


def test_a_context_counts_unless_it_was_suppressed() -> None:
    def handling(suppress: bool) -> None:
        try:
            raise KeyError("first")
        except KeyError:
            if suppress:
                raise ValueError("second") from None
            raise ValueError("second")  # noqa: B904  # the implicit context is what is tested

    assert [cause.type for cause in raised(lambda: handling(False)).causes] == ["KeyError"]
    assert raised(lambda: handling(True)).causes == ()


def test_the_failures_behind_a_failed_run_are_causes() -> None:
    inner = Failure.from_data(raised(fail(CardRefused("x"))).to_data())
    assert raised(fail(FlowFailed(RUN, [inner]))).causes == (inner,)
    assert raised(fail(FailureError(inner))).causes == (inner,)


def test_a_circle_of_causes_ends() -> None:
    first, second = ValueError("a"), KeyError("b")
    first.__cause__, second.__cause__ = second, first
    assert [cause.type for cause in Failure.of(first).causes] == ["KeyError"]
    assert Failure.of(first).causes[0].causes == ()


def test_depth_and_number_of_causes_are_bounded() -> None:
    chain = ValueError("0")
    for number in range(1, 100):
        later = ValueError(str(number))
        later.__cause__ = chain
        chain = later
    failure, depth = Failure.of(chain), 0
    while failure.causes:
        failure, depth = failure.causes[0], depth + 1
    assert depth == CAUSE_DEPTH
    wide = ExceptionGroup("wide", [ExceptionGroup("part", [ValueError(str(n)) for n in range(9)]) for _ in range(9)])
    assert count(Failure.of(wide)) == CAUSE_COUNT


def test_the_largest_failure_fits_the_default_limit() -> None:
    group = ExceptionGroup("€" * 90_000, [ValueError("€" * 90_000) for _ in range(99)])
    failure = raised(fail(group))
    assert len(failure.message) < MESSAGE_LIMIT + 60
    assert "characters left out" in failure.message
    assert len(failure.traceback) < TRACEBACK_LIMIT + 60
    assert len(encode(failure.to_data())) < 1_048_576


def test_an_exception_that_misbehaves_is_described_all_the_same() -> None:
    assert raised(fail(Nasty())).message == "<its message cannot be had: RuntimeError>"
    text = type("Text", (str,), {})("odd")
    odd = type("Odd", (Exception,), {"__str__": lambda self: text})
    assert type(raised(fail(odd())).message) is str
    assert raised(fail(SystemExit(3))).bases == ("SystemExit", "BaseException")
    strange = type("a\x01b", (Exception,), {"__module__": "m"})
    assert raised(fail(strange())).type == "m.a\\x01b"


def test_a_class_of_the_program_that_runs_is_known_by_its_own_module(monkeypatch: pytest.MonkeyPatch) -> None:
    main = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    refused = type("Refused", (Exception,), {"__module__": "__main__"})
    assert qualified_name(refused) == "__main__.Refused"
    main.__spec__ = SimpleNamespace(name="examples.orders")  # type: ignore[assignment]  # all that is read of it
    assert qualified_name(refused) == "examples.orders.Refused"


@pytest.mark.parametrize(
    "change",
    [{"type": 1}, {"bases": [1]}, {"bases": None}, {"atom": 7}, {"causes": {}}, {"causes": [7]}, {"message": None}],
)
def test_data_that_describes_no_failure_is_corrupt(change: dict[str, Any]) -> None:
    data = Failure("ValueError", ("ValueError",), "x").to_data()
    with pytest.raises(CorruptLog):
        Failure.from_data({**data, **change})
    with pytest.raises(CorruptLog):
        Failure.from_data({key: data[key] for key in data if key != next(iter(change))})


def test_causes_without_end_are_corrupt() -> None:
    data = Failure("ValueError", ("ValueError",), "x").to_data()
    data["causes"] = [data]
    with pytest.raises(CorruptLog):
        Failure.from_data(data)


def test_a_failed_run_reads_well() -> None:
    one = Failure("ValueError", ("ValueError",), "card refused", atom="charge")
    two = Failure("shop.NoCarrier", ("shop.NoCarrier",), "to Atlantis\nor anywhere", atom="ship")
    assert str(FlowFailed(RUN, [one])) == f"run {RUN} failed: charge: ValueError: card refused"
    assert str(FlowFailed(RUN, [one, two])).splitlines() == [
        f"run {RUN} failed:",
        "  charge: ValueError: card refused",
        "  ship: shop.NoCarrier: to Atlantis …",
    ]
    assert str(RUN) in str(FlowFailed(RUN, []))


@pytest.mark.parametrize(
    "error",
    [
        NotStorable("result.a", "Fraction"),
        ValueTooLarge("result", 5, 4),
        FlowFailed(RUN, [Failure("ValueError", ("ValueError",), "x")]),
        FailureError(Failure("ValueError", ("ValueError",), "x")),
    ],
)
def test_errors_survive_a_process_boundary(error: SagalogError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_every_error_of_the_contract_is_in_the_tree() -> None:
    flow = ["DuplicateName", "CycleError", "MissingArgument", "AmbiguousDependency", "UnknownSource"]
    other = ["NotStorable", "ValueTooLarge", "Conflict", "LeaseHeld", "Fenced", "DefinitionChanged", "UnknownRun"]
    other += ["SchemaMismatch", "FlowFailed", "StoreUnavailable", "UsageError", "CorruptLog"]
    assert all(issubclass(getattr(errors, name), errors.FlowError) for name in flow)
    assert all(issubclass(getattr(errors, name), SagalogError) for name in other)
    assert issubclass(errors.FlowError, SagalogError)


def test_describing_touches_no_chain_of_the_exception() -> None:
    exc = ValueError("a")
    failure = raised(fail(exc, KeyError("b")))
    assert "KeyError" not in failure.traceback
    assert "KeyError" in "".join(traceback.format_exception(exc))
    assert "KeyError" in failure.causes[0].traceback
