"""The shells of one engine: a blocking one for each thread that runs flows, an asyncio one for each event loop."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable

from ...errors import UsageError
from ...store.session import CLOSED, Session
from .aio import Aio, open_aio
from .blocking import Blocking
from .desk import Desk


class Shells:
    """Made when they are first used, closed when their thread ends, when their loop is gone, or with the engine."""

    def __init__(self, desk: Desk, url: str, ready: Callable[[], None], first: Session) -> None:
        """`ready` is called before a loop's shell is made, in a thread; `first` is for the thread that makes this."""
        self._desk = desk
        self._url = url
        self._ready = ready
        self._local = threading.local()
        self._all: list[list[Blocking]] = []
        self._aios: dict[asyncio.AbstractEventLoop, Aio] = {}
        self._closed = False
        self._of_thread().append(Blocking(first, desk))

    def blocking(self) -> Blocking:
        """This thread's shell, with a connection of its own."""
        mine = self._of_thread()
        # A run inside a transactional task must not write into the transaction that is open there.
        for shell in mine:
            if not shell.inside:
                return shell
        shell = Blocking(self._desk.session(), self._desk)
        mine.append(shell)
        if self._closed:  # looked at when the shell is where `close` finds it, from whatever thread
            _close(mine)
            raise UsageError(CLOSED)
        return shell

    async def aio(self) -> Aio:
        """The running loop's shell."""
        loop = asyncio.get_running_loop()
        for other in [other for other in self._aios if other.is_closed()]:
            self._aios.pop(other).abandon()
        if loop not in self._aios:
            await asyncio.to_thread(self._ready)
        if loop not in self._aios:  # others may have waited for the same
            self._aios[loop] = open_aio(self._desk, self._url)
        aio = self._aios[loop]
        if self._closed:
            aio.abandon()
            raise UsageError(CLOSED)
        return aio

    async def close_aio(self) -> None:
        """Close the running loop's shell."""
        aio = self._aios.pop(asyncio.get_running_loop(), None)
        if aio is not None:
            await aio.close()

    def close(self) -> None:
        """Close all of them, for good."""
        self._closed = True
        for shells in list(self._all):
            _close(shells)
        for aio in list(self._aios.values()):
            aio.abandon()
        self._aios.clear()

    def _of_thread(self) -> list[Blocking]:
        mine: OfThread | None = getattr(self._local, "mine", None)
        if mine is None:
            mine = self._local.mine = OfThread()
            self._all.append(mine.shells)
            weakref.finalize(mine, _ended, self._all, mine.shells)
        return mine.shells


class OfThread:
    """The shells of one thread; gone when the thread is."""

    __slots__ = ("__weakref__", "shells")

    def __init__(self) -> None:
        self.shells: list[Blocking] = []


def _ended(all_shells: list[list[Blocking]], shells: list[Blocking]) -> None:
    _close(shells)
    all_shells[:] = [other for other in all_shells if other is not shells]


def _close(shells: list[Blocking]) -> None:
    while shells:
        try:
            shell = shells.pop()
        except IndexError:  # its own thread has closed it in this very moment
            return
        shell.close()
        shell.session.end()
