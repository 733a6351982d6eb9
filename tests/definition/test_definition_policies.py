"""RetryPolicy, OutcomePolicy, Outcome, ExecutorConfig and what a task says about its calls."""

from __future__ import annotations

import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import timedelta
from itertools import product
from typing import Any

import attrs
import pytest

from sagalog.engine.definition import (
    ExecutorConfig,
    FunctorTask,
    MapFunctorTask,
    Outcome,
    OutcomePolicy,
    RetryPolicy,
    Task,
    linear,
    task,
)
from sagalog.engine.definition.declarations import declarations_of
from sagalog.engine.definition.execution import Execution, execution_of
from sagalog.engine.definition.outcome import outcome_policy_of
from sagalog.engine.definition.policy import policy_of
from sagalog.errors import FlowError

NAN, INFINITE = float("nan"), float("inf")


def step() -> None: ...
def write(conn: object) -> None: ...


def test_a_policy_without_a_word_is_that_of_the_page() -> None:
    policy = RetryPolicy()
    assert (policy.max_attempts, policy.backoff_factor, policy.max_backoff) == (5, 0.05, 100)
    assert policy.retry_on_exceptions == ()


def test_the_delays_of_the_page() -> None:
    policy = RetryPolicy(max_attempts=5, backoff_factor=0.1, max_backoff=5.0)
    assert [policy.delay(failures) for failures in range(1, 8)] == [0, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0]


def test_a_delay_never_exceeds_its_bound() -> None:
    assert RetryPolicy(max_backoff=7).delay(100_000) == 7
    assert RetryPolicy(backoff_factor=50, max_backoff=7).delay(2) == 7
    assert RetryPolicy(backoff_factor=5e-324, max_backoff=7).delay(1) == 0
    assert RetryPolicy().delay(0) == 0


def test_a_policy_wants_what_it_lists_and_what_is_derived_from_it() -> None:
    policy = RetryPolicy(retry_on_exceptions=[ConnectionError, TimeoutError])
    assert policy.retry_on_exceptions == (ConnectionError, TimeoutError)
    assert policy.wants(ConnectionResetError())
    assert policy.wants(TimeoutError())
    assert not policy.wants(ValueError())
    assert RetryPolicy().wants(ValueError())
    assert RetryPolicy(retry_on_exceptions=KeyError).wants(KeyError())


@pytest.mark.parametrize("field", ["max_attempts", "backoff_factor", "max_backoff"])
@pytest.mark.parametrize("number", [0, -1, NAN, INFINITE, "5", None, True])
def test_a_policy_with_a_bad_number_is_refused(field: str, number: Any) -> None:
    with pytest.raises(FlowError, match=f"RetryPolicy: {field}"):
        RetryPolicy(**{field: number})
    with pytest.raises(FlowError, match=f"task 't': RetryPolicy: {field}"):
        policy_of({field: number}, "t")


@pytest.mark.parametrize("listed", [["ConnectionError"], [5], [int], "ConnectionError", 5, [ConnectionError()], None])
def test_what_is_no_exception_class_cannot_be_retried_on(listed: Any) -> None:
    with pytest.raises(FlowError, match="retry_on_exceptions must list exception classes"):
        RetryPolicy(retry_on_exceptions=listed)


def test_a_text_in_place_of_exception_classes_is_named_whole() -> None:
    with pytest.raises(FlowError, match="must list exception classes; found 'ConnectionError' among them"):
        RetryPolicy(retry_on_exceptions="ConnectionError")  # type: ignore[arg-type]  # the mistake


def test_a_policy_may_be_a_dict_or_anything_that_the_runtime_understands() -> None:
    strategy = object()
    assert policy_of({"max_attempts": 2, "retry_on_exceptions": [KeyError]}, "t") == RetryPolicy(2, 0.05, 100, (KeyError,))
    assert policy_of({}, "t") == RetryPolicy()
    assert policy_of(strategy, "t") is strategy
    assert policy_of(None, "t") is None
    with pytest.raises(FlowError, match="task 't': retry_policy has 'attempts'; it may have max_attempts, backoff_factor"):
        policy_of({"attempts": 3}, "t")


def test_a_policy_is_frozen() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        RetryPolicy().max_attempts = 3  # type: ignore[misc]  # the mistake
    assert RetryPolicy(max_attempts=3) == RetryPolicy(max_attempts=3)


TABLE = {
    "SUCCESS_ON_ALL_EVENTS_SUCCESS": "fail ok fail fail",
    "FAILURE_FOR_PARTIAL_ERROR": "ok ok fail fail",
    "SUCCESS_FOR_PARTIAL_SUCCESS": "fail ok fail ok",
    "FAILURE_FOR_ALL_EVENTS_FAILURE": "ok ok fail ok",
}


@pytest.mark.parametrize("policy", list(OutcomePolicy))
def test_verdicts_of_an_outcome_policy(policy: OutcomePolicy) -> None:
    counts = [(0, 0), (1, 0), (0, 1), (1, 1)]
    told = ["ok" if policy.verdict(*count) else "fail" for count in counts]
    assert told == TABLE[policy].split()
    assert policy.verdict(7, 0) is policy.verdict(1, 0)
    assert policy.verdict(7, 99) is policy.verdict(1, 1)
    assert policy.verdict(0, 99) is policy.verdict(0, 1)


@pytest.mark.parametrize("policy", list(OutcomePolicy))
@pytest.mark.parametrize("errors", [0, 1, 5])
def test_a_group_is_lost_where_no_further_member_could_save_it(policy: OutcomePolicy, errors: int) -> None:
    to_come = product(range(4), range(4))
    hopeless = not any(policy.verdict(successes, errors + more) for successes, more in to_come)
    assert policy.lost(errors) is hopeless


def test_an_outcome_policy_may_be_its_text() -> None:
    assert outcome_policy_of("FAILURE_FOR_PARTIAL_ERROR", "flow 'f'") is OutcomePolicy.FAILURE_FOR_PARTIAL_ERROR
    with pytest.raises(FlowError, match="flow 'f': outcome must be one of 'SUCCESS_ON_ALL_EVENTS_SUCCESS', "):
        outcome_policy_of("ALL", "flow 'f'")


def test_outcomes_tell_success_by_value() -> None:
    assert Outcome.ok(5) == Outcome(succeeded=True, content=5)
    assert Outcome.error("no") == Outcome(succeeded=False, content="no")
    assert Outcome.ok().content is None
    assert pickle.loads(pickle.dumps(Outcome.error([1]))) == Outcome.error([1])


@pytest.mark.parametrize("field", ["max_workers", "max_tasks_per_child"])
@pytest.mark.parametrize("number", [0, -4, 1.5, "4", True])
def test_an_executor_config_with_a_bad_number_is_refused(field: str, number: Any) -> None:
    with pytest.raises(FlowError, match=f"ExecutorConfig: {field} must be a whole number above zero"):
        ExecutorConfig(**{field: number})
    with pytest.raises(FlowError, match=f"task 't': ExecutorConfig: {field}"):
        execution_of(FunctorTask(step, "t", executor="thread", executor_config={field: number}))


def test_an_executor_config_may_be_a_dict() -> None:
    made = ExecutorConfig(max_workers=4, max_tasks_per_child=50, thread_name_prefix="event_executor_")
    as_dict = attrs.asdict(made)
    assert execution_of(FunctorTask(step, executor=ThreadPoolExecutor, executor_config=as_dict)).config == made
    assert ExecutorConfig() == ExecutorConfig(None, None, "")
    assert hash(made) == hash(ExecutorConfig(4, 50, "event_executor_"))


def test_a_task_says_how_it_is_called_by_keyword_or_as_its_class() -> None:
    class Slow(Task):
        retry_policy = {"max_attempts": 2}  # noqa: RUF012  # as the page has it
        timeout = 1.5
        executor = ThreadPoolExecutor
        executor_config = {"max_workers": 3}  # noqa: RUF012  # as the page has it

        def execute(self) -> None: ...

    assert execution_of(Slow()) == Execution(RetryPolicy(2), 1.5, ThreadPoolExecutor, ExecutorConfig(3))
    own = Slow(timeout=timedelta(milliseconds=250), executor="process", retry_policy=RetryPolicy(9))
    assert execution_of(own) == Execution(RetryPolicy(9), 0.25, "process", ExecutorConfig(3))
    assert Slow.timeout == 1.5
    assert execution_of(FunctorTask(step)) == Execution(None, None, None, None)

    @task(timeout=2, executor="inline")
    def quick() -> None: ...

    assert execution_of(quick) == Execution(timeout=2.0, executor="inline")
    assert execution_of(MapFunctorTask(str, ["a"], executor="thread")).executor == "thread"


def test_any_executor_will_do() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert execution_of(FunctorTask(step, executor=pool)).executor is pool
    assert execution_of(FunctorTask(step, executor=ProcessPoolExecutor)).executor is ProcessPoolExecutor

    class Foreign:
        def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Any: ...
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None: ...

    assert execution_of(FunctorTask(step, executor=Foreign)).executor is Foreign


IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    ({"timeout": 0}, "timeout must be seconds above zero, or such a timedelta; found 0"),
    ({"timeout": -1.5}, "timeout must be seconds above zero"),
    ({"timeout": NAN}, "timeout must be seconds above zero"),
    ({"timeout": INFINITE}, "timeout must be seconds above zero"),
    ({"timeout": 1e300}, "timeout must be less than 1e+09 seconds; leave it out for none; found 1e+300"),
    ({"timeout": "5"}, "timeout must be seconds above zero"),
    ({"timeout": True}, "timeout must be seconds above zero"),
    ({"timeout": timedelta(0)}, "timeout must be seconds above zero"),
    ({"executor": "threads"}, "executor must be 'inline', 'thread', 'process', or a class or instance"),
    ({"executor": 5}, "executor must be 'inline', 'thread', 'process', or a class or instance"),
    ({"executor": dict}, "executor must be 'inline', 'thread', 'process', or a class or instance"),
    ({"executor": "thread", "executor_config": 5}, "executor_config must be an ExecutorConfig, or a dict with some of"),
    ({"executor": "thread", "executor_config": {"workers": 5}}, "executor_config has 'workers'; it may have max_workers"),
    ({"executor": "inline", "executor_config": {}}, "executor_config is for a task with an executor"),
    ({"executor_config": {}}, "executor_config is for a task with an executor, and this one's is None"),
    ({"retry_policy": {"max_attempts": 0}}, "RetryPolicy: max_attempts"),
    ({"execute": write, "transactional": True, "timeout": 5}, "is transactional: it cannot be given up"),
    ({"execute": write, "transactional": True, "executor": "thread"}, "so it has no executor; found 'thread'"),
]


@pytest.mark.parametrize(("options", "message"), IMPOSSIBLE, ids=[message for _, message in IMPOSSIBLE])
def test_calls_that_cannot_be_made_are_refused_when_the_task_is_used(options: dict[str, Any], message: str) -> None:
    rest = {option: value for option, value in options.items() if option != "execute"}
    made = FunctorTask(options.get("execute", step), "t", **rest)
    with pytest.raises(FlowError, match="task 't'") as caught:
        linear("f").add(made)
    assert message in str(caught.value)


def test_a_transactional_task_may_have_a_policy() -> None:
    made = FunctorTask(write, "t", transactional=True, retry_policy={"max_attempts": 2}, executor="inline")
    assert execution_of(made).policy == RetryPolicy(2)


def test_how_a_task_is_called_is_no_declaration_of_the_definition() -> None:
    plain = declarations_of(FunctorTask(step, "t"))
    busy = FunctorTask(step, "t", timeout=5, executor="thread", executor_config={"max_workers": 2}, retry_policy={})
    assert declarations_of(busy) == plain
