"""A lock that names its holder, and ends with the process that holds it, however that ends."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from fhenn.errors import StoreLocked
from fhenn.filelock import try_lock

_PAUSE = 0.02
"""Seconds between two attempts."""


class Lock:
    """An exclusive lock on a file; give it back with `release`, or use it in a `with`.

    path: the file, made where it is missing; its text names the holder.
    suggestion: the way out for whoever is refused.
    wait: how long to wait for another holder, in seconds.
    Raises StoreLocked where another holder keeps it, OSError.
    """

    def __init__(self, path: Path, suggestion: str, wait: float = 0.0) -> None:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        self._descriptor = os.open(path, flags, 0o600)
        deadline = time.monotonic() + wait
        try:
            while not try_lock(self._descriptor):
                if time.monotonic() >= deadline:
                    raise StoreLocked(str(path), _holder(self._descriptor), suggestion)
                time.sleep(_PAUSE)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        except BaseException:
            os.close(self._descriptor)
            raise

    def release(self) -> None:
        """Release the lock."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def holder_of(path: Path) -> str | None:
    """Who holds the lock on a file; None where nobody does, or there is no such file. Nothing is changed.

    path: the file.

    Raises OSError.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return None
    try:
        return None if try_lock(descriptor) else _holder(descriptor)
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    """Who holds a lock, as its file says."""
    return os.pread(descriptor, 200, 0).decode(errors="replace") or "another process"
