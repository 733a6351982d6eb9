"""The examples of both pages, with the whole order of what became of them as it stands in the log."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from sagalog_story import Hands, Refused, lines, of_type, states, story

from sagalog import Engine, EventBase, ForEach, ParameterizedForEach, RetryPolicy, Run, RunState, Task, Times, linear


class EchoTask(Task):
    """The page's task (lines 204 to 208), which fails where it is told to."""

    def __init__(self, name: str, fails: int = 0, requires: Any = None) -> None:
        self.left = fails
        super().__init__(name, requires=requires)

    def execute(self, *args: Any, **kwargs: Any) -> None:
        print(self.name)
        print(args)
        print(kwargs)
        if self.left:
            self.left -= 1
            raise Refused(self.name)


def echoing(t2: int = 0, t3: int = 0, t4: int = 0) -> Any:
    """The page's flow (lines 210 to 215); how often each of its tasks fails."""
    return linear("f1").add(
        EchoTask("t1"),
        linear("f2", retry=ForEach(values=["a", "b", "c"], name="r1", provides="value")).add(
            EchoTask("t2", t2), EchoTask("t3", t3, requires="value")
        ),
        EchoTask("t4", t4),
    )


both = pytest.mark.parametrize("how", ["blocking", "async"])


def ran(engine: Engine, how: str, flow: Any, inputs: Any = None) -> Run:
    """The run of a flow, on this thread or on an event loop."""
    if how == "blocking":
        return engine.run(flow, inputs, raises=False)
    return asyncio.run(engine.arun(flow, inputs, raises=False))


@both
def test_echo_tasks_print_their_name_and_what_they_are_handed(engine: Engine, how: str, capsys: Any) -> None:
    ran(engine, how, echoing())
    assert capsys.readouterr().out.splitlines() == [
        "t1", "()", "{}", "t2", "()", "{}", "t3", "()", "{'value': 'a'}", "t4", "()", "{}",
    ]  # fmt: skip


@both
def test_echo_tasks_in_nested_flows_when_t3_fails_once(engine: Engine, how: str, capsys: Any) -> None:
    done = ran(engine, how, echoing(t3=1))
    assert "{'value': 'b'}" in capsys.readouterr().out
    assert story(engine, done) == lines("""
        run.running
        task.running t1
        task.success t1
        retry.running r1
        retry.success r1
        task.running t2
        task.success t2
        task.running t3
        task.failure t3
        retry.consulted r1 RETRY
        task.reverting t3
        task.reverted t3
        task.reverting t2
        task.reverted t2
        retry.retrying r1
        retry.running r1
        retry.success r1
        task.running t2
        task.success t2
        task.running t3
        task.success t3
        task.running t4
        task.success t4
        run.success
    """)


@both
def test_echo_tasks_when_t2_fails_for_each_value(engine: Engine, how: str) -> None:
    done = ran(engine, how, echoing(t2=3))
    assert [record.value for record in of_type(engine, done, "retry.success")] == ["a", "b", "c"]
    once = """
        retry.running r1
        retry.success r1
        task.running t2
        task.failure t2
    """
    again = """
        retry.consulted r1 RETRY
        task.reverting t2
        task.reverted t2
        retry.retrying r1
    """
    assert story(engine, done) == lines(f"""
        run.running
        task.running t1
        task.success t1
        {once.strip()}
        {again.strip()}
        {once.strip()}
        {again.strip()}
        {once.strip()}
        retry.consulted r1 REVERT
        run.reverting
        task.reverting t2
        task.reverted t2
        retry.reverting r1
        retry.reverted r1
        task.reverting t1
        task.reverted t1
        run.reverted
    """)


@both
def test_echo_tasks_when_t4_fails_which_does_not_consult_r1(engine: Engine, how: str) -> None:
    done = ran(engine, how, echoing(t4=1))
    assert story(engine, done) == lines("""
        run.running
        task.running t1
        task.success t1
        retry.running r1
        retry.success r1
        task.running t2
        task.success t2
        task.running t3
        task.success t3
        task.running t4
        task.failure t4
        run.reverting
        task.reverting t4
        task.reverted t4
        task.reverting t3
        task.reverted t3
        task.reverting t2
        task.reverted t2
        retry.reverting r1
        retry.reverted r1
        task.reverting t1
        task.reverted t1
        run.reverted
    """)


class SendMessage(Task):
    """The page's task (lines 244 to 246), which fails where it is told to."""

    def __init__(self, name: str, fails: int = 0) -> None:
        self.left = fails
        super().__init__(name)

    def execute(self, message: str) -> None:
        print(f"Sending message: {message}")
        if self.left:
            self.left -= 1
            raise Refused(message)


def sending(fails: int) -> Any:
    """The page's flow (lines 248 to 249)."""
    return linear("send_message", retry=Times(5, name="r")).add(SendMessage("sender", fails))


TRY = ["retry.running r", "retry.success r", "task.running sender"]
AGAIN = [
    "task.failure sender", "retry.consulted r RETRY", "task.reverting sender", "task.reverted sender", "retry.retrying r",
]  # fmt: skip


@both
def test_a_message_is_sent_at_the_fifth_try(engine: Engine, how: str, capsys: Any) -> None:
    done = ran(engine, how, sending(4), {"message": "hello"})
    assert capsys.readouterr().out.splitlines() == ["Sending message: hello"] * 5
    assert story(engine, done) == ["run.running", *[*TRY, *AGAIN] * 4, *TRY, "task.success sender", "run.success"]


@both
def test_after_the_fifth_failure_the_sender_is_reverted(engine: Engine, how: str, capsys: Any) -> None:
    done = ran(engine, how, sending(99), {"message": "hello"})
    assert capsys.readouterr().out.splitlines() == ["Sending message: hello"] * 5
    assert story(engine, done) == [
        "run.running", *[*TRY, *AGAIN] * 4, *TRY, "task.failure sender", "retry.consulted r REVERT", "run.reverting",
        "task.reverting sender", "task.reverted sender", "retry.reverting r", "retry.reverted r", "run.reverted",
    ]  # fmt: skip
    assert done.state is RunState.REVERTED


class ConnectToServer(Task):
    """The page's task (lines 257 to 259), which gets through to one server only."""

    def __init__(self, answering: str, **options: Any) -> None:
        self.answering = answering
        super().__init__(**options)

    def execute(self, ip: str) -> None:
        print(f"Connecting to {ip}")
        if ip != self.answering:
            raise Refused(ip)


SERVER_IPS = ["192.168.1.1", "192.168.1.2", "192.168.1.3"]


def connecting(answering: str) -> Any:
    """The page's flow (lines 262 to 265)."""
    retry = ParameterizedForEach(name="r", rebind={"values": "server_ips"}, provides="ip")
    return linear("send_message", retry=retry).add(ConnectToServer(answering, name="sender", requires=["ip"]))


@both
def test_servers_are_tried_until_one_answers(engine: Engine, how: str, capsys: Any) -> None:
    done = ran(engine, how, connecting("192.168.1.3"), {"server_ips": SERVER_IPS})
    assert capsys.readouterr().out.splitlines() == [f"Connecting to {ip}" for ip in SERVER_IPS]
    assert done.results == {"ip": "192.168.1.3"}
    assert story(engine, done) == ["run.running", *[*TRY, *AGAIN] * 2, *TRY, "task.success sender", "run.success"]


@both
def test_behind_the_last_server_the_flow_is_reverted(engine: Engine, how: str, capsys: Any) -> None:
    done = ran(engine, how, connecting("none"), {"server_ips": tuple(SERVER_IPS)})
    assert capsys.readouterr().out.splitlines() == [f"Connecting to {ip}" for ip in SERVER_IPS]
    assert story(engine, done) == [
        "run.running", *[*TRY, *AGAIN] * 2, *TRY, "task.failure sender", "retry.consulted r REVERT", "run.reverting",
        "task.reverting sender", "task.reverted sender", "retry.reverting r", "retry.reverted r", "run.reverted",
    ]  # fmt: skip


class MyEvent(EventBase):
    """The page's event (lines 58 to 69 of volnux's), which raises in each call."""

    retry_policy = RetryPolicy(
        max_attempts=5, backoff_factor=0.1, max_backoff=5.0, retry_on_exceptions=[ConnectionError, TimeoutError]
    )

    def process(self, *args: Any, **kwargs: Any) -> tuple[bool, Any]:
        raise ConnectionError("no line")


def test_volnuxs_policy_waits_0_and_0_2_and_0_4_and_0_8_seconds(timed: Engine, hands: Hands) -> None:
    begun = timed.start(linear("volnux").add(MyEvent()))
    calls = [hands.at]  # when each of them was made: the clock is moved to when the next one is due, and no further
    timed.tick(begun.id)
    while timed.state(begun.id).state is RunState.WAITING:
        hands.at = of_type(timed, begun, "timer.set")[-1].facts["due"]
        timed.tick(begun.id)
    done = timed.state(begun.id)
    calls += [record.facts["due"] for record in of_type(timed, done, "task.waiting")]
    assert [(later - earlier) / 1_000_000 for earlier, later in itertools.pairwise(calls)] == [0, 0.2, 0.4, 0.8]
    begins = "task.running MyEvent"
    wait = ["task.waiting MyEvent", "timer.set MyEvent", "run.waiting", "run.running", "timer.fired MyEvent", begins]
    assert story(timed, done) == [
        "run.running", begins, "task.waiting MyEvent", begins, *wait * 3, "task.failure MyEvent", "run.reverting",
        "task.reverting MyEvent", "task.reverted MyEvent", "run.reverted",
    ]  # fmt: skip
    assert states(done) == {"MyEvent": "REVERTED"}
    assert [record.attempt for record in of_type(timed, done, "task.running")] == [1, 2, 3, 4, 5]


def test_volnuxs_policy_does_not_retry_other_exceptions_nor_a_false_answer(engine: Engine) -> None:
    class Other(MyEvent):
        def process(self, how: str) -> tuple[bool, Any]:  # type: ignore[override]  # as users write it
            if how == "raises":
                raise KeyError(how)
            return False, how

    for how in ("raises", "false"):
        done = engine.run(linear("volnux").add(Other()), {"how": how}, raises=False)
        assert story(engine, done) == lines("""
            run.running
            task.running Other
            task.failure Other
            run.reverting
            task.reverting Other
            task.reverted Other
            run.reverted
        """)
