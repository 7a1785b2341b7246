"""Run the service: sockets, TLS, shutdown."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from fhenn.errors import ServiceRefused
from fhenn.service.app import create_app
from fhenn.service.limits import Limits
from fhenn.service.logs import log_as_json
from fhenn.service.loopback import is_loopback
from fhenn.service.problems import MEDIA_TYPE, Problem
from fhenn.service.store import Store


def protocol_of(limits: Limits) -> type[H11Protocol]:
    """uvicorn's HTTP protocol, with bounds on connections, on a head's time and on clients that take no answer."""

    class Bounded(H11Protocol):
        _deadline: asyncio.TimerHandle | None = None
        _stalled: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                transport.write(_plain_answer(Problem(503, "busy", "Too many connections are open.", retry_after=1)))
                transport.close()
            else:
                self._await_head()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.conn.their_state is not h11.IDLE:  # the head is complete
                self._stop_waiting()
            elif self._deadline is None and (self.cycle is None or self.cycle.response_complete):
                self._await_head()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._stalled = self.loop.call_later(limits.idle, self.transport.abort)  # close() would wait for the client

        def resume_writing(self) -> None:
            self._go_on()
            super().resume_writing()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            self._go_on()
            super().connection_lost(exc)

        def send_400_response(self, msg: str) -> None:
            detail = "This is not HTTP as the service understands it."
            self.transport.write(_plain_answer(Problem(400, "http", detail)))
            self.transport.close()

        def _await_head(self) -> None:
            self._deadline = self.loop.call_later(limits.header, self.transport.close)

        def _go_on(self) -> None:
            if self._stalled is not None:
                self._stalled.cancel()
                self._stalled = None

        def _stop_waiting(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

    return Bounded


def _plain_answer(problem: Problem) -> bytes:
    """An answer for where there is no request to answer."""
    body = json.dumps(problem.document("-")).encode()
    lines = [f"HTTP/1.1 {problem.status} {problem.document('-')['title']}"]
    lines += [f"{name}: {value}" for name, value in problem.all_headers().items()]
    lines += [f"Content-Type: {MEDIA_TYPE}", f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + body


def serve(
    folder: Path,
    host: str = "127.0.0.1",
    port: int = 8600,
    limits: Limits | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
    tls_elsewhere: bool = False,
    add: Sequence[tuple[str, bytes, bytes]] = (),
    started: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve the models in a folder until a SIGTERM or SIGINT; requests that run are finished then.

    certificate, key: PEM files for TLS. tls_elsewhere: something in front of the service ends TLS; otherwise plain HTTP
    is for loopback alone. add: names, models and plans to keep in the folder first, once nothing else is in the way of
    serving them. port: 0 for a free one. started: called with the address once it takes requests.
    Raises ServiceRefused, StoreLocked where another service runs on the folder, StoreUnsafe, FhennError.
    """
    limits = limits or Limits()
    if (certificate is None) != (key is None):
        raise ServiceRefused("TLS needs a certificate and its key.", "Give --ssl-certfile and --ssl-keyfile.")
    if certificate is None and not tls_elsewhere and not is_loopback(host):
        raise ServiceRefused(
            f"on {host}, plain HTTP would show tokens to whoever listens.",
            "Give --ssl-certfile and --ssl-keyfile, or --tls-elsewhere where something in front of it ends TLS.",
        )
    log_as_json()
    store = Store(folder, limits.keys_per_owner, limits.bytes_per_owner)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # the protocol is named for asyncio to see it: only then does it switch Nagle's algorithm off (40 ms an answer)
        with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((host, port))
            except OSError as error:
                text = f"cannot listen on {host}, port {port} ({error.strerror or error})."
                raise ServiceRefused(
                    text, "Choose another with --host and --port; --port 0 finds a free one."
                ) from error
            for name, model, plan in add:
                store.models.add(name, model, plan)
            app, service = create_app(store, limits)
            if not service.catalogue:
                raise ServiceRefused(f"there is no model in {folder}.", "Add one: fhenn model add NAME MODEL PLAN.")
            config = uvicorn.Config(
                app,
                http=protocol_of(limits),
                ws="none",
                lifespan="on",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_keep_alive=int(max(1, limits.idle)),
                timeout_graceful_shutdown=int(max(1, limits.drain)),
                h11_max_incomplete_event_size=16 << 10,
                backlog=min(1024, max(64, limits.connections)),
                ssl_certfile=certificate and str(certificate),
                ssl_keyfile=key and str(key),
            )
            scheme = "http" if certificate is None else "https"
            shown = f"[{host}]" if ":" in host else host
            server = _Server(config, lambda: started(f"{scheme}://{shown}:{listener.getsockname()[1]}"))
            for number in (signal.SIGINT, signal.SIGTERM):
                # uvicorn raises the signal that stopped it again, for the handler of before: a stop is no failure
                signal.signal(number, lambda number, frame: None)
            server.run(sockets=[listener])
    finally:
        store.close()


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it takes requests."""

    def __init__(self, config: uvicorn.Config, started_at: Callable[[], None]) -> None:
        super().__init__(config)
        self._started_at = started_at

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._started_at()
