"""This process as a worker: a sign of life in the database, renewed by a helper thread while the engine is open."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from uuid import UUID, uuid4

from ...errors import SagalogError, UsageError
from ...store import hold, log
from ...store.session import Session

PARTITIONS = 3600.0
"""Seconds between two looks whether the log has its partitions for the months to come."""

_log = logging.getLogger("sagalog.worker")


class Lease:
    """A worker's lease of `seconds`. It begins with the first run that is taken, not with the engine.

    What is written is fenced by the run's epoch, not by the lease: a worker that could not renew it in time may lose
    its runs, and then it can write nothing to them.
    """

    def __init__(self, open: Callable[[], Session], seconds: float) -> None:
        self.worker: UUID = uuid4()
        self._open = open
        self._seconds = seconds
        self._session: Session | None = None
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._lock = threading.Lock()

    def ensure(self) -> None:
        """Enroll, once; the thread renews the lease three times in its length."""
        with self._lock:
            if self._thread is not None:
                return
            if self._ended.is_set():
                raise UsageError("this engine is closed: it runs nothing any more; open another with Engine.open()")
            session = self._open()
            try:
                session.perform(lambda: hold.enroll(hold.this_process(self.worker), self._seconds))
            except BaseException:
                session.close()
                raise
            self._session = session
            self._thread = threading.Thread(target=self._beat, name="sagalog-lease", daemon=True)
            self._thread.start()

    def _beat(self) -> None:
        assert self._session is not None
        due = time.monotonic() + PARTITIONS
        while not self._ended.wait(self._seconds / 3):
            try:
                if time.monotonic() > due:  # a process may live for months
                    self._session.perform(log.ensure_partitions)
                    due += PARTITIONS
                if self._session.perform(lambda: hold.beat(self.worker, self._seconds)) is None:
                    self._session.perform(lambda: hold.enroll(hold.this_process(self.worker), self._seconds))
            except SagalogError as error:
                _log.warning("the lease of worker %s could not be renewed: %s", self.worker, error)

    def close(self) -> None:
        """Give up the lease; what this worker still held can be taken at once."""
        self._ended.set()
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is None or self._session is None:
            return
        thread.join(self._seconds)
        try:
            self._session.perform(lambda: hold.leave(self.worker))
        except SagalogError as error:
            _log.warning("worker %s leaves without saying so: %s", self.worker, error)
        self._session.end()  # for good: the thread may still be trying to connect
