"""One exchange with a service that may be hostile: a bound on its bytes, and on its time as a whole.

httpx's time-outs count from byte to byte, so that an answer that drips never meets one. Here every read and write ends
at the deadline of its exchange, and an answer that has begun comes at a least rate: only until its first byte may a
service take its time. What arrives is read as it is: nothing is decompressed, no redirect is followed, no
cookie kept.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from http.cookiejar import CookieJar, DefaultCookiePolicy
from io import BytesIO
from os import PathLike
from threading import Lock
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass
from weakref import WeakSet

import httpcore
import httpx

from fhenn.errors import AnswerRefused
from fhenn.service.http_response import HttpResponse, NoResponse
from fhenn.service.tls import trust, way_out_of
from fhenn.text import printable

_WINDOW, _LEAST_RATE = 30.0, 1 << 14
"""Seconds, and bytes a second: an answer that has begun is given up where it is slower over a whole window."""

_SLICE = 1 << 14
"""Bytes that are written at once, so that the deadline is looked at between any two slices."""

_ASK_OPERATOR = "Ask the operator of the service; something else may answer in its place."

_DIGITS = 20
"""Digits of a Content-Length; one with more is larger than any answer may be."""


class _Pace:
    """How long an exchange may take.

    deadline: by the monotonic clock, in seconds.
    slow: whether its answer came too slowly.
    """

    def __init__(self, deadline: float) -> None:
        self.deadline, self.slow = deadline, False
        self._since: float | None = None
        self._count = 0

    def restart(self) -> None:
        """Note that a request is sent: what arrives from now on belongs to the answer to it."""
        self._since = None

    def count(self, count: int) -> None:
        """Count bytes of an answer. The first begin a window; as many as a window must have begin the next."""
        self._count = count if self._since is None else self._count + count
        if self._since is None or self._count >= _WINDOW * _LEAST_RATE:
            self._since, self._count = time.monotonic(), 0

    def seconds_left(self, reading: bool) -> float:
        """Seconds until the exchange is given up, 0 or fewer where it is. reading: whether an answer is awaited."""
        now = time.monotonic()
        left = self.deadline - now
        if not reading or self._since is None:
            return left
        window = self._since + _WINDOW - now
        self.slow = window <= 0 < left
        return min(left, window)


_PACE: ContextVar[_Pace] = ContextVar("pace")
"""The pace of the exchange that this thread is in."""

_FAILURES = (
    httpx.TransportError,
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
    UnicodeError,  # of a host that is no name
)


class HttpClient:
    """Sends requests to one service.

    url: of the service.
    token: sent with every request.
    silence: longest time without a byte, in seconds.
    verify: as for httpx: True, a file of certificates to trust, or an `ssl.SSLContext`.
    """

    def __init__(self, url: str, token: str, silence: float, verify: Any) -> None:
        self._url, self._token, self._silence = url, token, silence
        if isinstance(verify, (str, PathLike)):
            verify = trust(verify)
        self._verify = verify if isinstance(verify, ssl.SSLContext) else httpx.create_ssl_context(verify=verify)
        self._network = _Network()
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"},
            transport=_Transport(_pool(url, self._verify, self._network)),
            follow_redirects=False,  # a redirect could take the token elsewhere
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )

    def another(self) -> Self:
        """One for the same service, with connections of its own."""
        return type(self)(self._url, self._token, self._silence, self._verify)

    def end(self) -> None:
        """End what other threads exchange, at once, and refuse new connections: the threads see a broken line."""
        self._network.open.end()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def exchange(
        self,
        method: str,
        path: str,
        what: str,
        most: int,
        seconds: float,
        connect: float,
        way_out: str = _ASK_OPERATOR,
        **request: Any,
    ) -> HttpResponse:
        """Send a request and read the whole answer.

        method: of HTTP.
        path: at the service.
        what: the answer is ("plan", "answer", …), for the error.
        most: bytes that its body may have.
        seconds: until all of the answer must be here.
        connect: seconds until there must be a connection.
        way_out: for the error about an answer that is larger.
        request: more arguments of `httpx.Client.build_request`.

        Raises NoResponse where no answer comes, AnswerRefused for one that is too large or compressed.
        """
        pace = _Pace(time.monotonic() + seconds)
        silence = min(self._silence, seconds)
        timeout = httpx.Timeout(silence, connect=min(connect, seconds))
        try:
            with _use_pace(pace):
                response = self._http.send(
                    self._http.build_request(method, path, timeout=timeout, **request), stream=True
                )
                try:
                    body = self._body(response, what, most, way_out)
                finally:
                    response.close()
        except _FAILURES as error:
            late = time.monotonic() >= pace.deadline
            connecting = isinstance(error, _NOT_CONNECTED)
            reason = str(error) or type(error).__name__
            if late:
                reason = f"the answer was not complete after {seconds:.0f} s"
            elif pace.slow:
                reason = f"less than {_WINDOW * _LEAST_RATE:,.0f} bytes of the answer came in {_WINDOW:.0f} s"
            raise NoResponse(reason[:200], connecting, late or pace.slow, way_out_of(error)) from error
        return HttpResponse(response.status_code, response.reason_phrase, response.headers, body)

    def _body(self, response: httpx.Response, what: str, most: int, way_out: str) -> bytes:
        """The body of an answer, within its limit. Raises AnswerRefused."""
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            reason = f"it is compressed ({printable(encoding, 40)}), which was not asked for"
            raise AnswerRefused(self._url, what, reason, _ASK_OPERATOR)
        received = BytesIO()
        whole = response.request.method == "HEAD" or _stated_length(response) <= most
        for piece in response.iter_raw() if whole else ():
            whole = received.tell() + len(piece) <= most
            if not whole:
                break
            received.write(piece)
        if not whole:
            raise AnswerRefused(self._url, what, f"it has more than {most:,} bytes, the limit", way_out)
        return received.getvalue()


def _stated_length(response: httpx.Response) -> int:
    """The Content-Length of an answer, larger than any limit where it is not a number."""
    text = response.headers.get("Content-Length", "0")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _DIGITS else 10**_DIGITS


_NOT_CONNECTED = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.ProxyError, UnicodeError)


@contextmanager
def _use_pace(pace: _Pace) -> Iterator[None]:
    """Let the reads and writes of this thread keep a pace."""
    before = _PACE.set(pace)
    try:
        yield
    finally:
        _PACE.reset(before)


def _limit_timeout(
    timeout: float | None, error: type[httpcore.TimeoutException], reading: bool = False
) -> float | None:
    """A time-out that ends no later than the exchange is given up. Raises `error` where that has come."""
    pace = _PACE.get(None)
    if pace is None:
        return timeout
    left = pace.seconds_left(reading)
    if left <= 0:
        raise error("the deadline has passed")
    return left if timeout is None else min(left, timeout)


class _Open:
    """Connections that are open, which one call ends."""

    def __init__(self) -> None:
        self._streams, self._lock, self._ended = WeakSet[httpcore.NetworkStream](), Lock(), False

    def add(self, stream: httpcore.NetworkStream) -> None:
        """Add a connection. Raises httpcore.ConnectError, and closes it, where all were ended."""
        with self._lock:
            if not self._ended:
                self._streams.add(stream)
                return
        stream.close()
        raise httpcore.ConnectError("the connections were closed")

    def end(self) -> None:
        """Shut all down, whoever waits for them, and let none be added."""
        with self._lock:
            self._ended = True
            for stream in self._streams:
                with suppress(OSError):  # it is closed already
                    # that of a TLS socket would take its state away under whoever reads
                    socket.socket.shutdown(stream.get_extra_info("socket"), socket.SHUT_RDWR)


class _Stream(httpcore.NetworkStream):
    """A connection whose reads and writes end at the deadline.

    inner: the connection.
    among: those that are open.
    """

    def __init__(self, inner: httpcore.NetworkStream, among: _Open) -> None:
        self._inner, self._among = inner, among
        among.add(inner)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        pace = _PACE.get(None)
        try:
            data = self._inner.read(max_bytes, _limit_timeout(timeout, httpcore.ReadTimeout, reading=True))
        except httpcore.ReadTimeout:
            if pace is not None:
                pace.seconds_left(reading=True)  # says whether it was too slow
            raise
        if pace is not None:
            pace.count(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if (pace := _PACE.get(None)) is not None:
            pace.restart()
        view = memoryview(buffer)
        for start in range(0, len(view), _SLICE):
            self._inner.write(bytes(view[start : start + _SLICE]), _limit_timeout(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        within = _limit_timeout(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, within), self._among)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Network(httpcore.SyncBackend):
    """Opens such connections.

    open: those that are open.
    """

    def __init__(self) -> None:
        self.open = _Open()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        within = _limit_timeout(timeout, httpcore.ConnectTimeout)
        return _Stream(super().connect_tcp(host, port, within, local_address, socket_options), self.open)


def _pool(url: str, context: ssl.SSLContext, network: _Network) -> httpcore.ConnectionPool:
    """Connections to a service, by the proxy of the environment where it names one; never by one in the clear.

    As many as there are threads that ask.
    """
    parts = urlsplit(url)
    proxies = getproxies() if parts.scheme == "https" and not proxy_bypass(parts.hostname or "") else {}
    address = proxies.get(parts.scheme) or proxies.get("all")
    common: dict[str, Any] = {"ssl_context": context, "network_backend": network, "max_connections": None}
    if not address:
        return httpcore.ConnectionPool(**common)
    proxy = httpx.Proxy(address if "://" in address else f"http://{address}")
    kind = httpcore.SOCKSProxy if proxy.url.scheme.startswith("socks") else httpcore.HTTPProxy
    return kind(
        httpcore.URL(
            scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=proxy.url.raw_path
        ),
        proxy_auth=proxy.raw_auth,
        **common,
    )


class _Transport(httpx.BaseTransport):
    """httpx over connections of our own."""

    def __init__(self, pool: httpcore.ConnectionPool) -> None:
        self._pool = pool

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        response = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            response.status, headers=response.headers, stream=_Body(response), extensions=response.extensions
        )

    def close(self) -> None:
        self._pool.close()


class _Body(httpx.SyncByteStream):
    """What arrives after the head of an answer."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        stream = self._response.stream
        assert isinstance(stream, Iterable)  # noqa: S101  (for mypy: the pool is not asynchronous)
        yield from stream

    def close(self) -> None:
        self._response.close()
