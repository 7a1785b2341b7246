"""What surrounds every request: an id, a line in the log, counters, and an answer that a client can read."""

from __future__ import annotations

import logging
import re
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fhenn.service.addresses import PROXY_HEADERS, Network, source_of
from fhenn.service.logs import log
from fhenn.service.metrics import Metrics

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class Envelope:
    """ASGI middleware, the outermost.

    app: the application inside.
    metrics: that count the requests.
    proxies: those whose headers say where a request comes from.
    proxy_header: the header in which they say it, of `fhenn.service.addresses.PROXY_HEADERS`.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        proxies: Sequence[Network] = (),
        proxy_header: str = PROXY_HEADERS[0],
    ) -> None:
        self._app, self._metrics, self._proxies, self._proxy_header = app, metrics, proxies, proxy_header

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        scope["state"]["source"] = source = source_of(_peer(scope), _values(scope), self._proxies, self._proxy_header)
        start, status, received, sent = time.perf_counter(), 0, 0, 0

        async def counted_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def guarded_send(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message.get("headers", []))
                if all(name != b"content-security-policy" for name, _ in headers):
                    headers.append((b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"))
                if all(name != b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
                message["headers"] = [
                    *headers,
                    (b"x-request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, counted_receive, guarded_send)
        except ClientDisconnect:
            status = status or 499
        except Exception as error:
            log(logging.ERROR, "unexpected error", request_id=request_id, **error_fields(error))
        finally:
            seconds = time.perf_counter() - start
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(_method(scope), route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(seconds)
            log(
                logging.DEBUG if route.startswith(("/health", "/metrics")) else logging.INFO,
                "request",
                request_id=request_id,
                method=_method(scope),
                route=route,
                status=status,
                problem=scope["state"].get("problem"),
                owner=scope["state"].get("owner"),
                source=source,
                seconds=round(seconds, 4),
                bytes_in=received,
                bytes_out=sent,
            )


def error_fields(error: BaseException) -> dict[str, object]:
    """Type and place of an error, as fields of a line in the log. Its text may quote what was sent, and is left out."""
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "exception": type(error).__name__,
        "where": [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames][-3:],
    }


def _request_id(scope: Scope) -> str:
    """The caller's id where it is harmless, else one of our own."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value.decode())
    return token_hex(8)


def _peer(scope: Scope) -> str:
    """The address at the other end of the connection."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def _values(scope: Scope) -> dict[bytes, list[bytes]]:
    """The values of each header, by its name."""
    values: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        values.setdefault(name, []).append(value)
    return values


def _method(scope: Scope) -> str:
    """The method of a request, for metrics: "other" for unusual ones."""
    known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return scope["method"] if scope["method"] in known else "other"
