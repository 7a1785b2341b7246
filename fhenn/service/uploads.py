"""Evaluation keys on their way in: written as they arrive, resumed where they broke off, kept once checked."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect

from fhenn.errors import WireFormatError
from fhenn.service.problems import Problem
from fhenn.service.scan import KeyScanner, SecretKeyFound
from fhenn.service.store import Store, no_space

_BUFFER = 1 << 20

Check = Callable[[str, Path], Awaitable[dict[str, Any]]]
"""Checks an owner's complete file of keys in a worker. Raises Problem where they are no good."""


@dataclass(eq=False)
class _Turn:
    """One request's right to write to an upload, until a later request takes over: the earlier may hang half open."""

    taken_over: bool = False

    def require(self) -> None:
        """Raises Problem where another request has taken over."""
        if self.taken_over:
            raise Problem(409, "superseded", "A later upload of the same keys took over. Ask with HEAD how far it is.")


class Uploads:
    """Uploads into a store. check: called with owner and path of a complete one, before it becomes an owner's keys."""

    def __init__(self, store: Store, check: Check) -> None:
        self._store, self._check = store, check
        self._turns: dict[tuple[str, str], _Turn] = {}

    async def receive(self, owner: str, digest: str, offset: int, size: int, body: AsyncIterator[bytes]) -> int:
        """Take bytes of an upload from `offset` on; how many of its `size` have arrived, all of them: it is stored.

        A connection that breaks leaves what has arrived, to be resumed; what is refused leaves nothing. Raises Problem.
        """
        with self._turn(owner, digest) as turn, self._clean(owner, digest, turn):
            self._store.make_room_for_upload(owner, digest)
            if offset == 0:
                self._store.drop_upload(owner, digest)
            arrived = self._store.arrived(owner, digest)
            if arrived != offset:
                detail = f"{arrived} bytes have arrived. Go on from there, or start again with PUT."
                raise Problem(409, "offset", detail, headers={"Upload-Offset": str(arrived)})
            scanner, part = KeyScanner(size), self._store.part_path(owner, digest)
            if arrived:
                await asyncio.to_thread(_replay, part, scanner)
            await _write(part, scanner, body, turn)
            if scanner.seen < size:
                return scanner.seen
            if scanner.hexdigest != digest:
                raise Problem(422, "digest", "The bytes do not have the digest that the address names. Send them anew.")
            await self._check(owner, part)
            turn.require()
            self._store.keep_upload(owner, digest)
            return size

    @contextmanager
    def _turn(self, owner: str, digest: str) -> Iterator[_Turn]:
        if (owner, digest) in self._turns:
            self._turns[owner, digest].taken_over = True
        turn = self._turns[owner, digest] = _Turn()
        try:
            yield turn
        finally:
            if not turn.taken_over:
                del self._turns[owner, digest]

    @contextmanager
    def _clean(self, owner: str, digest: str, turn: _Turn) -> Iterator[None]:
        """Leave nothing of an upload that is refused or cannot be written. Raises Problem for all that goes wrong."""
        try:
            try:
                yield
            except SecretKeyFound as error:
                detail = (
                    "This is a secret key, or holds one. It was not stored. Send the evaluation keys; make new keys "
                    "where others could read this connection."
                )
                raise Problem(422, "secret-key", detail, headers={"Connection": "close"}) from error
            except WireFormatError as error:
                raise Problem(422, "malformed", str(error), headers={"Connection": "close"}) from error
            except (OSError, sqlite3.Error) as error:
                if not no_space(error):
                    raise
                detail = "There is no room to store the keys. Nothing of them was kept. Try again later."
                raise Problem(507, "no-space", detail, headers={"Connection": "close"}) from error
        except (Problem, OSError, sqlite3.Error) as error:
            if not turn.taken_over and not (isinstance(error, Problem) and error.status not in (422, 507)):
                self._store.drop_upload(owner, digest)
            raise


async def _write(part: Path, scanner: KeyScanner, body: AsyncIterator[bytes], turn: _Turn) -> None:
    """Write a body after what the scanner has seen, as it arrives, also where it breaks off.

    Raises Problem, and what scanner and disk raise.
    """
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT, 0o600)
    # at its own place: a write that is still under way when another request takes over writes the same bytes there
    at, buffer = scanner.seen, bytearray()

    async def flush() -> None:
        nonlocal at, buffer
        whole, buffer = bytes(buffer), bytearray()
        await asyncio.to_thread(_write_all, descriptor, whole, at)
        at += len(whole)

    try:
        try:
            async for chunk in body:
                turn.require()
                if scanner.seen + len(chunk) > scanner.size:
                    raise Problem(422, "malformed", f"More than the {scanner.size} bytes that were announced came.")
                scanner.feed(chunk)
                buffer += chunk
                if len(buffer) >= _BUFFER:
                    await flush()
        except (ClientDisconnect, Problem) as error:
            if not turn.taken_over and not (isinstance(error, Problem) and error.status == 422):
                await flush()
            raise
        turn.require()
        await flush()
        await asyncio.to_thread(os.fsync, descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, at)
        view, at = view[written:], at + written


def _replay(part: Path, scanner: KeyScanner) -> None:
    with part.open("rb") as file:
        while chunk := file.read(_BUFFER):
            scanner.feed(chunk)
