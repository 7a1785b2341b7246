"""Many HTTP clients in one thread, each with a connection of its own that stays open and one request that was made
before: they share the machine with the service, and what they take, it lacks.
"""

from __future__ import annotations

import selectors
import socket
import ssl
from collections import deque
from collections.abc import Iterator, Sequence
from time import perf_counter

_WAIT = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_TOO_LONG = 60.0
"""Seconds without a byte of any answer."""


class Asker:
    """A client that asks the same again and again.

    port: of the service, on loopback.
    path: that it posts to.
    token: that it shows.
    body: that it sends.
    tls: how to check the service's certificate; None for plain HTTP.
    """

    def __init__(self, port: int, path: str, token: str, body: bytes, tls: ssl.SSLContext | None = None) -> None:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/octet-stream\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._request = head.encode() + body
        self._port, self._tls = port, tls
        self.socket = self._connected()
        self.answer = b""

    def _connected(self) -> socket.socket:
        found = socket.create_connection(("127.0.0.1", self._port), timeout=_TOO_LONG)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            found = self._tls.wrap_socket(found, server_hostname="127.0.0.1")
        found.setblocking(False)
        return found

    def reopen(self) -> None:
        """Connect anew where the service closed the connection while nothing was asked: it waits for `Limits.idle`."""
        try:
            waiting = self.socket.recv(1)
        except _WAIT:
            return
        except ConnectionError:
            waiting = b""
        assert not waiting, "the service answers what nobody asked"
        self.socket.close()
        self.socket = self._connected()

    def begin(self) -> None:
        """Ask; `go_on` does what remains."""
        self._unsent, self._received, self._whole = memoryview(self._request), bytearray(), 0

    @property
    def sends(self) -> bool:
        """Whether it has something to send."""
        return bool(self._unsent)

    def go_on(self) -> bool:
        """Send and receive what is possible now. Returns whether the answer is there, whose body is in `answer`."""
        try:
            while self._unsent:
                self._unsent = self._unsent[self.socket.send(self._unsent) :]
            while not self._whole or len(self._received) < self._whole:
                piece = self.socket.recv(1 << 18)
                assert piece, "the service closed the connection"
                self._received += piece
                self._whole = self._whole or self._length()
        except _WAIT:
            return False
        assert len(self._received) == self._whole
        self.answer = bytes(self._received[self._received.index(b"\r\n\r\n") + 4 :])
        return True

    def _length(self) -> int:
        """Bytes of head and body, 0 where the head is not there yet; the status must be 200."""
        head, end, _ = self._received.partition(b"\r\n\r\n")
        if not end:
            return 0
        lines = bytes(head).lower().split(b"\r\n")
        assert lines[0].startswith(b"http/1.1 200 "), bytes(self._received)
        (size,) = (int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:"))
        return len(head) + 4 + size


def ask(askers: Sequence[Asker], times: int) -> None:
    """Let all ask at once, each so many times, one after another. Each keeps its last answer."""
    left = dict.fromkeys(askers, times)
    with selectors.DefaultSelector() as selector:
        for asker in askers:
            asker.reopen()
            asker.begin()
            selector.register(asker.socket, selectors.EVENT_WRITE, asker)
        while left:
            for asker in _ready(selector):
                while asker in left and asker.go_on():
                    left[asker] -= 1
                    if left[asker]:
                        asker.begin()
                    else:
                        del left[asker]
                        selector.unregister(asker.socket)
                if asker in left:
                    wanted = selectors.EVENT_WRITE if asker.sends else selectors.EVENT_READ
                    if selector.get_key(asker.socket).events != wanted:
                        selector.modify(asker.socket, wanted, asker)


def at_rate(askers: Sequence[Asker], rate: float, seconds: float) -> list[float]:
    """Let them ask at a rate, whether or not answers come: an open loop.

    askers: that ask in turn, as they become free.
    rate: requests a second, evenly spaced.
    seconds: for how long.

    Returns the seconds from when each request was due until its answer was there: where all askers wait, those that
    are due wait too, and that counts.
    """
    total, taken = int(rate * seconds), list[float]()
    free, due = deque(askers), dict[Asker, float]()
    start, begun = perf_counter(), 0
    with selectors.SelectSelector() as selector:  # whose time-outs are finer than a millisecond
        while len(taken) < total:
            now = perf_counter()
            while begun < total and free and start + begun / rate <= now:
                asker = free.popleft()
                due[asker] = start + begun / rate
                asker.reopen()
                asker.begin()
                selector.register(asker.socket, selectors.EVENT_WRITE, asker)
                begun += 1
            next_one = begun < total and free
            wait = max(start + begun / rate - perf_counter(), 0.0) if next_one else _TOO_LONG
            events = selector.select(wait)
            assert events or next_one, "the service answers nobody"
            for key, _ in events:
                asker = key.data
                if asker.go_on():
                    selector.unregister(asker.socket)
                    taken.append(perf_counter() - due.pop(asker))
                    free.append(asker)
                elif not asker.sends:
                    selector.modify(asker.socket, selectors.EVENT_READ, asker)
    return taken


def _ready(selector: selectors.BaseSelector) -> Iterator[Asker]:
    """Those that can go on."""
    events = selector.select(_TOO_LONG)
    assert events, "the service answers nobody"
    for key, _ in events:
        yield key.data
