"""The life of a worker process: calls, one after the other, and answers that can be taken back to where they came from."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait

from ...errors import Failure
from ..definition.progress import reporting
from .parcels import packed, unpacked

READY, RESULT, ERROR, PROGRESS = b"!", b"=", b"x", b"%"
"""The first byte of a message: begun, what the code returned, what it raised, how far it has come."""


def serve(pipe: Connection) -> None:
    """The life of a worker: calls, one after the other, until the pipe is closed."""
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    threading.Thread(target=_watch, name="sagalog-watch", daemon=True).start()
    with contextlib.suppress(OSError):
        pipe.send_bytes(READY)
        while True:
            try:
                parcel = pipe.recv_bytes()
            except EOFError:
                return
            pipe.send_bytes(_answer(pipe, parcel))


def _watch() -> None:
    """End this process, and what its code has started, when the one that started it is gone: nobody wants its answer."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    wait([parent.sentinel])
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _answer(pipe: Connection, parcel: bytes) -> bytes:
    try:
        code = unpacked(parcel)
        with reporting(lambda fraction, details: pipe.send_bytes(PROGRESS + packed((fraction, details)))):
            result = code()
        return RESULT + packed(result)
    except BaseException as error:
        return ERROR + packed((Failure.of(error).to_data(), _error(error)))


def _error(error: BaseException) -> bytes:
    """The exception, so that a policy can look at it; where it cannot be taken along, one of its class with its text."""
    for candidate in (error.with_traceback(None), Bare(type(error), Failure.of(error).message)):
        try:
            blob = packed(candidate)
            unpacked(blob)
            return blob
        except Exception:
            continue
    return packed(RuntimeError(f"{type(error).__name__}: it cannot be taken to another process"))


class Bare:
    """Comes out as an exception of a class, made without its `__init__`."""

    def __init__(self, cls: type[BaseException], text: str) -> None:
        self.cls = cls
        self.text = text

    def __reduce__(self) -> tuple[Callable[..., BaseException], tuple[type[BaseException], str]]:
        return bare, (self.cls, self.text)


def bare(cls: type[BaseException], text: str) -> BaseException:
    """An exception of a class, with a text, whatever its `__init__` takes."""
    return cls.__new__(cls, text)
