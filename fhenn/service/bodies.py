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

PREDICTION, KEYS = "A prediction", "Evaluation keys"
_WAY_OUT = {PREDICTION: "Send fewer samples at once", KEYS: "Make keys for a smaller plan"}
"""What a body can be, and how to make it smaller."""
_OPTION = {PREDICTION: "--body-mb", KEYS: "--keys-mb"}
"""The operator's option that bounds each."""


class Admission:
    """What the service handles at one moment, within its limits: bytes of bodies in memory, requests of each owner.

    limits: of the service.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._owners: Counter[str] = Counter()
        self._crashes: dict[str, deque[float]] = {}
        self.held_bytes = 0

    @contextmanager
    def request(self, owner: str) -> Iterator[None]:
        """Count a request of an owner while it is handled. Raises Problem where the owner has too many."""
        if self._owners[owner] >= self._limits.per_owner:
            detail = (
                f"{self._limits.per_owner} requests of this token's owner run, which is the limit. Wait for an answer."
            )
            raise Problem(429, "too-many-requests", detail, retry_after=1)
        crashes = self._crashes.get(owner, deque[float]())
        if len(crashes) >= self._limits.crashes and monotonic() - crashes[0] < _MINUTE:
            wait = ceil(_MINUTE - (monotonic() - crashes[0]))
            detail = (
                f"{len(crashes)} requests of this token's owner crashed a worker, or took too long, within a minute. "
                "Correct them before you send more."
            )
            raise Problem(429, "too-many-crashes", detail, retry_after=wait)
        self._owners[owner] += 1
        try:
            yield
        finally:
            self._owners[owner] -= 1
            if not self._owners[owner]:
                del self._owners[owner]

    def blame(self, owner: str) -> None:
        """Count a request of an owner that ended a worker, so that others wait until it is replaced."""
        self._crashes.setdefault(owner, deque(maxlen=self._limits.crashes)).append(monotonic())

    @contextmanager
    def body(self) -> Iterator[bytearray]:
        """A buffer for a body; the bytes that `hold` adds to it count as long as the `with` lasts."""
        buffer = bytearray()
        try:
            yield buffer
        finally:
            self.held_bytes -= len(buffer)

    def release(self, buffer: bytearray) -> None:
        """Empty a buffer that is no longer needed."""
        self.held_bytes -= len(buffer)
        buffer.clear()

    def hold(self, buffer: bytearray, chunk: bytes) -> None:
        """Append a chunk to a buffer. Raises Problem where all bodies together would be too much."""
        if self.held_bytes + len(chunk) > self._limits.held:
            raise Problem(
                503, "busy", "The request bodies in memory are at their limit. Send it again later.", retry_after=2
            )
        self.held_bytes += len(chunk)
        buffer += chunk


def declared_length(request: Request, most: int, what: str) -> int | None:
    """The Content-Length of a request, None where it has none.

    request: whose head has arrived.
    most: bytes that its body may have.
    what: the body is: `PREDICTION` or `KEYS`.

    Raises Problem where the body is larger, or compressed.
    """
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Problem(415, "encoding", "A compressed body is not accepted. Send the bytes as they are.")
    text = request.headers.get("content-length")
    if text is None:
        return None
    length = int(text)  # h11 has checked that it is a number
    if length > most:
        raise too_large(what, most)
    return length


def too_large(what: str, most: int) -> Problem:
    """The problem of a body larger than the `most` bytes that it may have."""
    detail = (
        f"{what} may have at most {most:,} bytes here. {_WAY_OUT[what]}, or ask the operator for a higher limit "
        f"({_OPTION[what]} of `fhenn serve`)."
    )
    return Problem(413, "too-large", detail)


async def chunks(request: Request, limits: Limits) -> AsyncIterator[bytes]:
    """A request's body as it arrives, in pieces.

    Raises Problem where it takes too long, ClientDisconnect where it ends early.
    """
    stream = request.stream()
    deadline = asyncio.get_running_loop().time() + limits.transfer
    while True:
        try:
            left = deadline - asyncio.get_running_loop().time()
            async with asyncio.timeout(min(limits.idle, left)):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            detail = f"No byte came for {limits.idle:g} s, or not all within {limits.transfer:g} s. Send it again."
            raise Problem(408, "too-slow", detail, headers={"Connection": "close"}) from error
        if chunk:
            yield chunk
