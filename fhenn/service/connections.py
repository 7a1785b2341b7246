"""Connections: how many, of whom, for how long.

A connection that has shown no token yet is a stranger. Strangers may have a part of the connections only, and each
address a part of that. Where it is full, the oldest strangers are closed, since an honest client shows its token at
once. Connections with a token do not count against their address, which a hospital's clients share. So a flood of
strangers costs strangers their connections, and nobody else.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import socket
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import h11
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from fhenn.service.addresses import Network, caller_of, is_in
from fhenn.service.limits import Limits
from fhenn.service.logs import log_seldom
from fhenn.service.problems import MEDIA_TYPE, Problem

_ANSWER = 10.0
"""Seconds that the answer to a stranger may take: it is short, and nothing is computed for it."""

_LINGER, _LINGER_STRANGER = 5.0, 2.0
"""Seconds for the rest of a body that is not read: many clients read an answer only after they have sent it."""

_FULL = Problem(503, "busy", "Too many connections are open. Connect again later.", retry_after=1)
_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Guest:
    """One accepted connection.

    caller: its address, or network, as `caller_of` says.
    accepted: its socket, None where there is none to close.
    trusted: whether it is that of a proxy.
    """

    def __init__(self, caller: str, accepted: socket.socket | None, trusted: bool) -> None:
        self.caller, self.trusted = caller, trusted
        self.owner = "" if not trusted else f"proxy {caller}"
        self.connection: BoundedProtocol | None = None
        self.idle_since: float | None = None
        self._accepted = accepted

    @property
    def closed(self) -> bool:
        """Whether the socket was closed before there was a connection, as when TLS was never agreed on."""
        return self.connection is None and (self._accepted is None or self._accepted.fileno() < 0)

    def cut(self) -> None:
        """Close it at once, whatever the other side does."""
        if self.connection is not None:
            self.connection.transport.abort()
        elif self._accepted is not None and self._accepted.fileno() >= 0:
            with suppress(OSError):  # the other side was faster
                self._accepted.shutdown(socket.SHUT_RDWR)  # asyncio owns the socket, and sees its end


class Connections:
    """All connections of a service.

    limits: on their number.
    proxies: those in front of the service, which may open as many connections as there are.
    """

    def __init__(self, limits: Limits, proxies: Sequence[Network] = ()) -> None:
        self._limits, self._proxies = limits, proxies
        self._all: dict[Any, Guest] = {}
        self._strangers: dict[str, dict[Any, Guest]] = {}
        self._owners: Counter[str] = Counter()
        self._admits_early = False
        self.cuts = 0

    def __len__(self) -> int:
        return len(self._all)

    @property
    def strangers(self) -> int:
        """How many connections have shown no token."""
        return sum(map(len, self._strangers.values()))

    def admit(self, peer: Any, accepted: socket.socket | None = None) -> Guest | None:
        """Admit a connection, and close others where there are too many.

        peer: address and port of the other side.
        accepted: its socket; None where there is none to close.

        Returns None where it cannot be admitted.
        """
        self._admits_early = accepted is not None
        address = str(peer[0]) if peer else "unknown"
        guest = Guest(caller_of(address), accepted, is_in(address, self._proxies))
        strangers = min(self._limits.strangers, self._limits.connections // 2 + 1)
        if (before := self._all.get(peer)) is not None:  # its port is another's now
            self.leave(peer, before)
        if self.strangers >= strangers or len(self) >= self._limits.connections:
            self.sweep()
        if not guest.trusted:
            others = self._strangers.get(guest.caller, {})
            if len(others) >= self._limits.per_address:
                self._evict(others)
            if self.strangers >= strangers:
                self.evict_stranger()
        if len(self) >= self._limits.connections and not (self.evict_stranger() or self._evict_idle()):
            return None
        self._all[peer] = guest
        if guest.trusted:
            self._owners[guest.owner] += 1
        else:
            self._strangers.setdefault(guest.caller, {})[peer] = guest
        return guest

    def claim(self, peer: Any, connection: BoundedProtocol) -> Guest | None:
        """The guest that a connection was admitted as.

        peer: address and port of the other side.
        connection: the protocol that handles it.

        Returns None where it was not admitted, or was closed already.
        """
        guest = self._all.get(peer)
        if guest is None and not self._admits_early:  # otherwise it was evicted before it got here
            guest = self.admit(peer)
        if guest is not None:
            guest.connection = connection
        return guest

    def recognise(self, peer: Any, owner: str) -> None:
        """Note that a connection has shown a token of an owner."""
        guest = self._all.get(peer)
        if guest is None or guest.owner == owner or guest.trusted:
            return
        self._forget(peer, guest)
        guest.owner = owner
        self._owners[owner] += 1

    def leave(self, peer: Any, guest: Guest) -> None:
        """Remove a connection that has ended, unless it was evicted before, and its port may be another's now."""
        if self._all.get(peer) is guest:
            del self._all[peer]
            self._forget(peer, guest)

    def sweep(self) -> None:
        """Remove all whose socket was closed before a protocol handled it: nothing else tells of their end."""
        for peer, guest in tuple(self._all.items()):
            if guest.closed:
                self.leave(peer, guest)

    def evict_stranger(self) -> bool:
        """Close the oldest stranger of the address that has the most. Returns whether there was one."""
        return self._evict(max(self._strangers.values(), key=len, default={}))

    def _evict(self, guests: dict[Any, Guest]) -> bool:
        """Close the oldest of some guests. Returns whether there was one."""
        if not guests:
            return False
        peer = next((peer for peer, guest in guests.items() if guest.closed), next(iter(guests)))
        guest = guests[peer]
        if not guest.closed:
            self.cuts += 1
            log_seldom(logging.WARNING, "connection without a token closed", address=guest.caller)
        self.leave(peer, guest)
        guest.cut()
        return True

    def _evict_idle(self) -> bool:
        """Close the longest idle connection of the owner that has the most. Returns whether there was one."""
        idle = [(peer, guest) for peer, guest in self._all.items() if guest.idle_since is not None]
        if not idle:
            return False
        peer, guest = min(idle, key=lambda each: (-self._owners[each[1].owner], each[1].idle_since))
        self.leave(peer, guest)
        guest.cut()
        return True

    def _forget(self, peer: Any, guest: Guest) -> None:
        """Count a guest no longer."""
        if guest.owner:
            self._owners[guest.owner] -= 1
            if not self._owners[guest.owner]:
                del self._owners[guest.owner]
            return
        strangers = self._strangers.get(guest.caller, {})
        strangers.pop(peer, None)
        if not strangers:
            self._strangers.pop(guest.caller, None)


class Listener(socket.socket):
    """A listening socket that goes on when descriptors run out.

    It holds one descriptor in reserve, and frees it to accept a connection and close it, so that nobody waits in vain.

    connections: those of the service; set before it listens. Strangers are closed first.
    plain: whether there is no TLS, so that whoever is turned away can be told why; set before it listens.
    """

    connections: Connections | None = None
    plain = True
    _reserve: int | None = None
    _last_error = 0.0

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection. Raises BlockingIOError where none waits, or none can be admitted."""
        if self._reserve is None:
            self._reserve = _spare()
        try:
            accepted, peer = super().accept()
        except OSError as error:
            if error.errno not in _NO_DESCRIPTOR:
                raise
            self._make_room(error)
            raise BlockingIOError from error
        if self.connections is None or self.connections.admit(peer, accepted) is not None:
            return accepted, peer
        _turn_away(accepted, self.plain)
        raise BlockingIOError

    def close(self) -> None:
        """Close the socket, and free the reserve."""
        super().close()
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None

    def _make_room(self, error: OSError) -> None:
        """Close a stranger, or use the reserve. Raises OSError, once a second, where neither helps."""
        log_seldom(logging.ERROR, "no descriptor for a connection", error=os.strerror(error.errno or 0))
        if self.connections is not None:
            self.connections.sweep()  # those hold no descriptor
        if self.connections is not None and self.connections.evict_stranger():
            return  # its descriptor is free a moment later
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None
            try:
                super().accept()[0].close()
            except OSError:
                pass
            else:
                return
            finally:
                self._reserve = _spare()
        if time.monotonic() - self._last_error >= 0.5:
            self._last_error = time.monotonic()
            raise error  # asyncio waits for a second, and tries again


def _spare() -> int | None:
    """A descriptor to hold in reserve, None where there is none."""
    try:
        return os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return None


def _turn_away(accepted: socket.socket, plain: bool) -> None:
    """Close a connection, and say why where there is no TLS."""
    with accepted:
        accepted.setblocking(False)
        if plain:
            with suppress(OSError):  # it does not take even that
                accepted.send(plain_answer(_FULL))


class BoundedProtocol(H11Protocol):
    """uvicorn's HTTP protocol with bounds on time: for a head, for a whole request, for a client that reads no answer.

    limits: on time; set in a subclass of each service (`protocol_of`).
    registry: the service's connections; set there too.
    """

    limits: Limits
    registry: Connections

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._peer: Any = None
        self._guest: Guest | None = None
        inner = self.app

        async def introduced(scope: Scope, receive: Receive, send: Send) -> None:
            scope["state"]["connection"] = self
            await inner(scope, receive, send)

        self.app = introduced

    def connection_made(self, transport: Any) -> None:
        """Handle a connection that was opened."""
        super().connection_made(transport)
        self._peer = transport.get_extra_info("peername")
        self._guest = self.registry.claim(self._peer, self)
        if self._guest is None:
            transport.write(plain_answer(_FULL))
            self._close()
        else:
            self._end_after(self.limits.header)

    def data_received(self, data: bytes) -> None:
        """Handle bytes that arrived."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._start_request()
        elif self._deadline is None and not self._running:
            self._end_after(self.limits.header)

    def on_response_complete(self) -> None:
        """Handle the end of an answer."""
        before = self.cycle
        self._stop(deadline=True)
        unread = self.conn.their_state is h11.SEND_BODY
        if self._guest is not None and self._guest.owner:
            self._guest.idle_since = self.loop.time()
        super().on_response_complete()
        if self.cycle is not before:  # the next request was there already
            self._start_request()
        elif unread:
            self._end_after(_LINGER if self._guest is not None and self._guest.owner else _LINGER_STRANGER)
        elif self.transport.is_closing():
            self._close()

    def recognise(self, owner: str) -> None:
        """Note that the request that runs has shown a token of an owner, and give it the time of a whole request."""
        self.registry.recognise(self._peer, owner)
        self._end_after(self.limits.request)

    def give_up(self) -> None:
        """Close the connection at once, whatever the other side does."""
        self.transport.abort()

    def pause_writing(self) -> None:
        """Handle a client that does not read; close the connection where that lasts."""
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(self.limits.idle, self.transport.abort)  # close() would wait

    def resume_writing(self) -> None:
        """Handle a client that reads again."""
        self._stop(stalled=True)
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Handle the end of the connection."""
        self._stop(deadline=True, stalled=True)
        if self._guest is not None:
            self.registry.leave(self._peer, self._guest)
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are not HTTP, and close the connection."""
        self.transport.write(
            plain_answer(Problem(400, "http", "This is not a valid HTTP request. Send one of HTTP/1.1."))
        )
        self._close()

    @property
    def _running(self) -> bool:
        """Whether a request is being handled."""
        return self.cycle is not None and not self.cycle.response_complete

    def _start_request(self) -> None:
        """Handle a complete head: from now on a stranger's request may take as long as its answer, and no longer."""
        if self._guest is not None:
            self._guest.idle_since = None
        if self._running:
            self._end_after(_ANSWER)

    def _close(self) -> None:
        """Close once the client has read what was written, or at a deadline."""
        self.transport.close()
        self._end_after(min(self.limits.idle, _ANSWER))

    def _end_after(self, seconds: float) -> None:
        """Close the connection after so many seconds, unless the time is set anew."""
        self._stop(deadline=True)
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _stop(self, deadline: bool = False, stalled: bool = False) -> None:
        """Stop the timer of the deadline, or that of a client that does not read."""
        if deadline and self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if stalled and self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


def protocol_of(limits: Limits, registry: Connections) -> type[BoundedProtocol]:
    """The protocol of a service, which uvicorn makes an instance of for each connection."""
    return type("BoundedProtocol", (BoundedProtocol,), {"limits": limits, "registry": registry})


def plain_answer(problem: Problem) -> bytes:
    """A problem as the bytes of an HTTP answer, for where there is no request to answer."""
    body = json.dumps(problem.document("-")).encode()
    lines = [f"HTTP/1.1 {problem.status} {problem.document('-')['title']}"]
    lines += [f"{name}: {value}" for name, value in problem.all_headers().items()]
    lines += [f"Content-Type: {MEDIA_TYPE}", f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + body
