"""The threads of an event loop: every call is answered once, whatever it does, and only so many run at a time."""

from __future__ import annotations

import asyncio
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
        answers = await asyncio.gather(*(threads.run(lambda n=n: work(n)) for n in range(200)))
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

        future = threads.run(fail)
        await asyncio.wait([future])
        threads.close()
        return future.exception()

    assert asyncio.run(main()) is error


def test_a_stop_iteration_does_not_stop_the_loop() -> None:
    async def main() -> None:
        threads = Threads(1, "t")
        with pytest.raises(RuntimeError, match="StopIteration"):
            await threads.run(lambda: next(iter(())))
        assert await threads.run(lambda: 5) == 5
        threads.close()

    asyncio.run(main())


def test_a_cancelled_call_keeps_no_other_from_its_answer() -> None:
    async def main() -> int:
        threads, gate = Threads(1, "t"), threading.Event()
        first = threads.run(gate.wait)
        first.cancel()
        second = threads.run(lambda: 7)
        gate.set()
        answer = await second
        threads.close()
        return answer

    assert asyncio.run(main()) == 7


def test_the_threads_end_when_they_are_closed() -> None:
    async def main() -> None:
        threads = Threads(3, "ending")
        await asyncio.gather(*(threads.run(lambda: time.sleep(0.01)) for _ in range(6)))
        threads.close()

    asyncio.run(main())
    deadline = time.monotonic() + 5
    while any(thread.name.startswith("ending") for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "a thread did not end"
        time.sleep(0.01)
