"""Code for tests of executors: it stands at the top of a module, where another process can find it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from sagalog.engine.definition import Context, Task, task


class Odd(Exception):
    """An exception that cannot be rebuilt from its args."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


class Locked(Exception):
    """An exception with something in it that no other process can have."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


class HttpError(ConnectionError):
    """An exception of a user's own, with a base that policies name."""


def pid() -> int:
    return os.getpid()


def double(n: int) -> int:
    return 2 * n


async def double_later(n: int) -> int:
    return 2 * n


def fail(kind: str) -> None:
    if kind == "odd":
        raise Odd("this", "that")
    if kind == "locked":
        raise Locked("held")
    if kind == "exit":
        raise SystemExit(4)
    raise ValueError(kind)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave(code: int) -> None:
    os._exit(code)


def sleep(seconds: float) -> str:
    time.sleep(seconds)
    return "slept"


def unpackable() -> Any:
    return threading.Lock()


def start_another(told: str) -> None:
    """Starts a process of its own, writes down its pid, and hangs."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(told).write_text(f"{os.getpid()} {child.pid}")
    time.sleep(600)


def meet(room: str, who: str, count: int) -> int:
    """Waits in a folder until as many others are there; where it ran."""
    Path(room, who).touch()
    until = time.monotonic() + 30
    while len(list(Path(room).iterdir())) < count:
        if time.monotonic() > until:
            raise TimeoutError("nobody came")
        time.sleep(0.01)
    return os.getpid()


def die_once(mark: str) -> str:
    """Dies the first time that it is called with `mark`, a path."""
    path = Path(mark)
    if not path.exists():
        path.write_text("died")
        die()
    return "lived"


@task(provides="where", executor="process")
def where() -> int:
    return os.getpid()


@task(provides="product", executor="process")
def multiply(a: int, b: int) -> int:
    return a * b


@multiply.revert
def divide(result: int, told: str) -> None:
    with Path(told).open("a") as file:
        file.write(f"{os.getpid()} {result}\n")


@task(executor="process")
def who(context: Context) -> list[Any]:
    return [str(context.run_id), context.atom, context.idempotency_key]


class Hooked(Task):
    """Its hooks set up something of the process in which it runs."""

    executor = "process"
    default_provides = "told"
    there: list[int] = []  # noqa: RUF012  # shared on purpose: it is the process's

    def pre_execute(self) -> None:
        self.there.append(os.getpid())

    def execute(self) -> list[int]:
        return [*self.there, os.getpid()]

    def post_execute(self) -> None:
        self.there.clear()


class Scaled(Task):
    """An instance with constants and an executor that cannot be pickled."""

    def __init__(self, factor: int, **options: Any) -> None:
        super().__init__(**options)
        self.factor = factor

    def execute(self, n: int, unit: str) -> str:
        return f"{n * self.factor} {unit}"


class Holding(Task):
    """An instance that no other process can have."""

    executor = "process"

    def __init__(self) -> None:
        super().__init__("holding")
        self.lock = threading.Lock()

    def execute(self) -> None: ...


@task(provides="half", executor="process")
def tell(context: Context) -> float:
    context.update_progress(0.5, {"at": "half"})
    return 0.5
