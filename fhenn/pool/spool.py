"""Answers that are being sent: in memory while they are small, in a file without a name when they are larger."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Self

_IN_MEMORY = 1 << 20
"""Bytes of an answer above which it goes to the disk, unless it is said otherwise."""


class SpoolFull(Exception):
    """An answer is larger than it may be, or all together are, or the disk is full.

    reason: which of these, as a clause.
    retry: whether the same request may do better later.
    """

    def __init__(self, reason: str, retry: bool) -> None:
        super().__init__(reason)
        self.reason, self.retry = reason, retry


class Spools:
    """All answers that are being sent; its methods may be called from any thread.

    folder: of the files.
    largest: most bytes of one answer.
    most: most bytes of all answers together.
    in_memory: bytes of one answer above which it goes to the disk.
    """

    def __init__(self, folder: Path, largest: int, most: int, in_memory: int = _IN_MEMORY) -> None:
        self.folder, self.largest, self.in_memory = folder, largest, in_memory
        self._most, self._held_bytes, self._lock = most, 0, threading.Lock()

    @property
    def held_bytes(self) -> int:
        """Bytes of all answers, in memory and on the disk."""
        return self._held_bytes

    def open(self) -> Spool:
        """An empty answer."""
        return Spool(self)

    def reserve(self, size: int) -> None:
        """Count bytes of an answer before they are added. Raises SpoolFull where they are too many."""
        with self._lock:
            if self._held_bytes + size > self._most:
                raise SpoolFull(f"the answers that are being sent may have {self._most} bytes in all", retry=True)
            self._held_bytes += size

    def release(self, size: int) -> None:
        """Count bytes of an answer no longer."""
        with self._lock:
            self._held_bytes -= size


class Spool:
    """One answer, written and then read, by one thread at a time; close it in any case."""

    def __init__(self, spools: Spools) -> None:
        self._spools = spools
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self._closed, self._lock = False, threading.Lock()
        self.size = 0

    @property
    def on_disk(self) -> bool:
        """Whether reading it touches the disk."""
        return self._file is not None

    def fits_in_memory(self, size: int) -> bool:
        """Whether to append so many bytes touches no disk."""
        return self._file is None and self.size + size <= self._spools.in_memory

    def append(self, piece: bytes) -> None:
        """Add bytes. Raises SpoolFull where it becomes too large or cannot be written, ValueError once it is closed."""
        with self._lock:  # whoever waits for it may give up, and close it, while a worker's thread adds to it
            if self._closed:
                raise ValueError("the answer is closed")
            if self.size + len(piece) > self._spools.largest:
                raise SpoolFull(f"an answer may have {self._spools.largest} bytes", retry=False)
            self._spools.reserve(len(piece))
            self.size += len(piece)
        try:
            if self._file is None and self.size <= self._spools.in_memory:
                self._memory += piece
                return
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._spools.folder, buffering=0)  # noqa: SIM115
                _write_all(self._file, bytes(self._memory))
                self._memory = bytearray()
            _write_all(self._file, piece)
        except OSError as error:
            raise SpoolFull("the disk has no room for it", retry=True) from error

    def read(self, start: int, size: int) -> bytes:
        """At most `size` bytes from the offset `start` on. Raises OSError."""
        if self._file is None:
            return bytes(self._memory[start : start + size])
        self._file.seek(start)
        data = b""
        while len(data) < min(size, self.size - start):
            piece = self._file.read(min(size, self.size - start) - len(data))
            if not piece:
                raise OSError("an answer was cut short on the disk")
            data += piece
        return data

    def close(self) -> None:
        """Drop the bytes; it may be called again."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._spools.release(self.size)
        self._memory = bytearray()
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _write_all(file: IO[bytes], data: bytes) -> None:
    """Write all bytes to a file, however few the system writes at once."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
