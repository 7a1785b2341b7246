"""What surrounds every request: an id, a line in the log, counters, and an answer that a client can read."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import traceback
from pathlib import Path
from secrets import token_hex

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fhenn.service.logs import log
from fhenn.service.metrics import Metrics

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_MOST_DRAINED = 64 << 20
_LONGEST_DRAIN = 5.0
_NOT_DRAINED = frozenset({408, 413})
"""Answers to clients that would send for too long."""


class Envelope:
    """ASGI middleware, the outermost."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        start, status, received, sent, ended = time.perf_counter(), 0, 0, 0, False

        async def counted_receive() -> Message:
            nonlocal received, ended
            message = await receive()
            received += len(message.get("body", b""))
            ended = ended or not message.get("more_body", False)
            return message

        async def drain() -> None:
            """Take what a client still sends: many read an answer only after that."""
            bound = received + _MOST_DRAINED
            try:
                async with asyncio.timeout(_LONGEST_DRAIN):
                    while not ended and received < bound:
                        await counted_receive()
            except TimeoutError:
                return

        async def guarded_send(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                if not ended and status not in _NOT_DRAINED and _has_body(scope):
                    await drain()
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"cache-control", b"no-store"),
                ]
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, counted_receive, guarded_send)
        except ClientDisconnect:
            status = status or 499
        except Exception as error:
            log(logging.ERROR, "unexpected error", request_id=request_id, **described(error))
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
                seconds=round(seconds, 4),
                bytes_in=received,
                bytes_out=sent,
            )


def described(error: BaseException) -> dict[str, object]:
    """Type and place of an error; not its text, which may quote what was sent."""
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


def _has_body(scope: Scope) -> bool:
    """Whether a client is sending a body; one that asks first, with Expect, is not."""
    names = {name for name, _ in scope["headers"]}
    return not names.isdisjoint({b"content-length", b"transfer-encoding"}) and b"expect" not in names


def _method(scope: Scope) -> str:
    known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return scope["method"] if scope["method"] in known else "other"
