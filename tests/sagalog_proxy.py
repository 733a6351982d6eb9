"""A proxy on PostgreSQL's socket that cuts a connection at the worst moment.

    with Proxy(server_url) as proxy:
        session = Session(proxy.url, settings())
        proxy.arm(record_id, Cut.BEFORE)      # the message that carries these bytes never reaches the server
        proxy.arm(record_id, Cut.AFTER)       # it does, and is answered, but the answer never gets back
        proxy.arm(record_id, Cut.DURING)      # it does, and the connection is cut while the server is at work

What a client sends in binary (`Bind`) holds the bytes of its parameters, so the id of a record marks the very append
that carries it, and `COMMIT_BY_NAME` a commit that is sent as text. Only connections over a Unix socket.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
from contextlib import suppress
from enum import Enum
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qs, quote, urlsplit

COMMIT_BY_NAME = b"commit"
_SOCKET = ".s.PGSQL.5432"
_READY = ord("Z")


class Cut(Enum):
    """When the connection is cut."""

    BEFORE = "the server has not got the message"
    DURING = "the server has got it; nobody waits for its answer"
    AFTER = "the server has answered; the answer is lost"


class Proxy:
    """Stands between clients and the server of `url`; `url` of the proxy is for the clients. Cuts once for each `arm`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        self._upstream = f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}"
        self._folder = Path(tempfile.mkdtemp(prefix="sagalog-"))
        self.url = f"postgresql://{parts.netloc}{parts.path}?host={quote(str(self._folder))}&port=5432"
        self.connections = 0
        self.cuts = 0
        self._armed: tuple[bytes, Cut] | None = None
        self._skip = 0
        self._refusing = False
        self._lock = threading.Lock()
        self._pairs: set[_Pair] = set()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self._folder / _SOCKET))
        self._listener.listen(64)
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def arm(self, mark: bytes, cut: Cut, nth: int = 1) -> None:
        """Cut the connection that sends `mark` for the `nth` time from now on."""
        with self._lock:
            self._armed, self._skip = (mark, cut), nth - 1

    def refuse(self, refusing: bool = True) -> None:
        """Turn new connections away, or no more."""
        self._refusing = refusing

    def cut_all(self) -> None:
        """Cut all connections that there are."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            pair.close()

    def fires(self, before: bytes, data: bytes) -> Cut | None:
        """How to cut for `data`, if this is what it was armed for; then it no longer is. `before` is what came before."""
        with self._lock:
            if self._armed is None:
                return None
            mark, cut = self._armed
            # A mark may be split between two reads.
            if mark not in before[max(len(before) - len(mark) + 1, 0) :] + data:
                return None
            if self._skip:
                self._skip -= 1
                return None
            self._armed = None
            self.cuts += 1
            return cut

    def forget(self, pair: _Pair) -> None:
        with self._lock:
            self._pairs.discard(pair)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refusing:
                client.close()
                continue
            self.connections += 1
            pair = _Pair(self, client, self._upstream)
            with self._lock:
                self._pairs.add(pair)
            pair.start()

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self.cut_all()
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            pair.join()
        shutil.rmtree(self._folder, ignore_errors=True)


class _Pair:
    """One client and its connection to the server."""

    def __init__(self, proxy: Proxy, client: socket.socket, upstream: str) -> None:
        self.proxy = proxy
        self.client = client
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.connect(upstream)
        self.silent = False
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self._outward, self._homeward)]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def join(self) -> None:
        for thread in self.threads:
            if thread is not threading.current_thread():
                thread.join()

    def close(self) -> None:
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.proxy.forget(self)

    def _outward(self) -> None:
        before = b""
        while data := _receive(self.client):
            cut = self.proxy.fires(before, data)
            before = data
            if cut is Cut.BEFORE:
                break
            # From here on nothing goes back to the client, however quick the server; `_homeward` ends it all at its answer.
            self.silent = self.silent or cut is not None
            if not _send(self.server, data) or cut is Cut.DURING:
                break
        else:
            self._end(self.server)
            return
        self.close()

    def _homeward(self) -> None:
        swallowed = b""
        while data := _receive(self.server):
            if not self.silent:
                if not _send(self.client, data):
                    break
            else:
                swallowed += data
                if _answered(swallowed):
                    break
        self.close()
        self._release()

    def _end(self, to: socket.socket) -> None:
        with suppress(OSError):
            to.shutdown(socket.SHUT_WR)

    def _release(self) -> None:
        self.threads[0].join()
        self.client.close()
        self.server.close()


def _receive(end: socket.socket) -> bytes:
    try:
        return end.recv(65536)
    except OSError:
        return b""


def _send(end: socket.socket, data: bytes) -> bool:
    try:
        end.sendall(data)
    except OSError:
        return False
    return True


def _answered(data: bytes) -> bool:
    """Whether these messages of the server, whole from the first on, have come to ReadyForQuery."""
    at = 0
    while at + 5 <= len(data):
        if data[at] == _READY:
            return True
        at += 1 + int.from_bytes(data[at + 1 : at + 5], "big")
    return False
