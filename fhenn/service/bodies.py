"""Request bodies, within bounds: how large, how slow, how much of them in memory at once."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from math import ceil
from time import monotonic

from starlette.requests import Request

from fhenn.service.limits import Limits
from fhenn.service.problems import Problem

_MINUTE = 60.0


class Admission:
    """How much is being handled: bytes of bodies in memory, requests of each owner."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._owners: Counter[str] = Counter()
        self._crashes: dict[str, deque[float]] = {}
        self.held_bytes = 0

    @contextmanager
    def request(self, owner: str) -> Iterator[None]:
        """Count a request of an owner while it is handled. Raises Problem."""
        if self._owners[owner] >= self._limits.per_owner:
            detail = f"{self._limits.per_owner} requests of this token's owner are being handled. Wait for an answer."
            raise Problem(429, "too-many-requests", detail, retry_after=1)
        crashes = self._crashes.get(owner, deque[float]())
        if len(crashes) >= self._limits.crashes and monotonic() - crashes[0] < _MINUTE:
            wait = ceil(_MINUTE - (monotonic() - crashes[0]))
            detail = f"{len(crashes)} requests of this token's owner ended a worker lately. Mend them before the next."
            raise Problem(429, "too-many-crashes", detail, retry_after=wait)
        self._owners[owner] += 1
        try:
            yield
        finally:
            self._owners[owner] -= 1
            if not self._owners[owner]:
                del self._owners[owner]

    def blame(self, owner: str) -> None:
        """A request of an owner has ended a worker: others wait until it is replaced."""
        self._crashes.setdefault(owner, deque(maxlen=self._limits.crashes)).append(monotonic())

    @contextmanager
    def body(self) -> Iterator[bytearray]:
        """A buffer for a body; what `hold` put there counts until it is done with."""
        buffer = bytearray()
        try:
            yield buffer
        finally:
            self.held_bytes -= len(buffer)

    def release(self, buffer: bytearray) -> None:
        """What is in a buffer is needed no more."""
        self.held_bytes -= len(buffer)
        buffer.clear()

    def hold(self, buffer: bytearray, chunk: bytes) -> None:
        """Append a chunk to a buffer. Raises Problem where all bodies together would be too much."""
        if self.held_bytes + len(chunk) > self._limits.held:
            raise Problem(503, "busy", "The service holds as much as it may. Send it again later.", retry_after=2)
        self.held_bytes += len(chunk)
        buffer += chunk


def declared_length(request: Request, most: int, what: str) -> int | None:
    """The Content-Length of a request, None where there is none. Raises Problem."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Problem(415, "encoding", "A compressed body is not taken. Send the bytes as they are.")
    text = request.headers.get("content-length")
    if text is None:
        return None
    length = int(text)  # h11 has checked that it is a number
    if length > most:
        raise too_large(what, most)
    return length


def too_large(what: str, most: int) -> Problem:
    """The problem of a body past its bound."""
    return Problem(
        413, "too-large", f"{what} may have {most} bytes here. Send fewer samples, or ask for a wider limit."
    )


async def chunks(request: Request, limits: Limits) -> AsyncIterator[bytes]:
    """A request's body as it arrives. Raises Problem where it takes too long, ClientDisconnect where it ends early."""
    stream = request.stream()
    deadline = asyncio.get_running_loop().time() + limits.transfer
    while True:
        try:
            left = deadline - asyncio.get_running_loop().time()
            chunk = await asyncio.wait_for(anext(stream), min(limits.idle, left))
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            detail = f"No byte came for {limits.idle:g} s, or not all within {limits.transfer:g} s. Send it again."
            raise Problem(408, "too-slow", detail, headers={"Connection": "close"}) from error
        if chunk:
            yield chunk
