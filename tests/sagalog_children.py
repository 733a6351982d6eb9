"""Child processes for tests, forked from one that is warm: they cost milliseconds, and can be stopped and killed.

    child = Child(lambda line: line.say(work(line.hear())))
    child.tell("go")
    assert child.next() == …
    assert child.wait() == 0            # or -signal.SIGKILL

A body opens its own connections; nothing that is open in the parent may be used in it. What it raises is written to
the line, and makes `next` and `wait` fail with its traceback.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterable
from typing import Any

PATIENCE = 60.0
"""Seconds that a parent waits for a child, and a child for its parent."""
BROKEN = 70
_PR_SET_PDEATHSIG = 1


class Line:
    """A child's line to its parent: JSON documents, one a line, both ways."""

    def __init__(self, source: int, sink: int) -> None:
        self._source = source
        self._sink = sink
        self._rest = b""

    def say(self, document: Any) -> None:
        """Send; a short document arrives whole, also when this process is killed right behind it."""
        os.write(self._sink, json.dumps(document).encode() + b"\n")

    def hear(self, patience: float = PATIENCE, alive: Callable[[], bool] = lambda: True) -> Any:
        """The next document; AssertionError when there is none in time, or the other end is not `alive` any more."""
        deadline = time.monotonic() + patience
        while True:
            found, document = self.heard()
            if found:
                return document
            ended = not alive()
            found, document = self.heard()
            if found:
                return document
            assert not ended, "the child has ended without another word"
            assert time.monotonic() < deadline, f"nothing was said for {patience:.0f} s"
            select.select([self._source], [], [], 0.05)

    def heard(self) -> tuple[bool, Any]:
        """The next document, if it is there already."""
        while b"\n" not in self._rest:
            if not select.select([self._source], [], [], 0)[0]:
                return False, None
            data = os.read(self._source, 65536)
            if not data:
                return False, None
            self._rest += data
        head, _, self._rest = self._rest.partition(b"\n")
        return True, json.loads(head)

    def close(self) -> None:
        os.close(self._source)
        os.close(self._sink)


class Child:
    """A forked process that runs `body(line)` and ends with exit code 0."""

    def __init__(self, body: Callable[[Line], object]) -> None:
        down, up = os.pipe(), os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # threads that are not ours to end may idle here
            self.pid = os.fork()
        if not self.pid:
            _live(body, Line(down[0], up[1]))
        os.close(down[0])
        os.close(up[1])
        self._line = Line(up[0], down[1])
        self._status: int | None = None

    def tell(self, document: Any) -> None:
        """Send it something, for `line.hear()`."""
        self._line.say(document)

    def next(self) -> Any:
        """The next thing it says."""
        return _checked(self._line.hear(alive=self.alive))

    def rest(self) -> list[Any]:
        """All that it has said and that was not asked for yet."""
        documents: list[Any] = []
        while True:
            found, document = self._line.heard()
            if not found:
                return documents
            documents.append(_checked(document))

    def alive(self) -> bool:
        """Whether it has not ended."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status is None

    def wait(self, patience: float = PATIENCE) -> int:
        """Its exit code, or the negative number of the signal that ended it."""
        deadline = time.monotonic() + patience
        while self.alive():
            if time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"process {self.pid} did not end within {patience:.0f} s")
            time.sleep(0.002)
        assert self._status is not None
        if self._status == BROKEN:
            self.rest()
        return self._status

    def signal(self, number: int) -> None:
        """Send it a signal."""
        if self.alive():
            os.kill(self.pid, number)

    def stop(self) -> None:
        """Let it stand still (SIGSTOP), and wait until it does."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitpid(self.pid, os.WUNTRACED)

    def go_on(self) -> None:
        """Let it go on after `stop`."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self.signal(signal.SIGKILL)
        while self.alive():
            time.sleep(0.002)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._line.close()


def run_all(bodies: Iterable[Callable[[Line], object]], at_once: int = 2) -> list[tuple[int, list[Any]]]:
    """Run each body in a child of its own, a few at once; exit code and words of each, in order."""
    ended: dict[int, tuple[int, list[Any]]] = {}
    going: dict[int, Child] = {}
    todo = list(enumerate(bodies))[::-1]
    deadline = time.monotonic() + PATIENCE
    try:
        while todo or going:
            while todo and len(going) < at_once:
                number, body = todo.pop()
                going[number] = Child(body)
                deadline = time.monotonic() + PATIENCE
            for number in [number for number, child in going.items() if not child.alive()]:
                with going.pop(number) as child:
                    ended[number] = (child.wait(), child.rest())
            assert time.monotonic() < deadline, "no child has ended for a long time"
            time.sleep(0.001)
    finally:
        for child in going.values():
            with child:
                pass
    return [ended[number] for number in sorted(ended)]


def _live(body: Callable[[Line], object], line: Line) -> None:
    code = BROKEN
    try:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # whoever kills the tests ends this, too
        signal.signal(signal.SIGINT, signal.default_int_handler)
        body(line)
        code = 0
    except BaseException:
        line.say({"broken": traceback.format_exc()[-4000:]})
    finally:
        os._exit(code)


def _checked(document: Any) -> Any:
    if isinstance(document, dict) and "broken" in document:
        raise AssertionError(f"a child process broke:\n{document['broken']}")
    return document
