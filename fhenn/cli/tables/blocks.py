"""The bytes of a text file in blocks that end where a line does."""

from __future__ import annotations

from typing import BinaryIO


class Blocks:
    """A file that is read from its start to its end.

    file: open for reading bytes.

    `taken` and `newlines` count the bytes that were taken, and the newlines among them.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._ahead, self._is_read = file, b"", False
        self.taken = self.newlines = 0

    def peek(self, size: int) -> tuple[bytes, bool]:
        """The bytes that come next, in whole lines, and whether they are all that there are.

        size: how many there should be at least.

        Raises OSError.
        """
        end = self._line_end(size)
        return self._ahead[:end], self._is_read and end == len(self._ahead)

    def take(self, size: int) -> bytes:
        """The next bytes, in whole lines; nothing at the file's end.

        size: how many, at most if a line ends among them.

        Raises OSError.
        """
        return self.skip(self._line_end(size, most=True))

    def skip(self, count: int) -> bytes:
        """The next bytes, which were seen by `peek`."""
        block, self._ahead = self._ahead[:count], self._ahead[count:]
        self.taken += len(block)
        self.newlines += block.count(b"\n")
        return block

    def put_back(self, block: bytes) -> None:
        """Undo the taking of the last bytes that were taken."""
        self._ahead = block + self._ahead
        self.taken -= len(block)
        self.newlines -= block.count(b"\n")

    def _line_end(self, size: int, most: bool = False) -> int:
        """Where a line ends in the bytes ahead: the first end from `size` on, or, for `most`, the last one up to it."""
        while True:
            self._read(size)
            if self._is_read and len(self._ahead) <= size:
                return len(self._ahead)
            for newline in (b"\n", b"\r"):
                # the last return may be the half of a line's end
                stop = len(self._ahead) - (newline == b"\r")
                end = self._ahead.rfind(newline, 0, min(size, stop)) + 1 if most else 0
                end = end or self._ahead.find(newline, max(size - 1, 0), stop) + 1
                if end:
                    return end
            if self._is_read:
                return len(self._ahead)
            self._read(2 * len(self._ahead))

    def _read(self, size: int) -> None:
        """Have as many bytes ahead, unless there are fewer."""
        pieces = [self._ahead]
        needed = size - len(self._ahead)
        while needed > 0 and not self._is_read:
            piece = self._file.read(needed)
            self._is_read = not piece
            pieces.append(piece)
            needed -= len(piece)
        if len(pieces) > 1:
            self._ahead = b"".join(pieces)
