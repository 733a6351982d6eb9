"""The threads of an event loop: every call is answered once, whatever it does, and only so many run at a time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time

import pytest

from sagalog.engine.runtime.threads import Threads


def test_each_call_gets_its_own_answer_and_threads_are_bounded() -> None:
    lock, under_way, most = threading.Lock(), 0, 0

    def work(n: int) -> int:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.001)
        with lock:
            under_way -= 1
        return n

    async def main() -> list[int]:
        threads = Threads(4, "t")
        answers = await asyncio.gather(*(threads.call(lambda n=n: work(n)) for n in range(200)))
        threads.close()
        return list(answers)

    assert asyncio.run(main()) == list(range(200))
    assert 1 < most <= 4


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
def test_what_a_call_raises_is_raised_where_it_is_awaited(error: BaseException) -> None:
    async def main() -> BaseException | None:
        threads = Threads(1, "t")

        def fail() -> None:
            raise error

        job = threads.submit(fail)
        await asyncio.wait([job.future])
        threads.close()
        return job.future.exception()

    assert asyncio.run(main()) is error


def test_a_stop_iteration_does_not_stop_the_loop() -> None:
    async def main() -> None:
        threads = Threads(1, "t")
        with pytest.raises(RuntimeError, match="StopIteration"):
            await threads.call(lambda: next(iter(())))
        assert await threads.call(lambda: 5) == 5
        threads.close()

    asyncio.run(main())


def test_a_cancelled_call_that_has_not_begun_never_does() -> None:
    async def main() -> tuple[list[str], int]:
        threads, gate, ran = Threads(1, "t"), threading.Event(), list[str]()
        first = asyncio.create_task(threads.call(gate.wait))
        second = asyncio.create_task(threads.call(lambda: ran.append("second")))
        await asyncio.sleep(0.01)
        second.cancel()
        await asyncio.wait([second], timeout=5)
        assert second.cancelled()
        gate.set()
        await first
        answer = await threads.call(lambda: 7)
        threads.close()
        return ran, answer

    assert asyncio.run(main()) == ([], 7)


def test_a_cancelled_call_that_has_begun_is_waited_for() -> None:
    async def main() -> list[str]:
        threads, begun, gate, told = Threads(1, "t"), threading.Event(), threading.Event(), list[str]()

        def work() -> None:
            begun.set()
            gate.wait(5)
            told.append("ended")

        call = asyncio.create_task(threads.call(work))
        await asyncio.to_thread(begun.wait, 5)
        call.cancel()
        await asyncio.sleep(0.02)
        assert not call.done()
        gate.set()
        with contextlib.suppress(asyncio.CancelledError):
            await call
        told.append("cancelled")
        threads.close()
        return told

    assert asyncio.run(main()) == ["ended", "cancelled"]


def test_what_is_queued_when_the_threads_are_closed_is_not_begun() -> None:
    ran: list[int] = []

    async def main() -> None:
        threads, gate = Threads(1, "t"), threading.Event()
        threads.submit(gate.wait)
        for n in range(5):
            threads.submit(lambda n=n: ran.append(n))
        await asyncio.sleep(0.01)
        threads.close()
        gate.set()
        await asyncio.sleep(0.05)

    asyncio.run(main())
    assert ran == []


def test_the_threads_end_when_they_are_closed() -> None:
    async def main() -> None:
        threads = Threads(3, "ending")
        await asyncio.gather(*(threads.call(lambda: time.sleep(0.01)) for _ in range(6)))
        threads.close()

    asyncio.run(main())
    deadline = time.monotonic() + 5
    while any(thread.name.startswith("ending") for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "a thread did not end"
        time.sleep(0.01)
