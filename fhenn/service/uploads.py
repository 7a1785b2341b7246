"""Evaluation keys on their way in: written as they arrive, resumed where they broke off, kept once checked.

What happens to the same keys of an owner happens one after the other, whoever asks: each step takes the keys' lock, and
writes only where its upload is still the latest.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect

from fhenn.artifacts.files import write_all
from fhenn.errors import WireFormatError
from fhenn.service.disk import Disk
from fhenn.service.key_store import KeyStore, no_space
from fhenn.service.problems import Problem
from fhenn.service.scan import KeyScanner, SecretKeyFound

_BUFFER = 1 << 20
_PATIENCE = 20.0
"""Seconds that a complete upload waits for the outcome of the one that took over from it."""
_CLOSE = {"Connection": "close"}

Check = Callable[[str, Path], Awaitable[dict[str, Any]]]
"""Has a worker check an owner's complete file of keys. Raises Problem where it is refused."""


@dataclass(frozen=True)
class UploadProgress:
    """How far a request has brought an upload.

    arrived: bytes of it that are here.
    complete: whether they are stored as keys.
    new: whether this request stored them.
    """

    arrived: int
    complete: bool
    new: bool


@dataclass(eq=False)
class _Turn:
    """One request's right to write to an upload, until a later request takes over: the earlier one may hang."""

    descriptor: int
    scanner: KeyScanner
    offset: int
    ended: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(eq=False)
class _Entry:
    """The same keys of one owner, as long as requests are about them. turn: of the latest upload that has not ended."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    turn: _Turn | None = None
    requests: int = 0


class Uploads:
    """Uploads of evaluation keys into a store.

    keys: of the store.
    disk: for all that touches files.
    check: called with owner and path of a complete upload, before it becomes the owner's keys.
    """

    def __init__(self, keys: KeyStore, disk: Disk, check: Check) -> None:
        self._keys, self._disk, self._check = keys, disk, check
        self._entries: dict[tuple[str, str], _Entry] = {}

    async def receive(
        self, owner: str, digest: str, offset: int, size: int, body: AsyncIterator[bytes]
    ) -> UploadProgress:
        """Receive bytes of an upload, and store it once all of them have arrived.

        A connection that breaks leaves what has arrived, to be resumed. An upload that is refused leaves nothing.

        owner: of the keys.
        digest: SHA-256 of their bytes, in hexadecimal digits.
        offset: where these bytes start; all before it must have arrived.
        size: of the whole upload, in bytes.
        body: the bytes.

        Raises Problem.
        """
        with self._entry(owner, digest) as entry:
            async with entry.lock:
                stored = await self._disk(self._keys.size, owner, digest)
                turn = None if stored is not None else await self._begin(entry, owner, digest, offset, size)
            if turn is None:
                return await self._compare(owner, digest, offset, size, stored or 0, body)
            try:
                return await self._receive_body(entry, turn, owner, digest, body)
            finally:
                turn.ended.set()
                async with entry.lock:  # no write is under way
                    os.close(turn.descriptor)
                    if entry.turn is turn:
                        entry.turn = None

    async def delete(self, owner: str, digest: str) -> bool:
        """Delete an owner's keys, or what has arrived of them. An upload that runs stores nothing.

        Returns whether there was anything.
        """
        with self._entry(owner, digest) as entry:
            async with entry.lock:
                entry.turn = None
                return await self._disk(self._keys.delete, owner, digest)

    @contextmanager
    def _entry(self, owner: str, digest: str) -> Iterator[_Entry]:
        """The entry of the same keys, as long as a request is about them."""
        entry = self._entries.setdefault((owner, digest), _Entry())
        entry.requests += 1
        try:
            yield entry
        finally:
            entry.requests -= 1
            if not entry.requests:
                del self._entries[owner, digest]

    async def _begin(self, entry: _Entry, owner: str, digest: str, offset: int, size: int) -> _Turn:
        """Take over what has arrived of an upload. Raises Problem where that is not `offset` bytes."""
        arrived = await self._disk(self._keys.count_arrived, owner, digest)
        if offset and arrived != offset:
            raise _offset_problem(arrived)
        busy = {other for who, other in self._entries if who == owner}
        try:
            descriptor = await self._disk(self._keys.open_part, owner, digest, busy, anew=not offset)
        except OSError as error:
            raise _storage_problem(error) from error
        turn = _Turn(descriptor, KeyScanner(size), offset)
        try:
            await self._disk(_replay, descriptor, offset, turn.scanner)
        except (SecretKeyFound, WireFormatError) as error:  # what the disk kept is not what was sent
            os.close(descriptor)
            await self._disk(self._keys.drop_part, owner, digest)
            raise _offset_problem(0) from error
        except BaseException:
            os.close(descriptor)
            raise
        entry.turn = turn
        return turn

    async def _compare(
        self, owner: str, digest: str, offset: int, size: int, stored: int, body: AsyncIterator[bytes]
    ) -> UploadProgress:
        """Require that a request for stored keys sends the same bytes. Raises Problem."""
        if offset:
            if offset != stored:
                raise _offset_problem(stored)
            async for _ in body:
                raise Problem(
                    422,
                    "malformed",
                    f"The keys are complete with {stored} bytes, and more came. Send nothing after them.",
                )
            return UploadProgress(stored, complete=True, new=False)
        count, hasher = 0, sha256()
        async for chunk in body:
            count += len(chunk)
            hasher.update(chunk)
        if (count, size, hasher.hexdigest()) != (stored, stored, digest):
            raise _digest_problem()
        await self._disk(self._keys.confirm, owner, digest)
        return UploadProgress(stored, complete=True, new=False)

    async def _receive_body(
        self, entry: _Entry, turn: _Turn, owner: str, digest: str, body: AsyncIterator[bytes]
    ) -> UploadProgress:
        """Write a body as it arrives, as far as it comes, and keep it once it is complete. Raises Problem."""
        scanner, resumed = turn.scanner, turn.offset > 0
        try:
            await self._write(entry, turn, owner, digest, body)
            if scanner.seen < scanner.size:
                return UploadProgress(scanner.seen, complete=False, new=False)
            if scanner.hexdigest != digest:
                raise _digest_problem()
            async with entry.lock:
                if entry.turn is turn:
                    await self._disk(os.fsync, turn.descriptor)
                    await self._check(owner, self._keys.part(owner, digest))
                    await self._disk(self._keys.keep, owner, digest)
                    return UploadProgress(scanner.size, complete=True, new=True)
        except SecretKeyFound as error:
            detail = (
                "This is a secret key, or holds one. It was not stored. Send the evaluation keys; make new keys "
                "where others could read this connection."
            )
            await self._refuse(entry, turn, owner, digest, Problem(422, "secret-key", detail, headers=_CLOSE), error)
        except WireFormatError as error:
            # what had arrived before may be what is wrong: a power cut, for one
            problem = _offset_problem(0) if resumed else Problem(422, "malformed", str(error), headers=_CLOSE)
            await self._refuse(entry, turn, owner, digest, problem, error)
        except OSError as error:
            await self._refuse(entry, turn, owner, digest, _storage_problem(error), error)
        except Problem as problem:
            if problem.kind == "digest" and resumed:
                problem = _offset_problem(0)
            elif problem.status != 422:
                raise
            await self._refuse(entry, turn, owner, digest, problem, problem)
        return await self._follow(entry, owner, digest, scanner.size)

    async def _follow(self, entry: _Entry, owner: str, digest: str, size: int) -> UploadProgress:
        """Wait for the outcome of the request that took over from a complete upload: it counts for both."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PATIENCE
        while (other := entry.turn) is not None and not other.ended.is_set() and loop.time() < deadline:
            try:
                async with asyncio.timeout_at(deadline):
                    await other.ended.wait()
            except TimeoutError:
                break
        async with entry.lock:
            if await self._disk(self._keys.size, owner, digest) is not None:
                return UploadProgress(size, complete=True, new=False)
        raise Problem(409, "superseded", "A later request for the same keys took over. Ask with HEAD how far it is.")

    async def _refuse(
        self, entry: _Entry, turn: _Turn, owner: str, digest: str, problem: Problem, cause: Exception
    ) -> NoReturn:
        """Delete what has arrived of an upload, and raise the problem."""
        async with entry.lock:
            if entry.turn is turn:
                entry.turn = None
                await self._disk(self._keys.drop_part, owner, digest)
        raise problem from cause

    async def _write(self, entry: _Entry, turn: _Turn, owner: str, digest: str, body: AsyncIterator[bytes]) -> None:
        """Write a body after what has arrived. Raises Problem, ClientDisconnect, and what scanner and disk raise."""
        scanner, part, buffer = turn.scanner, self._keys.part(owner, digest), bytearray()

        async def flush() -> None:
            nonlocal buffer
            whole, buffer = bytes(buffer), bytearray()
            async with entry.lock:
                if whole and entry.turn is turn:
                    await self._disk(write_all, turn.descriptor, whole, turn.offset)
                    await self._disk(self._keys.mark, part)
                    turn.offset += len(whole)

        try:
            async for chunk in body:
                if scanner.seen + len(chunk) > scanner.size:
                    raise Problem(
                        422,
                        "malformed",
                        f"More bytes came than the {scanner.size} announced. Announce as many as you send.",
                    )
                scanner.feed(chunk)
                buffer += chunk
                if len(buffer) >= _BUFFER:
                    await flush()
        except (ClientDisconnect, Problem) as error:
            if not (isinstance(error, Problem) and error.status == 422):
                await flush()
            raise
        await flush()


def _offset_problem(arrived: int) -> Problem:
    """The problem of bytes that do not start where the upload stands."""
    detail = f"{arrived} bytes have arrived. Go on from there, or start again with PUT."
    return Problem(409, "offset", detail, headers={"Upload-Offset": str(arrived)})


def _digest_problem() -> Problem:
    """The problem of bytes with another SHA-256 than the address states."""
    return Problem(422, "digest", "The SHA-256 of the bytes is not the one in the address. Send them again.")


def _storage_problem(error: OSError) -> Problem:
    """The problem of an upload that could not be written."""
    if no_space(error):
        detail = "There is no room to store the keys. Nothing of them was kept. Try again later."
        return Problem(507, "no-space", detail, headers=_CLOSE)
    detail = "The keys could not be stored. Ask with HEAD what is here, and send them again."
    return Problem(503, "storage", detail, retry_after=2, headers=_CLOSE)


def _replay(descriptor: int, size: int, scanner: KeyScanner) -> None:
    """Feed a scanner with what has arrived."""
    offset = 0
    while offset < size and (chunk := os.pread(descriptor, min(_BUFFER, size - offset), offset)):
        scanner.feed(chunk)
        offset += len(chunk)
